/*
 * Two agents in C: one echoes what it is sent, the other pings it and counts the answers.
 *
 *   cc -std=c11 -Iinclude -o ping examples/c/ping.c -Ltarget/release -Wl,-rpath,$PWD/target/release -lswarmbus
 *   ./ping echo demo &
 *   ./ping ping demo 1000
 */
#define _POSIX_C_SOURCE 200809L
#include "swarmbus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t SECOND = INT64_C(1000000000);

/* Ends the program with what went wrong. */
static void must(int32_t code, const char *what) {
    if (code == SWARMBUS_OK) return;
    fprintf(stderr, "ping: %s: %s: %s\n", what, swarmbus_error_name(code), swarmbus_last_error());
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* Answers each message to its sender, urgently and with the same correlation, until the bus is destroyed. */
static int echo(swarmbus_bus *bus) {
    swarmbus_agent *me;
    must(swarmbus_attach(bus, "echo", &me, NULL), "attach echo");
    for (;;) {
        swarmbus_message request;
        swarmbus_loan answer;
        swarmbus_send_opts opts = {.struct_size = sizeof opts, .lane = SWARMBUS_LANE_URGENT};
        char sender[SWARMBUS_NAME_SIZE];
        int32_t code = swarmbus_receive(me, SWARMBUS_FOREVER, &request, NULL);
        if (code == SWARMBUS_CLOSED) break;
        must(code, "receive");
        must(swarmbus_message_sender(me, &request, sender, sizeof sender), "sender");
        must(swarmbus_message_correlation(me, &request, &opts.correlation), "correlation");
        if (sender[0] != '\0') {
            must(swarmbus_loan_get(me, request.length, &answer), "loan");
            if (request.length > 0) memcpy(answer.data, request.data, request.length);
            /* An asker that is gone or does not listen must not stop this agent. */
            if (swarmbus_publish(me, &answer, sender, request.length, SECOND, NULL, &opts) != SWARMBUS_OK) {
                fprintf(stderr, "ping: no answer to %s: %s\n", sender, swarmbus_last_error());
                must(swarmbus_loan_discard(me, &answer), "discard");
            }
        }
        must(swarmbus_release(me, &request), "release");
    }
    must(swarmbus_agent_close(me), "close");
    return 0;
}

static int ping(swarmbus_bus *bus, uint64_t count) {
    swarmbus_agent *me;
    must(swarmbus_attach(bus, "ping", &me, NULL), "attach ping");
    must(swarmbus_declare(bus, "echo", NULL), "declare echo");
    int64_t start = now_ns();
    for (uint64_t number = 1; number <= count; number++) {
        swarmbus_send_opts opts = {.struct_size = sizeof opts, .correlation = number};
        swarmbus_message answer;
        uint64_t correlation;
        must(swarmbus_send(me, "echo", "ping", 4, SWARMBUS_FOREVER, NULL, &opts), "send");
        must(swarmbus_receive(me, 60 * SECOND, &answer, NULL), "receive");
        must(swarmbus_message_correlation(me, &answer, &correlation), "correlation");
        if (correlation != number || answer.length != 4 || memcmp(answer.data, "ping", 4) != 0) {
            fprintf(stderr, "ping: this is no answer to message %" PRIu64 "\n", number);
            return 1;
        }
        must(swarmbus_release(me, &answer), "release");
    }
    int64_t elapsed_ns = now_ns() - start;
    printf("%" PRIu64 " answers, %" PRId64 " ns each\n", count, count ? elapsed_ns / (int64_t)count : 0);
    must(swarmbus_agent_close(me), "close");
    /* The echo agent sees this as SWARMBUS_CLOSED and ends. */
    must(swarmbus_bus_destroy(bus), "destroy");
    return 0;
}

int main(int argc, char **argv) {
    swarmbus_bus *bus;
    swarmbus_bus_create_opts opts = {.struct_size = sizeof opts, .agents = 64, .heap_bytes = 64 << 20};
    int pings = argc == 4 && strcmp(argv[1], "ping") == 0;
    if (!pings && !(argc == 3 && strcmp(argv[1], "echo") == 0)) {
        fprintf(stderr, "usage: ping echo BUS | ping ping BUS COUNT\n");
        return 64;
    }
    must(swarmbus_bus_open_or_create(argv[2], &bus, &opts), "open the bus");
    int status = pings ? ping(bus, strtoull(argv[3], NULL, 10)) : echo(bus);
    must(swarmbus_bus_close(bus), "close the bus");
    return status;
}

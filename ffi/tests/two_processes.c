/* Two processes talk: the child opens the bus by name after the fork, answers each request, and leaves. */
#include "check.h"

#include <sys/wait.h>

enum { ROUNDS = 2000 };

static int answer(const char *name) {
    swarmbus_bus *bus = NULL;
    swarmbus_agent *me = NULL;
    OK(swarmbus_bus_open(name, &bus, NULL));
    OK(swarmbus_attach(bus, "answerer", &me, NULL));
    for (;;) {
        swarmbus_message request;
        char sender[SWARMBUS_NAME_SIZE];
        int32_t code = swarmbus_receive(me, PATIENCE, &request, NULL);
        if (code == SWARMBUS_CLOSED) break;
        OK(code);
        swarmbus_send_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.struct_size = sizeof opts;
        opts.lane = SWARMBUS_LANE_URGENT;
        OK(swarmbus_message_correlation(me, &request, &opts.correlation));
        OK(swarmbus_message_sender(me, &request, sender, sizeof sender));
        uint64_t number;
        CHECK(request.length == sizeof number);
        memcpy(&number, request.data, sizeof number);
        number *= 3;
        OK(swarmbus_release(me, &request));
        OK(swarmbus_send(me, sender, &number, sizeof number, PATIENCE, NULL, &opts));
    }
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    OK(swarmbus_declare(bus, "answerer", NULL));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(answer(argv[1]));

    swarmbus_agent *me = NULL;
    OK(swarmbus_attach(bus, "asker", &me, NULL));
    for (uint64_t round = 0; round < ROUNDS; round++) {
        swarmbus_send_opts opts;
        swarmbus_message reply;
        uint64_t correlation = 0, number = 0;
        memset(&opts, 0, sizeof opts);
        opts.struct_size = sizeof opts;
        opts.correlation = round + 1;
        OK(swarmbus_send(me, "answerer", &round, sizeof round, PATIENCE, NULL, &opts));
        OK(swarmbus_receive(me, PATIENCE, &reply, NULL));
        OK(swarmbus_message_correlation(me, &reply, &correlation));
        CHECK(reply.length == sizeof number);
        memcpy(&number, reply.data, sizeof number);
        CHECK(correlation == round + 1 && number == round * 3);
        OK(swarmbus_release(me, &reply));
    }
    OK(swarmbus_close_queue(me, "answerer"));
    CHECK_CODE(swarmbus_send(me, "answerer", "x", 1, 0, NULL, NULL), SWARMBUS_CLOSED);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

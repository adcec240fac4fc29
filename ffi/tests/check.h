/* What the test programs share: checks that say what failed, and a bus that is gone when the program ends. */
#ifndef SWARMBUS_TEST_CHECK_H
#define SWARMBUS_TEST_CHECK_H

#include "swarmbus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Long enough for any machine: it guards against hanging only. */
#define PATIENCE INT64_C(30000000000)

static const char *test_bus = NULL;
static pid_t test_owner = 0;

static inline void test_remove_bus(void) {
    swarmbus_bus *bus = NULL;
    if (test_bus == NULL || getpid() != test_owner) return;
    if (swarmbus_bus_open(test_bus, &bus, NULL) == SWARMBUS_OK) {
        swarmbus_bus_destroy(bus);
        swarmbus_bus_close(bus);
    }
}

#define CHECK(condition)                                                                                             \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, #condition,                  \
                    swarmbus_last_error());                                                                          \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

#define CHECK_CODE(call, wanted)                                                                                     \
    do {                                                                                                             \
        int32_t code_ = (call);                                                                                      \
        if (code_ != (wanted)) {                                                                                     \
            fprintf(stderr, "%s:%d: %s is %s (%d), not %s: %s\n", __FILE__, __LINE__, #call,                         \
                    swarmbus_error_name(code_), (int)code_, swarmbus_error_name(wanted), swarmbus_last_error());     \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

#define OK(call) CHECK_CODE(call, SWARMBUS_OK)
#define LAST_ERROR_HAS(part) CHECK(strstr(swarmbus_last_error(), part) != NULL)

/* Makes the bus that the runner names; it is destroyed when this process exits. */
static inline swarmbus_bus *test_create(int argc, char **argv, const swarmbus_bus_create_opts *opts) {
    swarmbus_bus *bus = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: %s BUS\n", argv[0]);
        exit(2);
    }
    OK(swarmbus_bus_create(argv[1], &bus, opts));
    test_bus = argv[1];
    test_owner = getpid();
    CHECK(atexit(test_remove_bus) == 0);
    return bus;
}

/* Options that keep the segment of a test small. */
static inline swarmbus_bus_create_opts test_small(void) {
    swarmbus_bus_create_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.agents = 64;
    opts.heap_bytes = 64u << 20;
    return opts;
}

/* Runs `child` in a process of its own, which opens the bus by its name. */
static inline pid_t test_spawn(int (*child)(swarmbus_bus *bus)) {
    swarmbus_bus *bus = NULL;
    pid_t pid;
    fflush(NULL);
    pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    OK(swarmbus_bus_open(test_bus, &bus, NULL));
    exit(child(bus));
}

/* Waits for a child, which must have ended well. */
static inline void test_join(pid_t child) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) fprintf(stderr, "child %d was ended by signal %d\n", (int)child, WTERMSIG(status));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Receives a message that must be `text`, and releases it. */
static inline void test_expect(swarmbus_agent *me, const char *text) {
    swarmbus_message message;
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    CHECK(message.length == strlen(text) && memcmp(message.data, text, message.length) == 0);
    OK(swarmbus_release(me, &message));
}

#endif

/* A caller's hook ends a wait when a signal came; without a hook the signal changes nothing. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

static volatile sig_atomic_t signalled;
static pthread_t waiter;
static volatile sig_atomic_t done;

static void on_signal(int number) {
    (void)number;
    signalled = 1;
}

static int was_signalled(void *context) {
    ++*(int *)context;
    return signalled;
}

/* Signals until the waiter has left its wait, since nobody can tell when it is asleep. */
static void *signaller(void *unused) {
    (void)unused;
    while (!done) {
        struct timespec pause = {0, 5000000};
        pthread_kill(waiter, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_message message;
    swarmbus_receive_opts opts;
    swarmbus_send_opts send;
    swarmbus_declare_opts one;
    struct sigaction action;
    pthread_t thread;
    int asked = 0;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    memset(&one, 0, sizeof one);
    one.struct_size = sizeof one;
    one.limit = 1;
    OK(swarmbus_declare(bus, "tiny", &one));
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    waiter = pthread_self();
    CHECK(pthread_create(&thread, NULL, signaller, NULL) == 0);

    /* Without a hook: the deadline ends the wait, not the signals. */
    CHECK_CODE(swarmbus_receive(me, 50000000, &message, NULL), SWARMBUS_TIMEOUT);
    signalled = 0;

    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.interrupted = was_signalled;
    opts.context = &asked;
    CHECK_CODE(swarmbus_receive(me, PATIENCE, &message, &opts), SWARMBUS_INTERRUPTED);
    CHECK(asked > 0 && message.data == NULL);

    /* The same for a sender that waits for room. */
    int32_t code = SWARMBUS_OK;
    for (int count = 0; count < 1000 && code == SWARMBUS_OK; count++) {
        code = swarmbus_send(me, "tiny", "x", 1, 0, NULL, NULL);
    }
    CHECK_CODE(code, SWARMBUS_FULL);
    asked = 0;
    signalled = 0;
    memset(&send, 0, sizeof send);
    send.struct_size = sizeof send;
    send.interrupted = was_signalled;
    send.context = &asked;
    CHECK_CODE(swarmbus_send(me, "tiny", "x", 1, PATIENCE, NULL, &send), SWARMBUS_INTERRUPTED);
    CHECK(asked > 0);

    done = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

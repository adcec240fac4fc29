/* A process that is killed with a message in hand: a reap gives the message back, and its successor gets it as the
   second delivery. */
#include "check.h"

#include <signal.h>
#include <sys/wait.h>

static void hold(const char *name) {
    swarmbus_bus *bus = NULL;
    swarmbus_agent *worker = NULL;
    swarmbus_message message;
    OK(swarmbus_bus_open(name, &bus, NULL));
    OK(swarmbus_attach(bus, "worker", &worker, NULL));
    OK(swarmbus_receive(worker, PATIENCE, &message, NULL));
    raise(SIGKILL);
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_message message;
    swarmbus_reaped reaped;
    uint32_t deliveries = 0;
    int status = 0;
    OK(swarmbus_declare(bus, "worker", NULL));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        hold(argv[1]);
        _exit(1);
    }
    OK(swarmbus_join(bus, &me, NULL));
    OK(swarmbus_send(me, "worker", "job", 3, 0, NULL, NULL));
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    memset(&reaped, 0, sizeof reaped);
    OK(swarmbus_reap_process(me, (uint32_t)child, &reaped));
    CHECK(reaped.members == 1 && reaped.redelivered == 1 && reaped.deferred == 0);
    OK(swarmbus_reap(me, &reaped));
    CHECK(reaped.members == 0 && reaped.redelivered == 0);
    OK(swarmbus_reap(me, NULL));
    CHECK_CODE(swarmbus_reap_process(me, 0, NULL), SWARMBUS_INVALID_ARGUMENT);

    /* The mailbox has no owner now, so any member may receive from it. */
    OK(swarmbus_receive_from(me, "worker", PATIENCE, &message, NULL));
    OK(swarmbus_message_deliveries(me, &message, &deliveries));
    CHECK(message.length == 3 && memcmp(message.data, "job", 3) == 0 && deliveries == 2);
    OK(swarmbus_release(me, &message));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

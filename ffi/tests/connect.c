/* An agent that the environment names, as a supervisor starts it. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_message message;
    char name[SWARMBUS_NAME_SIZE];
    unsetenv("SWARMBUS");
    unsetenv("SWARMBUS_AGENT");
    CHECK(swarmbus_connect(&me, NULL) < 0);
    CHECK(me == NULL);
    LAST_ERROR_HAS("SWARMBUS");
    CHECK(setenv("SWARMBUS", argv[1], 1) == 0);
    CHECK(setenv("SWARMBUS_AGENT", "worker-1", 1) == 0);
    OK(swarmbus_connect(&me, NULL));
    OK(swarmbus_agent_name(me, name, sizeof name));
    CHECK(strcmp(name, "worker-1") == 0);
    OK(swarmbus_send(me, "worker-1", "x", 1, 0, NULL, NULL));
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    OK(swarmbus_release(me, &message));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

/* NULL, closed handles, handles of another kind and numbers that are no handles: an error each, never a crash. */
#include "check.h"

static void refuse_agent(swarmbus_agent *agent, int32_t wanted, const char *text) {
    swarmbus_message message;
    swarmbus_loan loan;
    char name[SWARMBUS_NAME_SIZE];
    uint64_t number;
    memset(&message, 0, sizeof message);
    memset(&loan, 0, sizeof loan);
    CHECK_CODE(swarmbus_send(agent, "me", "x", 1, 0, NULL, NULL), wanted);
    LAST_ERROR_HAS(text);
    CHECK_CODE(swarmbus_receive(agent, 0, &message, NULL), wanted);
    CHECK_CODE(swarmbus_receive_from(agent, "me", 0, &message, NULL), wanted);
    CHECK_CODE(swarmbus_release(agent, &message), wanted);
    CHECK_CODE(swarmbus_nack(agent, &message), wanted);
    CHECK_CODE(swarmbus_message_id(agent, &message, &number), wanted);
    CHECK_CODE(swarmbus_loan_get(agent, 1, &loan), wanted);
    CHECK_CODE(swarmbus_publish(agent, &loan, "me", 1, 0, NULL, NULL), wanted);
    CHECK_CODE(swarmbus_loan_discard(agent, &loan), wanted);
    CHECK_CODE(swarmbus_agent_name(agent, name, sizeof name), wanted);
    CHECK_CODE(swarmbus_set_sender(agent, "me"), wanted);
    CHECK_CODE(swarmbus_close_queue(agent, "me"), wanted);
    CHECK_CODE(swarmbus_reopen_queue(agent, "me"), wanted);
    CHECK_CODE(swarmbus_reap(agent, NULL), wanted);
    CHECK_CODE(swarmbus_reap_process(agent, 1, NULL), wanted);
    if (agent != NULL) CHECK_CODE(swarmbus_agent_close(agent), wanted);
}

static void refuse_bus(swarmbus_bus *bus, int32_t wanted, const char *text) {
    swarmbus_agent *agent = NULL;
    char name[SWARMBUS_NAME_SIZE];
    CHECK_CODE(swarmbus_declare(bus, "me", NULL), wanted);
    LAST_ERROR_HAS(text);
    CHECK_CODE(swarmbus_attach(bus, "me", &agent, NULL), wanted);
    CHECK_CODE(swarmbus_join(bus, &agent, NULL), wanted);
    CHECK_CODE(swarmbus_bus_name(bus, name, sizeof name), wanted);
    CHECK_CODE(swarmbus_bus_destroy(bus), wanted);
    if (bus != NULL) CHECK_CODE(swarmbus_bus_close(bus), wanted);
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_bus *again = NULL;
    swarmbus_agent *me = NULL;
    swarmbus_agent *next = NULL;
    swarmbus_message message;
    char name[SWARMBUS_NAME_SIZE];
    uint64_t number = 0;
    OK(swarmbus_attach(bus, "me", &me, NULL));

    refuse_agent(NULL, SWARMBUS_NULL_POINTER, "agent is NULL");
    refuse_agent((swarmbus_agent *)(void *)bus, SWARMBUS_BAD_HANDLE, "it is a bus handle");
    refuse_agent((swarmbus_agent *)(void *)&message, SWARMBUS_BAD_HANDLE, "no handle of this library");
    refuse_bus(NULL, SWARMBUS_NULL_POINTER, "bus is NULL");
    refuse_bus((swarmbus_bus *)(void *)me, SWARMBUS_BAD_HANDLE, "it is an agent handle");
    refuse_bus((swarmbus_bus *)(void *)&message, SWARMBUS_BAD_HANDLE, "no handle of this library");

    /* NULL in place of a name, an output or the data. */
    CHECK_CODE(swarmbus_bus_open(NULL, &again, NULL), SWARMBUS_NULL_POINTER);
    LAST_ERROR_HAS("name is NULL");
    CHECK_CODE(swarmbus_bus_open(argv[1], NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_bus_create(argv[1], NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_attach(bus, NULL, &next, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_attach(bus, "next", NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_join(bus, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_connect(NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_declare(bus, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_send(me, NULL, "x", 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    LAST_ERROR_HAS("to is NULL");
    CHECK_CODE(swarmbus_send(me, "me", NULL, 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    LAST_ERROR_HAS("data is NULL");
    CHECK_CODE(swarmbus_receive(me, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_receive_from(me, NULL, 0, &message, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_release(me, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_loan_get(me, 1, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_publish(me, NULL, "me", 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_agent_name(me, NULL, 64), SWARMBUS_NULL_POINTER);
    OK(swarmbus_send(me, "me", "x", 1, 0, NULL, NULL));
    OK(swarmbus_receive(me, 0, &message, NULL));
    CHECK_CODE(swarmbus_message_id(me, &message, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_message_id(me, NULL, &number), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_message_sender(me, &message, NULL, 64), SWARMBUS_NULL_POINTER);
    OK(swarmbus_release(me, &message));

    /* A closed agent stays closed when its place in the table has a new one. */
    OK(swarmbus_agent_close(me));
    refuse_agent(me, SWARMBUS_BAD_HANDLE, "closed");
    OK(swarmbus_attach(bus, "me", &next, NULL));
    CHECK(next != me);
    refuse_agent(me, SWARMBUS_BAD_HANDLE, "closed");
    OK(swarmbus_agent_name(next, name, sizeof name));

    /* The same with a bus; the agent goes on. */
    OK(swarmbus_bus_open(argv[1], &again, NULL));
    OK(swarmbus_bus_close(bus));
    refuse_bus(bus, SWARMBUS_BAD_HANDLE, "closed");
    OK(swarmbus_send(next, "me", "x", 1, 0, NULL, NULL));
    OK(swarmbus_bus_name(again, name, sizeof name));
    OK(swarmbus_bus_close(again));
    OK(swarmbus_agent_close(next));
    return 0;
}

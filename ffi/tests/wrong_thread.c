/* An agent belongs to its thread; a bus belongs to all; a thread that ends gives back what its agents held. */
#include "check.h"

#include <pthread.h>

static swarmbus_bus *bus;
static swarmbus_agent *owned;
static swarmbus_message held;

static void *stranger(void *unused) {
    swarmbus_message message = held;
    uint64_t id = 0;
    (void)unused;
    CHECK(strcmp(swarmbus_last_error(), "") == 0);
    CHECK_CODE(swarmbus_send(owned, "owner", "x", 1, 0, NULL, NULL), SWARMBUS_WRONG_THREAD);
    LAST_ERROR_HAS("thread");
    CHECK_CODE(swarmbus_receive(owned, SWARMBUS_FOREVER, &message, NULL), SWARMBUS_WRONG_THREAD);
    message = held;
    CHECK_CODE(swarmbus_release(owned, &message), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_message_id(owned, &message, &id), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_agent_close(owned), SWARMBUS_WRONG_THREAD);

    /* An agent of its own works, also beside another of this process, and the message of one is not the other's. */
    swarmbus_agent *mine = NULL;
    CHECK_CODE(swarmbus_attach(bus, "owner", &mine, NULL), SWARMBUS_AGENT_BUSY);
    OK(swarmbus_attach(bus, "stranger", &mine, NULL));
    CHECK_CODE(swarmbus_send(owned, "owner", "x", 1, 0, NULL, NULL), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_release(mine, &message), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_send(mine, "owner", "from a thread", 13, 0, NULL, NULL));
    OK(swarmbus_receive(mine, PATIENCE, &message, NULL));
    /* The thread ends with the agent open and the message in its hands. */
    return NULL;
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_agent *heir = NULL;
    swarmbus_message message;
    pthread_t thread;
    uint32_t deliveries = 0;
    bus = test_create(argc, argv, &small);
    OK(swarmbus_attach(bus, "owner", &owned, NULL));
    OK(swarmbus_declare(bus, "stranger", NULL));
    OK(swarmbus_send(owned, "owner", "held", 4, 0, NULL, NULL));
    OK(swarmbus_send(owned, "stranger", "left", 4, 0, NULL, NULL));
    OK(swarmbus_receive(owned, PATIENCE, &held, NULL));
    CHECK(pthread_create(&thread, NULL, stranger, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);

    /* What the stranger tried changed nothing here. */
    OK(swarmbus_release(owned, &held));
    OK(swarmbus_receive(owned, PATIENCE, &message, NULL));
    CHECK(message.length == 13);
    OK(swarmbus_release(owned, &message));

    /* Its mailbox is free again and its message comes back. */
    OK(swarmbus_attach(bus, "stranger", &heir, NULL));
    OK(swarmbus_receive(heir, PATIENCE, &message, NULL));
    OK(swarmbus_message_deliveries(heir, &message, &deliveries));
    CHECK(message.length == 4 && memcmp(message.data, "left", 4) == 0 && deliveries == 2);
    OK(swarmbus_release(heir, &message));
    /* This thread leaves its agents open as well: ending the process is a way to close them. */
    return 0;
}

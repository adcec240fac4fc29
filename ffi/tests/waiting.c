/* Waiting on many queues at a time: by name, by a set of sources, and in an event loop. */
#include "check.h"

#include <poll.h>

enum { ROUNDS = 300 };

static const char *const QUEUES[] = {"one", "two", "three"};

static int sender(swarmbus_bus *bus) {
    swarmbus_agent *me = NULL;
    OK(swarmbus_join(bus, &me, NULL));
    for (int round = 0; round < ROUNDS; round++) {
        const char *to = QUEUES[round % 3];
        OK(swarmbus_send(me, to, to, strlen(to), PATIENCE, NULL, NULL));
    }
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

static void finish(swarmbus_agent *me, swarmbus_message *message) {
    char queue[SWARMBUS_NAME_SIZE];
    OK(swarmbus_message_queue(me, message, queue, sizeof queue));
    CHECK(message->length == strlen(queue) && memcmp(message->data, queue, message->length) == 0);
    OK(swarmbus_release(me, message));
}

static void loop(swarmbus_agent *me, swarmbus_descriptor *descriptor) {
    struct pollfd event = {-1, POLLIN, 0};
    swarmbus_message message;
    int got = 0;
    OK(swarmbus_descriptor_fd(descriptor, &event.fd));
    CHECK(event.fd >= 0);
    while (got < ROUNDS) {
        int32_t code;
        CHECK(poll(&event, 1, 30000) == 1);
        while ((code = swarmbus_descriptor_next(descriptor, &message)) == SWARMBUS_OK) {
            finish(me, &message);
            got++;
        }
        CHECK_CODE(code, SWARMBUS_TIMEOUT);
        CHECK(message.data == NULL);
    }
    OK(swarmbus_descriptor_rearm(descriptor));
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL, *mute = NULL;
    swarmbus_sources *sources = NULL;
    swarmbus_descriptor *descriptor = NULL;
    swarmbus_message message;
    const char *wrong[] = {"one", NULL};
    int number = -1;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    for (int at = 0; at < 3; at++) OK(swarmbus_declare(bus, QUEUES[at], NULL));

    pid_t child = test_spawn(sender);
    for (int got = 0; got < ROUNDS; got++) {
        OK(swarmbus_receive_any(me, QUEUES, 3, PATIENCE, &message, NULL));
        finish(me, &message);
    }
    test_join(child);

    OK(swarmbus_sources_open(me, QUEUES, 3, &sources));
    child = test_spawn(sender);
    for (int got = 0; got < ROUNDS; got++) {
        OK(swarmbus_sources_receive(sources, PATIENCE, &message, NULL));
        finish(me, &message);
    }
    test_join(child);
    CHECK_CODE(swarmbus_sources_receive(sources, 0, &message, NULL), SWARMBUS_TIMEOUT);

    OK(swarmbus_descriptor_open(me, QUEUES, 3, &descriptor));
    child = test_spawn(sender);
    loop(me, descriptor);
    test_join(child);
    OK(swarmbus_descriptor_close(descriptor));
    CHECK_CODE(swarmbus_descriptor_close(descriptor), SWARMBUS_BAD_HANDLE);
    CHECK_CODE(swarmbus_descriptor_fd(descriptor, &number), SWARMBUS_BAD_HANDLE);

    /* The own mailbox; and a bus that goes makes it readable. */
    OK(swarmbus_descriptor_open(me, NULL, 0, &descriptor));
    OK(swarmbus_send(me, "me", "me", 2, 0, NULL, NULL));
    OK(swarmbus_descriptor_next(descriptor, &message));
    finish(me, &message);

    CHECK_CODE(swarmbus_receive_any(me, NULL, 0, 0, &message, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_receive_any(me, NULL, 2, 0, &message, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_receive_any(me, wrong, 2, 0, &message, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_receive_any(me, QUEUES, SIZE_MAX, 0, &message, NULL), SWARMBUS_INVALID_ARGUMENT);
    wrong[1] = "nowhere";
    CHECK_CODE(swarmbus_sources_open(me, wrong, 2, &sources), SWARMBUS_UNKNOWN_AGENT);
    CHECK(sources == NULL);
    OK(swarmbus_sources_open(me, QUEUES, 1, &sources));
    OK(swarmbus_join(bus, &mute, NULL));
    swarmbus_descriptor *none = NULL;
    CHECK_CODE(swarmbus_descriptor_open(mute, NULL, 0, &none), SWARMBUS_INVALID_ARGUMENT);

    OK(swarmbus_bus_destroy(bus));
    struct pollfd event = {-1, POLLIN, 0};
    OK(swarmbus_descriptor_fd(descriptor, &event.fd));
    CHECK(poll(&event, 1, 30000) == 1);
    CHECK_CODE(swarmbus_descriptor_next(descriptor, &message), SWARMBUS_CLOSED);
    CHECK_CODE(swarmbus_sources_receive(sources, PATIENCE, &message, NULL), SWARMBUS_CLOSED);
    CHECK_CODE(swarmbus_receive_any(me, QUEUES, 3, PATIENCE, &message, NULL), SWARMBUS_CLOSED);
    /* Closing the agent closes what it has. */
    OK(swarmbus_agent_close(me));
    CHECK_CODE(swarmbus_sources_close(sources), SWARMBUS_BAD_HANDLE);
    CHECK_CODE(swarmbus_descriptor_next(descriptor, &message), SWARMBUS_BAD_HANDLE);
    OK(swarmbus_agent_close(mute));
    OK(swarmbus_bus_close(bus));
    return 0;
}

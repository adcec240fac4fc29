/* Batches: copies and loans, all or none, received several at a time by another process. */
#include "check.h"

enum { COUNT = 100, MOST = 37 };

static int consumer(swarmbus_bus *bus) {
    swarmbus_agent *me = NULL;
    swarmbus_message messages[MOST];
    uint32_t next = 0;
    OK(swarmbus_join(bus, &me, NULL));
    while (next < 2 * COUNT) {
        size_t count = 0;
        OK(swarmbus_receive_batch(me, "work", PATIENCE, messages, MOST, &count, NULL));
        CHECK(count > 0 && count <= MOST);
        for (size_t at = 0; at < count; at++, next++) {
            uint32_t number = UINT32_MAX;
            CHECK(messages[at].length == sizeof number);
            memcpy(&number, messages[at].data, sizeof number);
            CHECK(number == next);
            OK(swarmbus_release(me, &messages[at]));
        }
    }
    OK(swarmbus_send(me, "me", "done", 4, PATIENCE, NULL, NULL));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_bytes payloads[COUNT];
    swarmbus_loan loans[COUNT];
    swarmbus_message one;
    uint32_t numbers[COUNT];
    uint64_t ids[COUNT];
    size_t count = 7;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    OK(swarmbus_declare(bus, "work", NULL));
    pid_t child = test_spawn(consumer);

    for (uint32_t at = 0; at < COUNT; at++) {
        numbers[at] = at;
        payloads[at].data = &numbers[at];
        payloads[at].length = sizeof numbers[at];
    }
    OK(swarmbus_send_batch(me, "work", payloads, COUNT, PATIENCE, ids, NULL));
    for (int at = 1; at < COUNT; at++) CHECK(ids[at] != ids[at - 1] && ids[at] != SWARMBUS_DUPLICATE);

    /* More is borrowed than is sent. */
    for (uint32_t at = 0; at < COUNT; at++) {
        uint32_t number = COUNT + at;
        OK(swarmbus_loan_get(me, 500, &loans[at]));
        memcpy(loans[at].data, &number, sizeof number);
        loans[at].length = sizeof number;
    }
    /* One loan twice, one that is too long, one that is none: nothing is sent, and all of them stay. */
    swarmbus_loan spoilt[3] = {loans[0], loans[1], loans[0]};
    CHECK_CODE(swarmbus_publish_batch(me, spoilt, 3, "work", 0, NULL, NULL), SWARMBUS_RELEASED);
    loans[2].length = 501;
    CHECK_CODE(swarmbus_publish_batch(me, loans, COUNT, "work", 0, NULL, NULL), SWARMBUS_TOO_LARGE);
    loans[2].length = sizeof(uint32_t);
    memset(&spoilt[2], 0, sizeof spoilt[2]);
    CHECK_CODE(swarmbus_publish_batch(me, &spoilt[2], 1, "work", 0, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_publish_batch(me, loans, COUNT, "nowhere", 0, NULL, NULL), SWARMBUS_UNKNOWN_AGENT);
    CHECK(loans[99].data != NULL && loans[99].length == sizeof(uint32_t));
    OK(swarmbus_publish_batch(me, loans, COUNT, "work", PATIENCE, ids, NULL));
    CHECK(loans[0].data == NULL && loans[99].data == NULL);
    CHECK_CODE(swarmbus_publish_batch(me, loans, COUNT, "work", 0, NULL, NULL), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_loan_discard(me, &loans[5]), SWARMBUS_RELEASED);
    test_expect(me, "done");
    test_join(child);

    /* The own mailbox, nothing there, and what makes no sense. */
    CHECK_CODE(swarmbus_receive_batch(me, NULL, 0, &one, 1, &count, NULL), SWARMBUS_TIMEOUT);
    CHECK(count == 0);
    OK(swarmbus_send_batch(me, "me", payloads, 3, 0, NULL, NULL));
    OK(swarmbus_receive_batch(me, NULL, 0, &one, 1, &count, NULL));
    CHECK(count == 1);
    OK(swarmbus_release(me, &one));
    OK(swarmbus_receive_batch(me, NULL, 0, NULL, 0, &count, NULL));
    CHECK_CODE(swarmbus_receive_batch(me, NULL, 0, NULL, 1, &count, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_receive_batch(me, NULL, 0, &one, 1, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_receive_batch(me, NULL, 0, &one, SIZE_MAX, &count, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_send_batch(me, "me", NULL, 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_send_batch(me, "me", payloads, SWARMBUS_BATCH_MAX + 1, 0, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("1024");
    payloads[1].length = SIZE_MAX;
    CHECK_CODE(swarmbus_send_batch(me, "me", payloads, 3, 0, NULL, NULL), SWARMBUS_TOO_LARGE);
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

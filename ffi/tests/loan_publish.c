/* A loan is written in place, survives a failed publish, and is usable once. */
#include "check.h"

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_loan loan, copy;
    swarmbus_message message;
    uint64_t id = 0, received_id = 0;
    OK(swarmbus_attach(bus, "me", &me, NULL));

    OK(swarmbus_loan_get(me, 100, &loan));
    CHECK(loan.data != NULL && loan.length == 100 && (uintptr_t)loan.data % 64 == 0);
    memset(loan.data, 'x', 100);

    /* A refused publish leaves the loan and what is in it. */
    CHECK_CODE(swarmbus_publish(me, &loan, "nobody", 100, 0, NULL, NULL), SWARMBUS_UNKNOWN_AGENT);
    LAST_ERROR_HAS("nobody");
    CHECK(loan.data != NULL && ((const char *)loan.data)[99] == 'x');
    CHECK(swarmbus_publish(me, &loan, "me", 101, 0, NULL, NULL) < 0);
    CHECK(loan.data != NULL);

    /* Published in place and shorter than borrowed. */
    const void *place = loan.data;
    copy = loan;
    OK(swarmbus_publish(me, &loan, "me", 60, 0, &id, NULL));
    CHECK(loan.data == NULL);
    CHECK_CODE(swarmbus_publish(me, &loan, "me", 60, 0, NULL, NULL), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_publish(me, &copy, "me", 60, 0, NULL, NULL), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_loan_discard(me, &copy), SWARMBUS_RELEASED);
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    CHECK(message.data == place && message.length == 60);
    for (size_t at = 0; at < message.length; at++) CHECK(((const char *)message.data)[at] == 'x');
    OK(swarmbus_message_id(me, &message, &received_id));
    CHECK(received_id == id);
    OK(swarmbus_release(me, &message));

    /* Discarded. */
    OK(swarmbus_loan_get(me, 5, &loan));
    OK(swarmbus_loan_discard(me, &loan));
    CHECK(loan.data == NULL);
    CHECK_CODE(swarmbus_loan_discard(me, &loan), SWARMBUS_RELEASED);

    /* A struct that never was a loan. */
    memset(&loan, 0, sizeof loan);
    CHECK_CODE(swarmbus_publish(me, &loan, "me", 0, 0, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_loan_discard(me, NULL), SWARMBUS_NULL_POINTER);
    memset(&loan, 0xA5, sizeof loan);
    CHECK_CODE(swarmbus_loan_discard(me, &loan), SWARMBUS_INVALID_ARGUMENT);
    /* One whose words were scribbled over, but for the agent's, must not do harm. */
    OK(swarmbus_loan_get(me, 64, &copy));
    for (size_t word = 1; word < sizeof loan.opaque / sizeof loan.opaque[0]; word++) {
        loan = copy;
        loan.opaque[word] ^= UINT64_C(0xFFFFFFFFFFFFFFFF);
        int32_t code = swarmbus_publish(me, &loan, "me", 64, 0, NULL, NULL);
        if (code == SWARMBUS_OK) {
            OK(swarmbus_receive(me, 0, &message, NULL));
            OK(swarmbus_release(me, &message));
            OK(swarmbus_loan_get(me, 64, &copy));
        }
    }
    CHECK_CODE(swarmbus_receive(me, 0, &message, NULL), SWARMBUS_TIMEOUT);

    /* Nothing to lend. */
    CHECK_CODE(swarmbus_loan_get(me, (size_t)1 << 60, &loan), SWARMBUS_TOO_LARGE);
    CHECK(loan.data == NULL);
    CHECK_CODE(swarmbus_loan_get(me, SIZE_MAX, &loan), SWARMBUS_TOO_LARGE);

    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

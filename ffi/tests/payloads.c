/* Payloads of every content and size arrive byte for byte: NUL bytes, all byte values, 0 bytes, 1 MiB and around the
   size classes. */
#include "check.h"

static unsigned char pattern(size_t at, size_t length) {
    return (unsigned char)((at * 131u) ^ (at >> 8) ^ length);
}

static void round_trip(swarmbus_agent *me, size_t length, int in_place) {
    swarmbus_message message;
    if (in_place) {
        swarmbus_loan loan;
        OK(swarmbus_loan_get(me, length, &loan));
        CHECK(loan.length == length);
        for (size_t at = 0; at < length; at++) ((unsigned char *)loan.data)[at] = pattern(at, length);
        OK(swarmbus_publish(me, &loan, "me", length, PATIENCE, NULL, NULL));
    } else {
        unsigned char *data = (unsigned char *)malloc(length + 1);
        CHECK(data != NULL);
        for (size_t at = 0; at < length; at++) data[at] = pattern(at, length);
        OK(swarmbus_send(me, "me", data, length, PATIENCE, NULL, NULL));
        memset(data, 0xEE, length);
        free(data);
    }
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    CHECK(message.length == length);
    for (size_t at = 0; at < length; at++) CHECK(((const unsigned char *)message.data)[at] == pattern(at, length));
    OK(swarmbus_release(me, &message));
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    OK(swarmbus_attach(bus, "me", &me, NULL));

    unsigned char all[256];
    for (int value = 0; value < 256; value++) all[value] = (unsigned char)value;
    swarmbus_message message;
    OK(swarmbus_send(me, "me", all, sizeof all, 0, NULL, NULL));
    OK(swarmbus_send(me, "me", "\0\0\0", 3, 0, NULL, NULL));
    OK(swarmbus_receive(me, 0, &message, NULL));
    CHECK(message.length == sizeof all && memcmp(message.data, all, sizeof all) == 0);
    OK(swarmbus_release(me, &message));
    OK(swarmbus_receive(me, 0, &message, NULL));
    CHECK(message.length == 3 && memcmp(message.data, "\0\0\0", 3) == 0);
    OK(swarmbus_release(me, &message));

    for (size_t size = 1; size <= (1u << 20); size *= 2) {
        for (int in_place = 0; in_place < 2; in_place++) {
            round_trip(me, size - 1, in_place);
            round_trip(me, size, in_place);
            round_trip(me, size + 1, in_place);
        }
    }

    /* Many large ones, one after another, don't use up the heap of 64 MiB. */
    for (int round = 0; round < 200; round++) round_trip(me, 1u << 20, 1);

    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

/* Options: NULL, all zero but the size, shorter and longer than this library's, and what is refused. */
#include "check.h"

#include <stddef.h>

int main(int argc, char **argv) {
    /* A program built against an older header: its struct ends after heap_bytes. */
    swarmbus_bus_create_opts old = test_small();
    old.struct_size = (uint32_t)offsetof(swarmbus_bus_create_opts, limit);
    old.limit = 1;
    old.mode = 07777777;
    swarmbus_bus *bus = test_create(argc, argv, &old);
    swarmbus_agent *me = NULL;
    swarmbus_agent *none = NULL;
    swarmbus_message message;

    swarmbus_attach_opts attach = {sizeof attach, 0};
    OK(swarmbus_attach(bus, "me", &me, &attach));
    attach.flags = 1;
    CHECK_CODE(swarmbus_attach(bus, "other", &none, &attach), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("flags");
    attach.flags = 0;
    attach.struct_size = 0;
    CHECK_CODE(swarmbus_join(bus, &none, &attach), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("struct_size");
    CHECK(none == NULL);

    /* The limit that lay beyond the old struct was not taken: the default has room for more than one. */
    OK(swarmbus_send(me, "me", "1", 1, 0, NULL, NULL));
    OK(swarmbus_send(me, "me", "2", 1, 0, NULL, NULL));

    /* A program built against a newer header, with a field that this library does not know. */
    struct newer {
        swarmbus_send_opts known;
        uint64_t added;
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    newer.known.lane = SWARMBUS_LANE_URGENT;
    OK(swarmbus_send(me, "me", "urgent", 6, 0, NULL, &newer.known));
    newer.added = 1;
    CHECK_CODE(swarmbus_send(me, "me", "x", 1, 0, NULL, &newer.known), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("does not know");
    OK(swarmbus_receive(me, 0, &message, NULL));
    CHECK(message.length == 6);
    OK(swarmbus_release(me, &message));

    /* Values out of range. */
    swarmbus_send_opts send;
    memset(&send, 0, sizeof send);
    send.struct_size = sizeof send;
    OK(swarmbus_send(me, "me", "3", 1, 0, NULL, &send));
    send.lane = 5;
    CHECK_CODE(swarmbus_send(me, "me", "x", 1, 0, NULL, &send), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("lane");
    send.lane = 0;
    send.content = -1;
    CHECK_CODE(swarmbus_send(me, "me", "x", 1, 0, NULL, &send), SWARMBUS_INVALID_ARGUMENT);
    send.content = 0;
    send.reserved = 1;
    CHECK_CODE(swarmbus_send(me, "me", "x", 1, 0, NULL, &send), SWARMBUS_INVALID_ARGUMENT);

    /* Each lane, in the order in which they are received. */
    for (int count = 0; count < 3; count++) {
        OK(swarmbus_receive(me, 0, &message, NULL));
        CHECK(((const char *)message.data)[0] == '1' + count);
        OK(swarmbus_release(me, &message));
    }
    const int32_t lanes[] = {SWARMBUS_LANE_LOW, SWARMBUS_LANE_NORMAL, SWARMBUS_LANE_HIGH, SWARMBUS_LANE_URGENT};
    memset(&send, 0, sizeof send);
    send.struct_size = sizeof send;
    for (int at = 0; at < 4; at++) {
        send.lane = lanes[at];
        OK(swarmbus_send(me, "me", &at, sizeof at, 0, NULL, &send));
    }
    for (int at = 3; at >= 0; at--) {
        int32_t lane = -1;
        OK(swarmbus_receive(me, 0, &message, NULL));
        OK(swarmbus_message_lane(me, &message, &lane));
        CHECK(lane == lanes[at]);
        OK(swarmbus_release(me, &message));
    }

    send.lane = SWARMBUS_LANE_REPLY;
    CHECK_CODE(swarmbus_send(me, "me", "x", 1, 0, NULL, &send), SWARMBUS_INVALID_ARGUMENT);

    /* The longest timeout that can be written does not overflow: there is a message, so it returns at once. */
    OK(swarmbus_send(me, "me", "x", 1, INT64_MAX, NULL, NULL));
    OK(swarmbus_receive(me, INT64_MAX, &message, NULL));
    OK(swarmbus_release(me, &message));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

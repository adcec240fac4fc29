/* Work queues: deliveries, dead letters, delays, keys, taps, forwarding, detaching and purging. */
#include "check.h"

static int worker(swarmbus_bus *bus) {
    swarmbus_agent *me = NULL;
    swarmbus_message message;
    uint32_t deliveries = 0;
    char queue[SWARMBUS_NAME_SIZE];
    OK(swarmbus_join(bus, &me, NULL));
    /* Twice at most, then it is a dead letter. */
    for (uint32_t time = 1; time <= 2; time++) {
        OK(swarmbus_receive_from(me, "work", PATIENCE, &message, NULL));
        OK(swarmbus_message_deliveries(me, &message, &deliveries));
        OK(swarmbus_message_queue(me, &message, queue, sizeof queue));
        CHECK(deliveries == time && strcmp(queue, "work") == 0);
        if (time == 1) {
            OK(swarmbus_nack_after(me, &message, 20000000));
            CHECK(message.data == NULL);
            CHECK_CODE(swarmbus_nack_after(me, &message, 1), SWARMBUS_RELEASED);
        } else {
            OK(swarmbus_nack(me, &message));
        }
    }
    CHECK_CODE(swarmbus_receive_from(me, "work", 0, &message, NULL), SWARMBUS_TIMEOUT);
    OK(swarmbus_send(me, "me", "died", 4, PATIENCE, NULL, NULL));
    /* It comes back when it is redriven; then it goes on to another queue as it is. */
    OK(swarmbus_receive_from(me, "work", PATIENCE, &message, NULL));
    OK(swarmbus_message_deliveries(me, &message, &deliveries));
    CHECK(deliveries == 1);
    CHECK_CODE(swarmbus_forward(me, &message, "nowhere", 0, NULL), SWARMBUS_UNKNOWN_AGENT);
    CHECK(message.data != NULL);
    OK(swarmbus_forward(me, &message, "me", PATIENCE, NULL));
    CHECK(message.data == NULL);
    CHECK_CODE(swarmbus_forward(me, &message, "me", 0, NULL), SWARMBUS_RELEASED);
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

static void keys(swarmbus_agent *me) {
    swarmbus_send_opts once;
    uint64_t first = 0, second = 0, third = 0, key = 0, again = 0;
    OK(swarmbus_key_of("order 7", 7, &key));
    OK(swarmbus_key_of("order 7", 7, &again));
    CHECK(key == again);
    memset(&once, 0, sizeof once);
    once.struct_size = sizeof once;
    once.has_key = 1;
    once.key = key;
    OK(swarmbus_send(me, "work", "order", 5, 0, &first, &once));
    OK(swarmbus_send(me, "work", "order", 5, 0, &second, &once));
    once.key++;
    OK(swarmbus_send(me, "work", "order", 5, 0, &third, &once));
    CHECK(first != SWARMBUS_DUPLICATE && second == SWARMBUS_DUPLICATE && third != SWARMBUS_DUPLICATE);
    OK(swarmbus_purge(me, "work", &again));
    CHECK(again == 2);
}

static void taps(swarmbus_bus *bus, swarmbus_agent *me) {
    swarmbus_agent *spy = NULL;
    swarmbus_message message;
    char tapped[SWARMBUS_NAME_SIZE];
    OK(swarmbus_attach(bus, "spy", &spy, NULL));
    OK(swarmbus_tap(spy, "work"));
    CHECK_CODE(swarmbus_tap(me, "work"), SWARMBUS_AGENT_BUSY);
    CHECK_CODE(swarmbus_tap(spy, "spy"), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_send(me, "work", "seen", 4, 0, NULL, NULL));
    OK(swarmbus_receive(spy, PATIENCE, &message, NULL));
    CHECK(message.length == 4 && memcmp(message.data, "seen", 4) == 0);
    OK(swarmbus_message_tapped(spy, &message, tapped, sizeof tapped));
    CHECK(strcmp(tapped, "work") == 0);
    CHECK_CODE(swarmbus_reply(spy, &message, "no", 2, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_release(spy, &message));
    OK(swarmbus_untap(spy));
    OK(swarmbus_untap(spy));
    OK(swarmbus_receive_from(me, "work", 0, &message, NULL));
    OK(swarmbus_message_tapped(me, &message, tapped, sizeof tapped));
    CHECK(tapped[0] == '\0');

    /* Out of the bus's care: it is a loan now, and can be sent again. */
    swarmbus_loan loan;
    OK(swarmbus_detach(me, &message, &loan));
    CHECK(message.data == NULL && loan.length == 4 && memcmp(loan.data, "seen", 4) == 0);
    CHECK_CODE(swarmbus_detach(me, &message, &loan), SWARMBUS_RELEASED);
    CHECK(loan.data == NULL);
    OK(swarmbus_agent_close(spy));
}

/* A full lane that makes room, and messages that are too old. */
static void dead(swarmbus_bus *bus, swarmbus_agent *me) {
    swarmbus_declare_opts ring;
    swarmbus_send_opts brief;
    swarmbus_message message;
    uint64_t count = 0;
    memset(&ring, 0, sizeof ring);
    ring.struct_size = sizeof ring;
    ring.limit = 4;
    ring.makes_room = 1;
    ring.dead_letters = "graves";
    OK(swarmbus_declare(bus, "ring", &ring));
    for (char at = '0'; at < '7'; at++) OK(swarmbus_send(me, "ring", &at, 1, 0, NULL, NULL));
    OK(swarmbus_receive_from(me, "ring", 0, &message, NULL));
    CHECK(*(const char *)message.data == '3');
    OK(swarmbus_release(me, &message));
    OK(swarmbus_purge(me, "ring", NULL));
    memset(&brief, 0, sizeof brief);
    brief.struct_size = sizeof brief;
    brief.time_to_live_ns = 1;
    OK(swarmbus_send(me, "ring", "late", 4, 0, NULL, &brief));
    CHECK_CODE(swarmbus_receive_from(me, "ring", 2000000, &message, NULL), SWARMBUS_TIMEOUT);
    OK(swarmbus_purge(me, "graves", &count));
    CHECK(count == 4);
    ring.dead_letters = "a/b/c";
    CHECK_CODE(swarmbus_declare(bus, "other", &ring), SWARMBUS_INVALID_NAME);
    ring.dead_letters = "no such name!";
    CHECK_CODE(swarmbus_declare(bus, "other", &ring), SWARMBUS_INVALID_NAME);
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_declare_opts opts;
    uint64_t count = 0;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.max_deliveries = 2;
    opts.dead_letters = "dead";
    OK(swarmbus_attach(bus, "me", &me, NULL));
    OK(swarmbus_declare(bus, "work", &opts));
    pid_t child = test_spawn(worker);
    OK(swarmbus_send(me, "work", "job", 3, 0, NULL, NULL));
    test_expect(me, "died");
    OK(swarmbus_redrive(me, "dead", 10, &count));
    CHECK(count == 1);
    test_expect(me, "job");
    test_join(child);
    OK(swarmbus_redrive(me, "dead", 10, NULL));

    keys(me);
    taps(bus, me);
    dead(bus, me);
    CHECK_CODE(swarmbus_purge(me, "nowhere", &count), SWARMBUS_UNKNOWN_AGENT);
    CHECK_CODE(swarmbus_redrive(me, "nowhere", 1, &count), SWARMBUS_UNKNOWN_AGENT);
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

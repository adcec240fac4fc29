/* Topics: retained messages, order, lag, every policy, samples that are done with, and what is refused. */
#include "check.h"

enum { COUNT = 500, CAPACITY = 16 };

static const char TRACE[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static int reader(swarmbus_bus *bus) {
    swarmbus_agent *me = NULL;
    swarmbus_subscription *news = NULL;
    swarmbus_sample sample;
    swarmbus_subscribe_opts all = {sizeof all, SWARMBUS_RETAINED};
    char sender[SWARMBUS_NAME_SIZE], trace[SWARMBUS_TRACEPARENT_SIZE];
    uint64_t position = 0, missed = 1;
    OK(swarmbus_attach(bus, "reader", &me, NULL));
    OK(swarmbus_subscribe(me, "news", &news, &all));
    OK(swarmbus_send(me, "me", "ready", 5, PATIENCE, NULL, NULL));
    for (uint64_t next = 1; next < COUNT; next++) {
        uint64_t number = 0;
        OK(swarmbus_subscription_receive(news, PATIENCE, &sample, NULL));
        CHECK(sample.length == sizeof number && sample.position == next && sample.missed == 0);
        memcpy(&number, sample.data, sizeof number);
        CHECK(number == next && sample.correlation == next * 2);
        OK(swarmbus_sample_sender(news, &sample, sender, sizeof sender));
        CHECK(strcmp(sender, "me") == 0);
        OK(swarmbus_sample_traceparent(news, &sample, trace, sizeof trace));
        CHECK(strcmp(trace, number % 3 == 0 ? TRACE : "") == 0);
    }
    OK(swarmbus_subscription_position(news, &position, &missed));
    CHECK(position == COUNT - 1 && missed == 0);
    OK(swarmbus_sample_release(news, &sample));
    OK(swarmbus_subscription_position(news, &position, NULL));
    CHECK(position == COUNT);
    /* Closing the agent closes the subscription. */
    OK(swarmbus_agent_close(me));
    CHECK_CODE(swarmbus_subscription_receive(news, 0, &sample, NULL), SWARMBUS_BAD_HANDLE);
    OK(swarmbus_bus_close(bus));
    return 0;
}

static void say(swarmbus_agent *me, uint64_t number, int64_t timeout) {
    swarmbus_publish_opts opts;
    swarmbus_published published;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.correlation = number * 2;
    opts.traceparent = number % 3 == 0 ? TRACE : NULL;
    if (number % 2 == 0) {
        OK(swarmbus_topic_send(me, "news", &number, sizeof number, timeout, &published, &opts));
    } else {
        swarmbus_loan loan;
        OK(swarmbus_loan_get(me, 100, &loan));
        memcpy(loan.data, &number, sizeof number);
        OK(swarmbus_topic_publish(me, &loan, "news", sizeof number, timeout, &published, &opts));
        CHECK(loan.data == NULL);
        CHECK_CODE(swarmbus_topic_publish(me, &loan, "news", 1, timeout, NULL, &opts), SWARMBUS_RELEASED);
    }
    CHECK(published.position == (int64_t)number && published.id != 0);
}

static void declare(swarmbus_bus *bus, const char *name, int32_t policy) {
    swarmbus_topic_opts opts = {sizeof opts, policy, CAPACITY, 4};
    OK(swarmbus_declare_topic(bus, name, &opts));
}

/* A subscriber that does not read, and what each policy makes of that. */
static void be_slow(swarmbus_agent *me, swarmbus_agent *other, const char *topic, int32_t policy) {
    swarmbus_subscription *slow = NULL;
    swarmbus_published published;
    swarmbus_sample sample;
    swarmbus_loan loan;
    OK(swarmbus_subscribe(other, topic, &slow, NULL));
    for (int at = 0; at < CAPACITY; at++) OK(swarmbus_topic_send(me, topic, "x", 1, 0, &published, NULL));
    if (policy == SWARMBUS_POLICY_BACK_PRESSURE) {
        CHECK_CODE(swarmbus_topic_send(me, topic, "x", 1, 0, &published, NULL), SWARMBUS_FULL);
        CHECK_CODE(swarmbus_topic_send(me, topic, "x", 1, 2000000, &published, NULL), SWARMBUS_TIMEOUT);
        CHECK_CODE(swarmbus_topic_send(other, topic, "x", 1, PATIENCE, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
        LAST_ERROR_HAS("receive first");
        /* The loan stays. */
        OK(swarmbus_loan_get(me, 1, &loan));
        CHECK_CODE(swarmbus_topic_publish(me, &loan, topic, 1, 0, NULL, NULL), SWARMBUS_FULL);
        CHECK_CODE(swarmbus_topic_publish(me, &loan, topic, 2, 0, NULL, NULL), SWARMBUS_TOO_LARGE);
        OK(swarmbus_loan_discard(me, &loan));
    } else {
        /* A lossy one keeps up to twice as many as a subscriber may be behind. */
        for (int at = 0; at < 2 * CAPACITY; at++) {
            OK(swarmbus_topic_send(me, topic, "x", 1, 0, &published, NULL));
            CHECK((published.position < 0) == (policy == SWARMBUS_POLICY_DROP_NEW));
        }
    }
    OK(swarmbus_subscription_receive(slow, 0, &sample, NULL));
    CHECK((sample.missed > 0) == (policy == SWARMBUS_POLICY_LOSSY));
    OK(swarmbus_subscription_close(slow));
    CHECK_CODE(swarmbus_subscription_close(slow), SWARMBUS_BAD_HANDLE);
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL, *other = NULL;
    swarmbus_subscription *first = NULL, *second = NULL;
    swarmbus_observer *observer = NULL;
    swarmbus_snapshot *seen = NULL;
    swarmbus_subscriber_info lag;
    swarmbus_sample sample, old;
    uint64_t count = 0;
    size_t rows = 0;
    char sender[SWARMBUS_NAME_SIZE];
    OK(swarmbus_attach(bus, "me", &me, NULL));
    OK(swarmbus_attach(bus, "other", &other, NULL));
    declare(bus, "news", SWARMBUS_POLICY_BACK_PRESSURE);
    for (uint64_t number = 0; number < 5; number++) say(me, number, 0);
    pid_t child = test_spawn(reader);
    test_expect(me, "ready");
    for (uint64_t number = 5; number < COUNT; number++) say(me, number, PATIENCE);
    test_join(child);
    OK(swarmbus_topic_trim(me, "news", &count));

    declare(bus, "drops", SWARMBUS_POLICY_DROP_NEW);
    declare(bus, "laps", SWARMBUS_POLICY_LOSSY);
    declare(bus, "waits", SWARMBUS_POLICY_BACK_PRESSURE);
    be_slow(me, other, "drops", SWARMBUS_POLICY_DROP_NEW);
    be_slow(me, other, "laps", SWARMBUS_POLICY_LOSSY);
    be_slow(me, other, "waits", SWARMBUS_POLICY_BACK_PRESSURE);

    /* The lag of a subscriber, seen from outside. */
    OK(swarmbus_subscribe(other, "news", &first, NULL));
    CHECK_CODE(swarmbus_subscribe(other, "news", &second, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK(second == NULL);
    say(me, COUNT, 0);
    say(me, COUNT + 1, 0);
    OK(swarmbus_observer_open(argv[1], &observer));
    OK(swarmbus_snapshot_subscribers(observer, &seen));
    OK(swarmbus_snapshot_length(seen, &rows));
    CHECK(rows == 1);
    lag.struct_size = sizeof lag;
    OK(swarmbus_snapshot_subscriber(seen, 0, &lag));
    CHECK(lag.behind == 2 && strcmp(lag.topic, "news") == 0 && strcmp(lag.agent, "other") == 0);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_observer_close(observer));

    /* A sample ends with its release or with the next one. */
    OK(swarmbus_subscription_receive(first, 0, &old, NULL));
    OK(swarmbus_subscription_receive(first, 0, &sample, NULL));
    CHECK_CODE(swarmbus_sample_release(first, &old), SWARMBUS_RELEASED);
    OK(swarmbus_sample_release(first, &sample));
    CHECK_CODE(swarmbus_sample_release(first, &sample), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_sample_sender(first, &sample, sender, sizeof sender), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_subscription_receive(first, 0, &sample, NULL), SWARMBUS_TIMEOUT);
    CHECK(sample.data == NULL);
    CHECK_CODE(swarmbus_sample_release(first, &sample), SWARMBUS_INVALID_ARGUMENT);

    /* A topic is no queue, and the reverse. */
    CHECK_CODE(swarmbus_send(me, "news", "x", 1, 0, NULL, NULL), SWARMBUS_WRONG_KIND);
    CHECK_CODE(swarmbus_topic_send(me, "other", "x", 1, 0, NULL, NULL), SWARMBUS_WRONG_KIND);
    CHECK_CODE(swarmbus_subscribe(me, "me", &second, NULL), SWARMBUS_WRONG_KIND);
    CHECK_CODE(swarmbus_subscribe(me, "nowhere", &second, NULL), SWARMBUS_UNKNOWN_AGENT);
    CHECK_CODE(swarmbus_declare_topic(bus, "me", NULL), SWARMBUS_WRONG_KIND);
    CHECK_CODE(swarmbus_declare(bus, "news", NULL), SWARMBUS_WRONG_KIND);
    swarmbus_topic_opts wrong = {sizeof wrong, 3, 0, 0};
    CHECK_CODE(swarmbus_declare_topic(bus, "more", &wrong), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("SWARMBUS_POLICY_");
    OK(swarmbus_agent_close(other));
    CHECK_CODE(swarmbus_subscription_close(first), SWARMBUS_BAD_HANDLE);
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

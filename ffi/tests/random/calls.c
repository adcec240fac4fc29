/*
 * Calls whatever there is to call with whatever there is to give: BUS SEED SECONDS.
 *
 * Some processes share the bus, each with handles, messages, loans and locks that it keeps, copies, forgets and uses again. What
 * may come of a call is success or a code of the library's own; SWARMBUS_PANIC and SWARMBUS_CORRUPT are neither, nor is a crash.
 * At the end the processes close what they have, and the bus must be as empty as it was: no chunk held or in flight, no lock, no
 * subscriber, no member; nor may a process have grown.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include "leaks.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

enum { PROCESSES = 3, KEPT = 5, QUEUES = 8, GROWTH_KIB = 2048 };

static const char *const NAMES[] = {"alice", "bob",  "carol", "work",    "small", "dead", "news",   "laps",
                                    "drops", "@cook", "nobody", "a/b",   "",      "x y",  "\xff\xfe", NULL};
static const char *const LOCKS[] = {"src/**", "src/a", "src/b", "*", "doc/[ab]", "", NULL};

static uint64_t chance;
static uint64_t calls_made;
static uint64_t by_code[2];
static uint64_t received;

static uint32_t pick(uint32_t of) {
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)((chance * UINT64_C(2685821657736338717)) >> 33) % of;
}

static const char *const OWNERS[] = {"alice", "bob", "carol", "dan", "eve", "fay", "gus", "hal", "ida", "jon"};

/* Mostly a good name. */
static const char *name(void) {
    if (pick(3) == 0) return OWNERS[pick(10)];
    return pick(20) ? NAMES[pick(9)] : NAMES[pick(16)];
}

static int64_t patience(void) {
    static const int64_t choices[] = {0, 0, 0, 1000, 100000, 1, 0, 1000};
    return pick(50) ? choices[pick(8)] : pick(2) ? -2 : INT64_MIN;
}

static size_t length(void) {
    static const size_t choices[] = {0, 1, 7, 64, 200, 5000, 70000, SIZE_MAX};
    return choices[pick(100) ? pick(7) : 7];
}

static char payload[70000];

/* What a process keeps; entries are overwritten, copied over each other and used after their end. */
static swarmbus_bus *bus;
static swarmbus_agent *agents[KEPT];
static swarmbus_subscription *subscriptions[KEPT];
static swarmbus_descriptor *descriptors[KEPT];
static swarmbus_sources *sources[KEPT];
static swarmbus_observer *observers[KEPT];
static swarmbus_snapshot *snapshots[KEPT];
static swarmbus_message messages[KEPT];
static swarmbus_loan loans[KEPT];
static swarmbus_lock locks[KEPT];
static swarmbus_answers answers[KEPT];
static swarmbus_sample samples[KEPT];

static int32_t judge(int32_t code) {
    calls_made++;
    by_code[code != SWARMBUS_OK]++;
    if (code == SWARMBUS_PANIC || code == SWARMBUS_CORRUPT || strcmp(swarmbus_error_name(code), "Unknown") == 0) {
        fprintf(stderr, "%s: %s\n", swarmbus_error_name(code), swarmbus_last_error());
        exit(1);
    }
    if (code != SWARMBUS_OK) CHECK(swarmbus_last_error()[0] != '\0');
    return code;
}

/* A handle to be overwritten is closed first, most of the time; an agent's end takes what is forgotten. */
#define DO(call) (void)judge(call)

static const char TRACE[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static swarmbus_send_opts send_opts(void) {
    swarmbus_send_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = pick(50) ? sizeof opts : pick(sizeof opts);
    opts.lane = pick(20) ? (int32_t)pick(4) : (int32_t)pick(7) - 1;
    opts.content = pick(20) ? (int32_t)pick(3) : 3;
    opts.correlation = pick(9);
    if (pick(4) == 0) opts.time_to_live_ns = pick(100000);
    opts.has_key = pick(6) == 0;
    opts.key = pick(50);
    /* A size that ends within a pointer would be no struct of any version. */
    if (opts.struct_size == sizeof opts && pick(4) == 0) opts.traceparent = pick(9) ? TRACE : "00-nonsense";
    return opts;
}

/* Lets go of all that this process has, in the way that an agent's end does. */
static void close_all(void) {
    for (int at = 0; at < KEPT; at++) {
        swarmbus_snapshot_close(snapshots[at]);
        swarmbus_observer_close(observers[at]);
        swarmbus_agent_close(agents[at]);
        agents[at] = NULL;
        snapshots[at] = NULL;
        observers[at] = NULL;
    }
}

/* Bytes of a message that is held can be read; that is what the sanitisers and the kernel judge. */
static uint64_t touched;

static void touch(const void *data, size_t bytes) {
    const unsigned char *at = (const unsigned char *)data;
    for (size_t byte = 0; at != NULL && byte < bytes; byte += 997) touched += at[byte];
}

static void step(void);

#include "seldom.h"

static void step(void) {
    uint32_t at = pick(KEPT), to = pick(KEPT);
    swarmbus_agent *me;
    /* Nothing can be refused for its own sake without somebody to do it. */
    if (agents[at] == NULL && pick(10) && swarmbus_attach(bus, OWNERS[pick(10)], &agents[at], NULL) != SWARMBUS_OK)
        swarmbus_join(bus, &agents[at], NULL);
    me = agents[at];
    swarmbus_message *message = &messages[to];
    swarmbus_loan *loan = &loans[to];
    swarmbus_send_opts opts = send_opts();
    const char *several[QUEUES];
    swarmbus_message batch[4];
    swarmbus_bytes bytes[3];
    swarmbus_member_info member;
    swarmbus_queue_info queue;
    char text[SWARMBUS_NAME_SIZE];
    const char *told = NULL;
    uint64_t number = 0;
    size_t count = 0;
    size_t some = length();
    int fd = -1;
    int32_t flag = 0;
    if (some != SIZE_MAX && some > sizeof payload) some = sizeof payload;
    for (int queue_at = 0; queue_at < QUEUES; queue_at++) several[queue_at] = name();
    memset(&member, 0, sizeof member);
    member.struct_size = sizeof member;
    memset(&queue, 0, sizeof queue);
    queue.struct_size = sizeof queue;
    switch (pick(72)) {
    case 0:
        /* Not too often: who has just come has nothing yet. */
        if (pick(10)) break;
        swarmbus_agent_close(me);
        DO(swarmbus_attach(bus, name(), &agents[at], NULL));
        break;
    case 1:
        if (pick(20)) break;
        swarmbus_agent_close(me);
        DO(swarmbus_join(bus, &agents[at], NULL));
        break;
    case 2:
        if (pick(10) == 0) DO(swarmbus_agent_close(me));
        break;
    case 3:
        if (pick(20) == 0) {
            swarmbus_agent_close(me);
            DO(swarmbus_take_over(bus, name(), &agents[at], NULL));
        }
        break;
    case 4:
        if (pick(10)) break;
        swarmbus_agent_close(me);
        DO(swarmbus_stand_by(bus, name(), patience(), &agents[at], NULL));
        break;
    case 5: DO(swarmbus_agent_name(me, text, pick(2) ? sizeof text : pick(4))); break;
    case 6: DO(swarmbus_agent_epoch(me, &number)); break;
    case 7: DO(swarmbus_send(me, name(), payload, some, patience(), &number, &opts)); break;
    case 8:
    case 9: DO(swarmbus_send(me, OWNERS[pick(10)], payload, some, 0, NULL, NULL)); break;
    case 10:
        if (judge(swarmbus_loan_get(me, some, loan)) == SWARMBUS_OK && some > 0) memset(loan->data, 1, some);
        break;
    case 11:
        DO(swarmbus_publish(me, loan, name(), some, patience(), NULL, &opts));
        break;
    case 12: DO(swarmbus_loan_discard(me, loan)); break;
    case 13: loans[at] = *loan; break;
    case 14:
    case 15:
    case 16:
        if (judge(swarmbus_receive(me, patience(), message, NULL)) == SWARMBUS_OK) received++;
        touch(message->data, message->length);
        break;
    case 17: DO(swarmbus_receive_from(me, name(), patience(), message, NULL)); break;
    case 18: DO(swarmbus_receive_any(me, several, pick(QUEUES), patience(), message, NULL)); break;
    case 19:
        DO(swarmbus_receive_batch(me, pick(2) ? name() : NULL, patience(), batch, pick(5), &count, NULL));
        for (size_t one = 0; one < count; one++) messages[pick(KEPT)] = batch[one];
        break;
    case 20:
    case 21:
    case 22: DO(swarmbus_release(me, message)); break;
    case 23: DO(swarmbus_nack(me, message)); break;
    case 24: DO(swarmbus_nack_after(me, message, pick(3) ? pick(3000000) : UINT64_MAX)); break;
    case 25: DO(swarmbus_forward(me, message, name(), patience(), NULL)); break;
    case 26: DO(swarmbus_detach(me, message, loan)); break;
    case 27: messages[at] = *message; break;
    case 28: DO(swarmbus_message_sender(me, message, text, sizeof text)); break;
    case 29:
        DO(swarmbus_message_queue(me, message, text, sizeof text));
        DO(swarmbus_message_traceparent(me, message, text, sizeof text));
        break;
    case 30: DO(swarmbus_message_lane(me, message, &flag)); break;
    case 31: DO(swarmbus_message_schema(me, message, &number)); break;
    case 32: DO(swarmbus_reply(me, message, payload, some, NULL, NULL)); break;
    case 33: DO(swarmbus_reply_part(me, message, payload, some, patience(), NULL, NULL)); break;
    case 34: DO(swarmbus_call(me, name(), payload, some, patience(), message, &opts)); break;
    case 35: DO(swarmbus_call_stream(me, name(), payload, some, patience(), &answers[to], &opts)); break;
    case 36: DO(swarmbus_answers_next(me, &answers[to], patience(), message, NULL)); break;
    case 37: DO(swarmbus_answers_close(me, &answers[to])); break;
    case 38:
        for (int one = 0; one < 3; one++) {
            bytes[one].data = payload;
            bytes[one].length = pick(3000);
        }
        DO(swarmbus_send_batch(me, name(), bytes, pick(4), patience(), NULL, &opts));
        break;
    case 39: DO(swarmbus_publish_batch(me, &loans[pick(KEPT - 3)], pick(4), name(), patience(), NULL, &opts)); break;
    case 40: {
        swarmbus_publish_opts traced;
        memset(&traced, 0, sizeof traced);
        traced.struct_size = sizeof traced;
        traced.traceparent = TRACE;
        DO(swarmbus_topic_send(me, name(), payload, some, patience(), NULL, pick(2) ? &traced : NULL));
        break;
    }
    case 41: DO(swarmbus_topic_publish(me, loan, name(), some, patience(), NULL, NULL)); break;
    case 42: DO(swarmbus_topic_trim(me, name(), &number)); break;
    case 43: {
        swarmbus_subscribe_opts from = {sizeof from, pick(4) ? pick(5) : SWARMBUS_RETAINED};
        swarmbus_subscription_close(subscriptions[to]);
        DO(swarmbus_subscribe(me, NAMES[6 + pick(3)], &subscriptions[to], &from));
        break;
    }
    case 44:
    case 45:
    case 46:
        DO(swarmbus_subscription_receive(subscriptions[to], patience(), &samples[at], NULL));
        touch(samples[at].data, samples[at].length);
        break;
    case 47: DO(swarmbus_sample_release(subscriptions[to], &samples[at])); break;
    case 48:
        DO(swarmbus_sample_sender(subscriptions[to], &samples[at], text, sizeof text));
        DO(swarmbus_sample_traceparent(subscriptions[to], &samples[at], text, sizeof text));
        break;
    case 49: DO(swarmbus_subscription_position(subscriptions[to], &number, NULL)); break;
    case 50:
        swarmbus_descriptor_close(descriptors[to]);
        DO(swarmbus_descriptor_open(me, several, pick(3), &descriptors[to]));
        break;
    case 51: DO(swarmbus_descriptor_next(descriptors[to], message)); break;
    case 52: DO(pick(2) ? swarmbus_descriptor_rearm(descriptors[to]) : swarmbus_descriptor_fd(descriptors[to], &fd)); break;
    case 53:
        swarmbus_sources_close(sources[to]);
        DO(swarmbus_sources_open(me, several, pick(QUEUES), &sources[to]));
        break;
    case 54: DO(swarmbus_sources_receive(sources[to], patience(), message, NULL)); break;
    case 55: DO(swarmbus_lock_take(me, LOCKS[pick(7)], (int32_t)pick(3), patience(), &locks[to], NULL)); break;
    case 56:
    case 57: DO(swarmbus_lock_release(me, &locks[to])); break;
    case 58: DO(pick(2) ? swarmbus_take_role(me, "cook") : swarmbus_drop_role(me, "cook", &flag)); break;
    case 59: {
        swarmbus_status status;
        memset(&status, 0, sizeof status);
        status.struct_size = sizeof status;
        status.state = (int32_t)pick(6);
        status.task = pick(2) ? "a task" : NULL;
        DO(pick(2) ? swarmbus_set_status(me, &status) : swarmbus_beat(me));
        break;
    }
    case 60: DO(pick(2) ? swarmbus_tap(me, name()) : swarmbus_untap(me)); break;
    case 61: DO(pick(2) ? swarmbus_redrive(me, name(), pick(5), &number) : swarmbus_reap(me, NULL)); break;
    case 62:
        if (pick(20) == 0) DO(swarmbus_purge(me, name(), &number));
        break;
    case 63:
        if (observers[to] == NULL) DO(swarmbus_observer_open(test_bus, &observers[to]));
        swarmbus_snapshot_close(snapshots[at]);
        snapshots[at] = NULL;
        switch (pick(6)) {
        case 0: DO(swarmbus_snapshot_members(observers[to], &snapshots[at])); break;
        case 1: DO(swarmbus_snapshot_queues(observers[to], &snapshots[at])); break;
        case 2: DO(swarmbus_snapshot_messages(observers[to], name(), pick(9), &snapshots[at])); break;
        case 3: DO(swarmbus_snapshot_statuses(observers[to], pick(2) ? "*" : NULL, &snapshots[at])); break;
        case 4: DO(swarmbus_snapshot_locks(observers[to], LOCKS[pick(7)], &snapshots[at])); break;
        default: DO(swarmbus_snapshot_subscribers(observers[to], &snapshots[at])); break;
        }
        break;
    case 64:
        DO(pick(2) ? swarmbus_snapshot_member(snapshots[at], pick(9), &member)
                   : swarmbus_snapshot_queue(snapshots[at], pick(9), &queue));
        DO(swarmbus_snapshot_text(snapshots[at], pick(9), (int32_t)pick(6), pick(3), &told));
        if (told != NULL) touched += strlen(told);
        break;
    default: seldom(me, at, to); break;
    }
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t seed;
static uint64_t until_ms;

static void play_until(uint64_t end_ms) {
    while (now_ms() < end_ms) {
        for (int round = 0; round < 200; round++) step();
        if (pick(200) == 0) close_all();
    }
    close_all();
    end_side();
}

static int play(swarmbus_bus *opened) {
    bus = opened;
    uint64_t from_ms = now_ms();
    /* By then all that grows once has grown. */
    play_until(from_ms + (until_ms - from_ms) / 5);
    footprint before = test_footprint();
    play_until(until_ms);
    footprint after = test_footprint();
    printf("%llu calls, %llu refused, %llu received (%llu); own memory %ld, then %ld KiB; descriptors %ld, then %ld\n",
           (unsigned long long)calls_made, (unsigned long long)by_code[1], (unsigned long long)received,
           (unsigned long long)touched, before.memory_kib, after.memory_kib, before.descriptors, after.descriptors);
    if (after.descriptors > before.descriptors) test_list_descriptors();
    CHECK(after.descriptors <= before.descriptors);
    CHECK(after.memory_kib <= before.memory_kib + GROWTH_KIB);
    OK(swarmbus_bus_close(bus));
    return 0;
}

static void declare(swarmbus_bus *opened) {
    swarmbus_declare_opts queue;
    memset(&queue, 0, sizeof queue);
    queue.struct_size = sizeof queue;
    queue.limit = 8;
    queue.max_deliveries = 3;
    queue.dead_letters = "dead";
    for (int at = 0; at < 6; at++) {
        queue.makes_room = at == 4;
        OK(swarmbus_declare(opened, NAMES[at], at == 5 ? NULL : &queue));
    }
    for (int32_t policy = 0; policy < 3; policy++) {
        static const int32_t policies[] = {SWARMBUS_POLICY_BACK_PRESSURE, SWARMBUS_POLICY_LOSSY, SWARMBUS_POLICY_DROP_NEW};
        swarmbus_topic_opts topic = {sizeof topic, policies[policy], 8, 4};
        OK(swarmbus_declare_topic(opened, NAMES[6 + policy], &topic));
    }
    OK(swarmbus_declare(opened, "@cook", NULL));
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    pid_t children[PROCESSES];
    if (argc != 4) {
        fprintf(stderr, "usage: %s BUS SEED SECONDS\n", argv[0]);
        return 2;
    }
    seed = strtoull(argv[2], NULL, 10);
    until_ms = now_ms() + strtoull(argv[3], NULL, 10) * 1000;
    swarmbus_bus *opened = test_create(2, argv, &small);
    declare(opened);
    for (int at = 0; at < PROCESSES; at++) {
        chance = (seed * PROCESSES + (uint64_t)at + 1) * UINT64_C(0x9E3779B97F4A7C15);
        children[at] = test_spawn(play);
    }
    for (int at = 0; at < PROCESSES; at++) test_join(children[at]);
    check_leaks(opened, NAMES + 6, 3);
    OK(swarmbus_bus_close(opened));
    return 0;
}

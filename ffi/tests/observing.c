/* Snapshots of all kinds, of a living bus and of a copy of its file; counters and latencies that tell what was done. */
#include "check.h"

static size_t rows_of(swarmbus_snapshot *seen) {
    size_t rows = SIZE_MAX;
    OK(swarmbus_snapshot_length(seen, &rows));
    return rows;
}

static void members(swarmbus_observer *observer) {
    swarmbus_snapshot *seen = NULL;
    swarmbus_member_info member;
    int found = 0;
    OK(swarmbus_snapshot_members(observer, &seen));
    for (size_t row = 0; row < rows_of(seen); row++) {
        memset(&member, 0, sizeof member);
        member.struct_size = sizeof member;
        OK(swarmbus_snapshot_member(seen, row, &member));
        if (strcmp(member.agent, "me") != 0) continue;
        found++;
        CHECK(member.pid == (uint32_t)getpid() && member.dead == 0);
        CHECK(member.sent == 200 && member.sent_bytes == 600 && member.received == 190 && member.released == 189);
        CHECK(member.in_flight == 1);
    }
    CHECK(found == 1);
    CHECK_CODE(swarmbus_snapshot_member(seen, rows_of(seen), &member), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("counted from 0");
    OK(swarmbus_snapshot_close(seen));
}

static void queues(swarmbus_observer *observer) {
    swarmbus_snapshot *seen = NULL;
    swarmbus_queue_info queue;
    swarmbus_message_info message;
    swarmbus_name_info name;
    OK(swarmbus_snapshot_queues(observer, &seen));
    CHECK(rows_of(seen) == 1);
    queue.struct_size = sizeof queue;
    OK(swarmbus_snapshot_queue(seen, 0, &queue));
    CHECK(strcmp(queue.name, "me") == 0 && queue.queued == 10 && queue.in_flight == 1 && queue.closed == 0);
    CHECK(queue.depths[SWARMBUS_LANE_NORMAL] == 10 && queue.depths[SWARMBUS_LANE_URGENT] == 0);
    CHECK(queue.owner_pid == (uint32_t)getpid() && queue.sent == 200 && queue.taken == 190);
    CHECK_CODE(swarmbus_snapshot_name(seen, 0, &name), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("of queues");
    OK(swarmbus_snapshot_close(seen));

    OK(swarmbus_snapshot_messages(observer, "me", 3, &seen));
    CHECK(rows_of(seen) == 3);
    message.struct_size = sizeof message;
    OK(swarmbus_snapshot_message(seen, 2, &message));
    CHECK(message.payload.length == 3 && memcmp(message.payload.data, "abc", 3) == 0);
    CHECK(strcmp(message.sender, "me") == 0 && message.lane == SWARMBUS_LANE_NORMAL && message.correlation == 7);
    OK(swarmbus_snapshot_close(seen));
    CHECK_CODE(swarmbus_snapshot_messages(observer, "nowhere", 3, &seen), SWARMBUS_UNKNOWN_AGENT);
    CHECK(seen == NULL);
}

static void others(swarmbus_observer *observer, const char *bus) {
    swarmbus_snapshot *seen = NULL;
    swarmbus_topic_info topic;
    swarmbus_lock_info lock;
    swarmbus_name_info name;
    swarmbus_class_info size_class;
    swarmbus_latency_info latency;
    int found = 0;
    OK(swarmbus_snapshot_topics(observer, &seen));
    topic.struct_size = sizeof topic;
    OK(swarmbus_snapshot_topic(seen, 0, &topic));
    CHECK(strcmp(topic.name, "news") == 0 && topic.policy == SWARMBUS_POLICY_LOSSY && topic.capacity == 8);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_snapshot_locks(observer, "src/a.c", &seen));
    lock.struct_size = sizeof lock;
    OK(swarmbus_snapshot_lock(seen, 0, &lock));
    CHECK(strcmp(lock.name, "src/**") == 0 && lock.held && lock.mode == SWARMBUS_LOCK_SHARED && lock.token > 0);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_snapshot_locks(observer, "doc/a.c", &seen));
    CHECK(rows_of(seen) == 0);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_snapshot_names(observer, NULL, &seen));
    CHECK(rows_of(seen) == 2);
    name.struct_size = sizeof name;
    OK(swarmbus_snapshot_name(seen, 1, &name));
    CHECK(strcmp(name.name, "news") == 0 && name.kind == SWARMBUS_KIND_TOPIC && name.owner_pid == 0);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_snapshot_classes(observer, &seen));
    size_class.struct_size = sizeof size_class;
    OK(swarmbus_snapshot_class(seen, 0, &size_class));
    CHECK(size_class.spans > 0 && size_class.payload_bytes >= 3);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_snapshot_latencies(observer, &seen));
    latency.struct_size = sizeof latency;
    OK(swarmbus_snapshot_latency(seen, 0, &latency));
    CHECK(latency.pid == 0 && latency.sending.count > 0 && latency.sending.p50_ns <= latency.sending.max_ns);
    OK(swarmbus_snapshot_latency(seen, 1, &latency));
    CHECK(latency.pid == (uint32_t)getpid() && strcmp(latency.agent, "me") == 0);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_snapshot_buses(&seen));
    for (size_t row = 0; row < rows_of(seen); row++) {
        OK(swarmbus_snapshot_name(seen, row, &name));
        if (strcmp(name.name, bus) == 0 && name.kind == SWARMBUS_KIND_BUS) found = 1;
    }
    CHECK(found);
    OK(swarmbus_snapshot_close(seen));
    CHECK_CODE(swarmbus_snapshot_close(seen), SWARMBUS_BAD_HANDLE);
    CHECK_CODE(swarmbus_snapshot_names(observer, NULL, NULL), SWARMBUS_NULL_POINTER);
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_observer *observer = NULL, *copy = NULL;
    swarmbus_bus_info info;
    swarmbus_message message;
    swarmbus_send_opts opts;
    swarmbus_topic_opts lossy = {sizeof lossy, SWARMBUS_POLICY_LOSSY, 8, 0};
    swarmbus_lock lock;
    char path[128];
    /* A program built against a newer header has a longer struct: what this library does not know is zero. */
    struct newer {
        swarmbus_bus_info known;
        uint64_t added;
    } newer;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    OK(swarmbus_declare_topic(bus, "news", &lossy));
    OK(swarmbus_lock_take(me, "src/**", SWARMBUS_LOCK_SHARED, 0, &lock, NULL));
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.correlation = 7;
    for (int at = 0; at < 200; at++) OK(swarmbus_send(me, "me", "abc", 3, 0, NULL, &opts));
    for (int at = 0; at < 190; at++) {
        OK(swarmbus_receive(me, 0, &message, NULL));
        if (at < 189) OK(swarmbus_release(me, &message));
    }

    OK(swarmbus_observer_open(argv[1], &observer));
    memset(&newer, 0xff, sizeof newer);
    newer.known.struct_size = sizeof newer;
    OK(swarmbus_observe_bus(observer, &newer.known));
    CHECK(newer.added == 0 && newer.known.struct_size == sizeof newer && newer.known.agents_max == 64);
    info.struct_size = 0;
    CHECK_CODE(swarmbus_observe_bus(observer, &info), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("struct_size");
    info.struct_size = sizeof info;
    OK(swarmbus_observe_bus(observer, &info));
    CHECK(strcmp(info.name, argv[1]) == 0 && info.destroyed == 0 && info.queues == 1 && info.members == 1);
    CHECK(info.chunks.queued == 10 && info.chunks.in_flight == 1 && info.corrupt == 0);
    members(observer);
    queues(observer);
    others(observer, argv[1]);

    snprintf(path, sizeof path, "/dev/shm/swarmbus.%s", argv[1]);
    OK(swarmbus_observer_open_file(path, &copy));
    members(copy);
    OK(swarmbus_observer_close(copy));
    CHECK_CODE(swarmbus_observer_open_file("/dev/null", &copy), SWARMBUS_NOT_READY);
    CHECK(copy == NULL);
    CHECK_CODE(swarmbus_observer_open("no such bus", &copy), SWARMBUS_INVALID_NAME);
    CHECK_CODE(swarmbus_observer_open("no-such-bus", &copy), SWARMBUS_UNKNOWN_BUS);
    CHECK_CODE(swarmbus_observer_close(copy), SWARMBUS_OK);
    OK(swarmbus_release(me, &message));
    OK(swarmbus_bus_destroy(bus));
    OK(swarmbus_observe_bus(observer, &info));
    CHECK(info.destroyed != 0);
    OK(swarmbus_observer_close(observer));
    CHECK_CODE(swarmbus_observe_bus(observer, &info), SWARMBUS_BAD_HANDLE);
    CHECK_CODE(swarmbus_bus_remove(argv[1]), SWARMBUS_UNKNOWN_BUS);
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

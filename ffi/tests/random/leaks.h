/* What random calls must not leave: chunks, locks, members in the segment; memory and descriptors in the process. */
#ifndef SWARMBUS_TEST_LEAKS_H
#define SWARMBUS_TEST_LEAKS_H

#include "../check.h"

#include <dirent.h>

/* What a process has of its own. */
typedef struct {
    long memory_kib;
    long descriptors;
} footprint;

static long test_status(const char *field) {
    char line[256];
    long value = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) value = strtol(line + strlen(field), NULL, 10);
    }
    CHECK(fclose(status) == 0 && value >= 0);
    return value;
}

static footprint test_footprint(void) {
    footprint now = {0, 0};
    /* The thread that watches for descriptors ends, and lets go of what it has, soon after the last of them. */
    for (int left = 3000; left > 0 && test_status("Threads:") > 1; left--) usleep(10000);
    /* Without what it has touched of the segment, which all share. */
    now.memory_kib = test_status("RssAnon:");
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while (readdir(folder) != NULL) now.descriptors++;
    CHECK(closedir(folder) == 0);
    return now;
}

/* Says what is open, for who looks for what leaked. */
static void test_list_descriptors(void) {
    char path[64], target[256];
    for (int fd = 0; fd < 1024; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length > 0) fprintf(stderr, "%d: %.*s\n", fd, (int)length, target);
    }
}

static size_t rows_and_close(swarmbus_snapshot *seen) {
    size_t rows = SIZE_MAX;
    OK(swarmbus_snapshot_length(seen, &rows));
    OK(swarmbus_snapshot_close(seen));
    return rows;
}

/* Nothing is left but what waits in queues and what topics retain, and that goes when it is purged. */
static void check_leaks(swarmbus_bus *opened, const char *const *topics, size_t topic_count) {
    swarmbus_agent *me = NULL;
    swarmbus_observer *observer = NULL;
    swarmbus_snapshot *seen = NULL;
    swarmbus_bus_info info;
    size_t rows = 0;
    OK(swarmbus_join(opened, &me, NULL));
    OK(swarmbus_reap(me, NULL));
    OK(swarmbus_observer_open(test_bus, &observer));
    OK(swarmbus_snapshot_queues(observer, &seen));
    OK(swarmbus_snapshot_length(seen, &rows));
    for (size_t row = 0; row < rows; row++) {
        swarmbus_queue_info queue;
        queue.struct_size = sizeof queue;
        OK(swarmbus_snapshot_queue(seen, row, &queue));
        OK(swarmbus_purge(me, queue.name, NULL));
    }
    OK(swarmbus_snapshot_close(seen));
    for (size_t at = 0; at < topic_count; at++) OK(swarmbus_topic_trim(me, topics[at], NULL));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_snapshot_locks(observer, NULL, &seen));
    CHECK(rows_and_close(seen) == 0);
    OK(swarmbus_snapshot_subscribers(observer, &seen));
    CHECK(rows_and_close(seen) == 0);
    OK(swarmbus_snapshot_members(observer, &seen));
    CHECK(rows_and_close(seen) == 0);
    info.struct_size = sizeof info;
    OK(swarmbus_observe_bus(observer, &info));
    printf("left: %llu chunks in flight, %llu held\n", (unsigned long long)info.chunks.in_flight,
           (unsigned long long)info.chunks.held);
    if (info.chunks.in_flight != 0 || info.chunks.held != 0 || info.chunks.queued > 4 * topic_count || info.corrupt != 0) {
        fprintf(stderr, "left: %llu in flight, %llu held, %llu queued; corrupt: %llu\n",
                (unsigned long long)info.chunks.in_flight, (unsigned long long)info.chunks.held,
                (unsigned long long)info.chunks.queued, (unsigned long long)info.corrupt);
        exit(1);
    }
    OK(swarmbus_observer_close(observer));
}

#endif

/* What agents say of themselves, as another process sees it: status, tags, roles; and mailboxes that change hands. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "check.h"

#include <signal.h>

static int coder(swarmbus_bus *bus) {
    swarmbus_agent *me = NULL;
    swarmbus_status status;
    const char *blockers[] = {"no key", "no time"};
    const char *tags[] = {"fast", "c"};
    OK(swarmbus_attach(bus, "coder", &me, NULL));
    OK(swarmbus_take_role(me, "build"));
    OK(swarmbus_set_tags(me, tags, 2));
    memset(&status, 0, sizeof status);
    status.struct_size = sizeof status;
    status.state = SWARMBUS_STATE_BLOCKED;
    status.done = 3;
    status.total = 7;
    status.task = "count";
    status.blockers = blockers;
    status.blocker_count = 2;
    OK(swarmbus_set_status(me, &status));
    OK(swarmbus_beat(me));
    OK(swarmbus_send(me, "me", "said", 4, PATIENCE, NULL, NULL));
    test_expect(me, "for the role");
    OK(swarmbus_send(me, "me", "got it", 6, PATIENCE, NULL, NULL));
    for (;;) pause();
}

static void expect_text(swarmbus_snapshot *seen, int32_t kind, size_t nth, const char *wanted) {
    const char *text = NULL;
    OK(swarmbus_snapshot_text(seen, 0, kind, nth, &text));
    CHECK(strcmp(text, wanted) == 0);
}

static void look(const char *name) {
    swarmbus_observer *observer = NULL;
    swarmbus_snapshot *seen = NULL;
    swarmbus_status_info status;
    swarmbus_agent_info agent;
    swarmbus_agent_filter filter;
    const char *text = name;
    size_t rows = 9;
    OK(swarmbus_observer_open(name, &observer));
    OK(swarmbus_snapshot_statuses(observer, "cod*", &seen));
    OK(swarmbus_snapshot_length(seen, &rows));
    CHECK(rows == 1);
    status.struct_size = sizeof status;
    OK(swarmbus_snapshot_status(seen, 0, &status));
    CHECK(status.state == SWARMBUS_STATE_BLOCKED && status.done == 3 && status.total == 7 && status.pid != 0);
    CHECK(status.beat_age_ns >= 0 && status.blocker_count == 2 && status.tag_count == 2 && status.role_count == 1);
    expect_text(seen, SWARMBUS_TEXT_TASK, 0, "count");
    expect_text(seen, SWARMBUS_TEXT_BLOCKER, 1, "no time");
    expect_text(seen, SWARMBUS_TEXT_TAG, 0, "fast");
    expect_text(seen, SWARMBUS_TEXT_ROLE, 0, "build");
    CHECK_CODE(swarmbus_snapshot_text(seen, 0, SWARMBUS_TEXT_BLOCKER, 2, &text), SWARMBUS_INVALID_ARGUMENT);
    CHECK(text == NULL);
    CHECK_CODE(swarmbus_snapshot_text(seen, 1, SWARMBUS_TEXT_TASK, 0, &text), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_snapshot_agent(seen, 0, &agent), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_snapshot_close(seen));
    memset(&filter, 0, sizeof filter);
    filter.struct_size = sizeof filter;
    filter.tag = "c";
    filter.role = "@build";
    filter.alive = 1;
    OK(swarmbus_snapshot_agents(observer, &filter, &seen));
    OK(swarmbus_snapshot_length(seen, &rows));
    agent.struct_size = sizeof agent;
    CHECK(rows == 1);
    OK(swarmbus_snapshot_agent(seen, 0, &agent));
    CHECK(strcmp(agent.name, "coder") == 0 && agent.tag_count == 2 && agent.epoch > 0);
    OK(swarmbus_snapshot_close(seen));
    filter.alive = -1;
    OK(swarmbus_snapshot_agents(observer, &filter, &seen));
    OK(swarmbus_snapshot_length(seen, &rows));
    CHECK(rows == 0);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_observer_close(observer));
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL, *heir = NULL, *usurper = NULL, *mute = NULL;
    swarmbus_message message;
    swarmbus_status status;
    uint64_t before = 0, after = 0;
    int32_t had = -1;
    int ended = 0;
    char *longest = (char *)malloc(5000);
    CHECK(longest != NULL);
    OK(swarmbus_attach(bus, "me", &me, NULL));
    pid_t child = test_spawn(coder);
    test_expect(me, "said");
    look(argv[1]);
    OK(swarmbus_send(me, "@build", "for the role", 12, 0, NULL, NULL));
    test_expect(me, "got it");

    /* Its heir stands by; the death of the owner is noticed. */
    CHECK_CODE(swarmbus_stand_by(bus, "coder", 0, &heir, NULL), SWARMBUS_TIMEOUT);
    CHECK(heir == NULL);
    CHECK(kill(child, SIGKILL) == 0);
    OK(swarmbus_stand_by(bus, "coder", PATIENCE, &heir, NULL));
    CHECK(waitpid(child, &ended, 0) == child);
    OK(swarmbus_agent_epoch(heir, &before));
    OK(swarmbus_take_over(bus, "coder", &usurper, NULL));
    OK(swarmbus_agent_epoch(usurper, &after));
    CHECK(after > before && before > 0);
    CHECK_CODE(swarmbus_receive(heir, 0, &message, NULL), SWARMBUS_HANDED_OVER);
    CHECK_CODE(swarmbus_send(heir, "me", "x", 1, 0, NULL, NULL), SWARMBUS_HANDED_OVER);
    CHECK_CODE(swarmbus_beat(heir), SWARMBUS_HANDED_OVER);
    OK(swarmbus_agent_close(heir));

    OK(swarmbus_take_role(usurper, "build"));
    OK(swarmbus_drop_role(usurper, "@build", &had));
    CHECK(had == 1);
    OK(swarmbus_drop_role(usurper, "build", &had));
    CHECK(had == 0);
    OK(swarmbus_set_tags(usurper, NULL, 0));
    CHECK_CODE(swarmbus_take_role(usurper, "a/b"), SWARMBUS_INVALID_NAME);

    /* What is too long, or makes no sense. */
    memset(&status, 0, sizeof status);
    status.struct_size = sizeof status;
    OK(swarmbus_set_status(me, &status));
    status.state = 5;
    CHECK_CODE(swarmbus_set_status(me, &status), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("SWARMBUS_STATE_");
    memset(longest, 'x', 4999);
    longest[4999] = '\0';
    status.state = SWARMBUS_STATE_IN_PROGRESS;
    status.note = longest;
    CHECK_CODE(swarmbus_set_status(me, &status), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("the most is");
    status.note = NULL;
    status.blocker_count = 1;
    CHECK_CODE(swarmbus_set_status(me, &status), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_set_status(me, NULL), SWARMBUS_NULL_POINTER);
    OK(swarmbus_join(bus, &mute, NULL));
    CHECK_CODE(swarmbus_beat(mute), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_take_role(mute, "build"), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_tap(mute, "me"), SWARMBUS_INVALID_ARGUMENT);
    free(longest);
    OK(swarmbus_agent_close(mute));
    OK(swarmbus_agent_close(usurper));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

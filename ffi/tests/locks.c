/* Locks: exclusive, shared, patterns, fencing tokens, and a holder that is killed. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "check.h"

#include <signal.h>

static int holder(swarmbus_bus *bus) {
    swarmbus_agent *me = NULL;
    swarmbus_lock lock;
    OK(swarmbus_attach(bus, "holder", &me, NULL));
    OK(swarmbus_lock_take(me, "src/**", SWARMBUS_LOCK_EXCLUSIVE, PATIENCE, &lock, NULL));
    OK(swarmbus_send(me, "me", &lock.token, sizeof lock.token, PATIENCE, NULL, NULL));
    for (;;) pause();
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL, *other = NULL;
    swarmbus_message message;
    swarmbus_lock lock, shared, again, copy;
    uint64_t token = 0;
    int status = 0;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    OK(swarmbus_attach(bus, "other", &other, NULL));
    pid_t child = test_spawn(holder);
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    memcpy(&token, message.data, sizeof token);
    OK(swarmbus_release(me, &message));
    CHECK(token > 0);

    CHECK_CODE(swarmbus_lock_take(me, "src/main.c", SWARMBUS_LOCK_SHARED, 0, &lock, NULL), SWARMBUS_LOCKED);
    LAST_ERROR_HAS("holder");
    CHECK(lock.token == 0);
    CHECK_CODE(swarmbus_lock_take(me, "src/*.c", SWARMBUS_LOCK_SHARED, 2000000, &lock, NULL), SWARMBUS_LOCKED);
    OK(swarmbus_lock_take(me, "doc/main.c", SWARMBUS_LOCK_EXCLUSIVE, 0, &lock, NULL));
    CHECK(lock.token > token);
    CHECK_CODE(swarmbus_lock_take(me, "doc/*", SWARMBUS_LOCK_EXCLUSIVE, 0, &again, NULL), SWARMBUS_INVALID_ARGUMENT);
    copy = lock;
    CHECK_CODE(swarmbus_lock_release(other, &lock), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_lock_release(me, &lock));
    CHECK(lock.token == 0);
    CHECK_CODE(swarmbus_lock_release(me, &lock), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_lock_release(me, &copy), SWARMBUS_RELEASED);

    /* Whoever dies lets go. */
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child);
    OK(swarmbus_lock_take(me, "src/main.c", SWARMBUS_LOCK_SHARED, PATIENCE, &shared, NULL));
    OK(swarmbus_lock_take(other, "src/*.c", SWARMBUS_LOCK_SHARED, 0, &again, NULL));
    CHECK(again.token > shared.token && shared.token > token);
    CHECK_CODE(swarmbus_lock_take(other, "src/main.c", 2, 0, &lock, NULL), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("SWARMBUS_LOCK_");
    CHECK_CODE(swarmbus_lock_take(other, "", 0, 0, &lock, NULL), SWARMBUS_INVALID_ARGUMENT);
    /* Closing the agent lets go as well. */
    OK(swarmbus_agent_close(other));
    OK(swarmbus_lock_release(me, &shared));
    OK(swarmbus_lock_take(me, "src/**", SWARMBUS_LOCK_EXCLUSIVE, 0, &lock, NULL));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

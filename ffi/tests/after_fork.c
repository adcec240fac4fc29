/* A forked child does not have its parent's agents: every use is an error, and closing there harms nobody. */
#include "check.h"

#include <sys/wait.h>

static swarmbus_agent *without_mailbox;

static int in_child(swarmbus_bus *bus, swarmbus_agent *agent, swarmbus_message *held, swarmbus_loan *loan) {
    swarmbus_message message;
    swarmbus_agent *mine = NULL;
    uint64_t id = 0;
    CHECK_CODE(swarmbus_send(agent, "me", "x", 1, 0, NULL, NULL), SWARMBUS_FORKED);
    LAST_ERROR_HAS("fork");
    CHECK_CODE(swarmbus_receive(agent, PATIENCE, &message, NULL), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_receive_from(agent, "me", PATIENCE, &message, NULL), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_release(agent, held), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_nack(agent, held), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_message_id(agent, held, &id), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_publish(agent, loan, "me", 1, 0, NULL, NULL), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_loan_discard(agent, loan), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_loan_get(agent, 1, loan), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_close_queue(agent, "me"), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_reap(agent, NULL), SWARMBUS_FORKED);
    /* What a member without a mailbox could not do at home is no reason either. */
    CHECK_CODE(swarmbus_beat(without_mailbox), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_untap(without_mailbox), SWARMBUS_FORKED);
    CHECK_CODE(swarmbus_take_role(without_mailbox, "cook"), SWARMBUS_FORKED);
    OK(swarmbus_agent_close(without_mailbox));
    /* The bus handle still serves, for an agent of the child's own. */
    CHECK_CODE(swarmbus_attach(bus, "me", &mine, NULL), SWARMBUS_AGENT_BUSY);
    OK(swarmbus_attach(bus, "child", &mine, NULL));
    OK(swarmbus_send(mine, "me", "from the child", 14, 0, NULL, NULL));
    OK(swarmbus_agent_close(mine));
    OK(swarmbus_agent_close(agent));
    CHECK_CODE(swarmbus_agent_close(agent), SWARMBUS_BAD_HANDLE);
    return 0;
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL;
    swarmbus_agent *left_open = NULL;
    swarmbus_message held, message;
    swarmbus_loan loan;
    int status = 0;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    OK(swarmbus_attach(bus, "other", &left_open, NULL));
    OK(swarmbus_join(bus, &without_mailbox, NULL));
    CHECK_CODE(swarmbus_beat(without_mailbox), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_send(me, "me", "held", 4, 0, NULL, NULL));
    OK(swarmbus_receive(me, 0, &held, NULL));
    OK(swarmbus_loan_get(me, 4, &loan));
    memcpy(loan.data, "loan", 4);

    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    /* exit() runs destructors, which must leave the agents of the parent alone too. */
    if (child == 0) exit(in_child(bus, me, &held, &loan));
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    /* All that the parent had is still its own. */
    CHECK(memcmp(held.data, "held", 4) == 0);
    OK(swarmbus_release(me, &held));
    CHECK(memcmp(loan.data, "loan", 4) == 0);
    OK(swarmbus_publish(me, &loan, "other", 4, 0, NULL, NULL));
    OK(swarmbus_receive(left_open, PATIENCE, &message, NULL));
    OK(swarmbus_release(left_open, &message));
    OK(swarmbus_receive(me, PATIENCE, &message, NULL));
    CHECK(message.length == 14);
    OK(swarmbus_release(me, &message));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_agent_close(left_open));
    OK(swarmbus_agent_close(without_mailbox));
    OK(swarmbus_bus_close(bus));
    return 0;
}

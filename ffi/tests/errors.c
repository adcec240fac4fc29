/* Each wrong use is an error with its code, and a text that says what and where. */
#include "check.h"

#include <ctype.h>

int main(int argc, char **argv) {
    CHECK(swarmbus_abi_version() == SWARMBUS_ABI_VERSION);
    CHECK(isdigit((unsigned char)swarmbus_version()[0]));
    CHECK(strcmp(swarmbus_last_error(), "") == 0);
    CHECK(strcmp(swarmbus_error_name(SWARMBUS_OK), "Ok") == 0);
    CHECK(strcmp(swarmbus_error_name(SWARMBUS_AGENT_BUSY), "AgentBusy") == 0);
    CHECK(strcmp(swarmbus_error_name(SWARMBUS_WRONG_THREAD), "WrongThread") == 0);
    CHECK(strcmp(swarmbus_error_name(4711), "Unknown") == 0);
    CHECK(strstr(swarmbus_strerror(SWARMBUS_FULL), "full") != NULL);
    CHECK(strlen(swarmbus_strerror(4711)) > 0);

    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_bus *other = bus;
    swarmbus_agent *me = NULL;
    swarmbus_agent *second = NULL;
    swarmbus_message message;

    /* Buses. */
    CHECK_CODE(swarmbus_bus_create(argv[1], &other, NULL), SWARMBUS_BUS_EXISTS);
    CHECK(other == NULL);
    LAST_ERROR_HAS(argv[1]);
    CHECK_CODE(swarmbus_bus_open("no-such-bus", &other, NULL), SWARMBUS_UNKNOWN_BUS);
    LAST_ERROR_HAS("no-such-bus");
    CHECK_CODE(swarmbus_bus_create("a/b", &other, NULL), SWARMBUS_INVALID_NAME);
    CHECK_CODE(swarmbus_bus_create("", &other, NULL), SWARMBUS_INVALID_NAME);
    CHECK_CODE(swarmbus_bus_open("\xff\xfe", &other, NULL), SWARMBUS_INVALID_NAME);
    LAST_ERROR_HAS("UTF-8");
    OK(swarmbus_bus_open_or_create(argv[1], &other, &small));
    OK(swarmbus_bus_close(other));

    /* Agents. */
    OK(swarmbus_attach(bus, "me", &me, NULL));
    CHECK_CODE(swarmbus_attach(bus, "me", &second, NULL), SWARMBUS_AGENT_BUSY);
    CHECK(second == NULL);
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    LAST_ERROR_HAS(pid);
    CHECK_CODE(swarmbus_attach(bus, "no spaces", &second, NULL), SWARMBUS_INVALID_NAME);
    CHECK_CODE(swarmbus_attach(bus, "elsewhere/me", &second, NULL), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("elsewhere");

    /* Sending. */
    CHECK_CODE(swarmbus_send(me, "nobody", "x", 1, 0, NULL, NULL), SWARMBUS_UNKNOWN_AGENT);
    LAST_ERROR_HAS("nobody");
    CHECK_CODE(swarmbus_send(me, "elsewhere/me", "x", 1, 0, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_send(me, "me", "x", SIZE_MAX, 0, NULL, NULL), SWARMBUS_TOO_LARGE);
    CHECK_CODE(swarmbus_send(me, "me", "x", 1, -2, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("timeout_ns");

    /* A full lane, at once and after a while; then room again. */
    swarmbus_declare_opts two;
    memset(&two, 0, sizeof two);
    two.struct_size = sizeof two;
    two.limit = 2;
    OK(swarmbus_declare(bus, "small", &two));
    int sent = 0;
    int32_t code;
    while ((code = swarmbus_send(me, "small", "x", 1, 0, NULL, NULL)) == SWARMBUS_OK) CHECK(++sent < 1000);
    CHECK_CODE(code, SWARMBUS_FULL);
    CHECK(sent >= 2);
    LAST_ERROR_HAS("small");
    code = swarmbus_send(me, "small", "x", 1, 20000000, NULL, NULL);
    CHECK(code == SWARMBUS_FULL || code == SWARMBUS_TIMEOUT);
    OK(swarmbus_receive_from(me, "small", 0, &message, NULL));
    OK(swarmbus_release(me, &message));
    OK(swarmbus_send(me, "small", "x", 1, 0, NULL, NULL));

    /* Receiving. */
    CHECK_CODE(swarmbus_receive(me, 0, &message, NULL), SWARMBUS_TIMEOUT);
    CHECK(message.data == NULL && message.length == 0);
    CHECK_CODE(swarmbus_receive(me, 20000000, &message, NULL), SWARMBUS_TIMEOUT);
    CHECK_CODE(swarmbus_receive(me, -7, &message, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_receive_from(me, "nobody", 0, &message, NULL), SWARMBUS_UNKNOWN_AGENT);
    OK(swarmbus_join(bus, &second, NULL));
    CHECK_CODE(swarmbus_receive(second, 0, &message, NULL), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("mailbox");
    CHECK_CODE(swarmbus_receive_from(second, "me", 0, &message, NULL), SWARMBUS_AGENT_BUSY);
    char name[SWARMBUS_NAME_SIZE] = "?";
    OK(swarmbus_agent_name(second, name, sizeof name));
    CHECK(name[0] == '\0');

    /* Releasing: twice, a copy, by another agent, and what was never received. */
    OK(swarmbus_send(second, "me", "x", 1, 0, NULL, NULL));
    OK(swarmbus_receive(me, 0, &message, NULL));
    OK(swarmbus_message_sender(me, &message, name, sizeof name));
    CHECK(name[0] == '\0');
    swarmbus_message copy = message;
    CHECK_CODE(swarmbus_release(second, &message), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_release(me, &message));
    CHECK_CODE(swarmbus_release(me, &message), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_release(me, &copy), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_nack(me, &copy), SWARMBUS_RELEASED);
    CHECK_CODE(swarmbus_message_sender(me, &copy, name, sizeof name), SWARMBUS_RELEASED);
    memset(&copy, 0, sizeof copy);
    CHECK_CODE(swarmbus_release(me, &copy), SWARMBUS_INVALID_ARGUMENT);

    /* A name that was said to be the sender's; a buffer too small for it. */
    OK(swarmbus_set_sender(second, "proxy"));
    OK(swarmbus_send(second, "me", "x", 1, 0, NULL, NULL));
    OK(swarmbus_receive(me, 0, &message, NULL));
    CHECK_CODE(swarmbus_message_sender(me, &message, name, 5), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_message_sender(me, &message, name, 6));
    CHECK(strcmp(name, "proxy") == 0);
    OK(swarmbus_release(me, &message));

    /* Closed: the queue, then the bus. */
    OK(swarmbus_close_queue(second, "me"));
    CHECK_CODE(swarmbus_send(second, "me", "x", 1, 0, NULL, NULL), SWARMBUS_CLOSED);
    CHECK_CODE(swarmbus_receive(me, SWARMBUS_FOREVER, &message, NULL), SWARMBUS_CLOSED);
    OK(swarmbus_reopen_queue(second, "me"));
    OK(swarmbus_send(second, "me", "x", 1, 0, NULL, NULL));
    CHECK_CODE(swarmbus_close_queue(second, "nobody"), SWARMBUS_UNKNOWN_AGENT);
    OK(swarmbus_bus_destroy(bus));
    CHECK_CODE(swarmbus_send(second, "me", "x", 1, 0, NULL, NULL), SWARMBUS_CLOSED);
    CHECK_CODE(swarmbus_attach(bus, "late", &me, NULL), SWARMBUS_CLOSED);
    CHECK(me == NULL);
    OK(swarmbus_agent_close(second));
    OK(swarmbus_bus_close(bus));
    return 0;
}

/* Questions and answers between processes: whole, in parts, late, broken, given up. */
#include "check.h"

enum { PARTS = 300 };

static int oracle(swarmbus_bus *bus) {
    swarmbus_agent *me = NULL;
    swarmbus_message question;
    swarmbus_reply_opts json;
    memset(&json, 0, sizeof json);
    json.struct_size = sizeof json;
    json.content = SWARMBUS_CONTENT_JSON;
    OK(swarmbus_attach(bus, "oracle", &me, NULL));
    for (;;) {
        OK(swarmbus_receive(me, PATIENCE, &question, NULL));
        char what = question.length > 0 ? *(const char *)question.data : '?';
        if (what == 'w') OK(swarmbus_reply(me, &question, "42", 2, NULL, &json));
        if (what == 'p') {
            for (uint32_t part = 0; part < PARTS; part++) {
                uint64_t id = 0;
                OK(swarmbus_reply_part(me, &question, &part, sizeof part, PATIENCE, &id, NULL));
                CHECK(id != 0);
            }
            OK(swarmbus_reply(me, &question, NULL, 0, NULL, NULL));
        }
        OK(swarmbus_release(me, &question));
        if (what == 'q') break;
    }
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    swarmbus_agent *me = NULL, *mute = NULL;
    swarmbus_message answer;
    swarmbus_answers answers, other, closed;
    swarmbus_send_opts key;
    int32_t content = 0, more = -1;
    OK(swarmbus_declare(bus, "oracle", NULL));
    OK(swarmbus_attach(bus, "me", &me, NULL));
    pid_t child = test_spawn(oracle);

    OK(swarmbus_call(me, "oracle", "what", 4, PATIENCE, &answer, NULL));
    CHECK(answer.length == 2 && memcmp(answer.data, "42", 2) == 0);
    OK(swarmbus_message_content(me, &answer, &content));
    CHECK(content == SWARMBUS_CONTENT_JSON);
    OK(swarmbus_release(me, &answer));

    /* In parts, two answers at a time. */
    OK(swarmbus_call_stream(me, "oracle", "parts", 5, PATIENCE, &answers, NULL));
    CHECK(answers.question != 0);
    for (uint32_t part = 0; part < PARTS; part++) {
        OK(swarmbus_answers_next(me, &answers, PATIENCE, &answer, NULL));
        CHECK(answer.length == sizeof part && memcmp(answer.data, &part, sizeof part) == 0);
        OK(swarmbus_message_more_follows(me, &answer, &more));
        CHECK(more == 1);
        OK(swarmbus_release(me, &answer));
    }
    OK(swarmbus_answers_next(me, &answers, PATIENCE, &answer, NULL));
    CHECK(answer.data != NULL && answer.length == 0);
    OK(swarmbus_message_more_follows(me, &answer, &more));
    CHECK(more == 0);
    OK(swarmbus_release(me, &answer));
    OK(swarmbus_answers_next(me, &answers, PATIENCE, &answer, NULL));
    CHECK(answer.data == NULL);
    OK(swarmbus_answers_close(me, &answers));
    CHECK_CODE(swarmbus_answers_close(me, &answers), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("closed");
    CHECK_CODE(swarmbus_answers_next(me, &answers, 0, &answer, NULL), SWARMBUS_INVALID_ARGUMENT);

    /* Given up in the midst of it. */
    OK(swarmbus_call_stream(me, "oracle", "parts", 5, PATIENCE, &other, NULL));
    OK(swarmbus_answers_next(me, &other, PATIENCE, &answer, NULL));
    OK(swarmbus_release(me, &answer));
    closed = other;
    OK(swarmbus_answers_close(me, &other));
    OK(swarmbus_answers_next(me, &closed, 0, &answer, NULL));
    CHECK(answer.data == NULL);

    CHECK_CODE(swarmbus_call(me, "oracle", "parts", 5, PATIENCE, &answer, NULL), SWARMBUS_BROKEN_ANSWER);
    CHECK(answer.data == NULL);
    CHECK_CODE(swarmbus_call(me, "oracle", "nothing", 7, 2000000, &answer, NULL), SWARMBUS_TIMEOUT);
    CHECK_CODE(swarmbus_call(me, "nowhere", "what", 4, 0, &answer, NULL), SWARMBUS_UNKNOWN_AGENT);
    memset(&key, 0, sizeof key);
    key.struct_size = sizeof key;
    key.has_key = 1;
    CHECK_CODE(swarmbus_call(me, "oracle", "what", 4, 0, &answer, &key), SWARMBUS_INVALID_ARGUMENT);
    /* Who has no mailbox cannot be answered. */
    OK(swarmbus_join(bus, &mute, NULL));
    CHECK_CODE(swarmbus_call(mute, "oracle", "what", 4, 0, &answer, NULL), SWARMBUS_INVALID_ARGUMENT);
    LAST_ERROR_HAS("swarmbus_attach()");
    OK(swarmbus_send(mute, "me", "x", 1, 0, NULL, NULL));
    OK(swarmbus_receive(me, 0, &answer, NULL));
    CHECK_CODE(swarmbus_reply(me, &answer, "x", 1, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_reply_part(me, &answer, "x", 1, 0, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    OK(swarmbus_release(me, &answer));
    CHECK_CODE(swarmbus_reply(me, &answer, "x", 1, NULL, NULL), SWARMBUS_RELEASED);
    OK(swarmbus_send(me, "oracle", "quit", 4, PATIENCE, NULL, NULL));
    test_join(child);
    OK(swarmbus_agent_close(mute));
    OK(swarmbus_agent_close(me));
    OK(swarmbus_bus_close(bus));
    return 0;
}

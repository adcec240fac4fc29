/* Wrong use of what an agent has: NULL, other kinds, other threads, after a fork, after the end of the bus. */
#include "check.h"

#include <pthread.h>

static swarmbus_agent *me;
static swarmbus_subscription *news;
static swarmbus_descriptor *descriptor;
static swarmbus_sources *sources;
static swarmbus_lock lock;
static swarmbus_answers answers;
static swarmbus_message held;
static const char *const ME[] = {"me"};

/* Every call that takes an agent or what it has: each is refused in the same way. */
static void refuse_all(int32_t wanted, int32_t wanted_of_parts) {
    swarmbus_message message = held;
    swarmbus_loan loan;
    swarmbus_sample sample;
    swarmbus_lock copy = lock;
    swarmbus_answers question = answers;
    swarmbus_status status;
    swarmbus_subscription *more = NULL;
    swarmbus_descriptor *another = NULL;
    swarmbus_sources *several = NULL;
    size_t count = 0;
    memset(&status, 0, sizeof status);
    status.struct_size = sizeof status;
    CHECK_CODE(swarmbus_nack_after(me, &message, 1), wanted);
    CHECK_CODE(swarmbus_forward(me, &message, "me", 0, NULL), wanted);
    CHECK_CODE(swarmbus_detach(me, &message, &loan), wanted);
    CHECK_CODE(swarmbus_reply(me, &message, "x", 1, NULL, NULL), wanted);
    CHECK_CODE(swarmbus_reply_part(me, &message, "x", 1, 0, NULL, NULL), wanted);
    CHECK_CODE(swarmbus_send_batch(me, "me", NULL, 0, 0, NULL, NULL), wanted);
    CHECK_CODE(swarmbus_receive_batch(me, NULL, 0, &message, 1, &count, NULL), wanted);
    CHECK_CODE(swarmbus_receive_any(me, ME, 1, 0, &message, NULL), wanted);
    CHECK_CODE(swarmbus_call(me, "me", "x", 1, 0, &message, NULL), wanted);
    CHECK_CODE(swarmbus_call_stream(me, "me", "x", 1, 0, &question, NULL), wanted);
    CHECK_CODE(swarmbus_topic_send(me, "news", "x", 1, 0, NULL, NULL), wanted);
    CHECK_CODE(swarmbus_topic_trim(me, "news", NULL), wanted);
    CHECK_CODE(swarmbus_purge(me, "me", NULL), wanted);
    CHECK_CODE(swarmbus_redrive(me, "me", 1, NULL), wanted);
    CHECK_CODE(swarmbus_tap(me, "work"), wanted);
    CHECK_CODE(swarmbus_untap(me), wanted);
    CHECK_CODE(swarmbus_take_role(me, "cook"), wanted);
    CHECK_CODE(swarmbus_drop_role(me, "cook", NULL), wanted);
    CHECK_CODE(swarmbus_set_tags(me, ME, 1), wanted);
    CHECK_CODE(swarmbus_set_status(me, &status), wanted);
    CHECK_CODE(swarmbus_beat(me), wanted);
    CHECK_CODE(swarmbus_lock_take(me, "x", 0, 0, &copy, NULL), wanted);
    copy = lock;
    CHECK_CODE(swarmbus_lock_release(me, &copy), wanted);
    CHECK_CODE(swarmbus_subscribe(me, "news", &more, NULL), wanted);
    CHECK_CODE(swarmbus_descriptor_open(me, NULL, 0, &another), wanted);
    CHECK_CODE(swarmbus_sources_open(me, ME, 1, &several), wanted);
    CHECK(more == NULL && another == NULL && several == NULL);
    CHECK_CODE(swarmbus_subscription_receive(news, 0, &sample, NULL), wanted_of_parts);
    CHECK_CODE(swarmbus_descriptor_next(descriptor, &message), wanted_of_parts);
    CHECK_CODE(swarmbus_descriptor_rearm(descriptor), wanted_of_parts);
    CHECK_CODE(swarmbus_sources_receive(sources, 0, &message, NULL), wanted_of_parts);
}

static void *another_thread(void *unused) {
    uint64_t number = 0;
    int fd = -1;
    swarmbus_message message;
    (void)unused;
    refuse_all(SWARMBUS_WRONG_THREAD, SWARMBUS_WRONG_THREAD);
    LAST_ERROR_HAS("agent of its own");
    CHECK_CODE(swarmbus_agent_epoch(me, &number), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_answers_next(me, &answers, 0, &message, NULL), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_answers_close(me, &answers), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_subscription_position(news, &number, NULL), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_subscription_close(news), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_descriptor_fd(descriptor, &fd), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_descriptor_close(descriptor), SWARMBUS_WRONG_THREAD);
    CHECK_CODE(swarmbus_sources_close(sources), SWARMBUS_WRONG_THREAD);
    return NULL;
}

static void nulls(void) {
    swarmbus_message message;
    swarmbus_loan loan;
    swarmbus_snapshot *seen = NULL;
    char name[SWARMBUS_NAME_SIZE];
    memset(&loan, 0, sizeof loan);
    CHECK_CODE(swarmbus_key_of(NULL, 1, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_key_of("x", 1, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_take_over(NULL, "x", NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_stand_by(NULL, NULL, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_bus_remove(NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_declare_topic(NULL, "x", NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_agent_epoch(me, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_forward(me, &held, NULL, 0, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_forward(me, NULL, "me", 0, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_nack_after(me, NULL, 1), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_detach(me, &held, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_detach(me, NULL, &loan), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_reply(me, NULL, "x", 1, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_reply(me, &held, NULL, 1, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_message_queue(me, &held, NULL, 64), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_message_tapped(me, NULL, name, 64), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_message_more_follows(me, &held, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_call(me, NULL, "x", 1, 0, &message, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_call(me, "me", "x", 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_call_stream(me, "me", "x", 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_answers_next(me, NULL, 0, &message, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_answers_next(me, &answers, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_answers_close(me, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_purge(me, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_redrive(me, NULL, 1, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_tap(me, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_untap(NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_topic_send(me, NULL, "x", 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_topic_send(me, "news", NULL, 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_topic_publish(me, NULL, "news", 1, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_topic_publish(me, &loan, "news", 1, 0, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_topic_trim(me, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_subscribe(me, NULL, &news, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_subscribe(me, "news", NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_subscription_receive(NULL, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_sample_release(NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_sample_sender(NULL, NULL, name, 64), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_subscription_position(NULL, NULL, NULL), SWARMBUS_NULL_POINTER);
    OK(swarmbus_subscription_close(NULL));
    CHECK_CODE(swarmbus_descriptor_open(me, NULL, 1, &descriptor), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_descriptor_open(me, ME, 1, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_descriptor_fd(NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_descriptor_next(NULL, &message), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_descriptor_rearm(NULL), SWARMBUS_NULL_POINTER);
    OK(swarmbus_descriptor_close(NULL));
    CHECK_CODE(swarmbus_sources_open(me, NULL, 1, &sources), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_sources_open(me, ME, 1, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_sources_receive(NULL, 0, &message, NULL), SWARMBUS_NULL_POINTER);
    OK(swarmbus_sources_close(NULL));
    CHECK_CODE(swarmbus_lock_take(me, NULL, 0, 0, &lock, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_lock_take(me, "x", 0, 0, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_lock_release(me, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_take_role(me, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_drop_role(me, NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_set_tags(me, NULL, 1), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_observer_open(NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_observer_open_file(NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_observe_bus(NULL, NULL), SWARMBUS_NULL_POINTER);
    OK(swarmbus_observer_close(NULL));
    CHECK_CODE(swarmbus_snapshot_buses(NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_snapshot_members(NULL, &seen), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_snapshot_messages(NULL, NULL, 1, &seen), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_snapshot_length(NULL, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_snapshot_member(NULL, 0, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_snapshot_text(NULL, 0, 0, 0, NULL), SWARMBUS_NULL_POINTER);
    OK(swarmbus_snapshot_buses(&seen));
    CHECK_CODE(swarmbus_snapshot_length(seen, NULL), SWARMBUS_NULL_POINTER);
    CHECK_CODE(swarmbus_snapshot_name(seen, 0, NULL), SWARMBUS_NULL_POINTER);
    OK(swarmbus_snapshot_close(seen));
    OK(swarmbus_snapshot_close(NULL));
}

/* A handle of one kind where another is wanted, and a handle of the right kind with the number of another. */
static void other_kinds(swarmbus_bus *bus) {
    swarmbus_message message;
    swarmbus_sample sample;
    CHECK_CODE(swarmbus_sources_receive((swarmbus_sources *)(void *)descriptor, 0, &message, NULL), SWARMBUS_BAD_HANDLE);
    LAST_ERROR_HAS("a descriptor handle");
    CHECK_CODE(swarmbus_descriptor_next((swarmbus_descriptor *)(void *)me, &message), SWARMBUS_BAD_HANDLE);
    LAST_ERROR_HAS("an agent handle");
    CHECK_CODE(swarmbus_subscription_receive((swarmbus_subscription *)(void *)bus, 0, &sample, NULL), SWARMBUS_BAD_HANDLE);
    uintptr_t forged = ((uintptr_t)sources & ~((uintptr_t)0xFF << 56)) | ((uintptr_t)0x5B << 56);
    CHECK_CODE(swarmbus_subscription_receive((swarmbus_subscription *)forged, 0, &sample, NULL), SWARMBUS_BAD_HANDLE);
    CHECK_CODE(swarmbus_observer_close((swarmbus_observer *)(void *)bus), SWARMBUS_BAD_HANDLE);
    CHECK_CODE(swarmbus_snapshot_close((swarmbus_snapshot *)(void *)&message), SWARMBUS_BAD_HANDLE);
    LAST_ERROR_HAS("no handle of this library");
    /* Structs that were never filled, and names that are none. */
    swarmbus_lock no_lock;
    swarmbus_answers no_question;
    memset(&no_lock, 0x5a, sizeof no_lock);
    memset(&no_question, 0x5a, sizeof no_question);
    CHECK_CODE(swarmbus_lock_release(me, &no_lock), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_answers_next(me, &no_question, 0, &message, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_topic_send(me, "other/news", "x", 1, 0, NULL, NULL), SWARMBUS_INVALID_ARGUMENT);
    CHECK_CODE(swarmbus_topic_send(me, "a/b/c", "x", 1, 0, NULL, NULL), SWARMBUS_INVALID_NAME);
    CHECK_CODE(swarmbus_topic_send(me, "\xff", "x", 1, 0, NULL, NULL), SWARMBUS_INVALID_NAME);
    CHECK_CODE(swarmbus_topic_send(me, "news", "x", SIZE_MAX, 0, NULL, NULL), SWARMBUS_TOO_LARGE);
    CHECK_CODE(swarmbus_call(me, "me", "x", SIZE_MAX / 4, 0, &message, NULL), SWARMBUS_TOO_LARGE);
    CHECK_CODE(swarmbus_reply(me, &held, "x", SIZE_MAX / 4, NULL, NULL), SWARMBUS_TOO_LARGE);
    CHECK_CODE(swarmbus_key_of("x", SIZE_MAX, &no_lock.token), SWARMBUS_TOO_LARGE);
    CHECK_CODE(swarmbus_nack_after(me, &held, UINT64_MAX), SWARMBUS_INVALID_ARGUMENT);
    CHECK(held.data != NULL);
}

int main(int argc, char **argv) {
    swarmbus_bus_create_opts small = test_small();
    swarmbus_bus *bus = test_create(argc, argv, &small);
    pthread_t thread;
    OK(swarmbus_attach(bus, "me", &me, NULL));
    OK(swarmbus_declare(bus, "work", NULL));
    OK(swarmbus_declare_topic(bus, "news", NULL));
    OK(swarmbus_subscribe(me, "news", &news, NULL));
    OK(swarmbus_descriptor_open(me, NULL, 0, &descriptor));
    OK(swarmbus_sources_open(me, ME, 1, &sources));
    OK(swarmbus_lock_take(me, "mine", SWARMBUS_LOCK_EXCLUSIVE, 0, &lock, NULL));
    OK(swarmbus_call_stream(me, "me", "question", 8, 0, &answers, NULL));
    OK(swarmbus_receive(me, 0, &held, NULL));

    CHECK(pthread_create(&thread, NULL, another_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    other_kinds(bus);

    /* A child has none of it; closing there takes nothing from its parent. */
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        refuse_all(SWARMBUS_FORKED, SWARMBUS_FORKED);
        LAST_ERROR_HAS("fork");
        OK(swarmbus_subscription_close(news));
        OK(swarmbus_descriptor_close(descriptor));
        OK(swarmbus_sources_close(sources));
        OK(swarmbus_agent_close(me));
        OK(swarmbus_bus_close(bus));
        exit(0);
    }
    test_join(child);
    OK(swarmbus_topic_send(me, "news", "x", 1, 0, NULL, NULL));
    swarmbus_sample sample;
    OK(swarmbus_subscription_receive(news, 0, &sample, NULL));
    swarmbus_lock copy = lock;
    OK(swarmbus_lock_release(me, &copy));
    OK(swarmbus_lock_take(me, "mine", SWARMBUS_LOCK_EXCLUSIVE, 0, &lock, NULL));

    /* NULL comes last: it overwrites the outputs. */
    swarmbus_subscription *kept = news;
    nulls();
    news = kept;
    OK(swarmbus_descriptor_open(me, NULL, 0, &descriptor));
    OK(swarmbus_sources_open(me, ME, 1, &sources));
    OK(swarmbus_agent_close(me));
    refuse_all(SWARMBUS_BAD_HANDLE, SWARMBUS_BAD_HANDLE);
    LAST_ERROR_HAS("closed");
    OK(swarmbus_bus_close(bus));
    return 0;
}

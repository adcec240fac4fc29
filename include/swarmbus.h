/*
 * Swarmbus: a message bus in shared memory for the processes of one Linux host. This is its C interface.
 *
 * Made by cbindgen from ffi/src; edit there, then: SWARMBUS_BLESS=1 cargo test -p swarmbus-ffi --test header
 * The guide with an example is docs/c-api.md.
 *
 * Every call returns SWARMBUS_OK (0) or a negative code. swarmbus_error_name() and swarmbus_strerror() say what a code
 * means, swarmbus_last_error() what was wrong in the calling thread's last failed call and what to do about it.
 * Options may be NULL. Else set struct_size to the size of the struct; zero in a field means its default.
 * Times are in nanoseconds, sizes in bytes. Names are 1 to 63 of A-Z a-z 0-9 . _ - and may be written BUS/NAME.
 */

#ifndef SWARMBUS_H
#define SWARMBUS_H

#include <stddef.h>
#include <stdint.h>

/**
 * The version of this binary interface, which is also the number of the shared library (libswarmbus.so.0) and of its
 * symbols (SWARMBUS_0). It rises when a signature, a struct or the meaning of a code changes so that programs built before
 * must be rebuilt; added functions and fields added at the end of a struct that starts with its size don't raise it.
 */
#define SWARMBUS_ABI_VERSION 0

/**
 * Success. Every function that returns a code returns this or one of the negative codes below.
 */
#define SWARMBUS_OK 0

/**
 * Timeout: the time given passed before a message came or room was made.
 */
#define SWARMBUS_TIMEOUT -1

/**
 * Full: the lane is at its limit and the timeout was 0 (or passed).
 */
#define SWARMBUS_FULL -2

/**
 * Closed: the queue takes no more messages, or has none left; or the bus was destroyed.
 */
#define SWARMBUS_CLOSED -3

/**
 * UnknownAgent: no mailbox or queue has this name.
 */
#define SWARMBUS_UNKNOWN_AGENT -4

/**
 * AgentBusy: the mailbox has a living owner. The detail text names its process.
 */
#define SWARMBUS_AGENT_BUSY -5

/**
 * TooLarge: the payload is larger than a message can be. The detail text names the limit.
 */
#define SWARMBUS_TOO_LARGE -6

/**
 * OutOfMemory: the bus's heap or /dev/shm has no room.
 */
#define SWARMBUS_OUT_OF_MEMORY -7

/**
 * InvalidName: names are 1 to 63 of A-Z a-z 0-9 . _ -
 */
#define SWARMBUS_INVALID_NAME -8

/**
 * InvalidArgument: an argument makes no sense. The detail text says which and what would be right.
 */
#define SWARMBUS_INVALID_ARGUMENT -9

/**
 * BusExists: a bus of this name exists already.
 */
#define SWARMBUS_BUS_EXISTS -10

/**
 * UnknownBus: no bus of this name on this host.
 */
#define SWARMBUS_UNKNOWN_BUS -11

/**
 * NotReady: the bus's file is no complete segment.
 */
#define SWARMBUS_NOT_READY -12

/**
 * WrongVersion: the bus was made by a version of Swarmbus with another layout.
 */
#define SWARMBUS_WRONG_VERSION -13

/**
 * WrongBoot: the bus was made before the last boot.
 */
#define SWARMBUS_WRONG_BOOT -14

/**
 * ForeignNamespace: the bus belongs to another pid namespace, from where the life of its members can't be judged.
 */
#define SWARMBUS_FOREIGN_NAMESPACE -15

/**
 * Permission: the bus is not this user's to open.
 */
#define SWARMBUS_PERMISSION -16

/**
 * Corrupt: shared memory holds what can't be. The detail text says where.
 */
#define SWARMBUS_CORRUPT -17

/**
 * Forked: the handle was made before a fork, by the parent process.
 */
#define SWARMBUS_FORKED -18

/**
 * Released: the message or loan was released, returned, published or discarded before.
 */
#define SWARMBUS_RELEASED -19

/**
 * TooManyAgents: every member index of the bus is taken.
 */
#define SWARMBUS_TOO_MANY_AGENTS -20

/**
 * Interrupted: the caller's `interrupted` hook ended the wait.
 */
#define SWARMBUS_INTERRUPTED -21

/**
 * System: the operating system refused. The detail text has the call and the reason.
 */
#define SWARMBUS_SYSTEM -22

/**
 * BrokenAnswer: the answer to a question is not whole. The detail text says why.
 */
#define SWARMBUS_BROKEN_ANSWER -23

/**
 * HandedOver: the mailbox was handed over to another owner. Close the handle.
 */
#define SWARMBUS_HANDED_OVER -24

/**
 * Locked: the lock is taken and stayed so until the deadline. The detail text says by whom.
 */
#define SWARMBUS_LOCKED -25

/**
 * WrongType: the payload is not of the type asked for. The detail text says what it is.
 */
#define SWARMBUS_WRONG_TYPE -26

/**
 * WrongKind: the name is in use for something else, a topic where a queue was meant or the reverse.
 */
#define SWARMBUS_WRONG_KIND -27

/**
 * Panic: a defect in the library. The call had an unknown effect; the process may go on.
 */
#define SWARMBUS_PANIC -1000

/**
 * WrongThread: an agent and what it has belong to the thread that made the agent (attach, join or connect).
 */
#define SWARMBUS_WRONG_THREAD -1001

/**
 * NullPointer: a pointer that must not be NULL is. The detail text names the parameter.
 */
#define SWARMBUS_NULL_POINTER -1002

/**
 * BadHandle: the handle is closed, of another kind, or was never one.
 */
#define SWARMBUS_BAD_HANDLE -1003

/**
 * Room for the longest name and its NUL: a buffer of this size always suffices.
 */
#define SWARMBUS_NAME_SIZE 64

/**
 * Lane: the default one.
 */
#define SWARMBUS_LANE_NORMAL 0

/**
 * Lane: received before high, normal and low.
 */
#define SWARMBUS_LANE_URGENT 1

/**
 * Lane: received before normal and low.
 */
#define SWARMBUS_LANE_HIGH 2

/**
 * Lane: received when the lanes above are empty.
 */
#define SWARMBUS_LANE_LOW 3

/**
 * Lane: of answers to calls. Not to be sent in.
 */
#define SWARMBUS_LANE_REPLY 4

/**
 * Content type: raw bytes, the default.
 */
#define SWARMBUS_CONTENT_BYTES 0

/**
 * Content type: JSON text in UTF-8.
 */
#define SWARMBUS_CONTENT_JSON 1

/**
 * Content type: an rkyv archive, and after it the id of its schema, eight bytes.
 */
#define SWARMBUS_CONTENT_RKYV 2

/**
 * Room for a `traceparent` and its NUL.
 */
#define SWARMBUS_TRACEPARENT_SIZE 56

/**
 * Timeout: wait for ever. Other negative values are errors.
 */
#define SWARMBUS_FOREVER -1

/**
 * The id of a message that was not sent because the queue accepted one with the same key before.
 */
#define SWARMBUS_DUPLICATE 0

/**
 * The most messages of one batch that is sent.
 */
#define SWARMBUS_BATCH_MAX 1024

/**
 * Policy of a topic for a message for which a subscriber leaves no room: its publisher waits, no longer than it wants to.
 */
#define SWARMBUS_POLICY_BACK_PRESSURE 0

/**
 * Policy: it is dropped and counted; its publisher is told.
 */
#define SWARMBUS_POLICY_DROP_NEW 1

/**
 * Policy: it pushes out the oldest; a subscriber that is too slow is told how many it missed.
 */
#define SWARMBUS_POLICY_LOSSY 2

/**
 * In `history`: all that the topic retains for late joiners.
 */
#define SWARMBUS_RETAINED UINT32_MAX

/**
 * Lock mode: nobody else may have it.
 */
#define SWARMBUS_LOCK_EXCLUSIVE 0

/**
 * Lock mode: others who share it may have it as well.
 */
#define SWARMBUS_LOCK_SHARED 1

/**
 * State of an agent: it has no task.
 */
#define SWARMBUS_STATE_IDLE 0

/**
 * State: its task cannot begin, or go on, before others have done theirs.
 */
#define SWARMBUS_STATE_WAITING 1

/**
 * State: it works on its task.
 */
#define SWARMBUS_STATE_IN_PROGRESS 2

/**
 * State: its task is done.
 */
#define SWARMBUS_STATE_COMPLETED 3

/**
 * State: its task cannot go on unless somebody helps; the blockers say with what.
 */
#define SWARMBUS_STATE_BLOCKED 4

/**
 * State in a snapshot: its board could not be read. Not to be set.
 */
#define SWARMBUS_STATE_UNREADABLE -1

/**
 * Room for the longest name of a lock and its NUL.
 */
#define SWARMBUS_LOCK_NAME_SIZE 256

/**
 * What a name is of: a mailbox, which has or had an owner.
 */
#define SWARMBUS_KIND_MAILBOX 0

/**
 * What a name is of: a work queue, which nobody ever owned.
 */
#define SWARMBUS_KIND_QUEUE 1

/**
 * What a name is of: a role, `@role`.
 */
#define SWARMBUS_KIND_ROLE 2

/**
 * What a name is of: a topic.
 */
#define SWARMBUS_KIND_TOPIC 3

/**
 * What a name is of: a bus.
 */
#define SWARMBUS_KIND_BUS 4

/**
 * Lane in a snapshot: of messages that came back to their queue. Not to be sent in.
 */
#define SWARMBUS_LANE_REDELIVERY 5

/**
 * Lane in a snapshot: of messages that wait for a time. Not to be sent in.
 */
#define SWARMBUS_LANE_PARKED 6

/**
 * Text of a row: the task of a status.
 */
#define SWARMBUS_TEXT_TASK 0

/**
 * Text of a row: the note of a status.
 */
#define SWARMBUS_TEXT_NOTE 1

/**
 * Text of a row: a blocker of a status.
 */
#define SWARMBUS_TEXT_BLOCKER 2

/**
 * Text of a row: a tag of a status or an agent.
 */
#define SWARMBUS_TEXT_TAG 3

/**
 * Text of a row: a role of a status or an agent.
 */
#define SWARMBUS_TEXT_ROLE 4

/**
 * An agent: a member of a bus that owns a mailbox (attach, connect), or one without (join).
 *
 * The handle belongs to the thread that made it: any use by another thread is SWARMBUS_WRONG_THREAD. A thread that
 * ends closes the agents it left open; what a thread had that ended without a chance to (by the bare system call) is
 * given back by others, as after the end of a process. A process that forks keeps its agents; in the child they are SWARMBUS_FORKED,
 * and the child attaches anew. There swarmbus_agent_close() only frees the child's copy and touches nothing of the
 * parent's. Not for signal handlers.
 */
typedef struct swarmbus_agent swarmbus_agent;

/**
 * A bus that this process has open. The handle may be used by any thread, by several at a time.
 */
typedef struct swarmbus_bus swarmbus_bus;

/**
 * A file descriptor for poll, epoll and event loops that becomes readable when something may be received. The handle is the
 * agent's and its thread's; closing the agent closes it.
 */
typedef struct swarmbus_descriptor swarmbus_descriptor;

/**
 * A read-only view of a bus, which costs its agents nothing. The handle may be used by any thread, by several at a time.
 */
typedef struct swarmbus_observer swarmbus_observer;

/**
 * Rows of one kind, as they were when the snapshot was taken. The handle may be used by any thread, by several at a time.
 */
typedef struct swarmbus_snapshot swarmbus_snapshot;

/**
 * Several mailboxes and work queues from which one agent receives. The handle is the agent's and its thread's; closing the
 * agent closes it.
 */
typedef struct swarmbus_sources swarmbus_sources;

/**
 * An agent's subscription to a topic: it gets every message once and in order, unless the topic is lossy. The handle is the
 * agent's and its thread's; closing the agent closes it.
 */
typedef struct swarmbus_subscription swarmbus_subscription;

/**
 * Options of swarmbus_bus_create() and swarmbus_bus_open_or_create().
 */
typedef struct {
    /**
     * sizeof(swarmbus_bus_create_opts).
     */
    uint32_t struct_size;
    /**
     * How many agents and other members the bus can have at a time. 0: 4096.
     */
    uint32_t agents;
    /**
     * The most memory that messages can take, bytes. It is committed as it is used. 0: 1 GiB.
     */
    uint64_t heap_bytes;
    /**
     * Messages per lane of a queue, unless its declaration says otherwise. 0: 1000.
     */
    uint32_t limit;
    /**
     * Permission bits of the segment in /dev/shm. 0: 0600, the user alone.
     */
    uint32_t mode;
    /**
     * Not 0: give the segment to `group`.
     */
    uint32_t has_group;
    /**
     * The group's id; it counts only when `has_group` is not 0.
     */
    uint32_t group;
} swarmbus_bus_create_opts;

/**
 * Options of swarmbus_bus_open().
 */
typedef struct {
    /**
     * sizeof(swarmbus_bus_open_opts).
     */
    uint32_t struct_size;
    /**
     * 0. There are no flags yet; any other value is an error.
     */
    uint32_t flags;
} swarmbus_bus_open_opts;

/**
 * Options of swarmbus_declare().
 */
typedef struct {
    /**
     * sizeof(swarmbus_declare_opts).
     */
    uint32_t struct_size;
    /**
     * Messages per lane. 0: the limit of the bus.
     */
    uint32_t limit;
    /**
     * How often a message is delivered at most; afterwards it is a dead letter. 0: without end.
     */
    uint32_t max_deliveries;
    /**
     * Not 0: a message for a full lane pushes out the oldest instead of being refused.
     */
    uint32_t makes_room;
    /**
     * The queue, declared if need be, to which dead letters go: messages delivered too often, expired, or pushed out.
     * NULL: they are dropped and counted.
     */
    const char *dead_letters;
} swarmbus_declare_opts;

/**
 * Options of swarmbus_attach(), swarmbus_take_over(), swarmbus_join() and swarmbus_connect().
 */
typedef struct {
    /**
     * sizeof(swarmbus_attach_opts).
     */
    uint32_t struct_size;
    /**
     * 0. There are no flags yet; any other value is an error.
     */
    uint32_t flags;
} swarmbus_attach_opts;

/**
 * Ends a wait early: called in the waiting thread when a signal cut a sleep short, and now and then besides. Not 0
 * makes the call return SWARMBUS_INTERRUPTED. It must return (no longjmp, no C++ exception) and must not close the
 * agent, nor what is waited on.
 */
typedef int (*swarmbus_interrupted)(void *context);

/**
 * Options of every other call that may wait: swarmbus_receive() and its kin, swarmbus_forward(), swarmbus_lock_take(),
 * swarmbus_stand_by(), swarmbus_answers_next(), swarmbus_subscription_receive().
 */
typedef struct {
    /**
     * sizeof(swarmbus_receive_opts).
     */
    uint32_t struct_size;
    /**
     * 0. There are no flags yet; any other value is an error.
     */
    uint32_t flags;
    /**
     * Asked while the call waits. NULL: nobody is asked.
     */
    swarmbus_interrupted interrupted;
    /**
     * Handed to `interrupted`.
     */
    void *context;
} swarmbus_receive_opts;

/**
 * Options of what sends to a mailbox or queue: swarmbus_send(), swarmbus_publish(), their batches, swarmbus_call() and
 * swarmbus_call_stream().
 */
typedef struct {
    /**
     * sizeof(swarmbus_send_opts).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_LANE_ numbers. 0: normal.
     */
    int32_t lane;
    /**
     * A number that ties an answer to its request; the receiver sees it. 0: none.
     */
    uint64_t correlation;
    /**
     * One of the SWARMBUS_CONTENT_ numbers. 0: bytes.
     */
    int32_t content;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Asked while the call waits for room. NULL: nobody is asked.
     */
    swarmbus_interrupted interrupted;
    /**
     * Handed to `interrupted`.
     */
    void *context;
    /**
     * How long the message matters, nanoseconds: who would receive it later moves it to the dead letters instead. 0: for
     * ever.
     */
    uint64_t time_to_live_ns;
    /**
     * What names the message, for who may send it again not knowing whether it was sent before; it counts only when
     * `has_key` is not 0. swarmbus_key_of() makes one of a text.
     */
    uint64_t key;
    /**
     * Not 0: of all messages with this `key` the queue accepts the first, as long as the key is among the last 960 that it
     * accepted. Of the others the id is SWARMBUS_DUPLICATE. A batch has one key, a call has none.
     */
    uint32_t has_key;
    /**
     * 0.
     */
    uint32_t reserved_too;
    /**
     * The trace that the message belongs to, as a W3C `traceparent` of SWARMBUS_TRACEPARENT_SIZE - 1 characters, which
     * swarmbus_message_traceparent() tells the receiver. NULL: none.
     */
    const char *traceparent;
} swarmbus_send_opts;

/**
 * A piece of shared memory to write a message into. A plain struct that the caller provides and may copy; whichever
 * copy is published or discarded first counts, and any later one is SWARMBUS_RELEASED.
 */
typedef struct {
    /**
     * Where to write, at a multiple of 64. The bytes there are not zeroed. Valid until the loan is published or
     * discarded or its agent is closed.
     */
    void *data;
    /**
     * How much may be written, bytes: the length asked for.
     */
    size_t length;
    /**
     * The library's own; leave them as they are.
     */
    uint64_t opaque[6];
} swarmbus_loan;

/**
 * A message in flight: received by an agent and not yet released or returned. A plain struct that the caller
 * provides and may copy; whichever copy is given back first counts, and any later one is SWARMBUS_RELEASED.
 *
 * A message that is not released before its agent is closed, or its process dies, is delivered again, to the next
 * receiver.
 */
typedef struct {
    /**
     * The payload, in place in shared memory, at a multiple of 64. Read only. Valid until the message is released or
     * returned or its agent is closed.
     */
    const void *data;
    /**
     * The payload's length, bytes.
     */
    size_t length;
    /**
     * The library's own; leave them as they are.
     */
    uint64_t opaque[6];
} swarmbus_message;

/**
 * Bytes somewhere in the caller's memory.
 */
typedef struct {
    /**
     * Where. NULL is fine when `length` is 0.
     */
    const void *data;
    /**
     * How many.
     */
    size_t length;
} swarmbus_bytes;

/**
 * An answer that may come in parts. A plain struct that the caller provides.
 */
typedef struct {
    /**
     * The id of the question.
     */
    uint64_t question;
    /**
     * The library's own; leave them as they are.
     */
    uint64_t opaque[3];
} swarmbus_answers;

/**
 * Options of swarmbus_reply() and swarmbus_reply_part().
 */
typedef struct {
    /**
     * sizeof(swarmbus_reply_opts).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_CONTENT_ numbers. 0: bytes.
     */
    int32_t content;
    /**
     * Asked while swarmbus_reply_part() waits for room. NULL: nobody is asked.
     */
    swarmbus_interrupted interrupted;
    /**
     * Handed to `interrupted`.
     */
    void *context;
} swarmbus_reply_opts;

/**
 * What a reap did.
 */
typedef struct {
    /**
     * Dead members that were found.
     */
    uint32_t members;
    /**
     * Messages they had received and not released, which went back to their queues.
     */
    uint32_t redelivered;
    /**
     * Chunks they had claimed and not sent, which went back to the heap.
     */
    uint32_t freed;
    /**
     * Messages that have to wait until their queue has room.
     */
    uint32_t deferred;
} swarmbus_reaped;

/**
 * Options of swarmbus_declare_topic().
 */
typedef struct {
    /**
     * sizeof(swarmbus_topic_opts).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_POLICY_ numbers. 0: back-pressure.
     */
    int32_t policy;
    /**
     * How many messages a subscriber may be behind, 1 to as many as a lane of the bus may hold. 0: 64.
     */
    uint32_t capacity;
    /**
     * How many of the last messages a subscriber can have that came before it, 0 to `capacity`.
     */
    uint32_t retain;
} swarmbus_topic_opts;

/**
 * What became of a message that was published in a topic.
 */
typedef struct {
    /**
     * Its id.
     */
    uint64_t id;
    /**
     * Its place in the order of its topic, counted from 0. -1: a subscriber left no room, so it was dropped, as the topic's
     * policy is.
     */
    int64_t position;
} swarmbus_published;

/**
 * Options of swarmbus_topic_send() and swarmbus_topic_publish().
 */
typedef struct {
    /**
     * sizeof(swarmbus_publish_opts).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_CONTENT_ numbers. 0: bytes.
     */
    int32_t content;
    /**
     * A number for the subscribers. 0: none.
     */
    uint64_t correlation;
    /**
     * Asked while the call waits for room. NULL: nobody is asked.
     */
    swarmbus_interrupted interrupted;
    /**
     * Handed to `interrupted`.
     */
    void *context;
    /**
     * The trace that the message belongs to: as in the options of swarmbus_send(). NULL: none.
     */
    const char *traceparent;
} swarmbus_publish_opts;

/**
 * Options of swarmbus_subscribe().
 */
typedef struct {
    /**
     * sizeof(swarmbus_subscribe_opts).
     */
    uint32_t struct_size;
    /**
     * How many of the last messages, as far as the topic retains them; SWARMBUS_RETAINED: all of these. 0: what is published
     * from now on.
     */
    uint32_t history;
} swarmbus_subscribe_opts;

/**
 * A message of a topic, as a subscription reads it. A plain struct that the caller provides.
 */
typedef struct {
    /**
     * The payload. Read only. Valid until the next swarmbus_subscription_receive(), swarmbus_sample_release(), or the end of the
     * subscription.
     */
    const void *data;
    /**
     * The payload's length, bytes.
     */
    size_t length;
    /**
     * The message's id.
     */
    uint64_t id;
    /**
     * Its place in the order of its topic, counted from 0.
     */
    uint64_t position;
    /**
     * How many messages this subscriber has missed just before it. Only of a lossy topic is it ever more than 0.
     */
    uint64_t missed;
    /**
     * The number that the publisher gave it.
     */
    uint64_t correlation;
    /**
     * When it was published, nanoseconds of CLOCK_MONOTONIC; 0: it is not stamped (of messages every 64th is).
     */
    uint64_t sent_ns;
    /**
     * One of the SWARMBUS_CONTENT_ numbers.
     */
    int32_t content;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The library's own; leave them as they are.
     */
    uint64_t opaque[4];
} swarmbus_sample;

/**
 * A lock that an agent has. A plain struct that the caller provides and may copy; whichever copy is released first counts,
 * and any later one is SWARMBUS_RELEASED.
 */
typedef struct {
    /**
     * The fencing token: it rises with every grant of any lock of the bus. What the lock protects can refuse a lower one than
     * it has seen: from a holder that was stopped and comes too late. 0: no lock was taken.
     */
    uint64_t token;
    /**
     * The library's own; leave them as they are.
     */
    uint64_t opaque[5];
} swarmbus_lock;

/**
 * What an agent says of itself. All of its texts, tags and roles together have room for 720 bytes, of which each takes 3 more
 * than it is long.
 */
typedef struct {
    /**
     * sizeof(swarmbus_status).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_STATE_ numbers from 0 on.
     */
    int32_t state;
    /**
     * How many goals of its task are done.
     */
    uint32_t done;
    /**
     * How many goals its task has. 0: that is not known.
     */
    uint32_t total;
    /**
     * Its task. NULL: none.
     */
    const char *task;
    /**
     * What else it wants people to know. NULL: nothing.
     */
    const char *note;
    /**
     * What keeps it from going on, `blocker_count` texts. NULL is fine when that is 0.
     */
    const char *const *blockers;
    /**
     * How many blockers.
     */
    size_t blocker_count;
} swarmbus_status;

/**
 * Chunks of the heap by state.
 */
typedef struct {
    /**
     * Nobody's.
     */
    uint64_t free;
    /**
     * Loans, and kept in members' caches.
     */
    uint64_t held;
    /**
     * Sent and not received.
     */
    uint64_t queued;
    /**
     * Received and not released.
     */
    uint64_t in_flight;
} swarmbus_chunk_counts;

/**
 * A bus at a glance.
 */
typedef struct {
    /**
     * sizeof(swarmbus_bus_info).
     */
    uint32_t struct_size;
    /**
     * Layout version of the segment.
     */
    uint32_t layout;
    /**
     * Its name.
     */
    char name[SWARMBUS_NAME_SIZE];
    /**
     * Creation, seconds since 1970.
     */
    uint64_t created_unix_s;
    /**
     * Size of the file, bytes.
     */
    uint64_t segment_bytes;
    /**
     * Memory in use, bytes.
     */
    uint64_t committed_bytes;
    /**
     * Size of the heap, bytes; little of it is committed.
     */
    uint64_t heap_bytes;
    /**
     * All chunks of the heap.
     */
    swarmbus_chunk_counts chunks;
    /**
     * Words that made no sense and were skipped.
     */
    uint64_t corrupt;
    /**
     * Not 0: the bus is destroyed.
     */
    uint32_t destroyed;
    /**
     * Most agents and members.
     */
    uint32_t agents_max;
    /**
     * Default limit of a lane, messages.
     */
    uint32_t limit;
    /**
     * Members, living and dead.
     */
    uint32_t members;
    /**
     * Mailboxes and queues.
     */
    uint32_t queues;
    /**
     * The supervisor's process; 0 if none reaps.
     */
    uint32_t supervisor_pid;
} swarmbus_bus_info;

/**
 * Which agents swarmbus_snapshot_agents() is to list: those of whom all of this is true.
 */
typedef struct {
    /**
     * sizeof(swarmbus_agent_filter).
     */
    uint32_t struct_size;
    /**
     * 1: only those whose process lives. -1: only those whose process does not. 0: both.
     */
    int32_t alive;
    /**
     * What the name looks like: `*` is any characters, `?` one. NULL: any.
     */
    const char *pattern;
    /**
     * A tag that it has. NULL: any or none.
     */
    const char *tag;
    /**
     * A role that it has, with or without its `@`. NULL: any or none.
     */
    const char *role;
} swarmbus_agent_filter;

/**
 * A name on a bus, or the name of a bus.
 */
typedef struct {
    /**
     * sizeof(swarmbus_name_info).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_KIND_ numbers.
     */
    int32_t kind;
    /**
     * The name; of a role with its `@`.
     */
    char name[SWARMBUS_NAME_SIZE];
    /**
     * The process that owns the mailbox; 0: none.
     */
    uint32_t owner_pid;
    /**
     * 0.
     */
    uint32_t reserved;
} swarmbus_name_info;

/**
 * A size class of the heap that is in use.
 */
typedef struct {
    /**
     * sizeof(swarmbus_class_info).
     */
    uint32_t struct_size;
    /**
     * Spans that belong to it.
     */
    uint32_t spans;
    /**
     * Longest payload, bytes.
     */
    uint64_t payload_bytes;
    /**
     * Its chunks.
     */
    swarmbus_chunk_counts chunks;
} swarmbus_class_info;

/**
 * A member of a bus, and what it did since it joined.
 */
typedef struct {
    /**
     * sizeof(swarmbus_member_info).
     */
    uint32_t struct_size;
    /**
     * Its process.
     */
    uint32_t pid;
    /**
     * The mailbox that it owns; empty: none.
     */
    char agent[SWARMBUS_NAME_SIZE];
    /**
     * Its index.
     */
    uint32_t index;
    /**
     * Its incarnation: an index is used again.
     */
    uint32_t incarnation;
    /**
     * Not 0: dead and not yet reaped.
     */
    uint32_t dead;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Chunks that it holds.
     */
    uint64_t held;
    /**
     * Messages in flight with it.
     */
    uint64_t in_flight;
    /**
     * Messages sent, published or passed on.
     */
    uint64_t sent;
    /**
     * Bytes of their payloads.
     */
    uint64_t sent_bytes;
    /**
     * Messages received, redeliveries included.
     */
    uint64_t received;
    /**
     * Bytes of their payloads.
     */
    uint64_t received_bytes;
    /**
     * Messages released or detached.
     */
    uint64_t released;
    /**
     * Messages given back to their queue.
     */
    uint64_t given_back;
    /**
     * Sends that were refused: full, closed, out of memory, out of time.
     */
    uint64_t refused;
    /**
     * How often it went to sleep.
     */
    uint64_t sleeps;
} swarmbus_member_info;

/**
 * A mailbox or queue.
 */
typedef struct {
    /**
     * sizeof(swarmbus_queue_info).
     */
    uint32_t struct_size;
    /**
     * Its owner's process; 0: it has none.
     */
    uint32_t owner_pid;
    /**
     * Its name.
     */
    char name[SWARMBUS_NAME_SIZE];
    /**
     * Where its dead letters go; empty: they are dropped.
     */
    char dead_letters[SWARMBUS_NAME_SIZE];
    /**
     * Not 0: intake is stopped.
     */
    uint32_t closed;
    /**
     * Most messages per lane.
     */
    uint32_t limit;
    /**
     * How often a message is delivered at most; 0: without end.
     */
    uint32_t max_deliveries;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Messages that wait, in all lanes.
     */
    uint64_t queued;
    /**
     * Messages received from it and not released.
     */
    uint64_t in_flight;
    /**
     * Messages put in so far, redeliveries included.
     */
    uint64_t sent;
    /**
     * Messages taken so far, redeliveries included.
     */
    uint64_t taken;
    /**
     * Messages that became dead letters, or were dropped for want of a queue for them.
     */
    uint64_t undelivered;
    /**
     * Messages dropped for good.
     */
    uint64_t dropped;
    /**
     * Messages that wait in each lane, a batch counted as one, by SWARMBUS_LANE_ number: 0 is SWARMBUS_LANE_NORMAL, 6
     * SWARMBUS_LANE_PARKED, and 7 nothing yet.
     */
    uint64_t depths[8];
} swarmbus_queue_info;

/**
 * A topic.
 */
typedef struct {
    /**
     * sizeof(swarmbus_topic_info).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_POLICY_ numbers.
     */
    int32_t policy;
    /**
     * Its name.
     */
    char name[SWARMBUS_NAME_SIZE];
    /**
     * How many messages a subscriber may be behind.
     */
    uint32_t capacity;
    /**
     * How many of the last messages a late subscriber can have.
     */
    uint32_t retain;
    /**
     * How many subscribe.
     */
    uint32_t subscribers;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Messages published so far.
     */
    uint64_t published;
    /**
     * Messages dropped for want of room.
     */
    uint64_t dropped;
    /**
     * Messages that it keeps in memory.
     */
    uint64_t retained_messages;
    /**
     * The memory of these, bytes.
     */
    uint64_t retained_bytes;
} swarmbus_topic_info;

/**
 * A subscriber of a topic.
 */
typedef struct {
    /**
     * sizeof(swarmbus_subscriber_info).
     */
    uint32_t struct_size;
    /**
     * Its process.
     */
    uint32_t pid;
    /**
     * The topic.
     */
    char topic[SWARMBUS_NAME_SIZE];
    /**
     * The mailbox that it owns; empty: none.
     */
    char agent[SWARMBUS_NAME_SIZE];
    /**
     * How many messages it has not read: its lag.
     */
    uint64_t behind;
    /**
     * How many it missed, of a lossy topic.
     */
    uint64_t missed;
} swarmbus_subscriber_info;

/**
 * A lock that somebody has or waits for.
 */
typedef struct {
    /**
     * sizeof(swarmbus_lock_info).
     */
    uint32_t struct_size;
    /**
     * SWARMBUS_LOCK_EXCLUSIVE or SWARMBUS_LOCK_SHARED.
     */
    int32_t mode;
    /**
     * As it was asked for; may be a pattern.
     */
    char name[SWARMBUS_LOCK_NAME_SIZE];
    /**
     * The agent that has or wants it; empty: a member without a mailbox.
     */
    char agent[SWARMBUS_NAME_SIZE];
    /**
     * Not 0: held; 0: waited for.
     */
    uint32_t held;
    /**
     * Its process; 0: that is gone and nobody has reaped it.
     */
    uint32_t pid;
    /**
     * How many that conflict with it were asked for before, of one that is waited for.
     */
    uint32_t waits_behind;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The fencing token, of one that is held; else 0.
     */
    uint64_t token;
    /**
     * When it was asked for, nanoseconds of CLOCK_MONOTONIC, to a few ms.
     */
    uint64_t since_ns;
} swarmbus_lock_info;

/**
 * An agent: a mailbox that has, or had, an owner. Its tags and roles are texts: swarmbus_snapshot_text().
 */
typedef struct {
    /**
     * sizeof(swarmbus_agent_info).
     */
    uint32_t struct_size;
    /**
     * Its process; 0: it has left, or was found dead.
     */
    uint32_t pid;
    /**
     * Its name.
     */
    char name[SWARMBUS_NAME_SIZE];
    /**
     * How often its mailbox has changed hands: swarmbus_agent_epoch().
     */
    uint64_t epoch;
    /**
     * How many tags it has.
     */
    uint32_t tag_count;
    /**
     * How many roles it has; none if it is dead.
     */
    uint32_t role_count;
} swarmbus_agent_info;

/**
 * What an agent says of itself, or said last. Its task, note, blockers, tags and roles are texts: swarmbus_snapshot_text().
 */
typedef struct {
    /**
     * sizeof(swarmbus_status_info).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_STATE_ numbers.
     */
    int32_t state;
    /**
     * Its name.
     */
    char agent[SWARMBUS_NAME_SIZE];
    /**
     * Its process; 0: it has left, or was found dead.
     */
    uint32_t pid;
    /**
     * How many goals of its task are done.
     */
    uint32_t done;
    /**
     * How many goals its task has; 0: that is not known.
     */
    uint32_t total;
    /**
     * How many blockers.
     */
    uint32_t blocker_count;
    /**
     * How many tags.
     */
    uint32_t tag_count;
    /**
     * How many roles.
     */
    uint32_t role_count;
    /**
     * When it came into this state, nanoseconds of CLOCK_MONOTONIC.
     */
    uint64_t since_ns;
    /**
     * How long ago it last gave a sign of life, nanoseconds; -1: it never did.
     */
    int64_t beat_age_ns;
} swarmbus_status_info;

/**
 * A message seen in its queue.
 */
typedef struct {
    /**
     * sizeof(swarmbus_message_info).
     */
    uint32_t struct_size;
    /**
     * One of the SWARMBUS_LANE_ numbers.
     */
    int32_t lane;
    /**
     * The mailbox of its sender; empty: it has none.
     */
    char sender[SWARMBUS_NAME_SIZE];
    /**
     * Its id.
     */
    uint64_t id;
    /**
     * The number that the sender gave it.
     */
    uint64_t correlation;
    /**
     * How often it was received so far.
     */
    uint32_t deliveries;
    /**
     * One of the SWARMBUS_CONTENT_ numbers.
     */
    int32_t content;
    /**
     * A copy of the payload, which is the snapshot's.
     */
    swarmbus_bytes payload;
} swarmbus_message_info;

/**
 * What was measured of one kind: upper bounds in nanoseconds, less than half too high. From 137 s on they are UINT64_MAX.
 */
typedef struct {
    /**
     * Samples.
     */
    uint64_t count;
    /**
     * Half of the samples are below.
     */
    uint64_t p50_ns;
    /**
     * Nine of ten samples are below.
     */
    uint64_t p90_ns;
    /**
     * 99 of 100 samples are below.
     */
    uint64_t p99_ns;
    /**
     * All samples are below.
     */
    uint64_t max_ns;
} swarmbus_latency;

/**
 * What members measured, each or all together. Of calls each is measured, of messages every 64th that a member sends.
 */
typedef struct {
    /**
     * sizeof(swarmbus_latency_info).
     */
    uint32_t struct_size;
    /**
     * The member's process; 0: all members together.
     */
    uint32_t pid;
    /**
     * The mailbox that it owns; empty: none.
     */
    char agent[SWARMBUS_NAME_SIZE];
    /**
     * From the call of send to the moment when the message is received.
     */
    swarmbus_latency queueing;
    /**
     * From there to its release.
     */
    swarmbus_latency handling;
    /**
     * The call of send, with the wait for room.
     */
    swarmbus_latency sending;
    /**
     * From a question to its answer.
     */
    swarmbus_latency coordination;
} swarmbus_latency_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* Which library this is. */

/**
 * The ABI version of the library that is loaded. Compare it with SWARMBUS_ABI_VERSION, which is the one of the
 * header the program was compiled with, when the library is loaded at run time.
 *
 * # Threads
 * Any thread, any time.
 */
uint32_t swarmbus_abi_version(void);

/**
 * The version of the library that is loaded, such as "0.1.0". Static memory: never free it.
 *
 * # Threads
 * Any thread, any time.
 */
const char *swarmbus_version(void);

/* Codes, their names and texts. */

/**
 * What a code means in general, in English. Static memory, never NULL: never free it. swarmbus_last_error() knows
 * more about the case at hand.
 *
 * # Threads
 * Any thread, any time.
 */
const char *swarmbus_strerror(int32_t code);

/**
 * The name of a code, such as "AgentBusy"; Python's exceptions and the command line use the same. "Ok" for 0,
 * "Unknown" for a number that is no code. Static memory, never NULL: never free it.
 *
 * # Threads
 * Any thread, any time.
 */
const char *swarmbus_error_name(int32_t code);

/**
 * What went wrong in the last failed call of the calling thread: what was wrong, where, and what to do. Never NULL;
 * empty if none failed yet. A call that succeeds leaves it as it is.
 *
 * # Ownership
 * The text belongs to the library and is valid until this thread asks again after another failed call, or ends: copy
 * what you keep.
 *
 * # Threads
 * Each thread has its own text.
 */
const char *swarmbus_last_error(void);

/* Buses: create, open, close the handle, destroy the bus, declare mailboxes and queues. */

/**
 * Makes a bus and opens it.
 *
 * # Errors
 * SWARMBUS_BUS_EXISTS, SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT (options), SWARMBUS_OUT_OF_MEMORY
 * (/dev/shm), SWARMBUS_PERMISSION, SWARMBUS_SYSTEM. `*bus` is NULL then.
 *
 * # Ownership
 * The caller closes `*bus` with swarmbus_bus_close(). The bus itself outlives the process, until
 * swarmbus_bus_destroy().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_bus_create(const char *name, swarmbus_bus **bus, const swarmbus_bus_create_opts *opts);

/**
 * Opens a bus that exists.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_BUS, SWARMBUS_NOT_READY, SWARMBUS_WRONG_VERSION, SWARMBUS_WRONG_BOOT, SWARMBUS_FOREIGN_NAMESPACE,
 * SWARMBUS_PERMISSION, SWARMBUS_CORRUPT, SWARMBUS_INVALID_NAME, SWARMBUS_SYSTEM. `*bus` is NULL then.
 *
 * # Ownership
 * The caller closes `*bus` with swarmbus_bus_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_bus_open(const char *name, swarmbus_bus **bus, const swarmbus_bus_open_opts *opts);

/**
 * Opens a bus, and makes it first if there is none. The options count only when it is made here.
 *
 * # Errors
 * Those of swarmbus_bus_create() but SWARMBUS_BUS_EXISTS, and those of swarmbus_bus_open() but SWARMBUS_UNKNOWN_BUS.
 *
 * # Ownership
 * The caller closes `*bus` with swarmbus_bus_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_bus_open_or_create(const char *name, swarmbus_bus **bus, const swarmbus_bus_create_opts *opts);

/**
 * Writes the name of the bus with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_bus_name(const swarmbus_bus *bus, char *buffer, size_t capacity);

/**
 * Closes the handle. The bus stays, and so do the agents that were attached through this handle: they have their own
 * hold on it. NULL is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before).
 *
 * # Threads
 * Any thread. Calls of other threads that use the handle right now end as if it were still open.
 */
int32_t swarmbus_bus_close(swarmbus_bus *bus);

/**
 * Ends the bus: its name is gone from the host, whoever waits on it wakes, and all who use it get SWARMBUS_CLOSED.
 * The memory goes when the last process has closed it. The handle stays open: close it as well. To destroy a
 * bus twice does no harm.
 *
 * # Errors
 * SWARMBUS_PERMISSION, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 */
int32_t swarmbus_bus_destroy(swarmbus_bus *bus);

/**
 * Removes the file of a bus that can't be opened: made before the last boot, by another version, or damaged. One that can
 * be opened is ended by swarmbus_bus_destroy(), which wakes who waits on it.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_BUS, SWARMBUS_PERMISSION, SWARMBUS_INVALID_NAME, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string.
 */
int32_t swarmbus_bus_remove(const char *name);

/**
 * Makes the mailbox or queue `name` if there is none, so that messages can be sent to it before anybody receives
 * there. To declare it again changes nothing and is no error: a queue that exists keeps what it has.
 *
 * # Errors
 * SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_TOO_MANY_AGENTS,
 * SWARMBUS_WRONG_KIND (a topic has the name), SWARMBUS_CLOSED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_declare(swarmbus_bus *bus, const char *name, const swarmbus_declare_opts *opts);

/* Agents and members without a mailbox: attach, join, connect, take over, stand by, close. */

/**
 * Makes the calling thread the agent `name`: the one who receives from the mailbox of that name, which is declared
 * if there is none. What was sent there before waits in it.
 *
 * # Errors
 * SWARMBUS_AGENT_BUSY (the mailbox has a living owner; the detail text names its process), SWARMBUS_INVALID_NAME,
 * SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM,
 * SWARMBUS_INVALID_ARGUMENT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*agent` is NULL then.
 *
 * # Ownership
 * The caller closes `*agent` with swarmbus_agent_close(). The bus handle may be closed before.
 *
 * # Threads
 * Any thread; the agent belongs to it from then on.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_attach(swarmbus_bus *bus, const char *name, swarmbus_agent **agent, const swarmbus_attach_opts *opts);

/**
 * Makes the calling thread the agent `name` although a living process owns that mailbox, also one that is paused or
 * hangs. From then on the former owner's handle gets SWARMBUS_HANDED_OVER when it receives or sends; what it has in flight
 * stays its own, and comes back to the mailbox if it dies.
 *
 * # Errors
 * Those of swarmbus_attach() but SWARMBUS_AGENT_BUSY. `*agent` is NULL then.
 *
 * # Ownership
 * The caller closes `*agent` with swarmbus_agent_close(). The bus handle may be closed before.
 *
 * # Threads
 * Any thread; the agent belongs to it from then on.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_take_over(swarmbus_bus *bus,
                           const char *name,
                           swarmbus_agent **agent,
                           const swarmbus_attach_opts *opts);

/**
 * Waits until nobody alive owns the mailbox `name`, then makes the calling thread that agent. The death of the owner is
 * noticed at once. Of several who stand by one gets it, and the others go on waiting.
 *
 * `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits without end.
 *
 * # Errors
 * SWARMBUS_TIMEOUT, SWARMBUS_INTERRUPTED, and those of swarmbus_attach() but SWARMBUS_AGENT_BUSY. `*agent` is NULL then.
 *
 * # Ownership
 * The caller closes `*agent` with swarmbus_agent_close(). The bus handle may be closed before.
 *
 * # Threads
 * Any thread; the agent belongs to it from then on.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_stand_by(swarmbus_bus *bus,
                          const char *name,
                          int64_t timeout_ns,
                          swarmbus_agent **agent,
                          const swarmbus_receive_opts *opts);

/**
 * Makes the calling thread a member without a mailbox: it sends, and receives from work queues with
 * swarmbus_receive_from().
 *
 * # Errors
 * SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_CLOSED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_INVALID_ARGUMENT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*agent` is NULL then.
 *
 * # Ownership
 * The caller closes `*agent` with swarmbus_agent_close(). The bus handle may be closed before.
 *
 * # Threads
 * Any thread; the member belongs to it from then on.
 *
 * # Safety
 * `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_join(swarmbus_bus *bus, swarmbus_agent **agent, const swarmbus_attach_opts *opts);

/**
 * Makes the calling thread the agent that the environment names: SWARMBUS is the bus and SWARMBUS_AGENT the agent,
 * as the supervisor sets them for its children.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (a variable is not set), and those of swarmbus_bus_open() and swarmbus_attach().
 * `*agent` is NULL then.
 *
 * # Ownership
 * The caller closes `*agent` with swarmbus_agent_close().
 *
 * # Threads
 * Any thread; the agent belongs to it from then on. No other thread may change the environment meanwhile.
 *
 * # Safety
 * `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_connect(swarmbus_agent **agent, const swarmbus_attach_opts *opts);

/**
 * Writes the agent's name with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice. A member without a
 * mailbox has the empty name.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_agent_name(const swarmbus_agent *agent, char *buffer, size_t capacity);

/**
 * Gets the epoch of the agent's mailbox, a fencing number: it rises with every change of its owner. Who keeps the highest
 * that it has seen can refuse what comes late from a former owner. 0 of a member without a mailbox.
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `epoch` may be written.
 */
int32_t swarmbus_agent_epoch(const swarmbus_agent *agent,
                             uint64_t *epoch);

/**
 * Leaves the bus. What the agent has (subscriptions, descriptors, sources) is closed with it, and its locks are released.
 * Messages received and not yet released go back to their queues for the next receiver, loans go back to the heap, and the
 * data pointers of both are void from now on. The mailbox and what waits in it stay. NULL is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before), SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_agent_close(swarmbus_agent *agent);

/* Roles and tags. */

/**
 * Takes a role, named with or without its `@`: from now on swarmbus_receive() takes from the work queue `@role` as well, which
 * is declared if there is none. Any number of agents may have a role; each message sent to `@role` goes to one of them.
 *
 * # Errors
 * SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT (a member without a mailbox; no room on its board), SWARMBUS_TOO_MANY_AGENTS,
 * SWARMBUS_OUT_OF_MEMORY, SWARMBUS_HANDED_OVER, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `role` is a NUL-terminated string.
 */
int32_t swarmbus_take_role(swarmbus_agent *agent,
                           const char *role);

/**
 * Gives a role up. Messages received for it and not released stay the agent's. `had` may be NULL; else it gets 1 if the agent
 * had the role, and 0 if not.
 *
 * # Errors
 * Those of swarmbus_take_role().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `role` is a NUL-terminated string; `had` is NULL or may be written.
 */
int32_t swarmbus_drop_role(swarmbus_agent *agent,
                           const char *role,
                           int32_t *had);

/**
 * Says what this agent is or has, for who looks for such agents with swarmbus_snapshot_agents(). Replaces what it said before;
 * a count of 0 takes all back.
 *
 * # Errors
 * SWARMBUS_INVALID_NAME (tags are written as names are), SWARMBUS_OUT_OF_MEMORY, and those of swarmbus_take_role().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `tags` has `count` NUL-terminated strings (NULL is fine when `count` is 0).
 */
int32_t swarmbus_set_tags(swarmbus_agent *agent,
                          const char *const *tags,
                          size_t count);

/* Sending: a copy, by name, with a key. */

/**
 * Sends a copy of `length` bytes to the mailbox or queue `to`. When the call returns SWARMBUS_OK the message is in
 * the queue and survives the sender. To write large payloads in place, use swarmbus_loan_get() and
 * swarmbus_publish().
 *
 * `timeout_ns`: how long to wait for room in a full lane, nanoseconds; 0 tries once, SWARMBUS_FOREVER waits until
 * there is room. `id` may be NULL; else it gets the message's id.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED, SWARMBUS_TOO_LARGE,
 * SWARMBUS_OUT_OF_MEMORY, SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED,
 * SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing is
 * sent then.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `to` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `opts` is NULL or as
 * long as its `struct_size` says.
 */
int32_t swarmbus_send(swarmbus_agent *agent,
                      const char *to,
                      const void *data,
                      size_t length,
                      int64_t timeout_ns,
                      uint64_t *id,
                      const swarmbus_send_opts *opts);

/**
 * Says whom this member's messages are from: the mailbox `name`, declared if there is none. An agent's are from its
 * own mailbox without this; a member's without a mailbox have no sender.
 *
 * # Errors
 * SWARMBUS_INVALID_NAME, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_CLOSED, SWARMBUS_FORKED,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `name` is a NUL-terminated string.
 */
int32_t swarmbus_set_sender(swarmbus_agent *agent, const char *name);

/**
 * Gets the key of a name, for `key` of the send options: its 64-bit XXH3, the same in every process, language and release.
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_TOO_LARGE.
 *
 * # Threads
 * Any thread, any time.
 *
 * # Safety
 * `name` has `length` bytes (NULL is fine when `length` is 0); `key` may be written.
 */
int32_t swarmbus_key_of(const void *name,
                        size_t length,
                        uint64_t *key);

/* Loans: take a piece of shared memory, write in place, publish or discard. */

/**
 * Borrows `length` bytes of shared memory to write a message into, so that nothing is copied. 0 is a length too.
 *
 * # Errors
 * SWARMBUS_TOO_LARGE, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `loan->data` is NULL then.
 *
 * # Ownership
 * The loan is the agent's until swarmbus_publish() succeeds, swarmbus_loan_discard(), or the agent is closed.
 *
 * # Threads
 * The agent's thread. Other threads may write into the loan before it is published.
 *
 * # Safety
 * `loan` may be written.
 */
int32_t swarmbus_loan_get(swarmbus_agent *agent, size_t length, swarmbus_loan *loan);

/**
 * Sends the first `length` bytes of a loan to the mailbox or queue `to`, in place. When the call returns SWARMBUS_OK
 * the message is in the queue and must not be written to any more; `loan->data` becomes NULL. After an error the
 * loan is the caller's as before: try again or discard it; copies of the struct made before are void.
 *
 * `timeout_ns` and `id` are those of swarmbus_send().
 *
 * # Errors
 * SWARMBUS_RELEASED (published or discarded before), SWARMBUS_TOO_LARGE (`length` is more than the loan has),
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED, SWARMBUS_INVALID_NAME,
 * SWARMBUS_INVALID_ARGUMENT, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing is sent then.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `loan` may be read and written; `to` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size`
 * says.
 */
int32_t swarmbus_publish(swarmbus_agent *agent,
                         swarmbus_loan *loan,
                         const char *to,
                         size_t length,
                         int64_t timeout_ns,
                         uint64_t *id,
                         const swarmbus_send_opts *opts);

/**
 * Gives a loan back unsent; `loan->data` becomes NULL.
 *
 * # Errors
 * SWARMBUS_RELEASED (published or discarded before), SWARMBUS_INVALID_ARGUMENT (not a loan of this agent),
 * SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `loan` may be read and written.
 */
int32_t swarmbus_loan_discard(swarmbus_agent *agent, swarmbus_loan *loan);

/* Receiving: from the own mailbox, from a queue, from any of several. */

/**
 * Receives the next message of the agent's own mailbox into `*message`: redelivered ones first, then
 * replies, urgent, high, normal and low, each in the order of sending. Nothing is copied.
 *
 * `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits until a message comes.
 *
 * # Errors
 * SWARMBUS_TIMEOUT, SWARMBUS_CLOSED (the mailbox is closed and empty, or the bus is gone), SWARMBUS_INVALID_ARGUMENT
 * (a member without a mailbox), SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `message->data` is NULL then.
 *
 * # Ownership
 * The message is the agent's until swarmbus_release() or swarmbus_nack(). An agent may hold many at a time.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_receive(swarmbus_agent *agent,
                         int64_t timeout_ns,
                         swarmbus_message *message,
                         const swarmbus_receive_opts *opts);

/**
 * Receives the next message of the work queue `queue`, beside any number of other receivers; each message goes to
 * one of them. Otherwise as swarmbus_receive().
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox whose owner is another), SWARMBUS_INVALID_NAME, and those
 * of swarmbus_receive().
 *
 * # Ownership
 * As with swarmbus_receive().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queue` is a NUL-terminated string; `message` may be written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_receive_from(swarmbus_agent *agent,
                              const char *queue,
                              int64_t timeout_ns,
                              swarmbus_message *message,
                              const swarmbus_receive_opts *opts);

/**
 * Receives the next message of any of `count` mailboxes and work queues with one sleep, each in its turn;
 * swarmbus_message_queue() tells which it was. Otherwise as swarmbus_receive_from(). Who does this often makes
 * swarmbus_sources_open() do the looking up once.
 *
 * # Errors
 * SWARMBUS_CLOSED (all of them are closed and empty, or the bus is gone), SWARMBUS_INVALID_ARGUMENT (`count` is 0), and
 * those of swarmbus_receive_from(). `message->data` is NULL then.
 *
 * # Ownership
 * As with swarmbus_receive().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queues` has `count` NUL-terminated strings; `message` may be written; `opts` is NULL or as long as its `struct_size`
 * says.
 */
int32_t swarmbus_receive_any(swarmbus_agent *agent,
                             const char *const *queues,
                             size_t count,
                             int64_t timeout_ns,
                             swarmbus_message *message,
                             const swarmbus_receive_opts *opts);

/* Several messages at a time. */

/**
 * Sends copies of `count` payloads to the mailbox or queue `to` as one batch: all of them or none, one after the other. A
 * batch counts as one message towards the limit of its lane, and goes to one receiver. `ids` may be NULL; else it gets as
 * many ids. `timeout_ns` is that of swarmbus_send().
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (more than SWARMBUS_BATCH_MAX), and those of swarmbus_send(). Nothing is sent then.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `to` is a NUL-terminated string; `payloads` has `count` elements, each with as many bytes as it says; `ids` is NULL or has
 * room for `count`; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_send_batch(swarmbus_agent *agent,
                            const char *to,
                            const swarmbus_bytes *payloads,
                            size_t count,
                            int64_t timeout_ns,
                            uint64_t *ids,
                            const swarmbus_send_opts *opts);

/**
 * Sends `count` loans as one batch, in place: of each its first `length` bytes, which the caller may have lowered. Otherwise
 * as swarmbus_send_batch(); the loans end as with swarmbus_publish(), and after an error they are the caller's as before.
 *
 * # Errors
 * SWARMBUS_RELEASED (one was published or discarded before, or is in the array twice), SWARMBUS_TOO_LARGE (a `length` is more
 * than its loan has), SWARMBUS_INVALID_ARGUMENT (more than SWARMBUS_BATCH_MAX, or not a loan of this agent), and those of
 * swarmbus_send(). Nothing is sent then.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `to` is a NUL-terminated string; `loans` has `count` elements that may be written; `ids` is NULL or has room for `count`;
 * `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_publish_batch(swarmbus_agent *agent,
                               swarmbus_loan *loans,
                               size_t count,
                               const char *to,
                               int64_t timeout_ns,
                               uint64_t *ids,
                               const swarmbus_send_opts *opts);

/**
 * Receives the next message of a queue as swarmbus_receive_from() does, and with it what else is there, up to `most` in all.
 * `queue` may be NULL for the agent's own mailbox. `*count` gets how many came: they are `messages[0]` and on, each to be
 * released by itself.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (`queue` is NULL and the member has no mailbox), and those of swarmbus_receive_from(). `*count`
 * is 0 then.
 *
 * # Ownership
 * As with swarmbus_receive().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queue` is NULL or a NUL-terminated string; `messages` has room for `most`; `count` may be written; `opts` is NULL or as
 * long as its `struct_size` says.
 */
int32_t swarmbus_receive_batch(swarmbus_agent *agent,
                               const char *queue,
                               int64_t timeout_ns,
                               swarmbus_message *messages,
                               size_t most,
                               size_t *count,
                               const swarmbus_receive_opts *opts);

/* Several queues to receive from, looked up once. */

/**
 * Looks up `count` mailboxes and work queues, each counted once, to receive from any of them with
 * swarmbus_sources_receive().
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox that another owns), SWARMBUS_INVALID_ARGUMENT (`count` is 0),
 * SWARMBUS_INVALID_NAME, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD. `*sources` is NULL then.
 *
 * # Ownership
 * The caller closes `*sources` with swarmbus_sources_close(), or closes the agent.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queues` has `count` NUL-terminated strings; `sources` may be written.
 */
int32_t swarmbus_sources_open(swarmbus_agent *agent,
                              const char *const *queues,
                              size_t count,
                              swarmbus_sources **sources);

/**
 * Receives the next message of any of the queues, each in its turn; swarmbus_message_queue() tells which it was. The
 * message is the agent's: release it with that. `timeout_ns` is that of swarmbus_receive().
 *
 * # Errors
 * SWARMBUS_AGENT_BUSY (a mailbox has got another owner), and those of swarmbus_receive_any(). `message->data` is NULL then.
 *
 * # Ownership
 * As with swarmbus_receive().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_sources_receive(swarmbus_sources *sources,
                                 int64_t timeout_ns,
                                 swarmbus_message *message,
                                 const swarmbus_receive_opts *opts);

/**
 * Closes the handle. Messages received by it stay the agent's. NULL is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before, also with its agent), SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_sources_close(swarmbus_sources *sources);

/* A descriptor for event loops. */

/**
 * Makes a descriptor that becomes readable when one of `count` mailboxes and work queues may have something to receive;
 * with a count of 0 the agent's own mailbox and the roles that it has now.
 *
 * Whenever it is readable, call swarmbus_descriptor_next() until that is SWARMBUS_TIMEOUT: only then is it unreadable
 * again. It may be readable without a message. Don't read from it and don't close it with close().
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox that another owns), SWARMBUS_INVALID_ARGUMENT (a count of 0 of a
 * member without a mailbox), SWARMBUS_INVALID_NAME, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_SYSTEM (no descriptors or
 * threads left), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `*descriptor` is NULL then.
 *
 * # Ownership
 * The caller closes `*descriptor` with swarmbus_descriptor_close(), or closes the agent.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queues` has `count` NUL-terminated strings (NULL is fine when `count` is 0); `descriptor` may be written.
 */
int32_t swarmbus_descriptor_open(swarmbus_agent *agent,
                                 const char *const *queues,
                                 size_t count,
                                 swarmbus_descriptor **descriptor);

/**
 * Gets the number of the descriptor, for poll() and the like.
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Ownership
 * The number is the library's, valid until the handle is closed.
 *
 * # Threads
 * The agent's thread; any thread may wait on the number.
 *
 * # Safety
 * `fd` may be written.
 */
int32_t swarmbus_descriptor_fd(const swarmbus_descriptor *descriptor, int *fd);

/**
 * Receives the next message, of each queue in its turn, if there is one. The message is the agent's: release it with that.
 *
 * # Errors
 * SWARMBUS_TIMEOUT (nothing is there: the descriptor is unreadable until there may be something again), SWARMBUS_CLOSED
 * (all of its queues are closed and empty, or the bus is gone), SWARMBUS_AGENT_BUSY (a mailbox has got another owner),
 * SWARMBUS_HANDED_OVER, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD. `message->data` is NULL then.
 *
 * # Ownership
 * As with swarmbus_receive().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be written.
 */
int32_t swarmbus_descriptor_next(swarmbus_descriptor *descriptor,
                                 swarmbus_message *message);

/**
 * Says that the caller has looked, without receiving anything: the descriptor is unreadable until there may be something to
 * receive, which may be at once. For who waits for something else that comes to the mailbox, such as the parts of an answer.
 *
 * # Errors
 * SWARMBUS_CLOSED (the bus is gone), SWARMBUS_FORKED, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_descriptor_rearm(swarmbus_descriptor *descriptor);

/**
 * Closes the handle and its file descriptor: take it out of the event loop before. NULL is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before, also with its agent), SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_descriptor_close(swarmbus_descriptor *descriptor);

/* Messages in flight: release, return, pass on, take out. */

/**
 * Releases a message: the acknowledgement. It is gone from the bus, and its data pointer is void; `message->data`
 * becomes NULL.
 *
 * # Errors
 * SWARMBUS_RELEASED (given back before), SWARMBUS_INVALID_ARGUMENT (not received by this agent), SWARMBUS_FORKED,
 * SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and written.
 */
int32_t swarmbus_release(swarmbus_agent *agent, swarmbus_message *message);

/**
 * Returns a message to its queue, for the next receiver to get before all others; its count of deliveries rises
 * then. Its data pointer is void; `message->data` becomes NULL.
 *
 * # Errors
 * Those of swarmbus_release().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and written.
 */
int32_t swarmbus_nack(swarmbus_agent *agent, swarmbus_message *message);

/**
 * Returns a message to its queue, to be received again after `delay_ns` nanoseconds (milliseconds count; 30 days at most).
 * 0 is swarmbus_nack(). After an error the message is the caller's as before; copies of the struct are void.
 *
 * # Errors
 * SWARMBUS_FULL (as many messages of its queue wait for a time as a lane may hold), SWARMBUS_INVALID_ARGUMENT (too long),
 * and those of swarmbus_release().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and written.
 */
int32_t swarmbus_nack_after(swarmbus_agent *agent,
                            swarmbus_message *message,
                            uint64_t delay_ns);

/**
 * Passes a message on to the mailbox or queue `to` without a copy, as it is: same id, sender and lane; deliveries are
 * counted anew. A crash leaves it in exactly one of the two. `message->data` becomes NULL. After an error the message is
 * the caller's as before; copies of the struct are void.
 *
 * # Errors
 * SWARMBUS_RELEASED, SWARMBUS_UNKNOWN_AGENT, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED,
 * SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and written; `to` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_forward(swarmbus_agent *agent,
                         swarmbus_message *message,
                         const char *to,
                         int64_t timeout_ns,
                         const swarmbus_receive_opts *opts);

/**
 * Takes a message out of the bus's care: it will not come back if this process dies (at most once). What it holds is a
 * loan now, to be changed and published again, or discarded. `message->data` becomes NULL.
 *
 * # Errors
 * Those of swarmbus_release(). `loan->data` is NULL then.
 *
 * # Ownership
 * As with swarmbus_loan_get().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and written; `loan` may be written.
 */
int32_t swarmbus_detach(swarmbus_agent *agent, swarmbus_message *message, swarmbus_loan *loan);

/* What a message in flight says of itself. */

/**
 * Gets a message's id, the same that its sender got.
 *
 * # Errors
 * SWARMBUS_RELEASED, SWARMBUS_INVALID_ARGUMENT (not received by this agent), SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and `id` written.
 */
int32_t swarmbus_message_id(const swarmbus_agent *agent, const swarmbus_message *message, uint64_t *id);

/**
 * Writes the name of a message's sender with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice. Empty
 * if the sender has no name.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read; `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_message_sender(const swarmbus_agent *agent,
                                const swarmbus_message *message,
                                char *buffer,
                                size_t capacity);

/**
 * Writes the name of the mailbox or queue from which a message was received with its NUL into `buffer`;
 * SWARMBUS_NAME_SIZE bytes always suffice.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read; `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_message_queue(const swarmbus_agent *agent,
                               const swarmbus_message *message,
                               char *buffer,
                               size_t capacity);

/**
 * Writes the name of the queue to which a message was sent of which this is the copy that a tap made; empty if it is no
 * such copy. A copy can't be answered.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read; `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_message_tapped(const swarmbus_agent *agent,
                                const swarmbus_message *message,
                                char *buffer,
                                size_t capacity);

/**
 * Writes the trace that a message belongs to, as a W3C `traceparent` with its NUL, into `buffer`; SWARMBUS_TRACEPARENT_SIZE
 * bytes always suffice. Empty if its sender named none. An answer belongs to the trace of its question.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read; `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_message_traceparent(const swarmbus_agent *agent,
                                     const swarmbus_message *message,
                                     char *buffer,
                                     size_t capacity);

/**
 * Gets whether a message is a part of an answer and more parts follow: 1 or 0.
 *
 * # Errors
 * Those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and `more` written.
 */
int32_t swarmbus_message_more_follows(const swarmbus_agent *agent, const swarmbus_message *message, int32_t *more);

/**
 * Gets the lane a message was sent in: one of the SWARMBUS_LANE_ numbers.
 *
 * # Errors
 * Those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and `lane` written.
 */
int32_t swarmbus_message_lane(const swarmbus_agent *agent, const swarmbus_message *message, int32_t *lane);

/**
 * Gets how often a message was delivered, this time included: 1 at first, more after its receiver died or returned
 * it.
 *
 * # Errors
 * Those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and `deliveries` written.
 */
int32_t swarmbus_message_deliveries(const swarmbus_agent *agent, const swarmbus_message *message, uint32_t *deliveries);

/**
 * Gets the correlation a message was sent with; 0 if it has none.
 *
 * # Errors
 * Those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and `correlation` written.
 */
int32_t swarmbus_message_correlation(const swarmbus_agent *agent,
                                     const swarmbus_message *message,
                                     uint64_t *correlation);

/**
 * Gets what a message says it contains: one of the SWARMBUS_CONTENT_ numbers.
 *
 * # Errors
 * Those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and `content` written.
 */
int32_t swarmbus_message_content(const swarmbus_agent *agent, const swarmbus_message *message, int32_t *content);

/**
 * Gets the id of a message's schema, which tells of what type the archive in it is; 0 if its content is not
 * SWARMBUS_CONTENT_RKYV. It is the last eight bytes of the payload; the archive is what lies before it.
 *
 * # Errors
 * Those of swarmbus_message_id().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read and `schema` written.
 */
int32_t swarmbus_message_schema(const swarmbus_agent *agent, const swarmbus_message *message, uint64_t *schema);

/**
 * Gets the id of the schema that has a name, as `acme.task/1`.
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_INVALID_NAME (it is not UTF-8).
 *
 * # Threads
 * Any thread, any time.
 *
 * # Safety
 * `name` is a NUL-terminated string; `schema` may be written.
 */
int32_t swarmbus_schema_id(const char *name, uint64_t *schema);

/* Questions and answers. */

/**
 * Sends a question to the mailbox or queue `to` and waits for its answer, which is a message of this agent's: release it.
 *
 * `timeout_ns`: for the sending and the answer together, nanoseconds; SWARMBUS_FOREVER waits without end.
 *
 * # Errors
 * SWARMBUS_TIMEOUT (also when nobody answered in time: a late answer is dropped), SWARMBUS_BROKEN_ANSWER (it comes in parts:
 * ask with swarmbus_call_stream()), SWARMBUS_INVALID_ARGUMENT (also a member without a mailbox, or a key), and those of
 * swarmbus_send(). `answer->data` is NULL then.
 *
 * # Ownership
 * The answer is the agent's until swarmbus_release().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `to` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `answer` may be written;
 * `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_call(swarmbus_agent *agent,
                      const char *to,
                      const void *data,
                      size_t length,
                      int64_t timeout_ns,
                      swarmbus_message *answer,
                      const swarmbus_send_opts *opts);

/**
 * Sends a question whose answer may come in parts, to be taken with swarmbus_answers_next(). Any number may be open at a time.
 *
 * `timeout_ns`: for the sending alone, as with swarmbus_send().
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (also a member without a mailbox, or a key), and those of swarmbus_send(). Nothing is asked then.
 *
 * # Ownership
 * Who wants no more of the answer before its end calls swarmbus_answers_close(); closing the agent does so too.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `to` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `answers` may be written;
 * `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_call_stream(swarmbus_agent *agent,
                             const char *to,
                             const void *data,
                             size_t length,
                             int64_t timeout_ns,
                             swarmbus_answers *answers,
                             const swarmbus_send_opts *opts);

/**
 * Receives the next part of an answer, in order. After the last one SWARMBUS_OK comes with `message->data` NULL (that of an
 * empty part is not).
 *
 * `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits without end.
 *
 * # Errors
 * SWARMBUS_TIMEOUT (the answer goes on: ask again), SWARMBUS_BROKEN_ANSWER (a part was lost, or the answer began anew; it has
 * ended then), SWARMBUS_INVALID_ARGUMENT (not a question of this agent, or closed), SWARMBUS_CLOSED, SWARMBUS_HANDED_OVER,
 * SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD. `message->data` is NULL then.
 *
 * # Ownership
 * The part is the agent's until swarmbus_release().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `answers` may be read and `message` written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_answers_next(swarmbus_agent *agent,
                              swarmbus_answers *answers,
                              int64_t timeout_ns,
                              swarmbus_message *message,
                              const swarmbus_receive_opts *opts);

/**
 * Wants no more of an answer: parts that come later are dropped. The struct is void; after the last part nothing needs closing,
 * and does no harm.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (not a question of this agent, or closed), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `answers` may be read and written.
 */
int32_t swarmbus_answers_close(swarmbus_agent *agent,
                               swarmbus_answers *answers);

/**
 * Answers a message that came by a call: after swarmbus_reply_part() this is the last part. Never waits. The message stays
 * the caller's: release it afterwards. `id` may be NULL; else it gets the answer's id.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (its sender has no mailbox; or it is a copy that a tap made), SWARMBUS_RELEASED,
 * SWARMBUS_TOO_LARGE, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `message` may be read; `data` has `length` bytes (NULL is fine when `length` is 0); `id` is NULL or may be written; `opts`
 * is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_reply(swarmbus_agent *agent,
                       const swarmbus_message *message,
                       const void *data,
                       size_t length,
                       uint64_t *id,
                       const swarmbus_reply_opts *opts);

/**
 * Answers a message in part; more parts follow, and a swarmbus_reply() at last. Who asked with swarmbus_call_stream() takes
 * them one by one. Waits while the asker is far behind. If the message is delivered again, the answer begins anew, and who
 * asked is told that it is broken. `id` may be NULL; else it gets the part's id.
 *
 * `timeout_ns`: how long to wait for room, nanoseconds; 0 tries once, SWARMBUS_FOREVER waits as long as the asker lives.
 *
 * # Errors
 * SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED (also: no room, and the asker is gone), SWARMBUS_INTERRUPTED,
 * SWARMBUS_SYSTEM, and those of swarmbus_reply().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * As for swarmbus_reply().
 */
int32_t swarmbus_reply_part(swarmbus_agent *agent,
                            const swarmbus_message *message,
                            const void *data,
                            size_t length,
                            int64_t timeout_ns,
                            uint64_t *id,
                            const swarmbus_reply_opts *opts);

/* What an agent does to a whole queue: stop and resume its intake, purge, redrive, tap; and reaping. */

/**
 * Closes the intake of a mailbox or queue: senders get SWARMBUS_CLOSED at once, receivers once it is empty.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_CLOSED (the bus is gone), SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queue` is a NUL-terminated string.
 */
int32_t swarmbus_close_queue(swarmbus_agent *agent, const char *queue);

/**
 * Opens the intake of a queue again.
 *
 * # Errors
 * Those of swarmbus_close_queue().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queue` is a NUL-terminated string.
 */
int32_t swarmbus_reopen_queue(swarmbus_agent *agent, const char *queue);

/**
 * Looks for members whose process is dead, on the kernel's word, and gives back all they had: messages in flight to
 * their queues, chunks to the heap. Peers and the supervisor do this by themselves; call it to have it done now.
 * `reaped` may be NULL.
 *
 * # Errors
 * SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `reaped` is NULL or may be written.
 */
int32_t swarmbus_reap(swarmbus_agent *agent, swarmbus_reaped *reaped);

/**
 * The same for the members of one process that the caller knows to be dead, from waitpid() or a pidfd. `reaped` may
 * be NULL.
 *
 * # Errors
 * Those of swarmbus_reap(), and SWARMBUS_INVALID_ARGUMENT (a pid of 0).
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `reaped` is NULL or may be written.
 */
int32_t swarmbus_reap_process(swarmbus_agent *agent, uint32_t pid, swarmbus_reaped *reaped);

/**
 * Drops everything that waits in a mailbox or queue. `count` may be NULL; else it gets how many messages that were.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox that another owns), SWARMBUS_CLOSED (the bus is gone),
 * SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queue` is a NUL-terminated string; `count` is NULL or may be written.
 */
int32_t swarmbus_purge(swarmbus_agent *agent, const char *queue, uint64_t *count);

/**
 * Sends at most `most` dead letters back to the queues they were sent to, their deliveries counted anew; what was put into
 * the queue of dead letters directly stays. Stops at a queue that is full. `count` may be NULL; else it gets how many went.
 *
 * # Errors
 * SWARMBUS_FULL (the first one's queue), and those of swarmbus_purge().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `dead_letters` is a NUL-terminated string; `count` is NULL or may be written.
 */
int32_t swarmbus_redrive(swarmbus_agent *agent,
                         const char *dead_letters,
                         uint64_t most,
                         uint64_t *count);

/**
 * Taps a queue: from now on the agent's mailbox gets a copy of every new message that is sent or forwarded there, and whoever
 * consumes from the queue notices nothing. swarmbus_message_tapped() tells a copy. One that finds the mailbox full is missed
 * and counted. An agent taps one queue at a time, until swarmbus_untap() or its end.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (another taps it), SWARMBUS_INVALID_ARGUMENT (its own mailbox; it taps another
 * queue; a member without a mailbox), SWARMBUS_HANDED_OVER, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `queue` is a NUL-terminated string.
 */
int32_t swarmbus_tap(swarmbus_agent *agent,
                     const char *queue);

/**
 * Ends the tap, if there is one. Copies that came before stay in the mailbox.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (a member without a mailbox), SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_untap(swarmbus_agent *agent);

/* Topics: declare and publish. */

/**
 * Makes the topic `name` if there is none. What is published there reaches everybody who subscribes. To declare it again
 * changes nothing and is no error: a topic that exists keeps what it has.
 *
 * # Errors
 * SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT (also when all 256 topics of the bus are taken), SWARMBUS_WRONG_KIND (a
 * mailbox or queue has the name), SWARMBUS_OUT_OF_MEMORY, SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_CLOSED, SWARMBUS_CORRUPT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_declare_topic(swarmbus_bus *bus,
                               const char *name,
                               const swarmbus_topic_opts *opts);

/**
 * Publishes a copy of `length` bytes in `topic`: everybody who subscribes reads that one copy. `published` may be NULL.
 *
 * `timeout_ns`: of a topic with back-pressure, how long to wait for slow subscribers, nanoseconds; 0 tries once,
 * SWARMBUS_FOREVER waits until there is room.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT (no such topic), SWARMBUS_WRONG_KIND, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT,
 * SWARMBUS_INVALID_ARGUMENT (also when this agent's own subscription stands in the way), SWARMBUS_TOO_LARGE,
 * SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_HANDED_OVER, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing is published then.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `topic` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `published` is NULL or may
 * be written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_topic_send(swarmbus_agent *agent,
                            const char *topic,
                            const void *data,
                            size_t length,
                            int64_t timeout_ns,
                            swarmbus_published *published,
                            const swarmbus_publish_opts *opts);

/**
 * Publishes the first `length` bytes of a loan in `topic`, in place. Otherwise as swarmbus_topic_send(); the loan ends as with
 * swarmbus_publish(), and after an error it is the caller's as before.
 *
 * # Errors
 * SWARMBUS_RELEASED (published or discarded before), SWARMBUS_TOO_LARGE (`length` is more than the loan has), and those of
 * swarmbus_topic_send(). Nothing is published then.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `loan` may be read and written; `topic` is a NUL-terminated string; `published` is NULL or may be written; `opts` is NULL or
 * as long as its `struct_size` says.
 */
int32_t swarmbus_topic_publish(swarmbus_agent *agent,
                               swarmbus_loan *loan,
                               const char *topic,
                               size_t length,
                               int64_t timeout_ns,
                               swarmbus_published *published,
                               const swarmbus_publish_opts *opts);

/**
 * Takes out of a topic the messages that every subscriber has read and that are not retained. Otherwise they go when later
 * ones push them out. `count` may be NULL; else it gets how many went.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT (no such topic), SWARMBUS_WRONG_KIND, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `topic` is a NUL-terminated string; `count` is NULL or may be written.
 */
int32_t swarmbus_topic_trim(swarmbus_agent *agent,
                            const char *topic,
                            uint64_t *count);

/* Subscriptions to topics, and the samples that they read. */

/**
 * Subscribes to a topic. From here on publishers wait for this subscriber, or drop their messages, as the topic's policy is:
 * who subscribes has to read. An agent subscribes to a topic once at a time.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT (no such topic), SWARMBUS_WRONG_KIND, SWARMBUS_INVALID_ARGUMENT (subscribed already),
 * SWARMBUS_INVALID_NAME, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `*subscription` is NULL then.
 *
 * # Ownership
 * The caller closes `*subscription` with swarmbus_subscription_close(), or closes the agent.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `topic` is a NUL-terminated string; `subscription` may be written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_subscribe(swarmbus_agent *agent,
                           const char *topic,
                           swarmbus_subscription **subscription,
                           const swarmbus_subscribe_opts *opts);

/**
 * Receives the next message of a topic; the sample before it is done with. What all subscribers read is one copy in shared
 * memory; of a lossy topic it is a copy of this subscription's own.
 *
 * `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits until a message comes.
 *
 * # Errors
 * SWARMBUS_TIMEOUT, SWARMBUS_CLOSED (the bus is gone), SWARMBUS_INTERRUPTED, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_FORKED,
 * SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `sample->data` is NULL
 * then.
 *
 * # Ownership
 * The sample is the subscription's. Publishers may wait until it is done with.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `sample` may be written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_subscription_receive(swarmbus_subscription *subscription,
                                      int64_t timeout_ns,
                                      swarmbus_sample *sample,
                                      const swarmbus_receive_opts *opts);

/**
 * Is done with a sample before the next one is asked for, so that no publisher waits for this subscriber; `sample->data`
 * becomes NULL.
 *
 * # Errors
 * SWARMBUS_RELEASED (done with before, also by the next receive), SWARMBUS_INVALID_ARGUMENT (not of this subscription),
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `sample` may be read and written.
 */
int32_t swarmbus_sample_release(swarmbus_subscription *subscription,
                                swarmbus_sample *sample);

/**
 * Writes the name of the mailbox of a sample's publisher with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice.
 * Empty if it has none.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_sample_release().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `sample` may be read; `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_sample_sender(const swarmbus_subscription *subscription,
                               const swarmbus_sample *sample,
                               char *buffer,
                               size_t capacity);

/**
 * Writes the trace that a sample belongs to, as a W3C `traceparent` with its NUL, into `buffer`; SWARMBUS_TRACEPARENT_SIZE
 * bytes always suffice. Empty if its publisher named none.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_sample_release().
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `sample` may be read; `buffer` has room for `capacity` bytes.
 */
int32_t swarmbus_sample_traceparent(const swarmbus_subscription *subscription,
                                    const swarmbus_sample *sample,
                                    char *buffer,
                                    size_t capacity);

/**
 * Gets where a subscription stands: the position of its next message in the order of the topic, counted from 0, and how many
 * messages it has missed so far, all in all. Either may be NULL. How far it is behind, swarmbus_snapshot_subscriber() tells.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (asked in the hook of its own receive), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
 * SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `position` and `missed` are NULL or may be written.
 */
int32_t swarmbus_subscription_position(const swarmbus_subscription *subscription,
                                       uint64_t *position,
                                       uint64_t *missed);

/**
 * Ends a subscription; its sample's data pointer is void. NULL is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before, also with its agent), SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_subscription_close(swarmbus_subscription *subscription);

/* Named locks with fencing tokens. */

/**
 * Takes the lock `name`; waits for those who asked before and whose locks conflict. A lock needs no declaring. Its name is
 * 1 to 255 bytes of any text, in segments divided by `/`, and may be a pattern: `*` and `?` within a segment, `**` across
 * them, `[…]`. Locks conflict if a name exists that both stand for, unless both are shared. Whoever dies lets go.
 *
 * `mode`: SWARMBUS_LOCK_EXCLUSIVE or SWARMBUS_LOCK_SHARED. `timeout_ns`: how long to wait, nanoseconds; 0 tries once,
 * SWARMBUS_FOREVER waits without end.
 *
 * # Errors
 * SWARMBUS_LOCKED (it stayed taken; the detail text says by whom), SWARMBUS_INVALID_ARGUMENT (no such name or mode, or in
 * conflict with a lock that this agent has itself), SWARMBUS_INTERRUPTED, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED,
 * SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM (8192 locks are held or waited for), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `lock->token` is 0 then.
 *
 * # Ownership
 * The lock is the agent's until swarmbus_lock_release(), or the agent is closed, or its process dies.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `lock` may be written; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_lock_take(swarmbus_agent *agent,
                           const char *name,
                           int32_t mode,
                           int64_t timeout_ns,
                           swarmbus_lock *lock,
                           const swarmbus_receive_opts *opts);

/**
 * Lets go of a lock; `lock->token` becomes 0.
 *
 * # Errors
 * SWARMBUS_RELEASED (it was released before), SWARMBUS_INVALID_ARGUMENT (not a lock of this agent), SWARMBUS_FORKED,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `lock` may be read and written.
 */
int32_t swarmbus_lock_release(swarmbus_agent *agent, swarmbus_lock *lock);

/* Status boards: what agents say of themselves. */

/**
 * Says what this agent does. Whoever looks sees the whole of it or the whole of what was said before, whenever this process
 * dies or is paused. It stays when the agent leaves or dies.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (too long, with the limit; no such state; a member without a mailbox), SWARMBUS_INVALID_NAME (not
 * UTF-8), SWARMBUS_HANDED_OVER, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing has changed then.
 *
 * # Threads
 * The agent's thread.
 *
 * # Safety
 * `status` is as long as its `struct_size` says; its texts are NUL-terminated strings.
 */
int32_t swarmbus_set_status(swarmbus_agent *agent,
                            const swarmbus_status *status);

/**
 * Gives a sign of life, which others see as an age: for who wants to tell an agent that works from one that hangs. Nobody is
 * taken for dead by it.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (a member without a mailbox), SWARMBUS_HANDED_OVER, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_FORKED,
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_beat(swarmbus_agent *agent);

/* Observers: a bus seen from outside. */

/**
 * Looks at the bus `name` of this host without taking part in it.
 *
 * # Errors
 * SWARMBUS_UNKNOWN_BUS, SWARMBUS_NOT_READY, SWARMBUS_WRONG_VERSION, SWARMBUS_PERMISSION, SWARMBUS_CORRUPT,
 * SWARMBUS_INVALID_NAME, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER. `*observer` is NULL then.
 *
 * # Ownership
 * The caller closes `*observer` with swarmbus_observer_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `observer` may be written.
 */
int32_t swarmbus_observer_open(const char *name, swarmbus_observer **observer);

/**
 * Looks at a copy of a segment's file, as `cp /dev/shm/swarmbus.BUS` makes it.
 *
 * # Errors
 * Those of swarmbus_observer_open(). `*observer` is NULL then.
 *
 * # Ownership
 * The caller closes `*observer` with swarmbus_observer_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `path` is a NUL-terminated string; `observer` may be written.
 */
int32_t swarmbus_observer_open_file(const char *path, swarmbus_observer **observer);

/**
 * Gets a bus at a glance. Figures are read one by one while the bus works on: each is right by itself. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (`struct_size`), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_observe_bus(const swarmbus_observer *observer,
                             swarmbus_bus_info *info);

/**
 * Closes the handle; snapshots that were taken by it stay. NULL is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before).
 *
 * # Threads
 * Any thread.
 */
int32_t swarmbus_observer_close(swarmbus_observer *observer);

/* Snapshots: rows of what an observer sees, taken at once and looked at one by one. */

/**
 * Takes the names of the buses of this host: rows for swarmbus_snapshot_name().
 *
 * # Errors
 * SWARMBUS_SYSTEM (/dev/shm can't be listed), SWARMBUS_NULL_POINTER. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `snapshot` may be written.
 */
int32_t swarmbus_snapshot_buses(swarmbus_snapshot **snapshot);

/**
 * Takes the names on a bus that look like `pattern` (`*`: any characters, `?`: one; NULL: all), sorted: rows for
 * swarmbus_snapshot_name().
 *
 * # Errors
 * SWARMBUS_INVALID_NAME (`pattern` is not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `pattern` is NULL or a NUL-terminated string; `snapshot` may be written.
 */
int32_t swarmbus_snapshot_names(const swarmbus_observer *observer, const char *pattern, swarmbus_snapshot **snapshot);

/**
 * Takes the size classes of the heap that are in use: rows for swarmbus_snapshot_class().
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `snapshot` may be written.
 */
int32_t swarmbus_snapshot_classes(const swarmbus_observer *observer, swarmbus_snapshot **snapshot);

/**
 * Takes the members of a bus by index, with what they counted: rows for swarmbus_snapshot_member().
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `snapshot` may be written.
 */
int32_t swarmbus_snapshot_members(const swarmbus_observer *observer, swarmbus_snapshot **snapshot);

/**
 * Takes the mailboxes and queues of a bus by name: rows for swarmbus_snapshot_queue().
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `snapshot` may be written.
 */
int32_t swarmbus_snapshot_queues(const swarmbus_observer *observer, swarmbus_snapshot **snapshot);

/**
 * Takes the topics of a bus by name: rows for swarmbus_snapshot_topic().
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `snapshot` may be written.
 */
int32_t swarmbus_snapshot_topics(const swarmbus_observer *observer, swarmbus_snapshot **snapshot);

/**
 * Takes the subscribers of all topics of a bus, by topic: rows for swarmbus_snapshot_subscriber().
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `snapshot` may be written.
 */
int32_t swarmbus_snapshot_subscribers(const swarmbus_observer *observer, swarmbus_snapshot **snapshot);

/**
 * Takes the locks that are held or waited for, in the order in which they were asked for: rows for swarmbus_snapshot_lock().
 * `pattern` leaves those that have a name in common with it, as swarmbus_lock_take() reads patterns; NULL: all.
 *
 * # Errors
 * SWARMBUS_INVALID_NAME (`pattern` is not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `pattern` is NULL or a NUL-terminated string; `snapshot` may be written.
 */
int32_t swarmbus_snapshot_locks(const swarmbus_observer *observer,
                                const char *pattern,
                                swarmbus_snapshot **snapshot);

/**
 * Takes the agents of a bus by name, living and dead, those that `filter` wants: rows for swarmbus_snapshot_agent().
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (`struct_size`), SWARMBUS_INVALID_NAME (not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
 * `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `filter` is NULL or as long as its `struct_size` says, and its texts are NUL-terminated strings; `snapshot` may be written.
 */
int32_t swarmbus_snapshot_agents(const swarmbus_observer *observer,
                                 const swarmbus_agent_filter *filter,
                                 swarmbus_snapshot **snapshot);

/**
 * Takes what the agents of a bus say of themselves, by name, of those whose names look like `pattern` (`*`: any characters,
 * `?`: one; a name stands for itself; NULL: all), without those that never said anything: rows for swarmbus_snapshot_status().
 *
 * # Errors
 * SWARMBUS_INVALID_NAME (`pattern` is not UTF-8), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `pattern` is NULL or a NUL-terminated string; `snapshot` may be written.
 */
int32_t swarmbus_snapshot_statuses(const swarmbus_observer *observer,
                                   const char *pattern,
                                   swarmbus_snapshot **snapshot);

/**
 * Takes copies of up to `most` messages that wait in a mailbox or queue, in the order in which they would be received, and
 * consumes none: rows for swarmbus_snapshot_message().
 *
 * # Errors
 * SWARMBUS_UNKNOWN_AGENT, SWARMBUS_WRONG_KIND, SWARMBUS_INVALID_NAME, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot`
 * is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `queue` is a NUL-terminated string; `snapshot` may be written.
 */
int32_t swarmbus_snapshot_messages(const swarmbus_observer *observer,
                                   const char *queue,
                                   size_t most,
                                   swarmbus_snapshot **snapshot);

/**
 * Takes what members measured: rows for swarmbus_snapshot_latency(), the first of all members together, then one for each
 * that measured anything.
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*snapshot` is NULL then.
 *
 * # Ownership
 * The caller closes `*snapshot` with swarmbus_snapshot_close().
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `snapshot` may be written.
 */
int32_t swarmbus_snapshot_latencies(const swarmbus_observer *observer,
                                    swarmbus_snapshot **snapshot);

/**
 * Closes a snapshot; what its rows point to is void. NULL is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before).
 *
 * # Threads
 * Any thread.
 */
int32_t swarmbus_snapshot_close(swarmbus_snapshot *snapshot);

/* Rows of snapshots, one by one. */

/**
 * Gets how many rows a snapshot has.
 *
 * # Errors
 * SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `length` may be written.
 */
int32_t swarmbus_snapshot_length(const swarmbus_snapshot *snapshot, size_t *length);

/**
 * Gets a row of a snapshot of names or of buses, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_name(const swarmbus_snapshot *snapshot, size_t index, swarmbus_name_info *info);

/**
 * Gets a row of a snapshot of size classes, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_class(const swarmbus_snapshot *snapshot, size_t index, swarmbus_class_info *info);

/**
 * Gets a row of a snapshot of members, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_member(const swarmbus_snapshot *snapshot, size_t index, swarmbus_member_info *info);

/**
 * Gets a row of a snapshot of queues, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_queue(const swarmbus_snapshot *snapshot, size_t index, swarmbus_queue_info *info);

/**
 * Gets a row of a snapshot of topics, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_topic(const swarmbus_snapshot *snapshot, size_t index, swarmbus_topic_info *info);

/**
 * Gets a row of a snapshot of subscribers, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_subscriber(const swarmbus_snapshot *snapshot, size_t index, swarmbus_subscriber_info *info);

/**
 * Gets a row of a snapshot of locks, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_lock(const swarmbus_snapshot *snapshot, size_t index, swarmbus_lock_info *info);

/**
 * Gets a row of a snapshot of agents, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_agent(const swarmbus_snapshot *snapshot, size_t index, swarmbus_agent_info *info);

/**
 * Gets a row of a snapshot of statuses, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_status(const swarmbus_snapshot *snapshot, size_t index, swarmbus_status_info *info);

/**
 * Gets a row of a snapshot of messages, counted from 0. Set `struct_size` before. Its payload is valid until the snapshot
 * is closed.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_message(const swarmbus_snapshot *snapshot,
                                  size_t index,
                                  swarmbus_message_info *info);

/**
 * Gets a row of a snapshot of latencies, counted from 0. Set `struct_size` before.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, a snapshot of something else, `struct_size`), SWARMBUS_NULL_POINTER,
 * SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `info` is as long as its `struct_size` says.
 */
int32_t swarmbus_snapshot_latency(const swarmbus_snapshot *snapshot, size_t index, swarmbus_latency_info *info);

/**
 * Gets a text of a row of a snapshot of statuses or agents: of one of the SWARMBUS_TEXT_ kinds the `nth`, counted from 0.
 *
 * # Errors
 * SWARMBUS_INVALID_ARGUMENT (no such row, no such text), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*text` is NULL then.
 *
 * # Ownership
 * The text is the snapshot's, valid until that is closed.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `text` may be written.
 */
int32_t swarmbus_snapshot_text(const swarmbus_snapshot *snapshot,
                               size_t index,
                               int32_t kind,
                               size_t nth,
                               const char **text);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SWARMBUS_H */

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
 * The version of this binary interface. It rises when a signature, a struct or the meaning of a code changes so that
 * programs built before must be rebuilt; added functions and added fields at the end of an options struct don't
 * raise it.
 */
#define SWARMBUS_ABI_VERSION 1

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
 * WrongThread: an agent handle belongs to the thread that made it (attach, join or connect).
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
 * Timeout: wait for ever. Other negative values are errors.
 */
#define SWARMBUS_FOREVER -1

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
} swarmbus_declare_opts;

/**
 * Options of swarmbus_attach(), swarmbus_join() and swarmbus_connect().
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
 * agent.
 */
typedef int (*swarmbus_interrupted)(void *context);

/**
 * Options of swarmbus_send() and swarmbus_publish().
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
} swarmbus_send_opts;

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
 * Options of swarmbus_receive() and swarmbus_receive_from().
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
     * Asked while the call waits for a message. NULL: nobody is asked.
     */
    swarmbus_interrupted interrupted;
    /**
     * Handed to `interrupted`.
     */
    void *context;
} swarmbus_receive_opts;

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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

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
 * Makes the mailbox or queue `name` if there is none, so that messages can be sent to it before anybody receives
 * there. To declare it again changes nothing and is no error.
 *
 * # Errors
 * SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_TOO_MANY_AGENTS,
 * SWARMBUS_CLOSED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
 *
 * # Threads
 * Any thread.
 *
 * # Safety
 * `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
 */
int32_t swarmbus_declare(swarmbus_bus *bus, const char *name, const swarmbus_declare_opts *opts);

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
 * Leaves the bus. Messages received and not yet released go back to their queues for the next receiver, loans go
 * back to the heap, and the data pointers of both are void from now on. The mailbox and what waits in it stay. NULL
 * is fine and does nothing.
 *
 * # Errors
 * SWARMBUS_BAD_HANDLE (closed before), SWARMBUS_WRONG_THREAD.
 *
 * # Threads
 * The agent's thread.
 */
int32_t swarmbus_agent_close(swarmbus_agent *agent);

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SWARMBUS_H */

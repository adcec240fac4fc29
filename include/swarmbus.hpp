/*
 * Swarmbus for C++17: handles that close themselves over swarmbus.h, which has the whole documentation of each call.
 *
 * What can go wrong throws swarmbus::Error, so that nothing is overlooked in a constructor or a chain of calls; what is no
 * mistake but an outcome does not: a receive whose time is up returns an empty object (test it with `if`), and try_send()
 * returns false when there is no room. A call that succeeds, or has such an outcome, allocates nothing.
 *
 * All objects move and none copies. What borrows from an agent (messages, loans, locks, subscriptions …) is safe to destroy
 * after it: the library knows that it is gone. An agent and all of it belong to one thread.
 */
#ifndef SWARMBUS_HPP
#define SWARMBUS_HPP

#include "swarmbus.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace swarmbus {

/* What went wrong: the code and the text that the library had for it. */
class Error : public std::exception {
public:
    explicit Error(std::int32_t code) : code_(code), text_(swarmbus_last_error()) {}
    std::int32_t code() const noexcept { return code_; }
    const char *name() const noexcept { return swarmbus_error_name(code_); }
    const char *what() const noexcept override { return text_.c_str(); }

private:
    std::int32_t code_;
    std::string text_;
};

inline void check(std::int32_t code) {
    if (code != SWARMBUS_OK) throw Error(code);
}

using Timeout = std::chrono::nanoseconds;
/* Waits without end. */
inline constexpr Timeout forever{SWARMBUS_FOREVER};
/* Looks once. */
inline constexpr Timeout now{0};

/* Bytes to send, wherever they are: text, or any container of plain values that lie side by side. */
class Bytes {
public:
    Bytes(const void *data, std::size_t size) noexcept : raw_{data, size} {}
    Bytes(std::string_view text) noexcept : raw_{text.data(), text.size()} {}
    Bytes(const char *text) noexcept : Bytes(std::string_view(text)) {}
    template <class Container,
              class Value = std::remove_pointer_t<decltype(std::data(std::declval<const Container &>()))>,
              class = std::enable_if_t<std::is_trivially_copyable_v<Value> &&
                                       !std::is_convertible_v<const Container &, std::string_view>>>
    Bytes(const Container &container) noexcept : raw_{std::data(container), std::size(container) * sizeof(Value)} {}
    swarmbus_bytes raw() const noexcept { return raw_; }
    const void *data() const noexcept { return raw_.data; }
    std::size_t size() const noexcept { return raw_.length; }

private:
    swarmbus_bytes raw_;
};

/* A name as the library takes it, NUL-terminated, for the time of a call; a view is copied to where this lies, without an
 * allocation. One that is too long, or has a NUL in it, is passed on as one that the library refuses. */
class Name {
public:
    Name(const char *text) noexcept : text_(text) {}
    Name(const std::string &text) noexcept : text_(text.c_str()) {
        if (text.find('\0') != std::string::npos) text_ = "\xff";
    }
    Name(std::string_view text) noexcept : text_(copy_) {
        bool is_fit = text.size() < sizeof copy_ && text.find('\0') == std::string_view::npos;
        if (!is_fit) text = "\xff";
        std::memcpy(copy_, text.data(), text.size());
        copy_[text.size()] = '\0';
    }
    Name(const Name &) = delete;
    Name &operator=(const Name &) = delete;
    const char *c_str() const noexcept { return text_; }

private:
    const char *text_;
    char copy_[SWARMBUS_LOCK_NAME_SIZE];
};

/* Names of several queues. */
class Names {
public:
    Names(std::initializer_list<const char *> names) : names_(names) {}
    explicit Names(const std::vector<std::string> &names) {
        for (const std::string &name : names) names_.push_back(name.c_str());
    }
    const char *const *data() const noexcept { return names_.data(); }
    std::size_t size() const noexcept { return names_.size(); }

private:
    std::vector<const char *> names_;
};

namespace detail {

template <class Struct> Struct sized() noexcept {
    Struct value;
    std::memset(&value, 0, sizeof value);
    value.struct_size = sizeof value;
    return value;
}

/* Whether a wait ended without what it was for; other codes throw. */
inline bool timed_out(std::int32_t code) {
    if (code == SWARMBUS_TIMEOUT) return true;
    check(code);
    return false;
}

/* A handle of the library's and how it is closed. */
template <class Raw, std::int32_t (*Close)(Raw *)> class Handle {
public:
    Handle() noexcept = default;
    explicit Handle(Raw *raw) noexcept : raw_(raw) {}
    Handle(Handle &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            Close(raw_);
            raw_ = std::exchange(other.raw_, nullptr);
        }
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { Close(raw_); }
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /* For calls of swarmbus.h; it stays this object's. */
    Raw *raw() const noexcept { return raw_; }
    /* Closes it now, and says if that fails. */
    void close() { check(Close(std::exchange(raw_, nullptr))); }

protected:
    Raw *raw_ = nullptr;
};

/* A struct of the library's that an agent (or a subscription) fills, and how it ends if nobody ends it. */
template <class Owner, class Raw, std::int32_t (*End)(Owner *, Raw *)> class Held {
public:
    Held() noexcept { std::memset(&raw_, 0, sizeof raw_); }
    Held(Owner *owner, const Raw &raw) noexcept : owner_(owner), raw_(raw) {}
    Held(Held &&other) noexcept : owner_(std::exchange(other.owner_, nullptr)), raw_(other.raw_) {}
    Held &operator=(Held &&other) noexcept {
        if (this != &other) {
            end();
            owner_ = std::exchange(other.owner_, nullptr);
            raw_ = other.raw_;
        }
        return *this;
    }
    Held(const Held &) = delete;
    Held &operator=(const Held &) = delete;
    ~Held() { end(); }
    explicit operator bool() const noexcept { return owner_ != nullptr; }
    Raw *raw() noexcept { return &raw_; }
    const Raw *raw() const noexcept { return &raw_; }

protected:
    void end() noexcept {
        if (owner_ != nullptr) End(owner_, &raw_);
        owner_ = nullptr;
    }
    /* What `code` says of a call that has ended it, if it succeeded. */
    void ended(std::int32_t code) {
        check(code);
        owner_ = nullptr;
    }

    Owner *owner_ = nullptr;
    Raw raw_;
};

template <class Call> std::string name_of(Call call) {
    char buffer[SWARMBUS_NAME_SIZE];
    check(call(buffer, sizeof buffer));
    return buffer;
}

} // namespace detail

enum class Lane : std::int32_t {
    normal = SWARMBUS_LANE_NORMAL,
    urgent = SWARMBUS_LANE_URGENT,
    high = SWARMBUS_LANE_HIGH,
    low = SWARMBUS_LANE_LOW,
    reply = SWARMBUS_LANE_REPLY,
};

enum class Content : std::int32_t {
    bytes = SWARMBUS_CONTENT_BYTES,
    json = SWARMBUS_CONTENT_JSON,
    rkyv = SWARMBUS_CONTENT_RKYV,
};

enum class Policy : std::int32_t {
    back_pressure = SWARMBUS_POLICY_BACK_PRESSURE,
    drop_new = SWARMBUS_POLICY_DROP_NEW,
    lossy = SWARMBUS_POLICY_LOSSY,
};

enum class Sharing : std::int32_t { exclusive = SWARMBUS_LOCK_EXCLUSIVE, shared = SWARMBUS_LOCK_SHARED };

enum class State : std::int32_t {
    idle = SWARMBUS_STATE_IDLE,
    waiting = SWARMBUS_STATE_WAITING,
    in_progress = SWARMBUS_STATE_IN_PROGRESS,
    completed = SWARMBUS_STATE_COMPLETED,
    blocked = SWARMBUS_STATE_BLOCKED,
};

/* Ends waits early; it must not throw. */
struct Hook {
    swarmbus_interrupted interrupted = nullptr;
    void *context = nullptr;

    swarmbus_receive_opts waiting() const noexcept {
        auto opts = detail::sized<swarmbus_receive_opts>();
        opts.interrupted = interrupted;
        opts.context = context;
        return opts;
    }
};

/* How a message is sent. */
struct SendOptions {
    Timeout timeout = forever;
    Lane lane = Lane::normal;
    Content content = Content::bytes;
    std::uint64_t correlation = 0;
    /* 0: it matters for ever. */
    std::chrono::nanoseconds time_to_live{0};
    std::optional<std::uint64_t> key{};
    Hook hook{};
    /* A W3C traceparent; empty: the message belongs to no trace. */
    std::string traceparent{};

    swarmbus_send_opts raw() const noexcept {
        auto opts = detail::sized<swarmbus_send_opts>();
        opts.lane = static_cast<std::int32_t>(lane);
        opts.content = static_cast<std::int32_t>(content);
        opts.correlation = correlation;
        opts.time_to_live_ns = static_cast<std::uint64_t>(time_to_live.count());
        opts.has_key = key.has_value();
        opts.key = key.value_or(0);
        opts.interrupted = hook.interrupted;
        opts.context = hook.context;
        opts.traceparent = traceparent.empty() ? nullptr : traceparent.c_str();
        return opts;
    }
};

/* How a message is published in a topic. */
struct PublishOptions {
    Timeout timeout = forever;
    Content content = Content::bytes;
    std::uint64_t correlation = 0;
    Hook hook{};
    /* As in SendOptions. */
    std::string traceparent{};

    swarmbus_publish_opts raw() const noexcept {
        auto opts = detail::sized<swarmbus_publish_opts>();
        opts.content = static_cast<std::int32_t>(content);
        opts.correlation = correlation;
        opts.interrupted = hook.interrupted;
        opts.context = hook.context;
        opts.traceparent = traceparent.empty() ? nullptr : traceparent.c_str();
        return opts;
    }
};

/* The key of a name, for SendOptions::key. */
inline std::uint64_t key_of(Bytes name) {
    std::uint64_t key = 0;
    check(swarmbus_key_of(name.data(), name.size(), &key));
    return key;
}

/* The id of the schema of this name. */
inline std::uint64_t schema_id(const char *name) {
    std::uint64_t schema = 0;
    check(swarmbus_schema_id(name, &schema));
    return schema;
}

/* Shared memory to write a message into. Destroyed, it is given back unsent. */
class Loan : public detail::Held<swarmbus_agent, swarmbus_loan, swarmbus_loan_discard> {
public:
    using Held::Held;
    void *data() const noexcept { return raw_.data; }
    std::size_t size() const noexcept { return raw_.length; }
    std::uint64_t publish(const Name &to, std::size_t length, const SendOptions &options = {}) {
        std::uint64_t id = 0;
        auto opts = options.raw();
        ended(swarmbus_publish(owner_, &raw_, to.c_str(), length, options.timeout.count(), &id, &opts));
        return id;
    }
    swarmbus_published publish_in(const Name &topic, std::size_t length, const PublishOptions &options = {}) {
        swarmbus_published published{};
        auto opts = options.raw();
        ended(swarmbus_topic_publish(owner_, &raw_, topic.c_str(), length, options.timeout.count(), &published, &opts));
        return published;
    }
    void discard() { ended(swarmbus_loan_discard(owner_, &raw_)); }
    /* Of a loan that goes with a batch: how much of it is sent. */
    void shrink(std::size_t length) noexcept {
        if (length < raw_.length) raw_.length = length;
    }

private:
    friend class Agent;
};

/* A message in flight. Destroyed without a release, it goes back to its queue. */
class Message : public detail::Held<swarmbus_agent, swarmbus_message, swarmbus_nack> {
public:
    using Held::Held;
    const void *data() const noexcept { return raw_.data; }
    std::size_t size() const noexcept { return raw_.length; }
    std::string_view text() const noexcept { return {static_cast<const char *>(raw_.data), raw_.length}; }

    void release() { ended(swarmbus_release(owner_, &raw_)); }
    void nack() { ended(swarmbus_nack(owner_, &raw_)); }
    void nack_after(std::chrono::nanoseconds delay) {
        ended(swarmbus_nack_after(owner_, &raw_, static_cast<std::uint64_t>(delay.count())));
    }
    void forward(const Name &to, Timeout timeout = forever, Hook hook = {}) {
        auto opts = hook.waiting();
        ended(swarmbus_forward(owner_, &raw_, to.c_str(), timeout.count(), &opts));
    }
    Loan detach() {
        swarmbus_loan loan;
        swarmbus_agent *owner = owner_;
        ended(swarmbus_detach(owner_, &raw_, &loan));
        return Loan(owner, loan);
    }
    std::uint64_t reply(Bytes answer, Content content = Content::bytes) const {
        std::uint64_t id = 0;
        auto opts = replying(content, {});
        check(swarmbus_reply(owner_, &raw_, answer.data(), answer.size(), &id, &opts));
        return id;
    }
    std::uint64_t reply_part(Bytes part, Timeout timeout = forever, Content content = Content::bytes, Hook hook = {}) const {
        std::uint64_t id = 0;
        auto opts = replying(content, hook);
        check(swarmbus_reply_part(owner_, &raw_, part.data(), part.size(), timeout.count(), &id, &opts));
        return id;
    }

    std::uint64_t id() const { return tell<std::uint64_t>(swarmbus_message_id); }
    std::uint64_t correlation() const { return tell<std::uint64_t>(swarmbus_message_correlation); }
    std::uint64_t schema() const { return tell<std::uint64_t>(swarmbus_message_schema); }
    std::uint32_t deliveries() const { return tell<std::uint32_t>(swarmbus_message_deliveries); }
    Lane lane() const { return static_cast<Lane>(tell<std::int32_t>(swarmbus_message_lane)); }
    Content content() const { return static_cast<Content>(tell<std::int32_t>(swarmbus_message_content)); }
    bool more_follows() const { return tell<std::int32_t>(swarmbus_message_more_follows) != 0; }
    std::string sender() const { return named(swarmbus_message_sender); }
    std::string queue() const { return named(swarmbus_message_queue); }
    std::string tapped() const { return named(swarmbus_message_tapped); }
    /* Empty: its sender named no trace. */
    std::string traceparent() const { return named(swarmbus_message_traceparent); }

private:
    template <class Number>
    Number tell(std::int32_t (*call)(const swarmbus_agent *, const swarmbus_message *, Number *)) const {
        Number number{};
        check(call(owner_, &raw_, &number));
        return number;
    }
    std::string named(std::int32_t (*call)(const swarmbus_agent *, const swarmbus_message *, char *, std::size_t)) const {
        return detail::name_of([&](char *buffer, std::size_t size) { return call(owner_, &raw_, buffer, size); });
    }
    static swarmbus_reply_opts replying(Content content, Hook hook) noexcept {
        auto opts = detail::sized<swarmbus_reply_opts>();
        opts.content = static_cast<std::int32_t>(content);
        opts.interrupted = hook.interrupted;
        opts.context = hook.context;
        return opts;
    }
};

/* A named lock. Destroyed, it is released. */
class Lock : public detail::Held<swarmbus_agent, swarmbus_lock, swarmbus_lock_release> {
public:
    using Held::Held;
    std::uint64_t token() const noexcept { return raw_.token; }
    void release() { ended(swarmbus_lock_release(owner_, &raw_)); }
};

/* An answer that may come in parts. Destroyed before its end, the rest is dropped. */
class Answers : public detail::Held<swarmbus_agent, swarmbus_answers, swarmbus_answers_close> {
public:
    using Held::Held;
    std::uint64_t question() const noexcept { return raw_.question; }
    /* The next part; empty after the last one. A part that does not come in time throws (SWARMBUS_TIMEOUT): ask again. */
    Message next(Timeout timeout = forever, Hook hook = {}) {
        swarmbus_message part;
        auto opts = hook.waiting();
        check(swarmbus_answers_next(owner_, &raw_, timeout.count(), &part, &opts));
        return part.data == nullptr ? Message() : Message(owner_, part);
    }
};

/* A message of a topic. Destroyed, it is done with; so it is when the next one is received. */
class Sample : public detail::Held<swarmbus_subscription, swarmbus_sample, swarmbus_sample_release> {
public:
    using Held::Held;
    const void *data() const noexcept { return raw_.data; }
    std::size_t size() const noexcept { return raw_.length; }
    std::string_view text() const noexcept { return {static_cast<const char *>(raw_.data), raw_.length}; }
    std::uint64_t id() const noexcept { return raw_.id; }
    std::uint64_t position() const noexcept { return raw_.position; }
    std::uint64_t missed() const noexcept { return raw_.missed; }
    std::uint64_t correlation() const noexcept { return raw_.correlation; }
    std::uint64_t sent_ns() const noexcept { return raw_.sent_ns; }
    Content content() const noexcept { return static_cast<Content>(raw_.content); }
    std::string sender() const {
        return detail::name_of(
            [&](char *buffer, std::size_t size) { return swarmbus_sample_sender(owner_, &raw_, buffer, size); });
    }
    std::string traceparent() const {
        return detail::name_of(
            [&](char *buffer, std::size_t size) { return swarmbus_sample_traceparent(owner_, &raw_, buffer, size); });
    }
    void release() { ended(swarmbus_sample_release(owner_, &raw_)); }
};

class Subscription : public detail::Handle<swarmbus_subscription, swarmbus_subscription_close> {
public:
    using Handle::Handle;
    /* The next message; empty when the time is up. */
    Sample receive(Timeout timeout = forever, Hook hook = {}) {
        swarmbus_sample sample;
        auto opts = hook.waiting();
        if (detail::timed_out(swarmbus_subscription_receive(raw_, timeout.count(), &sample, &opts))) return {};
        return Sample(raw_, sample);
    }
    std::uint64_t position() const {
        std::uint64_t position = 0;
        check(swarmbus_subscription_position(raw_, &position, nullptr));
        return position;
    }
    std::uint64_t missed() const {
        std::uint64_t missed = 0;
        check(swarmbus_subscription_position(raw_, nullptr, &missed));
        return missed;
    }
};

/* Several queues to receive from. */
class Sources : public detail::Handle<swarmbus_sources, swarmbus_sources_close> {
public:
    Sources(swarmbus_agent *agent, swarmbus_sources *raw) noexcept : Handle(raw), agent_(agent) {}
    /* The next message; empty when the time is up. */
    Message receive(Timeout timeout = forever, Hook hook = {}) {
        swarmbus_message message;
        auto opts = hook.waiting();
        if (detail::timed_out(swarmbus_sources_receive(raw_, timeout.count(), &message, &opts))) return {};
        return Message(agent_, message);
    }

private:
    swarmbus_agent *agent_;
};

/* A descriptor for event loops. */
class Descriptor : public detail::Handle<swarmbus_descriptor, swarmbus_descriptor_close> {
public:
    Descriptor(swarmbus_agent *agent, swarmbus_descriptor *raw) noexcept : Handle(raw), agent_(agent) {}
    int fd() const {
        int fd = -1;
        check(swarmbus_descriptor_fd(raw_, &fd));
        return fd;
    }
    /* The next message; empty: the descriptor is unreadable until there may be one. */
    Message next() {
        swarmbus_message message;
        if (detail::timed_out(swarmbus_descriptor_next(raw_, &message))) return {};
        return Message(agent_, message);
    }
    void rearm() { check(swarmbus_descriptor_rearm(raw_)); }

private:
    swarmbus_agent *agent_;
};

/* What an agent says of itself. */
struct Status {
    State state = State::idle;
    std::uint32_t done = 0;
    std::uint32_t total = 0;
    std::string task{};
    std::string note{};
    std::vector<std::string> blockers{};
};

/* An agent, or a member without a mailbox. It belongs to the thread that made it. */
class Agent : public detail::Handle<swarmbus_agent, swarmbus_agent_close> {
public:
    using Handle::Handle;
    /* The agent that the environment names. */
    static Agent connect() {
        swarmbus_agent *agent = nullptr;
        check(swarmbus_connect(&agent, nullptr));
        return Agent(agent);
    }
    std::string name() const {
        return detail::name_of(
            [&](char *buffer, std::size_t size) { return swarmbus_agent_name(raw_, buffer, size); });
    }
    std::uint64_t epoch() const {
        std::uint64_t epoch = 0;
        check(swarmbus_agent_epoch(raw_, &epoch));
        return epoch;
    }
    void set_sender(const Name &name) { check(swarmbus_set_sender(raw_, name.c_str())); }

    std::uint64_t send(const Name &to, Bytes payload, const SendOptions &options = {}) {
        std::uint64_t id = 0;
        auto opts = options.raw();
        check(swarmbus_send(raw_, to.c_str(), payload.data(), payload.size(), options.timeout.count(), &id, &opts));
        return id;
    }
    /* false: there was no room within the time of the options. */
    bool try_send(const Name &to, Bytes payload, const SendOptions &options) {
        auto opts = options.raw();
        auto code =
            swarmbus_send(raw_, to.c_str(), payload.data(), payload.size(), options.timeout.count(), nullptr, &opts);
        if (code == SWARMBUS_FULL || code == SWARMBUS_TIMEOUT) return false;
        check(code);
        return true;
    }
    /* At once or not at all. */
    bool try_send(const Name &to, Bytes payload) {
        SendOptions options;
        options.timeout = now;
        return try_send(to, payload, options);
    }
    Loan loan(std::size_t length) {
        swarmbus_loan loan;
        check(swarmbus_loan_get(raw_, length, &loan));
        return Loan(raw_, loan);
    }
    void send_batch(const Name &to, const swarmbus_bytes *payloads, std::size_t count, const SendOptions &options = {}) {
        auto opts = options.raw();
        check(swarmbus_send_batch(raw_, to.c_str(), payloads, count, options.timeout.count(), nullptr, &opts));
    }
    void send_batch(const Name &to, const std::vector<Bytes> &payloads, const SendOptions &options = {}) {
        static_assert(sizeof(Bytes) == sizeof(swarmbus_bytes) && std::is_standard_layout_v<Bytes>);
        send_batch(to, reinterpret_cast<const swarmbus_bytes *>(payloads.data()), payloads.size(), options);
    }

    /* Each as long as it is. */
    template <std::size_t Count>
    void publish_batch(const Name &to, Loan (&loans)[Count], const SendOptions &options = {}) {
        swarmbus_loan raw[Count];
        auto opts = options.raw();
        for (std::size_t at = 0; at < Count; at++) raw[at] = loans[at].raw_;
        auto code = swarmbus_publish_batch(raw_, raw, Count, to.c_str(), options.timeout.count(), nullptr, &opts);
        for (std::size_t at = 0; at < Count; at++) loans[at].raw_ = raw[at];
        check(code);
        for (Loan &loan : loans) loan.owner_ = nullptr;
    }

    /* The next message; empty when the time is up. */
    Message receive(Timeout timeout = forever, Hook hook = {}) {
        swarmbus_message message;
        auto opts = hook.waiting();
        if (detail::timed_out(swarmbus_receive(raw_, timeout.count(), &message, &opts))) return {};
        return Message(raw_, message);
    }
    Message receive_from(const Name &queue, Timeout timeout = forever, Hook hook = {}) {
        swarmbus_message message;
        auto opts = hook.waiting();
        if (detail::timed_out(swarmbus_receive_from(raw_, queue.c_str(), timeout.count(), &message, &opts))) return {};
        return Message(raw_, message);
    }
    Message receive_any(const Names &queues, Timeout timeout = forever, Hook hook = {}) {
        swarmbus_message message;
        auto opts = hook.waiting();
        auto code = swarmbus_receive_any(raw_, queues.data(), queues.size(), timeout.count(), &message, &opts);
        if (detail::timed_out(code)) return {};
        return Message(raw_, message);
    }
    /* Up to `Most` messages of the own mailbox into an array; how many came, 0 when the time is up. */
    template <std::size_t Most> std::size_t receive_batch(Message (&into)[Most], Timeout timeout = forever, Hook hook = {}) {
        return batch(nullptr, into, timeout, hook);
    }
    /* The same of a queue. */
    template <std::size_t Most>
    std::size_t receive_batch_from(const Name &queue, Message (&into)[Most], Timeout timeout = forever, Hook hook = {}) {
        return batch(queue.c_str(), into, timeout, hook);
    }
    Sources sources(const Names &queues) {
        swarmbus_sources *sources = nullptr;
        check(swarmbus_sources_open(raw_, queues.data(), queues.size(), &sources));
        return Sources(raw_, sources);
    }
    /* Of the own mailbox and roles. */
    Descriptor descriptor() {
        swarmbus_descriptor *descriptor = nullptr;
        check(swarmbus_descriptor_open(raw_, nullptr, 0, &descriptor));
        return Descriptor(raw_, descriptor);
    }
    Descriptor descriptor(const Names &queues) {
        swarmbus_descriptor *descriptor = nullptr;
        check(swarmbus_descriptor_open(raw_, queues.data(), queues.size(), &descriptor));
        return Descriptor(raw_, descriptor);
    }

    /* Throws when no answer comes in time. */
    Message call(const Name &to, Bytes question, const SendOptions &options = {}) {
        swarmbus_message answer;
        auto opts = options.raw();
        check(swarmbus_call(raw_, to.c_str(), question.data(), question.size(), options.timeout.count(), &answer, &opts));
        return Message(raw_, answer);
    }
    Answers call_stream(const Name &to, Bytes question, const SendOptions &options = {}) {
        swarmbus_answers answers;
        auto opts = options.raw();
        check(swarmbus_call_stream(raw_, to.c_str(), question.data(), question.size(), options.timeout.count(), &answers,
                                   &opts));
        return Answers(raw_, answers);
    }

    swarmbus_published publish(const Name &topic, Bytes payload, const PublishOptions &options = {}) {
        swarmbus_published published{};
        auto opts = options.raw();
        check(swarmbus_topic_send(raw_, topic.c_str(), payload.data(), payload.size(), options.timeout.count(), &published,
                                  &opts));
        return published;
    }
    /* `history`: how many of the last messages, SWARMBUS_RETAINED for all that the topic keeps. */
    Subscription subscribe(const Name &topic, std::uint32_t history = 0) {
        swarmbus_subscription *subscription = nullptr;
        auto opts = detail::sized<swarmbus_subscribe_opts>();
        opts.history = history;
        check(swarmbus_subscribe(raw_, topic.c_str(), &subscription, &opts));
        return Subscription(subscription);
    }
    std::uint64_t trim(const Name &topic) {
        std::uint64_t count = 0;
        check(swarmbus_topic_trim(raw_, topic.c_str(), &count));
        return count;
    }

    void close_queue(const Name &queue) { check(swarmbus_close_queue(raw_, queue.c_str())); }
    void reopen_queue(const Name &queue) { check(swarmbus_reopen_queue(raw_, queue.c_str())); }
    std::uint64_t purge(const Name &queue) {
        std::uint64_t count = 0;
        check(swarmbus_purge(raw_, queue.c_str(), &count));
        return count;
    }
    std::uint64_t redrive(const Name &dead_letters, std::uint64_t most = UINT64_MAX) {
        std::uint64_t count = 0;
        check(swarmbus_redrive(raw_, dead_letters.c_str(), most, &count));
        return count;
    }
    void tap(const Name &queue) { check(swarmbus_tap(raw_, queue.c_str())); }
    void untap() { check(swarmbus_untap(raw_)); }
    swarmbus_reaped reap() {
        swarmbus_reaped reaped{};
        check(swarmbus_reap(raw_, &reaped));
        return reaped;
    }
    swarmbus_reaped reap_process(std::uint32_t pid) {
        swarmbus_reaped reaped{};
        check(swarmbus_reap_process(raw_, pid, &reaped));
        return reaped;
    }

    /* Empty when it is taken and stays so until the time is up. */
    Lock lock(const Name &name, Sharing sharing = Sharing::exclusive, Timeout timeout = forever, Hook hook = {}) {
        swarmbus_lock lock;
        auto opts = hook.waiting();
        auto mode = static_cast<std::int32_t>(sharing);
        auto code = swarmbus_lock_take(raw_, name.c_str(), mode, timeout.count(), &lock, &opts);
        if (code == SWARMBUS_LOCKED) return {};
        check(code);
        return Lock(raw_, lock);
    }

    void take_role(const Name &role) { check(swarmbus_take_role(raw_, role.c_str())); }
    bool drop_role(const Name &role) {
        std::int32_t had = 0;
        check(swarmbus_drop_role(raw_, role.c_str(), &had));
        return had != 0;
    }
    void set_tags(const Names &tags) { check(swarmbus_set_tags(raw_, tags.data(), tags.size())); }
    void set_status(const Status &status) {
        Names blockers(status.blockers);
        auto raw = detail::sized<swarmbus_status>();
        raw.state = static_cast<std::int32_t>(status.state);
        raw.done = status.done;
        raw.total = status.total;
        raw.task = status.task.c_str();
        raw.note = status.note.c_str();
        raw.blockers = blockers.data();
        raw.blocker_count = blockers.size();
        check(swarmbus_set_status(raw_, &raw));
    }
    void beat() { check(swarmbus_beat(raw_)); }

private:
    template <std::size_t Most>
    std::size_t batch(const char *queue, Message (&into)[Most], Timeout timeout, Hook hook) {
        swarmbus_message messages[Most];
        std::size_t count = 0;
        auto opts = hook.waiting();
        auto code = swarmbus_receive_batch(raw_, queue, timeout.count(), messages, Most, &count, &opts);
        if (detail::timed_out(code)) return 0;
        for (std::size_t at = 0; at < count; at++) into[at] = Message(raw_, messages[at]);
        return count;
    }
};

/* How a bus is made; zero takes the default. */
struct CreateOptions {
    std::uint32_t agents = 0;
    std::uint64_t heap_bytes = 0;
    std::uint32_t limit = 0;
    std::uint32_t mode = 0;
    std::optional<std::uint32_t> group{};

    swarmbus_bus_create_opts raw() const noexcept {
        auto opts = detail::sized<swarmbus_bus_create_opts>();
        opts.agents = agents;
        opts.heap_bytes = heap_bytes;
        opts.limit = limit;
        opts.mode = mode;
        opts.has_group = group.has_value();
        opts.group = group.value_or(0);
        return opts;
    }
};

/* How a queue is declared. */
struct QueueOptions {
    std::uint32_t limit = 0;
    std::uint32_t max_deliveries = 0;
    std::string dead_letters{};
    bool makes_room = false;
};

/* How a topic is declared. */
struct TopicOptions {
    Policy policy = Policy::back_pressure;
    std::uint32_t capacity = 0;
    std::uint32_t retain = 0;
};

/* A bus that this process has open; any thread may use it. */
class Bus : public detail::Handle<swarmbus_bus, swarmbus_bus_close> {
public:
    using Handle::Handle;
    static Bus create(const Name &name, const CreateOptions &options = {}) {
        return made(name, options, swarmbus_bus_create);
    }
    static Bus open_or_create(const Name &name, const CreateOptions &options = {}) {
        return made(name, options, swarmbus_bus_open_or_create);
    }
    static Bus open(const Name &name) {
        swarmbus_bus *bus = nullptr;
        check(swarmbus_bus_open(name.c_str(), &bus, nullptr));
        return Bus(bus);
    }
    static void remove(const Name &name) { check(swarmbus_bus_remove(name.c_str())); }
    std::string name() const {
        return detail::name_of([&](char *buffer, std::size_t size) { return swarmbus_bus_name(raw_, buffer, size); });
    }
    void destroy() { check(swarmbus_bus_destroy(raw_)); }

    void declare(const Name &queue, const QueueOptions &options = {}) {
        auto opts = detail::sized<swarmbus_declare_opts>();
        opts.limit = options.limit;
        opts.max_deliveries = options.max_deliveries;
        opts.makes_room = options.makes_room;
        opts.dead_letters = options.dead_letters.empty() ? nullptr : options.dead_letters.c_str();
        check(swarmbus_declare(raw_, queue.c_str(), &opts));
    }
    void declare_topic(const Name &topic, const TopicOptions &options = {}) {
        auto opts = detail::sized<swarmbus_topic_opts>();
        opts.policy = static_cast<std::int32_t>(options.policy);
        opts.capacity = options.capacity;
        opts.retain = options.retain;
        check(swarmbus_declare_topic(raw_, topic.c_str(), &opts));
    }

    Agent attach(const Name &name) const { return owned(name, swarmbus_attach); }
    Agent take_over(const Name &name) const { return owned(name, swarmbus_take_over); }
    /* Empty when the mailbox still has an owner and the time is up. */
    Agent stand_by(const Name &name, Timeout timeout = forever, Hook hook = {}) const {
        swarmbus_agent *agent = nullptr;
        auto opts = hook.waiting();
        if (detail::timed_out(swarmbus_stand_by(raw_, name.c_str(), timeout.count(), &agent, &opts))) return {};
        return Agent(agent);
    }
    Agent join() const {
        swarmbus_agent *agent = nullptr;
        check(swarmbus_join(raw_, &agent, nullptr));
        return Agent(agent);
    }

private:
    static Bus made(const Name &name, const CreateOptions &options, decltype(swarmbus_bus_create) *how) {
        swarmbus_bus *bus = nullptr;
        auto opts = options.raw();
        check(how(name.c_str(), &bus, &opts));
        return Bus(bus);
    }
    Agent owned(const Name &name, decltype(swarmbus_attach) *how) const {
        swarmbus_agent *agent = nullptr;
        check(how(raw_, name.c_str(), &agent, nullptr));
        return Agent(agent);
    }
};

namespace detail {

/* How a row of each kind is read. */
template <class Info> using Row = std::int32_t(const swarmbus_snapshot *, std::size_t, Info *);
template <class Info> Row<Info> *row_reader();
template <> inline Row<swarmbus_name_info> *row_reader() { return swarmbus_snapshot_name; }
template <> inline Row<swarmbus_class_info> *row_reader() { return swarmbus_snapshot_class; }
template <> inline Row<swarmbus_member_info> *row_reader() { return swarmbus_snapshot_member; }
template <> inline Row<swarmbus_queue_info> *row_reader() { return swarmbus_snapshot_queue; }
template <> inline Row<swarmbus_topic_info> *row_reader() { return swarmbus_snapshot_topic; }
template <> inline Row<swarmbus_subscriber_info> *row_reader() { return swarmbus_snapshot_subscriber; }
template <> inline Row<swarmbus_lock_info> *row_reader() { return swarmbus_snapshot_lock; }
template <> inline Row<swarmbus_agent_info> *row_reader() { return swarmbus_snapshot_agent; }
template <> inline Row<swarmbus_status_info> *row_reader() { return swarmbus_snapshot_status; }
template <> inline Row<swarmbus_message_info> *row_reader() { return swarmbus_snapshot_message; }
template <> inline Row<swarmbus_latency_info> *row_reader() { return swarmbus_snapshot_latency; }

} // namespace detail

/* Rows as they were when it was taken; loop over it. */
template <class Info> class Snapshot : public detail::Handle<swarmbus_snapshot, swarmbus_snapshot_close> {
public:
    using Handle::Handle;
    std::size_t size() const {
        std::size_t length = 0;
        check(swarmbus_snapshot_length(raw_, &length));
        return length;
    }
    Info operator[](std::size_t index) const {
        auto info = detail::sized<Info>();
        check(detail::row_reader<Info>()(raw_, index, &info));
        return info;
    }
    /* A text of a row; one of SWARMBUS_TEXT_. It is the snapshot's. */
    std::string_view text(std::size_t index, std::int32_t kind, std::size_t nth = 0) const {
        const char *text = nullptr;
        check(swarmbus_snapshot_text(raw_, index, kind, nth, &text));
        return text;
    }

    class Iterator {
    public:
        Iterator(const Snapshot *of, std::size_t at) noexcept : of_(of), at_(at) {}
        Info operator*() const { return (*of_)[at_]; }
        Iterator &operator++() noexcept {
            ++at_;
            return *this;
        }
        bool operator!=(const Iterator &other) const noexcept { return at_ != other.at_; }

    private:
        const Snapshot *of_;
        std::size_t at_;
    };
    Iterator begin() const noexcept { return {this, 0}; }
    Iterator end() const { return {this, size()}; }
};

/* The buses of this host. */
inline Snapshot<swarmbus_name_info> buses() {
    swarmbus_snapshot *seen = nullptr;
    check(swarmbus_snapshot_buses(&seen));
    return Snapshot<swarmbus_name_info>(seen);
}

/* A bus seen from outside; any thread may use it. */
class Observer : public detail::Handle<swarmbus_observer, swarmbus_observer_close> {
public:
    using Handle::Handle;
    static Observer open(const Name &bus) {
        swarmbus_observer *observer = nullptr;
        check(swarmbus_observer_open(bus.c_str(), &observer));
        return Observer(observer);
    }
    static Observer open_file(const char *path) {
        swarmbus_observer *observer = nullptr;
        check(swarmbus_observer_open_file(path, &observer));
        return Observer(observer);
    }
    swarmbus_bus_info bus() const {
        auto info = detail::sized<swarmbus_bus_info>();
        check(swarmbus_observe_bus(raw_, &info));
        return info;
    }
    Snapshot<swarmbus_class_info> classes() const { return seen<swarmbus_class_info>(swarmbus_snapshot_classes); }
    Snapshot<swarmbus_member_info> members() const { return seen<swarmbus_member_info>(swarmbus_snapshot_members); }
    Snapshot<swarmbus_queue_info> queues() const { return seen<swarmbus_queue_info>(swarmbus_snapshot_queues); }
    Snapshot<swarmbus_topic_info> topics() const { return seen<swarmbus_topic_info>(swarmbus_snapshot_topics); }
    Snapshot<swarmbus_subscriber_info> subscribers() const {
        return seen<swarmbus_subscriber_info>(swarmbus_snapshot_subscribers);
    }
    Snapshot<swarmbus_latency_info> latencies() const { return seen<swarmbus_latency_info>(swarmbus_snapshot_latencies); }
    Snapshot<swarmbus_name_info> names(const Name &pattern = "*") const {
        return like<swarmbus_name_info>(swarmbus_snapshot_names, pattern);
    }
    Snapshot<swarmbus_lock_info> locks(const Name &pattern = "**") const {
        return like<swarmbus_lock_info>(swarmbus_snapshot_locks, pattern);
    }
    Snapshot<swarmbus_status_info> statuses(const Name &pattern = "*") const {
        return like<swarmbus_status_info>(swarmbus_snapshot_statuses, pattern);
    }
    /* `filter.struct_size` is set here. */
    Snapshot<swarmbus_agent_info> agents(swarmbus_agent_filter filter = {}) const {
        swarmbus_snapshot *seen = nullptr;
        filter.struct_size = sizeof filter;
        check(swarmbus_snapshot_agents(raw_, &filter, &seen));
        return Snapshot<swarmbus_agent_info>(seen);
    }
    Snapshot<swarmbus_message_info> messages(const Name &queue, std::size_t most) const {
        swarmbus_snapshot *seen = nullptr;
        check(swarmbus_snapshot_messages(raw_, queue.c_str(), most, &seen));
        return Snapshot<swarmbus_message_info>(seen);
    }

private:
    template <class Info>
    Snapshot<Info> seen(std::int32_t (*how)(const swarmbus_observer *, swarmbus_snapshot **)) const {
        swarmbus_snapshot *seen = nullptr;
        check(how(raw_, &seen));
        return Snapshot<Info>(seen);
    }
    template <class Info>
    Snapshot<Info> like(std::int32_t (*how)(const swarmbus_observer *, const char *, swarmbus_snapshot **),
                        const Name &pattern) const {
        swarmbus_snapshot *seen = nullptr;
        check(how(raw_, pattern.c_str(), &seen));
        return Snapshot<Info>(seen);
    }
};

} // namespace swarmbus

#endif

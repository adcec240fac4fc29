// swarmbus.hpp: each group once, errors as exceptions, and what RAII promises: what is not ended is given back.
#include <swarmbus.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace sb = swarmbus;
using namespace std::chrono_literals;

#define CHECK(condition)                                                                                             \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            std::fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, #condition,             \
                         swarmbus_last_error());                                                                     \
            std::exit(1);                                                                                            \
        }                                                                                                            \
    } while (0)

namespace {

/* A trace. */
const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/* The bus of a run, gone also when a check fails. */
std::string test_bus;

void remove_bus() { swarmbus_bus_remove(test_bus.c_str()); }

template <class Call> std::int32_t code_of(Call call) {
    try {
        call();
    } catch (const sb::Error &error) {
        CHECK(std::string_view(error.what()).size() > 0 && std::string_view(error.name()) != "Unknown");
        return error.code();
    }
    return SWARMBUS_OK;
}

void messages(sb::Bus &bus) {
    auto me = bus.attach("me");
    auto bob = bus.attach(std::string_view("bobby", 3));
    CHECK(bob.name() == "bob" && bus.name() == test_bus);
    sb::SendOptions high;
    high.lane = sb::Lane::high;
    high.correlation = 7;
    high.content = sb::Content::json;
    high.traceparent = trace;
    auto id = me.send("bob", "[1]", high);
    {
        auto message = bob.receive(60s);
        CHECK(message && message.text() == "[1]" && message.id() == id && message.correlation() == 7);
        CHECK(message.lane() == sb::Lane::high && message.content() == sb::Content::json && message.sender() == "me");
        CHECK(message.queue() == "bob" && message.deliveries() == 1 && message.traceparent() == trace);
        // Not released: it goes back.
    }
    auto again = bob.receive(60s);
    CHECK(again.deliveries() == 2);
    auto moved = std::move(again);
    CHECK(!again && moved);
    moved.release();
    CHECK(!moved && code_of([&] { moved.release(); }) == SWARMBUS_NULL_POINTER);
    CHECK(!bob.receive(sb::now));

    std::vector<int> numbers{1, 2, 3};
    me.send("bob", numbers);
    auto plain = bob.receive(60s);
    CHECK(plain.size() == sizeof(int) * 3 && plain.traceparent().empty());
    plain.release();
    bob.purge("bob");

    auto loan = me.loan(100);
    std::memcpy(loan.data(), "in place", 8);
    CHECK(code_of([&] { loan.publish("nobody", 8); }) == SWARMBUS_UNKNOWN_AGENT && loan);
    loan.publish("bob", 8);
    CHECK(!loan);
    auto kept = bob.receive(60s).detach();
    CHECK(std::memcmp(kept.data(), "in place", 8) == 0);
    kept.publish("me", 8);
    me.receive(60s).forward("bob");
    bob.receive(60s).nack_after(1ms);
    bob.receive(60s).release();
    { auto unsent = me.loan(1); }

    me.send_batch("bob", {sb::Bytes("a"), sb::Bytes("b")});
    sb::Message batch[4];
    std::size_t got = 0;
    while (got < 2) got += bob.receive_batch(batch, 60s);
    CHECK(batch[0].text().size() == 1);
    CHECK(bob.receive_batch_from("bob", batch, sb::now) == 0);
    for (auto &message : batch) message = {};
    bob.purge("bob");

    sb::Loan loans[2] = {me.loan(9), me.loan(9)};
    for (auto &one : loans) std::memcpy(one.data(), "together", 8);
    loans[0].shrink(8);
    CHECK(code_of([&] { me.publish_batch("nobody", loans); }) == SWARMBUS_UNKNOWN_AGENT && loans[0] && loans[1]);
    me.publish_batch("bob", loans);
    CHECK(!loans[0] && !loans[1]);
    bob.receive(60s).release();
    CHECK(bob.receive(60s).text().substr(0, 8) == "together");
    CHECK(bob.purge("bob") == 1);
    CHECK(sb::schema_id("acme.task/1") != sb::schema_id("acme.task/2"));

    sb::SendOptions once;
    once.key = sb::key_of("one");
    CHECK(me.send("bob", "x", once) != SWARMBUS_DUPLICATE && me.send("bob", "x", once) == SWARMBUS_DUPLICATE);
    bob.close_queue("bob");
    CHECK(code_of([&] { me.send("bob", "x"); }) == SWARMBUS_CLOSED);
    bob.reopen_queue("bob");
    bus.declare("tiny", {1, 2, "dead", false});
    CHECK(me.try_send("tiny", "x") && !me.try_send("tiny", "y"));
    me.receive_from("tiny", 60s).nack();
    me.receive_from("tiny", 60s).nack();
    CHECK(!me.receive_from("tiny", sb::now) && me.redrive("dead") == 1);
    // What an agent has may outlive it.
    sb::Message orphan = me.receive_from("tiny", 60s);
    me.close();
    CHECK(code_of([&] { orphan.release(); }) == SWARMBUS_BAD_HANDLE);
}

void calls(sb::Bus &bus) {
    bus.declare("oracle");
    std::thread oracle([&] {
        auto me = bus.attach("oracle");
        auto question = me.receive(30s);
        question.reply("42", sb::Content::json);
        question.release();
        question = me.receive_any({"oracle"}, 30s);
        question.reply_part("a", 30s);
        question.reply("b");
        question.release();
    });
    auto me = bus.attach("asker");
    sb::SendOptions patient;
    patient.timeout = 30s;
    auto answer = me.call("oracle", "what", patient);
    CHECK(answer.text() == "42");
    answer.release();
    auto answers = me.call_stream("oracle", "parts", patient);
    CHECK(answers.question() != 0);
    auto part = answers.next(30s);
    CHECK(part.text() == "a" && part.more_follows());
    part.release();
    part = answers.next(30s);
    CHECK(part.text() == "b" && !part.more_follows());
    part.release();
    CHECK(!answers.next(30s));
    oracle.join();
}

void waiting(sb::Bus &bus) {
    auto me = bus.attach("waiter");
    bus.declare("one");
    bus.declare("two");
    auto sources = me.sources({"one", "two"});
    auto descriptor = me.descriptor({"one", "two"});
    CHECK(descriptor.fd() >= 0 && !descriptor.next() && !sources.receive(sb::now));
    me.send("two", "x");
    me.send("one", "x");
    auto first = sources.receive(60s);
    auto second = descriptor.next();
    CHECK(first && second && first.queue() != second.queue());
    first.release();
    second.release();
    descriptor.rearm();
    auto own = me.descriptor();
    me.send("waiter", "x");
    own.next().release();
    me.tap("one");
    me.send("one", "seen");
    CHECK(me.receive(60s).tapped() == "one");
    me.untap();
}

void topics(sb::Bus &bus) {
    bus.declare_topic("news", {sb::Policy::lossy, 8, 2});
    auto me = bus.attach("speaker");
    me.publish("news", "old");
    auto news = me.subscribe("news", SWARMBUS_RETAINED);
    sb::PublishOptions traced;
    traced.traceparent = trace;
    me.publish("news", "new", traced);
    auto loan = me.loan(3);
    std::memcpy(loan.data(), "raw", 3);
    CHECK(loan.publish_in("news", 3).position == 2);
    auto sample = news.receive(60s);
    CHECK(sample.text() == "old" && sample.position() == 0 && sample.sender() == "speaker" && sample.missed() == 0);
    CHECK(sample.traceparent().empty());
    sample = news.receive(60s);
    CHECK(sample.text() == "new" && sample.traceparent() == trace);
    sample.release();
    CHECK(news.position() == 2 && news.receive(60s).text() == "raw" && !news.receive(sb::now) && news.missed() == 0);
    me.trim("news");
}

void others(sb::Bus &bus) {
    auto me = bus.attach("keeper");
    auto other = bus.attach("other");
    auto lock = me.lock("src/**");
    CHECK(lock.token() > 0 && !other.lock("src/a", sb::Sharing::shared, sb::now));
    lock.release();
    { auto shared = me.lock("src/**", sb::Sharing::shared); }
    CHECK(other.lock("src/a", sb::Sharing::exclusive, sb::now));

    me.take_role("cook");
    me.set_tags({"fast"});
    sb::Status status;
    status.state = sb::State::blocked;
    status.task = "dinner";
    status.blockers = {"no salt"};
    me.set_status(status);
    me.beat();
    other.send("@cook", "soup");
    CHECK(me.receive(60s).text() == "soup");
    auto observer = sb::Observer::open(test_bus);
    auto statuses = observer.statuses("keep*");
    CHECK(statuses.size() == 1 && statuses[0].state == SWARMBUS_STATE_BLOCKED);
    CHECK(statuses.text(0, SWARMBUS_TEXT_TASK) == "dinner" && statuses.text(0, SWARMBUS_TEXT_BLOCKER) == "no salt");
    swarmbus_agent_filter filter{};
    filter.tag = "fast";
    CHECK(observer.agents(filter).size() == 1 && observer.agents().size() > 1);
    int found = 0;
    for (auto member : observer.members()) found += std::string_view(member.agent) == "keeper";
    CHECK(found == 1 && observer.bus().agents_max == 64 && observer.queues().size() > 2);
    CHECK(observer.topics().size() == 1 && observer.subscribers().size() == 0 && observer.locks().size() == 0);
    CHECK(observer.names("news").size() == 1 && observer.classes().size() > 0 && observer.latencies().size() > 0);
    other.send("other", "peeked");
    CHECK(observer.messages("other", 5)[0].payload.length == 6 && sb::buses().size() > 0);
    CHECK(me.drop_role("cook") && !me.drop_role("cook"));

    CHECK(!bus.stand_by("keeper", sb::now));
    auto heir = bus.take_over("keeper");
    CHECK(heir.epoch() > me.epoch() && code_of([&] { me.receive(sb::now); }) == SWARMBUS_HANDED_OVER);
    CHECK(code_of([&] { bus.attach("keeper"); }) == SWARMBUS_AGENT_BUSY);
    CHECK(code_of([&] { bus.attach(std::string("a\0b", 3)); }) == SWARMBUS_INVALID_NAME);
    CHECK(code_of([&] { bus.attach(std::string_view("a\0b", 3)); }) == SWARMBUS_INVALID_NAME);
    CHECK(code_of([&] { bus.attach(std::string(5000, 'x')); }) == SWARMBUS_INVALID_NAME);
    CHECK(code_of([&] { bus.join().set_sender(std::string_view(std::string(5000, 'x'))); }) == SWARMBUS_INVALID_NAME);
    CHECK(bus.join().reap().members == 0);
    std::thread([&] { CHECK(code_of([&] { heir.receive(sb::now); }) == SWARMBUS_WRONG_THREAD); }).join();
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    test_bus = argv[1];
    sb::CreateOptions small;
    small.agents = 64;
    small.heap_bytes = 64 << 20;
    auto bus = sb::Bus::create(test_bus, small);
    std::atexit(remove_bus);
    CHECK(code_of([&] { sb::Bus::create(test_bus); }) == SWARMBUS_BUS_EXISTS);
    CHECK(sb::Bus::open(test_bus) && sb::Bus::open_or_create(test_bus));
    messages(bus);
    calls(bus);
    waiting(bus);
    topics(bus);
    others(bus);
    bus.destroy();
    return 0;
}

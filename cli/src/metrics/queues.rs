//! Work queues, roles and topics, each under its name.

use swarmbus_core::{QueueInfo, TopicInfo};

use super::looker::{Memory, QUEUE_COUNTS, QueueGroup};
use super::page::{Figure, Labels, Page};
use super::view::View;

/// Queues and topics that have series of their own; a bus may have more, and a monitoring system does not want them.
const NAMED_MAX: usize = 500;

/// What a queue counted.
pub fn counts_of(queue: &QueueInfo) -> [u64; QUEUE_COUNTS] {
    [queue.sent, queue.taken, queue.undelivered, queue.dropped]
}

fn named(queue: &str) -> Labels {
    vec![("queue", queue.to_owned())]
}

/// Work queues and roles. Mailboxes are told by pool.
pub fn work_queues(page: &mut Page, view: &View, memory: &mut Memory) {
    let queues: Vec<&QueueInfo> = view.work_queues().take(NAMED_MAX).collect();
    let left_out = view.work_queues().count() - queues.len() + view.topics.len().saturating_sub(NAMED_MAX);
    page.gauge(
        "swarmbus_unnamed_queues",
        "Queues and topics that have no series of their own, since there are too many",
    )
    .put(vec![], left_out as u64);
    for queue in &queues {
        let group = QueueGroup::Queue(queue.name.clone());
        memory.queues.see(queue.name.clone(), (), group, counts_of(queue));
    }
    let mut each = |name, help, value: &dyn Fn(&QueueInfo) -> u64| {
        let family = page.gauge(name, help);
        queues.iter().for_each(|queue| family.put(named(&queue.name), value(queue)));
    };
    each(
        "swarmbus_queue_waiting_messages",
        "Messages that wait in a queue, those that wait for a time included",
        &|queue| queue.queued,
    );
    each("swarmbus_queue_in_flight_messages", "Messages that were taken from a queue and not yet released", &|queue| {
        queue.in_flight
    });
    each("swarmbus_queue_limit_messages", "Most messages in a lane of a queue", &|queue| u64::from(queue.limit));
    each("swarmbus_queue_closed", "Whether a queue takes no more messages (1)", &|queue| u64::from(queue.closed));
    let lanes = page.gauge("swarmbus_queue_lane_messages", "Messages in a lane of a queue, a batch counted as one");
    for queue in &queues {
        for lane in &queue.lanes {
            let labels = vec![("queue", queue.name.clone()), ("lane", lane.lane.to_owned())];
            lanes.put(labels, lane.depth);
        }
    }
    let untaken = page
        .gauge("swarmbus_queue_untaken_seconds", "How long messages have waited in a queue without one being taken");
    queues.iter().for_each(|queue| untaken.put_real(named(&queue.name), memory.untaken(queue).as_secs_f64()));
    let counters = [
        ("swarmbus_queue_sent_messages", "Messages put into a queue, redeliveries included"),
        ("swarmbus_queue_taken_messages", "Messages taken from a queue, redeliveries included"),
        (
            "swarmbus_queue_undelivered_messages",
            "Messages of a queue that became dead letters, or were dropped for want of a queue for them",
        ),
        ("swarmbus_queue_dropped_messages", "Messages of a queue that were dropped for good"),
    ];
    for (at, (name, help)) in counters.into_iter().enumerate() {
        let family = page.counter(name, help);
        for (group, sums) in memory.queues.sums() {
            if let QueueGroup::Queue(queue) = group {
                family.put(named(queue), sums[at]);
            }
        }
    }
}

/// Topics.
pub fn topics(page: &mut Page, view: &View, memory: &mut Memory) {
    let topics = &view.topics[..view.topics.len().min(NAMED_MAX)];
    let named = |topic: &str| vec![("topic", topic.to_owned())];
    for topic in topics {
        memory.topics.see(topic.name.clone(), (), topic.name.clone(), [topic.published, topic.dropped]);
        for subscriber in &topic.subscribers {
            let place = (topic.name.clone(), subscriber.member);
            memory.missed.see(place, subscriber.pid, topic.name.clone(), [subscriber.missed]);
        }
    }
    memory.missed.forget_unseen();
    let gauges: [Figure<TopicInfo>; 5] = [
        ("swarmbus_topic_subscribers", "Who subscribes to a topic", |topic| topic.subscribers.len() as u64),
        ("swarmbus_topic_capacity_messages", "How many messages a subscriber may be behind", |topic| {
            u64::from(topic.capacity)
        }),
        ("swarmbus_topic_furthest_behind_messages", "Messages that the slowest subscriber has not read", |topic| {
            topic.subscribers.iter().map(|subscriber| subscriber.behind).max().unwrap_or(0)
        }),
        ("swarmbus_topic_retained_messages", "Messages that a topic keeps in memory", |topic| topic.retained_messages),
        ("swarmbus_topic_retained_bytes", "Memory of the messages that a topic keeps", |topic| topic.retained_bytes),
    ];
    for (name, help, value) in gauges {
        let family = page.gauge(name, help);
        topics.iter().for_each(|topic| family.put(named(&topic.name), value(topic)));
    }
    let published = page.counter("swarmbus_topic_published_messages", "Messages published in a topic");
    memory.topics.sums().for_each(|(topic, [sum, _])| published.put(named(topic), *sum));
    let dropped = page.counter("swarmbus_topic_dropped_messages", "Messages that a topic dropped for want of room");
    memory.topics.sums().for_each(|(topic, [_, sum])| dropped.put(named(topic), *sum));
    let missed = page.counter("swarmbus_topic_missed_messages", "Messages that subscribers of a lossy topic missed");
    memory.missed.sums().for_each(|(topic, [sum])| missed.put(named(topic), *sum));
}

//! Who is there, by name and by what they say of themselves.

use crate::common::TestBus;
use crate::is_handed_over;
use swarmbus_core::{AgentFilter, Error, NameKind, Observer, QueueOptions, TopicOptions};

#[test]
fn names_are_listed_by_pattern_with_what_they_are_of() {
    let bus = TestBus::new("listed");
    let agents = ["worker-1", "worker-2", "lead"].map(|name| bus.attach(name).unwrap());
    bus.declare("work", &QueueOptions::default()).unwrap();
    bus.declare_topic("news", &TopicOptions::default()).unwrap();
    agents[2].take_role("tester").unwrap();
    drop(bus.attach("gone").unwrap());
    let observer = bus.observer().unwrap();
    let listed = |pattern: &str| -> Vec<(String, NameKind, bool)> {
        observer.names(pattern).into_iter().map(|info| (info.name, info.kind, info.owner.is_some())).collect()
    };
    use NameKind::{Mailbox, Queue, Role, Topic};
    assert_eq!(
        listed("*"),
        [
            ("@tester".into(), Role, false),
            ("gone".into(), Mailbox, false),
            ("lead".into(), Mailbox, true),
            ("news".into(), Topic, false),
            ("work".into(), Queue, false),
            ("worker-1".into(), Mailbox, true),
            ("worker-2".into(), Mailbox, true)
        ]
    );
    assert_eq!(listed("worker-?").len(), 2);
    assert_eq!(listed("@*").len(), 1);
    assert_eq!(listed("nobody*").len(), 0);
    let names = |filter: AgentFilter<'_>| -> Vec<String> {
        observer.agents(&filter).into_iter().map(|agent| agent.name).collect()
    };
    assert_eq!(names(AgentFilter::default()), ["gone", "lead", "worker-1", "worker-2"]);
    assert_eq!(names(AgentFilter { alive: Some(false), ..AgentFilter::default() }), ["gone"]);
    assert_eq!(
        names(AgentFilter { pattern: Some("w*"), alive: Some(true), ..AgentFilter::default() }),
        ["worker-1", "worker-2"]
    );
    let epoch = observer.agents(&AgentFilter { pattern: Some("lead"), ..AgentFilter::default() })[0].epoch;
    assert_eq!(epoch, agents[2].epoch());
    // As well in a copy of the file.
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(format!("/dev/shm/swarmbus.{}", bus.name()), copy.path()).unwrap();
    assert_eq!(Observer::open_file(copy.path()).unwrap().names("*"), observer.names("*"));
}

#[test]
fn agents_are_found_by_what_they_say_of_themselves() {
    let bus = TestBus::new("found");
    let (one, two) = (bus.attach("one").unwrap(), bus.attach("two").unwrap());
    one.set_tags(&["gpu", "fast", "gpu"]).unwrap();
    one.take_role("tester").unwrap();
    two.set_tags(&["gpu"]).unwrap();
    assert_eq!(one.tags(), ["gpu", "fast"]);
    let observer = bus.observer().unwrap();
    let names = |filter: AgentFilter<'_>| -> Vec<String> {
        observer.agents(&filter).into_iter().map(|agent| agent.name).collect()
    };
    let tagged = |tag| AgentFilter { tag: Some(tag), ..AgentFilter::default() };
    let with_role = |role| AgentFilter { role: Some(role), ..AgentFilter::default() };
    assert_eq!(names(tagged("gpu")), ["one", "two"]);
    assert_eq!(names(tagged("fast")), ["one"]);
    assert_eq!(names(with_role("tester")), ["one"]);
    assert_eq!(names(with_role("@tester")), ["one"]);
    assert!(names(with_role("builder")).is_empty());
    assert_eq!(names(AgentFilter { pattern: Some("t*"), ..tagged("gpu") }), ["two"]);
    assert!(matches!(one.set_tags(&["no tag"]), Err(Error::InvalidName { .. })));
    // A successor has the roles that it takes itself, and the dead have none.
    let next = bus.take_over("one").unwrap();
    assert!(names(with_role("tester")).is_empty());
    assert!(is_handed_over(one.set_tags(&["late"]), "one"));
    next.take_role("tester").unwrap();
    assert_eq!(names(with_role("tester")), ["one"]);
    next.drop_role("tester").unwrap();
    assert!(names(with_role("tester")).is_empty());
    next.take_role("tester").unwrap();
    drop(next);
    assert!(names(with_role("tester")).is_empty());
}

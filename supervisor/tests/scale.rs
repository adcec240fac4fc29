//! A pool that grows with its queue and shrinks when there is nothing to do.

mod common;

use common::{Swarm, code};

#[test]
fn a_pool_follows_its_queue() {
    let mut swarm = Swarm::up(
        r#"
[bus]
name = "<bus>"
queues = ["work"]
[coordinator]
command = ["sh", "-c", "<agent> ask work 200; while [ ! -e go ]; do sleep 0.05; done"]
[pool.w]
command = ["sh", "-c", "while [ ! -e free ]; do sleep 0.05; done; exec <agent> work work"]
size = 1
scale = { min = 1, max = 4, queue = "work", depth = 10, idle = "1s", age = "10m" }
"#,
    );
    let workers = |swarm: &Swarm| swarm.agents().keys().filter(|name| name.starts_with("w-")).count();
    swarm.until("it has grown to its most", || workers(&swarm) == 4);
    std::fs::write(swarm.dir.path().join("free"), "").unwrap();
    // The one that is told to hold a message is killed, so that all are answered.
    let holder = swarm.wait_for_pid("held");
    common::signal(holder, rustix::process::Signal::KILL);
    swarm.until("it is as small as at first", || workers(&swarm) == 1);
    std::fs::write(swarm.dir.path().join("go"), "").unwrap();
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    assert_eq!(swarm.out().lines().count(), 200);
    assert!(swarm.err().contains("scale: w-2"), "{}", swarm.err());
    swarm.assert_nothing_left();
}

//! A run whose coordinator numbers tasks and notes each answer, so that it can be seen that none was lost.

use super::Swarm;
use std::collections::BTreeMap;

/// At least so many tasks for so many workers, who take `each_ms` for one. The coordinator gives more of them until it may end.
pub fn swarm(tasks: usize, each_ms: u32, workers: usize) -> Swarm {
    let swarm = Swarm::new(&format!(
        r#"
[bus]
name = "<bus>"
queues = ["tasks"]
[coordinator]
command = ["<agent>", "ledger", "tasks", "{tasks}"]
[pool.w]
command = ["<agent>", "work", "tasks", "{each_ms}"]
size = {workers}
restart = {{ first = "10ms" }}
"#
    ));
    std::fs::write(swarm.dir.path().join("wait"), "").unwrap();
    swarm
}

/// Lets the coordinator end when it has given as many tasks as it was to give at least.
pub fn may_end(swarm: &Swarm) {
    std::fs::remove_file(swarm.dir.path().join("wait")).unwrap();
}

/// How often each task was answered.
pub fn answered(swarm: &Swarm) -> BTreeMap<usize, usize> {
    let mut answered = BTreeMap::new();
    for line in swarm.out().lines() {
        let number = line.strip_prefix("task ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        if let Some(number) = number {
            *answered.entry(number).or_default() += 1;
        }
    }
    answered
}

/// That every task was answered; `at_least` so many were given.
pub fn assert_all_answered(swarm: &Swarm, at_least: usize) {
    let given = swarm.out().lines().find_map(|line| line.strip_prefix("tasks given: ")?.parse::<usize>().ok());
    let given = given.expect("the coordinator says how many it gave");
    let answered = answered(swarm);
    let missing: Vec<usize> = (0..given).filter(|number| !answered.contains_key(number)).collect();
    assert!(given >= at_least && missing.is_empty(), "of {given}, at least {at_least}, are missing {missing:?}");
}

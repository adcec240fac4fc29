//! Pools whose agents a zygote forks: real Python processes.

mod common;

use common::{Swarm, code, is_alive, signal};
use rustix::process::{Pid, Signal, getpgid};
use std::collections::HashSet;

/// A module whose import leaves a line, and a program that tells what it is.
fn swarm(size: u32, program: &str) -> Swarm {
    let swarm = Swarm::new(&format!(
        r#"
[bus]
name = "<bus>"
[drain]
grace = "200ms"
[pool.py]
command = ["python3", "-u", "agent.py", "one", "two"]
preload = ["heavy"]
size = {size}
env = {{ LEVEL = "${{SWARMBUS_INDEX}}" }}
restart = {{ first = "10ms" }}
"#
    ));
    let write = |name: &str, text: &str| std::fs::write(swarm.dir.path().join(name), text).unwrap();
    write("heavy.py", "import os\nopen('imported', 'a').write(f'{os.getpid()}\\n')\nhere = os.getpid()\n");
    write("agent.py", program);
    swarm
}

const TELLS: &str = "import heavy, os, sys, time
assert __name__ == '__main__' and sys.stdin.read() == '' and 'SWARMBUS_ZYGOTE' not in os.environ
print(heavy.here != os.getpid(), *sys.argv, os.environ['SWARMBUS_AGENT'], os.environ['LEVEL'], __file__)
open(os.environ['SWARMBUS_AGENT'] + '.told', 'w').write(f'{os.getpid()} {os.getpgid(0)}')
time.sleep(600)
";

fn told(swarm: &Swarm, name: &str) -> Option<[u32; 2]> {
    let text = swarm.file(&format!("{name}.told"));
    let numbers: Vec<u32> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().ok()
}

#[test]
fn a_module_is_imported_once_and_agents_are_children_of_the_supervisor() {
    let mut swarm = swarm(20, TELLS);
    swarm.start();
    swarm.until("all have told", || (1..=20).all(|n| told(&swarm, &format!("py-{n}")).is_some()));
    assert_eq!(swarm.file("imported").lines().count(), 1);
    let agents = swarm.wait_until_up().agents;
    let mut pids = HashSet::new();
    for agent in &agents {
        let [pid, group] = told(&swarm, &agent.name).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains(&format!("PPid:\t{}\n", swarm.pid())), "{status}");
        assert_eq!((Some(pid), group), (agent.pid, pid), "{}", agent.name);
        pids.insert(pid);
    }
    assert_eq!(pids.len(), 20);
    let log = std::fs::read_to_string(swarm.run_dir().join("py-7.log")).unwrap();
    assert_eq!(log, "True agent.py one two py-7 7 agent.py\n");

    // One that dies comes back from the same zygote.
    signal(agents[0].pid.unwrap(), Signal::KILL);
    swarm.until("it is back", || told(&swarm, "py-1").is_some_and(|[pid, ..]| Some(pid) != agents[0].pid));
    // It may have told before the supervisor has heard of it.
    swarm.until("it is known", || swarm.agents()["py-1"].restarts == 1);
    assert!(swarm.err().contains("py-1") && swarm.err().contains("was killed by SIGKILL"), "{}", swarm.err());
    assert_eq!(swarm.file("imported").lines().count(), 1);
    let zygote: u32 = swarm.file("imported").trim().parse().unwrap();
    signal(swarm.pid(), Signal::TERM);
    signal(swarm.pid(), Signal::TERM);
    assert_eq!(code(swarm.wait()), 143);
    assert!(!is_alive(zygote) && pids.iter().all(|pid| !is_alive(*pid)));
    assert!(!swarm.segment().exists());
}

#[test]
fn exits_and_traces_of_agents_are_their_own() {
    let mut swarm = swarm(
        3,
        "import os, sys\nn = int(os.environ['SWARMBUS_INDEX'])\nif n == 1: sys.exit(125)\nif n == 2: raise ValueError('no such luck')\n",
    );
    swarm.start();
    assert_eq!(code(swarm.wait()), 1);
    let err = swarm.err();
    assert!(err.contains("py-1") && err.contains("exited with code 125; not started again, as the code says"), "{err}");
    assert!(err.contains("py-2") && err.contains("given up after 5 failures"), "{err}");
    assert!(err.contains("| ValueError: no such luck"), "{err}");
    assert!(!err.contains("py-3"), "{err}");
    assert_eq!(swarm.file("imported").lines().count(), 1);
}

#[test]
fn an_agent_that_ends_has_done_and_written_all_that_it_left_for_the_end() {
    let mut swarm = swarm(
        1,
        "import atexit, threading, time\n\
         left = open('left', 'w')\nleft.write('written')\n\
         def end(name): open(name, 'w').write('done')\n\
         atexit.register(end, 'at-exit')\n\
         threading.Thread(target=lambda: (time.sleep(0.2), end('in-thread'))).start()\n\
         raise SystemExit(0)\n",
    );
    swarm.start();
    assert_eq!(code(swarm.wait()), 0, "{}", swarm.err());
    let written = ["left", "at-exit", "in-thread"].map(|name| swarm.file(name));
    assert_eq!(written, ["written", "done", "done"]);
}

#[test]
fn a_zygote_that_dies_harms_nobody_and_is_replaced() {
    let mut swarm = swarm(2, TELLS);
    swarm.start();
    swarm.until("both have told", || told(&swarm, "py-1").is_some() && told(&swarm, "py-2").is_some());
    let zygote: u32 = swarm.file("imported").trim().parse().unwrap();
    let before = swarm.agents();
    signal(zygote, Signal::KILL);
    swarm.until("it is gone", || !is_alive(zygote));
    assert_eq!(swarm.agents()["py-2"].pid, before["py-2"].pid);
    signal(before["py-1"].pid.unwrap(), Signal::KILL);
    swarm.until("another zygote has forked it", || {
        told(&swarm, "py-1").is_some_and(|[pid, ..]| Some(pid) != before["py-1"].pid)
    });
    assert_eq!(swarm.file("imported").lines().count(), 2);
    assert!(is_alive(before["py-2"].pid.unwrap()));
    swarm.down();
}

#[test]
fn agents_outlive_the_supervisor_and_the_zygote_does_not() {
    let mut swarm = swarm(2, TELLS);
    swarm.start();
    swarm.until("both have told", || told(&swarm, "py-1").is_some() && told(&swarm, "py-2").is_some());
    let zygote: u32 = swarm.file("imported").trim().parse().unwrap();
    swarm.kill();
    swarm.until("the zygote is gone", || !is_alive(zygote));
    for name in ["py-1", "py-2"] {
        let [pid, group] = told(&swarm, name).unwrap();
        assert!(
            is_alive(pid)
                && getpgid(Pid::from_raw(pid.cast_signed())).unwrap().as_raw_nonzero().get().cast_unsigned() == group
        );
    }
    // The next supervisor takes them over, and makes a zygote of its own when one has to be started again.
    let pids = |swarm: &Swarm| ["py-1", "py-2"].map(|name| swarm.agents()[name].pid);
    swarm.start();
    swarm.wait_until_up();
    assert_eq!(pids(&swarm), ["py-1", "py-2"].map(|name| told(&swarm, name).map(|[pid, _]| pid)));
    assert_eq!(swarm.file("imported").lines().count(), 1);
    let victim = told(&swarm, "py-1").unwrap();
    signal(victim[0], Signal::KILL);
    swarm.until("it is back", || told(&swarm, "py-1").is_some_and(|told| told != victim));
    assert_eq!(swarm.file("imported").lines().count(), 2);
    swarm.kill();
    let down = swarm.verb("down");
    assert!(String::from_utf8_lossy(&down.stdout).contains("\"signalled\":"), "{down:?}");
    assert!(["py-1", "py-2"].iter().all(|name| !is_alive(told(&swarm, name).unwrap()[0])));
    swarm.assert_nothing_left();
}

#[test]
fn a_supervisor_killed_while_its_zygote_forks_leaves_no_agent_twice() {
    let mut swarm = swarm(12, TELLS);
    swarm.start();
    let all_told = |swarm: &Swarm| (1..=12).all(|n| told(swarm, &format!("py-{n}")).is_some());
    for round in 0..3u64 {
        // A successor that found all of them needs no zygote.
        swarm.until("it imports", || swarm.file("imported").lines().count() as u64 > round || all_told(&swarm));
        std::thread::sleep(std::time::Duration::from_millis(15 * round));
        swarm.kill();
        swarm.start();
    }
    let status = swarm.wait_until_up();
    swarm.until("all have told", || {
        status.agents.iter().all(|agent| told(&swarm, &agent.name).map(|[pid, _]| pid) == agent.pid)
    });
    let pids: HashSet<u32> = status.agents.iter().filter_map(|agent| agent.pid).collect();
    let of_run = swarmbus_supervisor::strays::all_of(&swarm.bus);
    let twice: Vec<u32> = of_run
        .into_iter()
        .filter(|pid| swarmbus_supervisor::process::group_of(*pid) == Some(*pid) && !pids.contains(pid))
        .filter(|pid| swarmbus_supervisor::strays::agent_of_any(*pid, &swarm.bus).is_some())
        .collect();
    assert!(pids.len() == 12 && twice.is_empty(), "{pids:?} {twice:?}\n{}", swarm.err());
    assert!(swarm.verb("down").status.success());
    assert_eq!(code(swarm.wait()), 143);
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    swarm.assert_nothing_left();
}

#[test]
fn an_import_that_fails_is_told() {
    let mut swarm = swarm(2, TELLS);
    std::fs::write(swarm.dir.path().join("heavy.py"), "raise ImportError('no such library')\n").unwrap();
    swarm.start();
    assert_eq!(code(swarm.wait()), 1);
    assert!(swarm.err().contains("ImportError: no such library"), "{}", swarm.err());
    assert!(!swarm.segment().exists());
}

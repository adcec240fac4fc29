//! Bad topologies: each is told with its line, the wrong word and what would be right; nothing starts.

mod common;

use common::{Swarm, code};
use std::path::Path;
use swarmbus_supervisor::Topology;
use swarmbus_supervisor::config::{ConfigError, LoadError, json_schema};
use swarmbus_supervisor::restart::Policy;

const GOOD: &str = r#"[bus]
name = "demo"
queues = ["files"]
[coordinator]
command = ["sh", "-c", "exit 0"]
[pool.worker]
command = ["sh"]
size = 100
"#;

fn parse(text: &str) -> Result<Topology, ConfigError> {
    under(text, None)
}

fn under(text: &str, profile: Option<&str>) -> Result<Topology, ConfigError> {
    Topology::parse_under(Path::new("swarm.toml"), Path::new("/"), text, profile).map_err(|error| match error {
        LoadError::Config(error) => error,
        other => panic!("{other}"),
    })
}

#[test]
fn a_topology_needs_less_than_ten_lines() {
    let topology = parse(GOOD).unwrap();
    assert!(GOOD.lines().count() < 10);
    assert_eq!(topology.agents(), 101);
    assert_eq!(topology.bus.queues, ["files"]);
    assert_eq!(topology.pools[0].run.restart.policy, Policy::OnFailure);
    assert_eq!(topology.coordinator.unwrap().restart.policy, Policy::OnAbnormal);
}

#[test]
fn every_key_can_be_given() {
    let text = r#"
logs = "/tmp/logs"
[bus]
name = "demo"
heap = "256MiB"
agents = 512
limit = 50
queues = ["files", "results"]
keep = true
[env]
LEVEL = "3"
[drain]
grace = "1m 30s"
kill_after = "250ms"
[coordinator]
name = "boss"
command = ["sh", "${LEVEL}"]
restart = "never"
[pool.worker]
command = ["${SHELL_OF_MINE:-sh}", "${SWARMBUS_INDEX}"]
size = 3
env = { LEVEL = "${LEVEL}0" }
restart = { policy = "always", first = "1s", most = "2s", failures = 3, within = "10s", healthy = "5s" }
"#;
    let topology = parse(text).unwrap();
    assert_eq!(topology.bus.create.heap, 256 << 20);
    assert_eq!((topology.bus.create.agents, topology.bus.create.limit), (512, 50));
    assert_eq!(topology.drain.grace.as_millis(), 90_000);
    assert_eq!(topology.drain.kill_after.as_millis(), 250);
    let restart = topology.pools[0].run.restart;
    assert_eq!((restart.policy, restart.failures, restart.most.as_secs()), (Policy::Always, 3, 2));
    assert_eq!(topology.coordinator.unwrap().name, "boss");
}

#[test]
fn large_pools_get_a_large_bus() {
    let topology = parse(&GOOD.replace("size = 100", "size = 9000")).unwrap();
    assert!(topology.bus.create.agents > 9000);
}

/// What is replaced in the good topology, and by what; then the line and words that the error must name.
const BAD: &[(&str, &str, usize, &[&str])] = &[
    ("command = [\"sh\"]", "comand = [\"sh\"]", 7, &["unknown key `comand`", "did you mean `command`?"]),
    ("[pool.worker]", "[[pool]]", 6, &["expected a table", "[pool.NAME]"]),
    ("[pool.worker]", "[pol.worker]", 6, &["unknown key `pol`", "did you mean `pool`?"]),
    ("[bus]", "[buss]", 1, &["unknown key `buss`", "did you mean `bus`?"]),
    ("name = \"demo\"\n", "", 1, &["missing key `name`"]),
    ("command = [\"sh\"]\n", "", 6, &["missing key `command`", "worker.py"]),
    ("size = 100\n", "", 6, &["missing key `size`", "size = 10"]),
    ("size = 100", "size = \"many\"", 8, &["\"many\"", "a whole number such as 100"]),
    ("size = 100", "size = 0", 8, &["not 0"]),
    ("size = 100", "size = -3", 8, &["-3 is out of range"]),
    ("size = 100", "size = 1.5", 8, &["1.5", "a whole number"]),
    ("size = 100", "size = 100000", 8, &["not 100000"]),
    ("command = [\"sh\"]", "command = \"sh worker.sh\"", 7, &["a list of words", "[\"sh\", \"worker.sh\"]"]),
    ("command = [\"sh\"]", "command = []", 7, &["the command is empty"]),
    ("command = [\"sh\"]", "command = [\"sh\", 3]", 7, &["integer `3`", "a text in quotes"]),
    ("command = [\"sh\"]", "command = [\"bahs\"]", 7, &["`bahs` is not in PATH"]),
    ("command = [\"sh\"]", "command = [\"./no/such/file\"]", 7, &["cannot run `./no/such/file`", "No such file"]),
    ("command = [\"sh\"]", "command = [\"/etc/passwd\"]", 7, &["not executable", "chmod +x"]),
    ("command = [\"sh\"]", "command = [\"sh\", \"${NO_SUCH_ONE}\"]", 7, &["NO_SUCH_ONE is not set", ":-"]),
    ("command = [\"sh\"]", "command = [\"sh\", \"${A\"]", 7, &["without a closing `}`"]),
    ("name = \"demo\"", "name = \"my bus\"", 2, &["`my bus` cannot name the bus", "letters, digits"]),
    ("name = \"demo\"", "name = 3", 2, &["integer `3`"]),
    ("[pool.worker]", "[pool.\"a/b\"]", 6, &["`a/b` cannot name a pool"]),
    ("queues = [\"files\"]", "queues = [\"files\", \"files\"]", 3, &["`files` is there twice"]),
    ("queues = [\"files\"]", "queues = [\"worker-7\"]", 6, &["`worker-7` would name both a queue and"]),
    (
        "[pool.worker]",
        "[pool.worker]\nrestart = \"on-fail\"",
        7,
        &["unknown variant `on-fail`", "did you mean `on-failure`?"],
    ),
    (
        "[pool.worker]",
        "[pool.worker]\nrestart = { fist = \"1s\" }",
        7,
        &["unknown key `fist`", "did you mean `first`?"],
    ),
    ("[pool.worker]", "[pool.worker]\nrestart = { failures = 0 }", 7, &["0 failures"]),
    ("[pool.worker]", "[drain]\ngrace = 10\n[pool.worker]", 7, &["integer `10`", "\"10s\""]),
    ("[pool.worker]", "[drain]\ngrace = \"10 parsecs\"\n[pool.worker]", 7, &["10 parsecs", "\"250ms\""]),
    ("name = \"demo\"", "name = \"demo\"\nheap = \"lots\"", 3, &["\"lots\" is no size", "\"256MiB\""]),
    ("name = \"demo\"", "name = \"demo\"\nagents = 50", 3, &["50 is too little", "leave it out"]),
    ("[pool.worker]", "[env]\nSWARMBUS = \"x\"\n[pool.worker]", 7, &["SWARMBUS is set by the supervisor"]),
    ("size = 100", "size = 100\nsize = 3", 9, &["duplicate key"]),
    ("[pool.worker]", "[pool.worker", 6, &["swarm.toml:6"]),
    ("size = 100", "size = 100\ndepends_on = [\"workers\"]", 9, &["no pool `workers`", "did you mean `worker`?"]),
    ("size = 100", "size = 100\ndepends_on = [\"coordinater\"]", 9, &["did you mean `coordinator`?"]),
    ("size = 100", "size = 100\ndepends_on = [\"worker\"]", 9, &["`worker` would wait for itself"]),
    ("size = 100", "size = 100\nscale = { min = 2, max = 50, queue = \"files\" }", 8, &["100 is not between 2 and 50"]),
    (
        "size = 100",
        "size = 100\nscale = { min = 2, max = 200, queue = \"file\" }",
        9,
        &["no queue `file`", "did you mean `files`?"],
    ),
    ("size = 100", "size = 100\nscale = { min = 9, max = 2, queue = \"files\" }", 9, &["from 9 to 2"]),
    ("size = 100", "size = 100\npreload = [\"numpy\"]", 9, &["only a script or a module of Python", "worker.py"]),
    ("size = 100", "size = 100\npreload = [\"a b\"]", 9, &["`a b` cannot name a module"]),
    ("size = 100", "size = 100\nready = \"buss\"", 9, &["unknown variant `buss`", "did you mean `bus`?"]),
    ("size = 100", "size = 100\nready = { log = \"\" }", 9, &["no text to wait for"]),
    (
        "[pool.worker]",
        "[group.g]\npools = [\"wroker\"]\nstrategy = \"one-for-all\"\n[pool.worker]",
        7,
        &["did you mean `worker`?"],
    ),
    (
        "[pool.worker]",
        "[group.g]\npools = []\nstrategy = \"one-for-al\"\n[pool.worker]",
        8,
        &["did you mean `one-for-all`?"],
    ),
];

#[test]
fn each_mistake_is_told_with_its_line_and_its_remedy() {
    for (from, to, line, words) in BAD {
        // The last occurrence: some words stand in the coordinator's table as well.
        let at = GOOD.rfind(from).unwrap();
        let text = format!("{}{to}{}", &GOOD[..at], &GOOD[at + from.len()..]);
        let error = parse(&text).expect_err(to);
        let shown = error.to_string();
        assert!(shown.contains(&format!("swarm.toml:{line}:")), "{to}: line {line} is meant:\n{shown}");
        for word in *words {
            assert!(shown.contains(word), "{to}: {word} is missing in:\n{shown}");
        }
        assert!(shown.lines().count() <= 20, "{to}: more than a screen:\n{shown}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GOOD.replace("\"demo\"", "\"a b\"").replace("size = 100", "size = 0").replace("\"files\"", "\"\"");
    assert_eq!(parse(&text).unwrap_err().problems().len(), 3);
}

const PROFILES: &str = r#"
[bus]
name = "demo"
[env]
LEVEL = "1"
[pool.worker]
command = ["sh"]
size = 2
env = { A = "a", B = "b" }
[env.prod]
bus.heap = "2GiB"
env.LEVEL = "9"
[env.prod.pool.worker]
size = 700
env = { A = "prod" }
[env.dev.pool.extra]
command = ["sh"]
size = 1
"#;

#[test]
fn a_profile_lies_over_the_file() {
    let base = parse(PROFILES).unwrap();
    let prod = under(PROFILES, Some("prod")).unwrap();
    let dev = under(PROFILES, Some("dev")).unwrap();
    assert_eq!((base.agents(), prod.agents(), dev.agents()), (2, 700, 3));
    assert_eq!((base.bus.create.heap, prod.bus.create.heap), (1 << 30, 2 << 30));
    let text = |env: &[(String, swarmbus_supervisor::config::Template)], name: &str| {
        env.iter().find(|(known, _)| known == name).unwrap().1.to_string()
    };
    assert_eq!(text(&prod.pools[0].run.shared_env, "LEVEL"), "9");
    assert_eq!((text(&prod.pools[0].run.env, "A"), text(&prod.pools[0].run.env, "B")), ("prod".into(), "b".into()));
    assert_eq!((base.profile, prod.profile), (None, Some("prod".into())));
}

#[test]
fn a_profile_that_is_not_there_is_told_with_the_nearest() {
    let load = |text| Topology::parse_under(Path::new("swarm.toml"), Path::new("/"), text, Some("prd"));
    let told = load(PROFILES).unwrap_err().to_string();
    assert!(told.contains("no profile `prd`; did you mean `prod`?"), "{told}");
    assert!(load(GOOD).unwrap_err().to_string().contains("[env.prd]"));
}

#[test]
fn a_mistake_in_a_profile_is_told_where_it_is_even_if_it_is_not_in_use() {
    let text = PROFILES.replace("size = 700", "sise = 700");
    for profile in [None, Some("prod"), Some("dev")] {
        let told = under(&text, profile).unwrap_err().to_string();
        assert!(told.contains("swarm.toml:14:") && told.contains("did you mean `size`?"), "{told}");
    }
    let text = PROFILES.replace("size = 700", "size = 0");
    assert!(under(&text, None).is_ok());
    assert!(under(&text, Some("prod")).unwrap_err().to_string().contains("swarm.toml:14:8"));
}

#[test]
fn the_shipped_schema_is_that_of_the_code() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/swarm.schema.json");
    let current = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if std::env::var_os("SWARMBUS_BLESS").is_some() {
        std::fs::write(&shipped, &current).unwrap();
    }
    let known = std::fs::read_to_string(&shipped).unwrap_or_default();
    assert!(known == current, "docs/swarm.schema.json is old: swarmbus config schema > docs/swarm.schema.json");
}

#[test]
fn nothing_to_run_is_a_mistake() {
    let error = parse("[bus]\nname = \"demo\"\n").unwrap_err();
    assert!(error.to_string().contains("there is nothing to run"));
}

#[test]
fn no_mistake_starts_anything() {
    for (from, to, line, words) in BAD {
        let at = GOOD.rfind(from).unwrap();
        let text = format!("{}{to}{}", &GOOD[..at], &GOOD[at + from.len()..]);
        let text = text.replace("\"demo\"", "\"<bus>\"").replace("\"exit 0\"", "\"touch ran\"");
        let mut swarm = Swarm::up(&text);
        assert_eq!(code(swarm.wait()), 78, "{to}: {}", swarm.err());
        assert!(swarm.err().contains(&format!("swarm.toml:{line}:")), "{to}: {}", swarm.err());
        assert!(words.iter().all(|word| swarm.err().contains(word)), "{to}: {}", swarm.err());
        assert!(!swarm.dir.path().join("ran").exists(), "{to}: something was started");
        assert!(!swarm.dir.path().join("swarmbus").exists(), "{to}: a run directory was made");
        swarm.assert_nothing_left();
    }
}

//! Bad topologies: each is told with its line, the wrong word and what would be right; nothing starts.

mod mistakes;

use mistakes::{BAD, GOOD, Mistake};
use std::path::Path;
use swarmbus_supervisor::Topology;
use swarmbus_supervisor::config::{ConfigError, LoadError, json_schema};
use swarmbus_supervisor::restart::Policy;

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

#[test]
fn each_mistake_is_told_with_its_line_and_its_remedy() {
    for mistake in BAD {
        let Mistake { to, line, words, .. } = mistake;
        let shown = parse(&mistake.text()).expect_err(to).to_string();
        assert!(shown.contains(&format!("swarm.toml:{line}:")), "{to}: line {line} is meant:\n{shown}");
        for word in *words {
            assert!(shown.contains(word), "{to}: {word} is missing in:\n{shown}");
        }
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

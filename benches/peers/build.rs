//! Tells the program which versions of the rivals' crates it is built with.

use std::fs;

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let packages: Vec<(&str, &str)> = lock
        .split("[[package]]")
        .filter_map(|package| {
            let field = |name: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(name))?;
                line.strip_prefix(" = \"")?.strip_suffix('"')
            };
            Some((field("name")?, field("version")?))
        })
        .collect();
    for name in ["iceoryx2", "zmq", "async-nats", "redis", "rusteron-client"] {
        let version = packages.iter().find(|package| package.0 == name).map_or("unknown", |package| package.1);
        println!("cargo::rustc-env=PEERS_VERSION_{}={version}", name.to_uppercase().replace('-', "_"));
    }
}

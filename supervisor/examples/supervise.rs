//! The smallest program around the supervisor: `supervise up FILE`, `standby FILE`, `ps BUS`, `drain BUS`, `down BUS`.
//!
//! Its answers are JSON; the `swarmbus` command does the same with manners.

use std::path::Path;
use std::process::ExitCode;
use swarmbus_supervisor::{Overrides, Topology, client, show, stand_by, up};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("supervise: {error}");
            ExitCode::from(70)
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match words {
        ["up" | "standby", file] => {
            let topology = match Topology::load(Path::new(file), &Overrides::default()) {
                Ok(topology) => topology,
                Err(error) => {
                    eprintln!("{error}");
                    return Ok(ExitCode::from(78));
                }
            };
            let mut show = show::on_stderr(show::Style::People);
            let code = if words[0] == "up" { up(&topology, &mut *show) } else { stand_by(&topology, &mut *show) };
            Ok(ExitCode::from(code?))
        }
        ["ps", bus] => {
            println!("{}", serde_json::to_string(&client::ps(bus)?)?);
            Ok(ExitCode::SUCCESS)
        }
        ["drain", bus] => {
            let drained = client::drain(bus, &[], &mut |answer| eprintln!("{answer:?}"))?;
            println!("{}", serde_json::to_string(&drained.report)?);
            Ok(ExitCode::SUCCESS)
        }
        ["down", bus] => {
            println!("{}", serde_json::to_string(&client::down(bus, &mut |_| ())?)?);
            Ok(ExitCode::SUCCESS)
        }
        _ => Err("usage: supervise up FILE | standby FILE | ps BUS | drain BUS | down BUS".into()),
    }
}

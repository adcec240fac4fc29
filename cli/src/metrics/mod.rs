//! `swarmbus metrics`: figures of a bus for monitoring, by a process that only looks.

mod agents;
mod buses;
mod lines;
mod looker;
mod page;
mod processes;
mod queues;
mod serve;
mod tally;
mod view;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::exit::{Failure, SOFTWARE};
use crate::output::{self, Output};
use crate::units;
use lines::Lines;
use looker::Looker;
use page::{Exposition, Page};
use serve::Server;

/// Where Prometheus looks if nothing else is said.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
/// How often it is looked whether the bus is still there.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Export figures of a bus for Prometheus, or as lines of JSON.
///
/// Looks at the segment read-only: costs the agents nothing, and works when the supervisor is dead.
/// Series are by pool, queue and topic; agents have series of their own with --agents only.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus metrics demo
  swarmbus metrics demo --once | grep waiting
  swarmbus metrics demo --listen 127.0.0.1:0 --agents
  swarmbus metrics demo --jsonl /var/tmp/demo.jsonl --every 10s
  swarmbus metrics demo --once -o json | jq '.metrics.swarmbus_agents'

Without a supervisor on the bus, and after the bus is gone, the port goes on to
answer: swarmbus_bus_up tells.

Exit codes: 68 unknown bus, 69 the port is taken, 74 the file cannot be
written, 77 permission")]
pub struct Args {
    /// Bus to look at [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// Address of /metrics [default: 127.0.0.1:9464, none with --jsonl]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// Print one look and end
    #[arg(long, conflicts_with_all = ["listen", "jsonl"])]
    once: bool,

    /// Series of each agent as well
    #[arg(long)]
    agents: bool,

    /// File to add a line of JSON to, again and again
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,

    /// How often a line is added
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval, requires = "jsonl")]
    every: Duration,

    /// Size at which the next file begins
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = units::size, requires = "jsonl")]
    rotate: u64,

    /// Older files to keep, as FILE.1, FILE.2, …
    #[arg(long, value_name = "N", default_value_t = 5, requires = "jsonl")]
    keep: u32,

    /// End when the bus is gone
    #[arg(long)]
    with_bus: bool,
}

/// The shortest time between two lines.
const EVERY_MIN: Duration = Duration::from_millis(10);

fn interval(text: &str) -> Result<Duration, String> {
    units::duration(text)
        .and_then(|every| if every < EVERY_MIN { Err("write 10ms or more".to_owned()) } else { Ok(every) })
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(args.bus.as_deref())?;
    let mut looker = Looker::new(&bus, args.agents, pools_ahead(&bus))?;
    if args.once {
        return once(&looker.look(), output);
    }
    let server = match args.listen.or(args.jsonl.is_none().then_some(LISTEN)) {
        Some(address) => Some(open(address, output)?),
        None => None,
    };
    let lines = match &args.jsonl {
        Some(path) => Some((Lines::open(path, args.rotate, args.keep).map_err(|error| unwritten(path, &error))?, path)),
        None => None,
    };
    attend(&mut looker, server.as_ref(), lines, &args)?;
    Ok(ExitCode::SUCCESS)
}

/// Serves and writes until the bus is gone, if that is the end.
fn attend(
    looker: &mut Looker,
    server: Option<&Server>,
    mut lines: Option<(Lines, &PathBuf)>,
    args: &Args,
) -> Result<(), Failure> {
    let mut next_line = Instant::now();
    loop {
        if let Some((lines, path)) = &mut lines
            && Instant::now() >= next_line
        {
            let line = output::compact(&looker.look().to_json(unix_s()))?;
            lines.add(&line).map_err(|error| unwritten(path, &error))?;
            next_line = (next_line + args.every).max(Instant::now());
        }
        if args.with_bus && looker.is_gone() {
            return Ok(());
        }
        let line = lines.is_some().then(|| next_line.saturating_duration_since(Instant::now()));
        let timeout = line.into_iter().chain(args.with_bus.then_some(LOOK_AFTER)).min();
        match server {
            Some(server) => {
                wait(server, timeout)?;
                server.answer_all(&mut |exposition| {
                    looker.look().to_text(exposition).unwrap_or_else(|error| format!("# {error}\n"))
                });
            }
            None => std::thread::sleep(timeout.unwrap_or(LOOK_AFTER)),
        }
    }
}

fn wait(server: &Server, timeout: Option<Duration>) -> Result<(), Failure> {
    // Rounded up, or the last millisecond would be spent asking again and again.
    let ms = timeout.map(|timeout| i32::try_from(timeout.as_millis() + 1).unwrap_or(i32::MAX));
    let timeout = ms.map_or(PollTimeout::NONE, |ms| PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX));
    let mut fds = [PollFd::new(server.listener().as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(Failure::system(format!("cannot wait for connections: {error}"))),
    }
}

fn once(page: &Page, output: &Output) -> Result<ExitCode, Failure> {
    if output.is_json() {
        output.record("", &page.to_json(unix_s()))?;
    } else {
        let failed = |_| Failure::new(SOFTWARE, "cannot write the metrics as text");
        output.line(page.to_text(Exposition::Prometheus).map_err(failed)?.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(address: SocketAddr, output: &Output) -> Result<Server, Failure> {
    let server = Server::open(address)?;
    if !address.ip().is_loopback() {
        output.note("swarmbus: whoever reaches this address can read the names and figures of the bus");
    }
    let bound = server.address().map_err(|error| Failure::io("cannot tell the address", &error))?;
    output.line(&format!("http://{bound}/metrics"))?;
    Ok(server)
}

/// The pools of a supervisor that started this process: it declares agents before it starts them, and they are no work queues.
fn pools_ahead(bus: &str) -> Vec<String> {
    let is_ours = output::variable("SWARMBUS").is_some_and(|ours| ours == bus);
    let pools = output::variable("SWARMBUS_POOLS").filter(|_| is_ours).unwrap_or_default();
    pools.split_whitespace().filter_map(|pool| Some(pool.split_once('=')?.0.to_owned())).collect()
}

fn unwritten(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::io(format!("cannot write {}", path.display()), error)
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

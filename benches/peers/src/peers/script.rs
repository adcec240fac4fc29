//! Rivals whose processes are scripts: Python's and bash's faces, ourselves among them.

use super::net::version_of;
use super::redis::Redis;
use super::swarmbus::Swarmbus;
use crate::peer::{Peer, Ready, Rival, Seat};
use crate::trial::{Face, Manner, Outcome, Trial, Work};
use anyhow::{Context, Result, bail};
use std::any::Any;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A rival in another language.
pub struct Script {
    name: &'static str,
    face: Face,
    /// Its file among the rivals of its face.
    file: &'static str,
    /// What its version is asked of: a Python package, or a program.
    package: Option<&'static str>,
    manners: &'static [Manner],
    settings: &'static str,
    is_alone: bool,
    /// Why it takes no part in `bash-message`, or in `bash-stream`.
    message_only: Option<&'static str>,
}

const BOTH: &[Manner] = &[Manner::Polling, Manner::Blocking, Manner::OneCore];
const BLOCKING: &[Manner] = &[Manner::Blocking, Manner::OneCore];
const BLOCKING_UNPINNED: &[Manner] = &[Manner::Blocking];
const POLLING: &[Manner] = &[Manner::Polling];

const fn python(name: &'static str, file: &'static str, settings: &'static str) -> Script {
    Script {
        name,
        face: Face::Python,
        file,
        package: None,
        manners: BLOCKING,
        settings,
        is_alone: true,
        message_only: None,
    }
}

const fn bash(name: &'static str, file: &'static str, settings: &'static str) -> Script {
    Script {
        name,
        face: Face::Bash,
        file,
        package: None,
        manners: BLOCKING_UNPINNED,
        settings,
        is_alone: false,
        message_only: None,
    }
}

impl Script {
    /// Python's rivals.
    pub const PYTHON: [Script; 7] = [
        Script {
            package: Some("swarmbus"),
            manners: BOTH,
            ..python(
                "swarmbus-python",
                "swarmbus",
                "send copies bytes in, what is received is read in place; blocking: send and iteration that wait; polling: try_recv, and send that looks once",
            )
        },
        Script {
            package: Some("iceoryx2"),
            manners: BOTH,
            ..python(
                "iceoryx2-python",
                "iceoryx2",
                "no overflow, retry until delivered; loan, memmove, send; read in place; blocking: an event with every message",
            )
        },
        python("os-pipe", "os_pipe", "os.write and os.read; pipes of 1 MiB, short messages read up to 64 KiB at once"),
        python(
            "mp-pipe",
            "mp_pipe",
            "multiprocessing.Pipe(duplex=False), send_bytes and recv_bytes; the follower is forked",
        ),
        Script {
            manners: BLOCKING_UNPINNED,
            is_alone: false,
            ..python(
                "mp-queue",
                "mp_queue",
                "multiprocessing.Queue of bytes, which pickles them and has a thread that feeds; the follower is forked",
            )
        },
        Script {
            package: Some("pyzmq"),
            manners: BLOCKING_UNPINNED,
            is_alone: false,
            ..python(
                "pyzmq",
                "pyzmq",
                "PUSH/PULL, ipc, as many messages on either side as zeromq; copy=False from 64 KiB",
            )
        },
        Script {
            package: Some("eclipse-zenoh"),
            manners: BLOCKING_UNPINNED,
            is_alone: false,
            ..python(
                "zenoh-python",
                "zenoh",
                "two peers over loopback TCP, congestion control BLOCK, FifoChannel; express in round trips; shared memory from 64 KiB",
            )
        },
    ];

    /// Bash's rivals.
    pub const BASH: [Script; 4] = [
        bash(
            "swarmbus-bash",
            "swarmbus",
            "message: `swarmbus send` and `swarmbus recv`, a process each; stream: `send --lines` and `recv -n`",
        ),
        Script {
            message_only: Some("a file for each message: there is no stream of them"),
            manners: POLLING,
            ..bash(
                "bash-files",
                "files",
                "a file for each message, renamed by mv into a folder in /dev/shm; the reader looks there every millisecond at most, and removes what a look has found by one rm",
            )
        },
        bash(
            "bash-fifo",
            "fifo",
            "printf into a fifo, opened for each message (message) or once (stream): no process, and a message is a line",
        ),
        Script {
            package: Some("redis-cli"),
            ..bash(
                "redis-cli",
                "redis",
                "RPUSH and BLPOP over loopback TCP; stream: commands and answers through one redis-cli on each side",
            )
        },
    ];

    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(if self.face == Face::Python { "python" } else { "bash" })
    }

    fn is_ours(&self) -> bool {
        super::is_ours(self.name)
    }

    fn has_redis(&self) -> bool {
        self.file == "redis"
    }
}

/// The interpreter that setup.sh has given the packages to.
fn interpreter() -> PathBuf {
    crate::root().join("target/peers-python/bin/python")
}

/// The command of ourselves, built by setup.sh.
fn command() -> PathBuf {
    crate::root().join("target/release/swarmbus")
}

impl Rival for Script {
    fn name(&self) -> &'static str {
        self.name
    }

    fn face(&self) -> Face {
        self.face
    }

    fn version(&self) -> String {
        match (self.face, self.package) {
            (_, None) if self.face == Face::Bash => version_of("bash", &["--version"]),
            (Face::Bash, _) if self.is_ours() => version_of(&command().to_string_lossy(), &["--version"]),
            (Face::Bash, Some(program)) => version_of(program, &["--version"]),
            (_, package) => {
                let version = "import sys, importlib.metadata as m; p = sys.argv[1]; print(*([f'package {p}', m.version(p)] if p else []), 'Python', sys.version.split()[0])";
                version_of(&interpreter().to_string_lossy(), &["-c", version, package.unwrap_or("")])
            }
        }
    }

    fn manners(&self) -> &'static [Manner] {
        self.manners
    }

    fn settings(&self, _work: &Work, _manner: Manner) -> String {
        self.settings.into()
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        let missing = match self.face {
            Face::Python => Some(interpreter()),
            _ => self.is_ours().then(command),
        };
        if let Some(missing) = missing.filter(|path| !path.exists()) {
            return Some(format!("{} is not there; setup.sh makes it", missing.display()));
        }
        if self.package == Some("redis-cli") && version_of("redis-cli", &["--version"]).contains("not installed") {
            return Some("redis-cli is not installed; setup.sh does that".into());
        }
        self.message_only.filter(|_| work.name == "bash-stream").map(Into::into)
    }

    fn is_alone(&self) -> bool {
        self.is_alone
    }

    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        // iceoryx2 wants a root for its files.
        std::fs::create_dir_all(trial.folder.join("iceoryx2")).context("a folder for a rival's files")?;
        if self.is_ours() { Peer::prepare(&Swarmbus, trial) } else { Ok(Box::new(())) }
    }

    fn has_server(&self) -> bool {
        self.has_redis()
    }

    fn serve(&self, trial: &Trial) -> Result<()> {
        Peer::serve(&Redis, trial)
    }

    fn serves(&self, trial: &Trial) -> bool {
        Peer::serves(&Redis, trial)
    }

    fn program(&self, trial: &Trial) -> Result<Option<Command>> {
        let folder = self.folder();
        if self.face == Face::Python {
            let mut program = Command::new(interpreter());
            program.arg(folder.join("child.py")).arg(self.file);
            return Ok(Some(program));
        }
        let mut program = Command::new("bash");
        program.arg(folder.join("child.sh")).arg(self.file);
        // What a script would have to read out of JSON otherwise.
        program.env("TAG", &trial.tag).env("FOLDER", &trial.folder).env("PORT", trial.port.to_string());
        program.env("WORK", &trial.work).env("COMMAND", command()).env("SWARMBUS", &trial.tag);
        program.env("WARM_UP_US", trial.warm_up.as_micros().to_string());
        program.env("MEASURED_US", trial.measured.as_micros().to_string());
        Ok(Some(program))
    }

    fn work(&self, _trial: &Trial, _seat: Seat, _ready: Ready<'_>) -> Result<Outcome> {
        bail!("a script does its work itself")
    }
}

//! Processes of a trial: started as this program again, spoken to by lines, ended with the trial.

use crate::peer::Seat;
use crate::peers::become_program;
use crate::trial::{Outcome, Trial};
use crate::work;
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The hidden first argument of a child.
pub const CHILD: &str = "child";

/// Set by an interrupt from the terminal.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a child says, a line each.
#[derive(Serialize, Deserialize)]
enum Word {
    /// It runs; nothing is made yet.
    Up,
    /// Its end is there.
    Ready,
    /// Its work is done.
    Done(Outcome),
    /// It has failed.
    Failed(String),
}

/// What has become of a child.
struct Told {
    child: Child,
    seat: Seat,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    heard: Vec<u8>,
}

/// The processes of a trial.
pub struct Children {
    told: Vec<Told>,
    errors: File,
    deadline: Instant,
}

impl Children {
    /// Starts the lead and the followers; they say `Up` and wait.
    pub fn start(trial: &Trial, patience: Duration) -> Result<Children> {
        let errors = open_errors(trial)?;
        let mut children = Children { told: Vec::new(), errors, deadline: Instant::now() + patience };
        for seat in std::iter::once(Seat::Lead).chain((0..trial.followers).map(Seat::Follower)) {
            let told = start(trial, seat, &children.errors)?;
            children.told.push(told);
        }
        Ok(children)
    }

    /// Process ids, the lead's first.
    pub fn pids(&self) -> Vec<u32> {
        self.told.iter().map(|told| told.child.id()).collect()
    }

    /// Waits until all are up.
    pub fn all_up(&mut self) -> Result<()> {
        self.hear(|word| matches!(word, Word::Up)).map(|_| ())
    }

    /// Lets all make their ends and waits until they have.
    pub fn all_ready(&mut self) -> Result<()> {
        self.tell()?;
        self.hear(|word| matches!(word, Word::Ready)).map(|_| ())
    }

    /// Lets all work, and waits for what they have measured.
    pub fn all_done(&mut self) -> Result<Outcome> {
        self.tell()?;
        let words = self.hear(|word| matches!(word, Word::Done(_)))?;
        let mut outcomes = words.into_iter().filter_map(|word| match word {
            Word::Done(outcome) => Some(outcome),
            _ => None,
        });
        let lead = outcomes.next().context("the lead has said nothing")?;
        Ok(work::merged(lead, outcomes.collect()))
    }

    fn tell(&mut self) -> Result<()> {
        for told in &mut self.told {
            if let Some(stdin) = &mut told.stdin {
                // A child that is gone is noticed when it should answer.
                let _ = stdin.write_all(b"\n");
            }
        }
        Ok(())
    }

    /// A word from each, in order of their seats; all must be as `expected`.
    fn hear(&mut self, expected: impl Fn(&Word) -> bool) -> Result<Vec<Word>> {
        let mut words: Vec<Option<Word>> = self.told.iter().map(|_| None).collect();
        loop {
            let waiting: Vec<usize> = (0..words.len()).filter(|&index| words[index].is_none()).collect();
            if waiting.is_empty() {
                return Ok(words.into_iter().flatten().collect());
            }
            if INTERRUPTED.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let silent = waiting.iter().map(|&index| format!("{:?}", self.told[index].seat)).take(3);
                let silent = silent.collect::<Vec<_>>().join(", ");
                bail!(
                    "gave up waiting for {} of {} processes ({silent} …){}",
                    waiting.len(),
                    words.len(),
                    self.complaint()
                );
            }
            let mut fds: Vec<PollFd<'_>> =
                waiting.iter().map(|&index| PollFd::new(self.told[index].stdout.as_fd(), PollFlags::POLLIN)).collect();
            let nap = left.min(Duration::from_millis(200)).as_millis() as u16;
            match poll(&mut fds, PollTimeout::from(nap)) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("waiting for the processes of a trial"),
            }
            let speaking: Vec<usize> =
                waiting.iter().zip(&fds).filter(|(_, fd)| fd.any().unwrap_or(false)).map(|(&index, _)| index).collect();
            for index in speaking {
                let told = &mut self.told[index];
                let mut piece = [0; 4096];
                let count = told.stdout.read(&mut piece).context("reading from a process of a trial")?;
                told.heard.extend_from_slice(&piece[..count]);
                let Some(end) = told.heard.iter().position(|&byte| byte == b'\n') else {
                    if count == 0 {
                        let status = told.child.wait().context("waiting for a process")?;
                        let seat = told.seat;
                        bail!("{seat:?} ended early ({status}){}", self.complaint());
                    }
                    continue;
                };
                let line: Vec<u8> = told.heard.drain(..=end).collect();
                match serde_json::from_slice(&line).context("a process said something odd")? {
                    Word::Failed(why) => bail!("{why}"),
                    word if expected(&word) => words[index] = Some(word),
                    _ => bail!("{:?} spoke out of turn", told.seat),
                }
            }
        }
    }

    /// What the processes have written to their standard error, in brief.
    fn complaint(&self) -> String {
        complaint(&self.errors)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        // Those that have done their work end by themselves; nobody waits for the others.
        for told in &mut self.told {
            drop(told.stdin.take());
        }
        let until = Instant::now() + Duration::from_secs(1);
        for told in &mut self.told {
            end(&mut told.child, until);
        }
    }
}

/// A rival's server.
pub struct Server {
    child: Child,
    errors: File,
}

impl Server {
    /// Starts it and waits until it serves.
    pub fn start(trial: &Trial, serves: impl Fn() -> bool) -> Result<Server> {
        let errors = open_errors(trial)?;
        let told = start(trial, Seat::Server, &errors)?;
        let mut server = Server { child: told.child, errors };
        let until = Instant::now() + Duration::from_secs(15);
        while !serves() {
            if let Some(status) = server.child.try_wait().context("watching a server")? {
                bail!("the server ended early ({status}){}", complaint(&server.errors));
            }
            if Instant::now() > until || INTERRUPTED.load(Ordering::Relaxed) {
                bail!("the server does not answer{}", complaint(&server.errors));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child, Instant::now());
    }
}

fn open_errors(trial: &Trial) -> Result<File> {
    let path = trial.folder.join("errors");
    let file = File::options().create(true).append(true).read(true).open(&path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

fn complaint(mut errors: &File) -> String {
    use std::io::{Seek, SeekFrom};
    let mut text = String::new();
    if errors.seek(SeekFrom::Start(0)).and_then(|_| errors.read_to_string(&mut text)).is_err() {
        return String::new();
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.as_slice() {
        [] => String::new(),
        [.., last] => format!("; it last said: {}", last.chars().take(300).collect::<String>()),
    }
}

fn start(trial: &Trial, seat: Seat, errors: &File) -> Result<Told> {
    let seat_word = match seat {
        Seat::Server => "server".to_owned(),
        Seat::Lead => "lead".to_owned(),
        Seat::Follower(index) => index.to_string(),
    };
    let mut child = Command::new(std::env::current_exe().context("cannot tell which program this is")?)
        .args([CHILD, &serde_json::to_string(trial)?, &seat_word, &std::process::id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone()?)
        .spawn()
        .context("cannot start a process of a trial")?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        bail!("a process of a trial has no standard input or output");
    };
    Ok(Told { child, seat, stdin: Some(stdin), stdout, heard: Vec::new() })
}

/// Lets a process of ours end by itself until then, ends it if it does not, and reaps it.
fn end(child: &mut Child, until: Instant) {
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            Ok(None) => {
                // It may end by itself between the look and the kill.
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            _ => return,
        }
    }
}

/// The whole life of a child; its arguments come after [`CHILD`].
pub fn live(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    // The harness may be killed; its children go with it.
    prctl::set_pdeathsig(Signal::SIGKILL).context("asking to end with the harness")?;
    let mut next = || arguments.next().context("a child is only started by the harness");
    let text = next()?;
    let trial: Trial = serde_json::from_str(&text).context("the trial")?;
    let seat_word = next()?;
    let seat = match seat_word.as_str() {
        "server" => Seat::Server,
        "lead" => Seat::Lead,
        index => Seat::Follower(index.parse().context("the seat")?),
    };
    let parent: i32 = next()?.parse().context("the harness' process id")?;
    if nix::unistd::getppid().as_raw() != parent {
        bail!("the harness is gone");
    }
    let rival = crate::peers::named(&trial.peer).with_context(|| format!("no rival is called '{}'", trial.peer))?;
    if let Some((lead, followers)) = trial.cores {
        let mut set = CpuSet::new();
        set.set(if seat == Seat::Lead { lead } else { followers })?;
        sched_setaffinity(nix::unistd::Pid::from_raw(0), &set).context("going to a core")?;
    }
    if seat == Seat::Server {
        return rival.serve(&trial);
    }
    if let Some(mut program) = rival.program(&trial)? {
        // It keeps our process id, standard input and output, core, and the promise to end with the harness.
        return Err(become_program(program.args([&text, &seat_word])));
    }
    let mut stdin = std::io::stdin().lock();
    let mut wait_for_word = || -> Result<()> {
        let mut line = String::new();
        match stdin.read_line(&mut line).context("waiting for the harness")? {
            0 => bail!("the harness has given up"),
            _ => Ok(()),
        }
    };
    say(&Word::Up)?;
    wait_for_word()?;
    let outcome = rival.work(&trial, seat, &mut || {
        say(&Word::Ready)?;
        wait_for_word()
    });
    say(&match outcome {
        Ok(outcome) => Word::Done(outcome),
        Err(error) => Word::Failed(format!("{seat:?}: {error:#}")),
    })?;
    // Others may still need what this process holds: the harness says when all is over.
    let _ = wait_for_word();
    // Nothing that a rival's library does at its end is part of the work.
    std::process::exit(0);
}

fn say(word: &Word) -> Result<()> {
    let mut line = serde_json::to_string(word)?;
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).context("answering the harness")
}

//! What a message costs two agents beside many idle ones, and what grows with these.

use super::company::{Company, options};
use super::dweller::{Burden, ECHO};
use super::{Times, processor_time};
use crate::Result;
use crate::scene::Scene;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use swarmbus_core::{Agent, Observer, SendOptions};

/// Rounds, of which the middle one counts.
const ROUNDS: u32 = 5;
/// Round trips of a round.
const TRIPS: u32 = 2000;

/// What an observer does.
type Look = fn(&Observer);

/// Sends itself so many messages and takes them.
fn talk(agent: &Agent, count: u32) -> Result<()> {
    for _ in 0..count {
        agent.send("me", &[7; 64], &SendOptions::default())?;
        agent.recv(None)?.release()?;
    }
    Ok(())
}

/// So many messages, and nothing else, beside so many idle processes.
///
/// # Errors
/// When these cannot be started, or a message is refused.
pub fn messages(program: &Path, agents: u32, count: u32) -> Result<()> {
    let scene = Scene::new(&options(agents))?;
    let mut company = Company::gather(program, scene.name(), agents, Burden::Nothing)?;
    company.attach()?;
    let me = scene.attach("me")?;
    // Nobody reaps in between.
    me.supervise()?;
    talk(&me, count)
}

/// What things cost beside so many idle processes.
///
/// # Errors
/// As [`messages`].
pub fn growth(program: &Path, agents: u32, count: u32) -> Result<String> {
    let scene = Scene::new(&options(agents))?;
    let mut company = Company::gather(program, scene.name(), agents, Burden::Nothing)?;
    company.attach()?;
    let mut other = Company::of(program, scene.name(), [ECHO.to_owned()].into_iter(), Burden::Nothing)?;
    other.attach()?;
    let me = scene.attach("me")?;
    let observer = scene.observer()?;
    let looks: [(&str, Look); 3] = [
        ("observer: bus", |observer| drop(observer.bus())),
        ("members", |observer| drop(observer.members())),
        ("queues", |observer| drop(observer.queues())),
    ];
    let mut text = format!("beside {agents} idle processes, µs of a processor:");
    let mut note = |what: &str, times: u32, act: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        let middle = Times::of(ROUNDS, || {
            let begun = processor_time()?;
            act()?;
            Ok(processor_time()? - begun)
        })?;
        write!(text, " {what} {:.3},", middle.median().as_secs_f64() * 1e6 / f64::from(times))?;
        Ok(())
    };
    note("message", count, &mut || talk(&me, count))?;
    note("handle joins and leaves", 100, &mut || Ok((0..100).try_for_each(|_| scene.join().map(drop))?))?;
    note("agent attaches and leaves", 100, &mut || Ok((0..100).try_for_each(|_| scene.attach("new").map(drop))?))?;
    note("bus opened", 20, &mut || Ok((0..20).try_for_each(|_| swarmbus_core::Bus::open(scene.name()).map(drop))?))?;
    note("reap, nobody dead", 1, &mut || Ok(me.reap().map(drop)?))?;
    let pid = std::process::id();
    note("reap of one process", 1, &mut || Ok(me.reap_process(pid).map(drop)?))?;
    for (what, look) in looks {
        note(what, 1, &mut || {
            look(&observer);
            Ok(())
        })?;
    }
    let trips = Times::of(ROUNDS, || {
        let begun = Instant::now();
        for _ in 0..TRIPS {
            me.send(ECHO, b"shout", &SendOptions::default())?;
            me.recv(Some(Duration::from_secs(10)))?.release()?;
        }
        Ok(begun.elapsed())
    })?;
    write!(text, " and by the clock: round trip {:.3}", trips.median().as_secs_f64() * 1e6 / f64::from(TRIPS))?;
    Ok(text)
}

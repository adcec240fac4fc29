//! How long it takes to give back what a crowd of dead had.

use super::company::{Company, options};
use super::dweller::{Burden, TOPIC};
use super::{Times, processor_time};
use crate::Result;
use crate::scene::{Scene, expect_bare};
use std::path::Path;
use std::time::Instant;
use swarmbus_core::{QueueOptions, TopicOptions};

/// Kills so many processes at once and reaps them in one pass, from the moment at which the kernel says that the last is dead.
///
/// # Errors
/// When one of them is not found, or what it had is not given back.
pub fn reaping(program: &Path, agents: u32, runs: u32, burden: Burden) -> Result<String> {
    let mut ran = Vec::new();
    let times = Times::of(runs, || {
        let scene = Scene::new(&options(agents))?;
        scene.declare_topic(TOPIC, &TopicOptions::default())?;
        scene.declare("q", &QueueOptions::default())?;
        let member = scene.join()?;
        let mut company = Company::gather(program, scene.name(), agents, burden)?;
        company.attach()?;
        company.kill()?;
        let (begun, before) = (Instant::now(), processor_time()?);
        let reaped = member.reap()?;
        let time = begun.elapsed();
        ran.push(processor_time()? - before);
        let messages = if burden.has(Burden::Message) { agents } else { 0 };
        if reaped.members != agents || reaped.redelivered != messages {
            return Err(format!("{agents} processes with {messages} messages were killed, and {reaped:?}").into());
        }
        drop(company);
        if messages == 0 {
            drop(member);
            expect_bare(&scene)?;
        }
        Ok(time)
    })?;
    let ran = Times::of(runs, || ran.pop().ok_or_else(|| "a run without a time".into()))?;
    Ok(format!("reap, {agents} processes with {burden:?}: {times}; of a processor: {ran}"))
}

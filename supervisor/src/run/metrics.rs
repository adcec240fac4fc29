//! `[metrics]`: the exporter, a child that only looks at the bus. It is started again when it ends. When the supervisor dies it goes on, and tells that; who takes
//! the run over starts another one in its place.

use super::Run;
use crate::config::MetricsPlan;
use crate::strays::EXPORTER;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long after its end, or after a failure to start it, the exporter is started again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The exporter's process, if there is one.
#[derive(Default)]
pub(super) struct Exporter {
    child: Option<Child>,
    next: Duration,
    /// The last complaint, so that the same one is not told every ten seconds.
    told: String,
}

impl Run<'_> {
    /// Starts the exporter if it is wanted and not there.
    pub(super) fn keep_exporting(&mut self) {
        let Some(plan) = self.topology.metrics.clone() else { return };
        match self.exporter.child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => return,
            Some(_) => {
                self.forget_exporter();
                let said = fs::read_to_string(self.exporter_output()).unwrap_or_default();
                self.exporting_failed(said.lines().last().unwrap_or("it ended").to_owned());
            }
            None => {}
        }
        if self.now() < self.exporter.next || self.ending.is_some() {
            return;
        }
        match self.start_exporter(&plan) {
            Ok(child) => {
                // Not an agent, and not something that an agent has left behind.
                self.others.insert(child.id());
                self.exporter.child = Some(child);
            }
            Err(error) => self.exporting_failed(error.to_string()),
        }
    }

    /// Ends the exporter; it is started again if it is still wanted.
    pub(super) fn end_exporter(&mut self) {
        if let Some(child) = &mut self.exporter.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.forget_exporter();
        self.exporter.next = Duration::ZERO;
    }

    fn forget_exporter(&mut self) {
        if let Some(child) = self.exporter.child.take() {
            self.others.remove(&child.id());
        }
    }

    fn start_exporter(&self, plan: &MetricsPlan) -> std::io::Result<Child> {
        let output = File::create(self.exporter_output())?;
        let mut command = Command::new("/proc/self/exe");
        command.args(["metrics", &self.topology.bus.name, "--with-bus", "--listen", &plan.listen.to_string()]);
        command.args(plan.agents.then_some("--agents"));
        // Agents are declared before they start; by this it knows their names from those of queues.
        command.env("SWARMBUS", &self.topology.bus.name).env("SWARMBUS_POOLS", self.identity(0).pools);
        command.env(EXPORTER, "1");
        // A group of its own: an interrupt from the terminal is for the supervisor.
        command.process_group(0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()
    }

    fn exporter_output(&self) -> PathBuf {
        self.rundir.path().join("metrics.out")
    }

    fn exporting_failed(&mut self, why: String) {
        self.exporter.next = self.now() + AGAIN_AFTER;
        if self.exporter.told != why {
            self.warn(format!("metrics: {why}"));
            self.exporter.told = why;
        }
    }
}

//! The supervisor: spawns a coordinator and pools of agents, watches them, restarts what dies and drains at the end.
//!
//! It is thin and never in the data path. Agents are started in process groups of their own, with no pipe and no parent-death
//! signal between them and the supervisor, so its own death costs nothing: agents go on talking through the segment. What a successor has to
//! know is in [`note`]; [`up`] takes over a run whose supervisor is dead, and [`stand_by`] waits for that.
//!
//! What decides is pure and apart from the operating system: [`restart`] (policy, back-off, giving up), [`pool`] (the
//! state of each agent), [`stop`] (the end of one) and [`drain`] (the end of all). What acts is small: [`process`] starts and collects,
//! [`watch`] is the one place that sleeps, [`rundir`] and [`control`] are what others see. [`run`] ties them together.

pub mod cgroup;
pub mod client;
pub mod config;
pub mod control;
pub mod doctor;
pub mod drain;
pub mod ending;
pub mod event;
pub mod exit;
pub mod foreign;
pub mod health;
pub mod hooks;
pub mod host;
pub mod janitor;
pub mod log;
pub mod note;
pub mod pool;
pub mod priority;
pub mod process;
pub mod protocol;
pub mod ready;
pub mod record;
pub mod restart;
pub mod rotate;
pub mod run;
pub mod rundir;
pub mod scale;
pub mod shed;
pub mod show;
pub mod status;
pub mod stop;
pub mod strays;
pub mod systemd;
pub mod tally;
pub mod watch;
pub mod zygote;

pub use client::{ClientError, Stopped};
pub use config::{ConfigError, LoadError, Overrides, Topology};
pub use run::{UpError, stand_by, up};
pub use status::Status;

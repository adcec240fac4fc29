//! The processes of a storm on iceoryx2: each makes a node, opens services, makes ports, sends, receives, notifies and waits in a random order, drops all of
//! it, and begins again. Settings are iceoryx2's own, but for where its files are and how many may take part.

use clap::Args;
use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder, NodeState};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{CallbackProgression, FilePath, LogLevel, SemanticString, ServiceName, set_log_level};
use iceoryx2::service::ipc;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_stress::kills::Dice;
use swarmbus_stress::ledger::Event;
use swarmbus_stress::peer::stop_flag;
use swarmbus_stress::{Failure, Result};

/// Turns between coming and going, at most.
const ROUNDS: u64 = 60;
/// The same of every second life.
const FEW: u64 = 4;
/// Services of each kind; there are fewer than processes, so that they meet.
const SERVICES: u64 = 4;
const MOST: usize = 64;
const PASSES: u32 = 3;

#[derive(Clone, Copy)]
#[repr(u64)]
enum Step {
    Node,
    Service,
    Publisher,
    Subscriber,
    Events,
    Send,
    Receive,
    Notify,
    Wait,
    CleanUp,
    Close,
}

/// The names of the steps, in their order.
pub const STEPS: &[&str] =
    &["node", "service", "publisher", "subscriber", "events", "send", "receive", "notify", "wait", "clean up", "close"];

/// What a process is told.
#[derive(Args, Clone, Debug)]
pub struct Orders {
    /// The file of settings.
    #[arg(long)]
    settings: String,
    /// Which process of the storm it is.
    #[arg(long)]
    number: u64,
    /// Of its order of things.
    #[arg(long)]
    seed: u64,
    /// Whether it ends when its standard input does.
    #[arg(long)]
    resident: bool,
}

impl Orders {
    /// The process' own settings, not only those of a node: who cleans up after one that died before it had written down its settings takes its own.
    fn config(&self) -> Result<&'static Config> {
        set_log_level(LogLevel::Fatal);
        let file = FilePath::new(self.settings.as_bytes()).map_err(failed)?;
        Config::setup_global_config_from_file(&file).map_err(failed)
    }
}

fn failed<E: Debug>(error: E) -> Failure {
    format!("iceoryx2: {error:?}").into()
}

fn doing(step: Step) {
    Event::Doing(step as u64).say();
}

/// Says what is being done, does it, and says so if it was refused.
fn attempt<T, E: Debug>(step: Step, deed: impl FnOnce() -> std::result::Result<T, E>) -> Option<T> {
    doing(step);
    let done = deed();
    if done.is_err() {
        Event::Refused(step as u64).say();
    }
    done.ok()
}

struct Ports {
    publisher: Option<Publisher<ipc::Service, [u64], ()>>,
    subscriber: Option<Subscriber<ipc::Service, [u64], ()>>,
    notifier: Option<Notifier<ipc::Service>>,
    listener: Option<Listener<ipc::Service>>,
}

impl Ports {
    /// What cannot be had is said and left out.
    fn make(node: &Node<ipc::Service>, service: u64) -> Result<Ports> {
        let name = ServiceName::new(&format!("data-{service}")).map_err(failed)?;
        let data = attempt(Step::Service, || {
            node.service_builder(&name)
                .publish_subscribe::<[u64]>()
                .max_publishers(MOST)
                .max_subscribers(MOST)
                .max_nodes(MOST)
                .open_or_create()
        });
        let publisher = data
            .as_ref()
            .and_then(|data| attempt(Step::Publisher, || data.publisher_builder().initial_max_slice_len(5).create()));
        let subscriber =
            data.as_ref().and_then(|data| attempt(Step::Subscriber, || data.subscriber_builder().create()));
        let name = ServiceName::new(&format!("events-{service}")).map_err(failed)?;
        let events = attempt(Step::Events, || {
            node.service_builder(&name).event().max_notifiers(MOST).max_listeners(MOST).max_nodes(MOST).open_or_create()
        });
        let notifier = events.as_ref().and_then(|events| attempt(Step::Events, || events.notifier_builder().create()));
        let listener = events.as_ref().and_then(|events| attempt(Step::Events, || events.listener_builder().create()));
        Ok(Ports { publisher, subscriber, notifier, listener })
    }

    fn turn(&self, node: &Node<ipc::Service>, dice: &mut Dice, number: u64) -> Result<()> {
        match (dice.below(20), self) {
            (0..7, Ports { publisher: Some(publisher), .. }) => {
                attempt(Step::Send, || {
                    let sample = publisher.loan_slice_uninit(5).map_err(failed)?;
                    sample.write_from_fn(|_| number).send().map_err(failed)
                });
            }
            (7..14, Ports { subscriber: Some(subscriber), .. }) => {
                if let Some(Some(sample)) = attempt(Step::Receive, || subscriber.receive())
                    && sample.payload().iter().any(|word| *word != sample.payload()[0])
                {
                    return Err("a sample is torn".into());
                }
            }
            (14..16, Ports { notifier: Some(notifier), .. }) => {
                attempt(Step::Notify, || notifier.notify());
            }
            (16..19, Ports { listener: Some(listener), .. }) => {
                attempt(Step::Wait, || listener.timed_wait(|_| (), Duration::from_micros(300)));
            }
            (19, _) if dice.below(8) == 0 => {
                doing(Step::CleanUp);
                node.try_cleanup_dead_nodes();
            }
            _ => {}
        }
        Ok(())
    }
}

/// Works until killed, or told to end.
pub fn work(orders: &Orders) -> Result<()> {
    let stop = if orders.resident { stop_flag() } else { Arc::new(AtomicBool::new(false)) };
    let (config, mut dice) = (orders.config()?, Dice::seeded(orders.seed));
    while !stop.load(Relaxed) {
        let Some(node) = attempt(Step::Node, || NodeBuilder::new().config(config).create::<ipc::Service>()) else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let ports = Ports::make(&node, dice.below(SERVICES))?;
        let rounds = if dice.below(2) == 0 { FEW } else { ROUNDS };
        for _ in 0..dice.below(rounds) {
            if stop.load(Relaxed) {
                break;
            }
            ports.turn(&node, &mut dice, orders.number)?;
            // As much idleness as the other contender has.
            std::thread::sleep(Duration::from_micros(20));
        }
        doing(Step::Close);
        drop(ports);
        drop(node);
    }
    Ok(())
}

/// Makes a node and ports, sends a sample, receives it, and says how long that took, ns.
pub fn fresh(orders: &Orders) -> Result<()> {
    let (config, begun) = (orders.config()?, Instant::now());
    let node = NodeBuilder::new().config(config).create::<ipc::Service>().map_err(failed)?;
    let ports = Ports::make(&node, SERVICES)?;
    let (Some(publisher), Some(subscriber)) = (&ports.publisher, &ports.subscriber) else {
        return Err("no ports can be had".into());
    };
    publisher.loan_slice_uninit(5).map_err(failed)?.write_from_fn(|_| 7).send().map_err(failed)?;
    let received = subscriber.receive().map_err(failed)?.is_some_and(|sample| sample.payload() == [7; 5]);
    let took = begun.elapsed();
    if !received {
        return Err("its sample did not come back".into());
    }
    Event::Found(vec![took.as_nanos() as u64]).say();
    Ok(())
}

/// Buries the dead as well as it can be done, and says how many nodes of each kind are left: before, and when it is done.
pub fn settle(orders: &Orders) -> Result<()> {
    let config = orders.config()?;
    Event::Found(census(config)?.into_iter().chain([0]).collect()).say();
    let mut refusals = BTreeMap::<String, u32>::new();
    for _ in 0..PASSES {
        refusals.clear();
        let mut dead = Vec::new();
        Node::<ipc::Service>::list(config, |state| {
            if let NodeState::Dead(view) = state {
                dead.push(view);
            }
            CallbackProgression::Continue
        })
        .map_err(failed)?;
        for view in dead {
            if let Err(why) = view.blocking_remove_stale_resources(Duration::from_secs(1)) {
                *refusals.entry(format!("{why:?}")).or_default() += 1;
            }
        }
    }
    if !refusals.is_empty() {
        eprintln!("iceoryx2, asked to clean up after its dead nodes: {refusals:?}");
    }
    Event::Found(census(config)?.into_iter().chain([1]).collect()).say();
    Ok(())
}

/// Nodes that are dead, undefined, alive, inaccessible.
fn census(config: &Config) -> Result<[u64; 4]> {
    let mut counts = [0; 4];
    Node::<ipc::Service>::list(config, |state| {
        counts[match state {
            NodeState::Dead(_) => 0,
            NodeState::Undefined(_) => 1,
            NodeState::Alive(_) => 2,
            NodeState::Inaccessible(_) => 3,
        }] += 1;
        CallbackProgression::Continue
    })
    .map_err(failed)?;
    Ok(counts)
}

//! iceoryx2: publish-subscribe in shared memory, with an event service beside it to sleep on.

mod calls;

use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, TAKEN_AT_ONCE, Trial, Work, depth};
use anyhow::{Context, Result, anyhow};
use calls::Calls;
use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{EventId, FileName, LogLevel, Path, SemanticString, ServiceName, set_log_level};
use iceoryx2::sample::Sample;
use iceoryx2::service::ipc;
use std::any::Any;
use std::fmt::Debug;

/// iceoryx2.
pub struct Iceoryx2;

const UP: &str = "up";
const DOWN: &str = "down";

fn failed<E: Debug>(what: &'static str) -> impl FnOnce(E) -> anyhow::Error {
    move |error| anyhow!("iceoryx2: {what}: {error:?}")
}

type DataPorts = (Option<Publisher<ipc::Service, [u8], ()>>, Option<Subscriber<ipc::Service, [u8], ()>>);
type EventPorts = (Option<Notifier<ipc::Service>>, Option<Listener<ipc::Service>>);

/// An end: a node, and its ports.
pub struct Iceoryx2End {
    calls: Option<(Calls, Trial)>,
    publisher: Option<Publisher<ipc::Service, [u8], ()>>,
    subscriber: Option<Subscriber<ipc::Service, [u8], ()>>,
    notifier: Option<Notifier<ipc::Service>>,
    listener: Option<Listener<ipc::Service>>,
    taken_at_once: usize,
    keeps_until_answered: bool,
    /// What was received last and is kept.
    answered: Option<Sample<ipc::Service, [u8], ()>>,
    // Last, because ports live within it.
    _node: Node<ipc::Service>,
}

/// A trial keeps its files to itself, and nobody looks for the dead of others when it starts or ends.
fn config(trial: &Trial) -> Result<Config> {
    let mut config = Config::default();
    let root = trial.folder.join("iceoryx2");
    let root = root.to_str().context("the folder for temporary files must have a name in UTF-8")?;
    config.global.set_root_path(&Path::new(root.as_bytes()).map_err(failed("its root"))?);
    config.global.prefix = FileName::new(format!("{}-", trial.tag).as_bytes()).map_err(failed("its prefix"))?;
    config.global.node.cleanup_dead_nodes_on_creation = false;
    config.global.node.cleanup_dead_nodes_on_destruction = false;
    config.global.service.cleanup_dead_nodes_on_open = false;
    Ok(config)
}

struct Maker<'a> {
    trial: &'a Trial,
    node: Node<ipc::Service>,
}

impl<'a> Maker<'a> {
    fn new(trial: &'a Trial) -> Result<Maker<'a>> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new().config(&config(trial)?).create().map_err(failed("making a node"))?;
        Ok(Maker { trial, node })
    }

    fn data(&self, way: &str, publishes: bool) -> Result<DataPorts> {
        let (publishers, subscribers, bytes) = match way {
            UP => (self.trial.followers, 1, self.trial.up_bytes()),
            _ => (1, self.trial.followers, self.trial.down_bytes()),
        };
        let name = ServiceName::new(way).map_err(failed("a name"))?;
        let service = self.node.service_builder(&name).publish_subscribe::<[u8]>();
        let service = service
            .enable_safe_overflow(false)
            .history_size(0)
            .max_publishers(publishers as usize)
            .max_subscribers(subscribers as usize)
            .max_nodes(self.trial.followers as usize + 1)
            .subscriber_max_buffer_size(if self.trial.kind == Kind::FanOut { 2 } else { depth(bytes) })
            .open_or_create()
            .map_err(failed("opening a publish-subscribe service"))?;
        if publishes {
            let publisher = service
                .publisher_builder()
                .initial_max_slice_len(bytes)
                .max_loaned_samples(2)
                .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                .create()
                .map_err(failed("making a publisher"))?;
            Ok((Some(publisher), None))
        } else {
            let subscriber = service.subscriber_builder().create().map_err(failed("making a subscriber"))?;
            Ok((None, Some(subscriber)))
        }
    }

    fn event(&self, way: &str, notifies: Option<u32>) -> Result<EventPorts> {
        let name = ServiceName::new(&format!("{way}-event")).map_err(failed("a name"))?;
        let all = self.trial.followers as usize + 1;
        let service = self
            .node
            .service_builder(&name)
            .event()
            .max_notifiers(all)
            .max_listeners(all)
            .max_nodes(all)
            .event_id_max_value(all)
            .open_or_create()
            .map_err(failed("opening an event service"))?;
        if let Some(index) = notifies {
            let notifier = service.notifier_builder().default_event_id(EventId::new(index as usize));
            Ok((Some(notifier.create().map_err(failed("making a notifier"))?), None))
        } else {
            Ok((None, Some(service.listener_builder().create().map_err(failed("making a listener"))?)))
        }
    }

    fn end(self, is_lead: bool, index: u32) -> Result<Iceoryx2End> {
        let (mut publisher, mut subscriber, mut notifier, mut listener) = (None, None, None, None);
        // In a fan-out the event alone is the answer.
        let has_up_data = self.trial.kind != Kind::FanOut;
        for (way, there) in [(UP, true), (DOWN, self.trial.has_down())] {
            let sends = is_lead == (way == DOWN);
            if there && (way == DOWN || has_up_data) {
                let (sender, receiver) = self.data(way, sends)?;
                publisher = publisher.or(sender);
                subscriber = subscriber.or(receiver);
            }
            if there && !self.trial.polls() {
                let (sender, receiver) = self.event(way, sends.then_some(index))?;
                notifier = notifier.or(sender);
                listener = listener.or(receiver);
            }
        }
        let taken_at_once = self.trial.taken_at_once();
        Ok(Iceoryx2End {
            calls: None,
            publisher,
            subscriber,
            notifier,
            listener,
            taken_at_once,
            keeps_until_answered: self.trial.keeps_until_answered(),
            answered: None,
            _node: self.node,
        })
    }
}

impl End for Iceoryx2End {
    #[inline]
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        if let Some(publisher) = &self.publisher {
            let mut sample = publisher.loan_slice_uninit(length).map_err(failed("loaning"))?;
            let payload = sample.payload_mut();
            // SAFETY: bytes of any value are a payload, and `write` writes all of them before they are sent.
            write(unsafe { std::slice::from_raw_parts_mut(payload.as_mut_ptr().cast::<u8>(), payload.len()) });
            // SAFETY: written just now.
            let sample = unsafe { sample.assume_init() };
            sample.send().map_err(failed("sending"))?;
        }
        if let Some(notifier) = &self.notifier {
            notifier.notify().map_err(failed("notifying"))?;
        }
        Ok(())
    }

    #[inline]
    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        loop {
            let mut taken = 0;
            self.answered = None;
            if let Some(subscriber) = &self.subscriber {
                while taken < self.taken_at_once
                    && let Some(sample) = subscriber.receive().map_err(failed("receiving"))?
                {
                    read(sample.payload());
                    taken += 1;
                    self.answered = self.keeps_until_answered.then_some(sample);
                }
            }
            match &self.listener {
                Some(listener) if taken == 0 => {
                    let events = listener.blocking_wait(|_| ()).map_err(failed("waiting"))?;
                    if self.subscriber.is_none() && events > 0 {
                        return Ok(events as usize);
                    }
                }
                _ => return Ok(taken),
            }
        }
    }

    fn call(&mut self, length: usize, write: impl FnMut(&mut [u8]), read: impl FnMut(&[u8])) -> Result<()> {
        let (calls, trial) = self.calls.as_ref().context("this end has no calls")?;
        calls.call(trial, length, write, read)
    }

    fn answer(&mut self, length: usize, reply: impl FnMut(&[u8], &mut [u8])) -> Result<usize> {
        self.calls.as_ref().context("this end has no calls")?.0.answer(length, reply)
    }
}

impl Peer for Iceoryx2 {
    type End = Iceoryx2End;

    fn name(&self) -> &'static str {
        "iceoryx2"
    }

    fn version(&self) -> String {
        format!("crate iceoryx2 {}", env!("PEERS_VERSION_ICEORYX2"))
    }

    fn manners(&self) -> &'static [Manner] {
        Manner::ALL
    }

    fn settings(&self, work: &Work, manner: Manner) -> String {
        if work.kind == Kind::Calls {
            let wait = if manner == Manner::Polling {
                "polled"
            } else {
                "an event with every question and every answer, one service for each asker"
            };
            return format!(
                "request-response, buffers for one question of each asker; loan, write in place, send; {wait}; no search for dead \
                 nodes at start and end"
            );
        }
        let depth = if work.kind == Kind::FanOut { 2 } else { depth(work.bytes) };
        let wait = if manner == Manner::Polling { "polled" } else { "an event with every message" };
        let answers = if work.kind == Kind::FanOut { "; answers are events alone" } else { "" };
        format!(
            "buffer {depth}, no overflow, retry until delivered; loan, write in place, send, one by one; {wait}{answers}; \
             up to {TAKEN_AT_ONCE} taken in a row (one where each is answered, let go of after that); no search for dead nodes at start and end"
        )
    }

    fn refuses(&self, work: &Work, manner: Manner) -> Option<String> {
        let why = match (work.kind, manner) {
            (Kind::FanOut, Manner::Polling) => "more processes than cores: nobody would be served by asking",
            (Kind::WorkQueue, _) => "no competing receivers: every subscriber gets every message",
            (Kind::Batch, _) => "no batches: samples are sent one by one",
            _ => return None,
        };
        Some(why.into())
    }

    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        // Files in shared memory bear the tag as their prefix: the harness sweeps them away, and the folder.
        std::fs::create_dir_all(trial.folder.join("iceoryx2")).context("a root for iceoryx2's files")?;
        Ok(Box::new(()))
    }

    fn lead(&self, trial: &Trial) -> Result<Iceoryx2End> {
        let maker = Maker::new(trial)?;
        if trial.kind == Kind::Calls { calls::make(trial, maker.node, None) } else { maker.end(true, 0) }
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<Iceoryx2End> {
        let maker = Maker::new(trial)?;
        if trial.kind == Kind::Calls { calls::make(trial, maker.node, Some(index)) } else { maker.end(false, index) }
    }
}

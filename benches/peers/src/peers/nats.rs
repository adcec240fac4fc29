//! NATS: its server on loopback, its own client, core messages.
//!
//! The server cuts off a subscriber that lags, so streams run in windows: the lead gives credit for what it has received.

use super::net::{address, become_program, listens, version_of};
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work, depth};
use anyhow::{Context, Result, bail};
use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use std::process::Command;
use tokio::runtime::Runtime;

/// NATS.
pub struct Nats;

fn window(bytes: usize) -> u64 {
    (4 * depth(bytes)) as u64
}

const DOWN: &str = "down";

fn up(index: u32) -> String {
    format!("up.{index}")
}

fn credit(index: u32) -> String {
    format!("credit.{index}")
}

/// What an end has received of each sender, or has sent; `None` where nothing streams. Credit comes `step` messages at a time.
enum Flow {
    None,
    Received { counts: Vec<u64>, step: u64 },
    Sent { credit: Subscriber, left: u64, step: u64 },
}

/// Where questions go.
const QUESTIONS: &str = "questions";
/// Where workers give credit, and their group.
const WORKERS_CREDIT: &str = "credit";
const GROUP: &str = "workers";

/// An end: a client.
pub struct NatsEnd {
    runtime: Runtime,
    client: Client,
    from: Option<Subscriber>,
    to: String,
    flow: Flow,
}

impl NatsEnd {
    fn new(trial: &Trial, to: String, from: Option<&str>, credit: Option<&str>) -> Result<NatsEnd> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (client, from, credit) = runtime.block_on(async {
            let server = address(trial.port).to_string();
            let options = ConnectOptions::new().retry_on_initial_connect().subscription_capacity(1 << 16);
            let client = options.connect(&server).await.context("connecting to nats-server")?;
            let mut subscribers = [None, None];
            for (subscriber, subject) in subscribers.iter_mut().zip([from, credit]) {
                let Some(subject) = subject else { continue };
                let made = if subject == DOWN && trial.kind == Kind::WorkQueue {
                    client.queue_subscribe(DOWN, GROUP.to_owned()).await
                } else {
                    client.subscribe(subject.to_owned()).await
                };
                *subscriber = Some(made.context("subscribing")?);
            }
            // The server takes a client's words in order: when our own message comes back, it knows the subscriptions.
            let inbox = client.new_inbox();
            let mut own = client.subscribe(inbox.clone()).await.context("subscribing")?;
            client.publish(inbox, Bytes::new()).await.context("publishing")?;
            own.next().await.context("the server has closed the connection")?;
            let [from, credit] = subscribers;
            anyhow::Ok((client, from, credit))
        })?;
        let window = window(trial.bytes);
        // Workers share a window: what one keeps to itself until it gives credit is to be a small part of it.
        let step = if trial.kind == Kind::WorkQueue { window / 2 / u64::from(trial.followers) } else { window / 2 };
        let flow = match (credit, trial.kind) {
            (Some(credit), _) => Flow::Sent { credit, left: window, step },
            (None, Kind::WorkQueue) => Flow::Received { counts: vec![0], step },
            (None, kind) if kind.is_one_way() => Flow::Received { counts: vec![0; trial.followers as usize], step },
            (None, _) => Flow::None,
        };
        Ok(NatsEnd { runtime, client, from, to, flow })
    }
}

impl End for NatsEnd {
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        if let Flow::Sent { credit, left, step } = &mut self.flow {
            while credit.next().now_or_never().flatten().is_some() {
                *left += *step;
            }
            if *left == 0 {
                self.runtime.block_on(credit.next()).context("the server has closed the connection")?;
                *left += *step;
            }
            *left -= 1;
        }
        let mut message = vec![0; length];
        write(&mut message);
        let sent = self.client.publish(self.to.clone(), Bytes::from(message));
        self.runtime.block_on(sent).context("publishing")
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        let Some(from) = &mut self.from else { bail!("this end only sends") };
        let message = match from.next().now_or_never() {
            Some(message) => message,
            None => self.runtime.block_on(from.next()),
        };
        let message = message.context("the server has closed the connection")?;
        read(&message.payload);
        if let Flow::Received { counts, step } = &mut self.flow {
            let index: usize = message.subject.strip_prefix("up.").and_then(|text| text.parse().ok()).unwrap_or(0);
            let count = counts.get_mut(index).context("a message from nobody")?;
            *count += 1;
            if count.is_multiple_of(*step) {
                let subject =
                    if message.subject.as_str() == DOWN { WORKERS_CREDIT.into() } else { credit(index as u32) };
                let given = self.client.publish(subject, Bytes::new());
                self.runtime.block_on(given).context("giving credit")?;
            }
        }
        Ok(1)
    }

    fn send_batch(&mut self, count: usize, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        for _ in 0..count {
            self.send(length, &mut write)?;
        }
        self.runtime.block_on(self.client.flush()).context("flushing")
    }

    fn call(&mut self, length: usize, mut write: impl FnMut(&mut [u8]), mut read: impl FnMut(&[u8])) -> Result<()> {
        let mut question = vec![0; length];
        write(&mut question);
        let asked = self.client.request(QUESTIONS, Bytes::from(question));
        read(&self.runtime.block_on(asked).context("asking")?.payload);
        Ok(())
    }

    fn answer(&mut self, length: usize, mut reply: impl FnMut(&[u8], &mut [u8])) -> Result<usize> {
        let Some(from) = &mut self.from else { bail!("this end only asks") };
        let question = self.runtime.block_on(from.next()).context("the server has closed the connection")?;
        let mut answer = vec![0; length];
        reply(&question.payload, &mut answer);
        let to = question.reply.context("a question that wants no answer")?;
        self.runtime.block_on(self.client.publish(to, Bytes::from(answer))).context("answering")?;
        Ok(1)
    }
}

impl Peer for Nats {
    type End = NatsEnd;

    fn name(&self) -> &'static str {
        "nats"
    }

    fn version(&self) -> String {
        format!("{}, crate async-nats {}", version_of("nats-server", &["--version"]), env!("PEERS_VERSION_ASYNC_NATS"))
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Blocking]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        let flow = match work.kind {
            Kind::Calls => "; `request`, and a reply by `publish`".into(),
            Kind::Batch => format!("; `flush` after each batch; {} messages on their way at most", window(work.bytes)),
            Kind::WorkQueue => format!("; a queue group; {} messages on their way at most", window(work.bytes)),
            Kind::OneWay => format!("; {} messages on their way at most", window(work.bytes)),
            _ => String::new(),
        };
        format!("core messages over loopback TCP; batches as the client makes them{flow}")
    }

    fn is_alone(&self) -> bool {
        false
    }

    fn has_server(&self) -> bool {
        true
    }

    fn serve(&self, trial: &Trial) -> Result<()> {
        let config = trial.folder.join("nats.conf");
        let text = format!("host: 127.0.0.1\nport: {}\nmax_payload: 8MB\nmax_connections: 65536\n", trial.port);
        std::fs::write(&config, text).context("writing nats-server's configuration")?;
        Err(become_program(Command::new("nats-server").arg("-c").arg(&config)))
    }

    fn serves(&self, trial: &Trial) -> bool {
        listens(trial.port)
    }

    fn lead(&self, trial: &Trial) -> Result<NatsEnd> {
        match trial.kind {
            Kind::Calls => NatsEnd::new(trial, DOWN.into(), Some(QUESTIONS), None),
            Kind::WorkQueue => NatsEnd::new(trial, DOWN.into(), None, Some(WORKERS_CREDIT)),
            _ => NatsEnd::new(trial, DOWN.into(), Some("up.*"), None),
        }
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<NatsEnd> {
        if trial.kind == Kind::Calls {
            return NatsEnd::new(trial, up(index), None, None);
        }
        let streams = trial.kind.is_one_way();
        let credit = credit(index);
        NatsEnd::new(trial, up(index), trial.has_down().then_some(DOWN), streams.then_some(credit.as_str()))
    }
}

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

fn up(index: u32) -> String {
    format!("up.{index}")
}

fn credit(index: u32) -> String {
    format!("credit.{index}")
}

/// What a lead has received of each follower, or a follower has sent; `None` where nothing streams.
enum Flow {
    None,
    Received(Vec<u64>),
    Sent { credit: Subscriber, left: u64 },
}

/// An end: a client.
pub struct NatsEnd {
    runtime: Runtime,
    client: Client,
    from: Option<Subscriber>,
    to: String,
    flow: Flow,
    window: u64,
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
                if let Some(subject) = subject {
                    *subscriber = Some(client.subscribe(subject.to_owned()).await.context("subscribing")?);
                }
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
        let flow = match credit {
            Some(credit) => Flow::Sent { credit, left: window },
            None if trial.kind == Kind::OneWay => Flow::Received(vec![0; trial.followers as usize]),
            None => Flow::None,
        };
        Ok(NatsEnd { runtime, client, from, to, flow, window })
    }
}

impl End for NatsEnd {
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        if let Flow::Sent { credit, left } = &mut self.flow {
            while credit.next().now_or_never().flatten().is_some() {
                *left += self.window / 2;
            }
            if *left == 0 {
                self.runtime.block_on(credit.next()).context("the server has closed the connection")?;
                *left += self.window / 2;
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
        if let Flow::Received(counts) = &mut self.flow {
            let index: usize = message.subject.strip_prefix("up.").and_then(|text| text.parse().ok()).unwrap_or(0);
            let count = counts.get_mut(index).context("a message from nobody")?;
            *count += 1;
            if count.is_multiple_of(self.window / 2) {
                let given = self.client.publish(credit(index as u32), Bytes::new());
                self.runtime.block_on(given).context("giving credit")?;
            }
        }
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
        let flow = if work.kind == Kind::OneWay {
            format!("; {} messages on their way at most", window(work.bytes))
        } else {
            String::new()
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
        NatsEnd::new(trial, "down".into(), Some("up.*"), None)
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<NatsEnd> {
        let streams = trial.kind == Kind::OneWay;
        let credit = credit(index);
        NatsEnd::new(trial, up(index), trial.has_down().then_some("down"), streams.then_some(credit.as_str()))
    }
}

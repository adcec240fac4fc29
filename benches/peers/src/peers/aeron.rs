//! Aeron over its `ipc` transport: its C client and its media driver, which runs as a process of its own.

use super::net::become_program;
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work};
use anyhow::{Context, Result, bail};
use rusteron_client::{
    Aeron as Client, AeronContext, AeronExclusivePublication, AeronFragmentClosureAssembler, AeronHeader,
    AeronOfferError, AeronSubscription, Handlers,
};
use std::ffi::CString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Aeron.
pub struct Aeron;

const UP: i32 = 1;
const DOWN: i32 = 2;
const FRAGMENTS_AT_ONCE: usize = 256;
const PATIENCE: Duration = Duration::from_secs(20);

fn folder(trial: &Trial) -> PathBuf {
    PathBuf::from("/dev/shm").join(&trial.tag)
}

/// The default terms for two processes, shorter ones where many have one each. Long messages take fewest fragments with the longest
/// transfer unit.
fn channel(bytes: usize, followers: u32) -> String {
    let term = match followers {
        1 => "64m",
        2..=16 => "16m",
        _ => "4m",
    };
    let unit = if bytes > 1024 { "|mtu=65504" } else { "" };
    format!("aeron:ipc?term-length={term}{unit}")
}

/// An end: a client, what it publishes and what it subscribes to.
pub struct AeronEnd {
    out: Option<AeronExclusivePublication>,
    from: Option<AeronSubscription>,
    senders: u32,
    assembler: AeronFragmentClosureAssembler,
    claim_bytes_max: usize,
    buffer: Vec<u8>,
    trial: Trial,
    _client: Client,
}

impl AeronEnd {
    fn new(trial: &Trial, out: Option<i32>, from: Option<i32>, senders: u32) -> Result<AeronEnd> {
        let context = AeronContext::new()?;
        let folder = folder(trial);
        let folder = CString::new(folder.to_str().context("a folder in UTF-8")?)?;
        context.set_dir(&folder)?;
        let client = Client::new(&context).context("making a client")?;
        client.start().context("starting a client")?;
        let channel = CString::new(channel(trial.bytes, trial.followers))?;
        let from = from.map(|stream| {
            let adding = client.async_add_subscription(&channel, stream, Handlers::NONE, Handlers::NONE)?;
            adding.poll_blocking(PATIENCE)
        });
        let out = out.map(|stream| client.async_add_exclusive_publication(&channel, stream)?.poll_blocking(PATIENCE));
        let out = out.transpose().context("publishing")?;
        let claim_bytes_max = out.as_ref().map_or(Ok(0), |out| out.max_payload_length())?;
        Ok(AeronEnd {
            out,
            from: from.transpose().context("subscribing")?,
            senders,
            assembler: AeronFragmentClosureAssembler::new()?,
            claim_bytes_max,
            buffer: vec![0; trial.bytes],
            trial: trial.clone(),
            _client: client,
        })
    }
}

fn show<F: FnMut(&[u8])>(read: &mut F, message: &[u8], _header: AeronHeader) {
    read(message);
}

/// Whether to try once more.
fn is_passing(error: AeronOfferError) -> Result<()> {
    if error.is_retryable() { Ok(()) } else { bail!("aeron: sending: {error}") }
}

impl End for AeronEnd {
    fn settle(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let is_there = |end: &AeronEnd| -> Result<bool> {
            let heard = end.out.as_ref().is_none_or(|out| out.is_connected());
            let images = end.from.as_ref().map_or(Ok(end.senders as i32), |from| from.image_count())?;
            Ok(heard && images >= end.senders as i32)
        };
        while !is_there(self)? {
            if Instant::now() > until {
                bail!("aeron: the other side has not come");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    #[inline]
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        let out = self.out.as_ref().context("this end only receives")?;
        if length <= self.claim_bytes_max {
            loop {
                match out.try_claim_owned(length) {
                    Ok(mut claim) => {
                        write(claim.data());
                        claim.commit()?;
                        return Ok(());
                    }
                    Err(error) => is_passing(error)?,
                }
                self.trial.idle();
            }
        }
        let Some(message) = self.buffer.get_mut(..length) else { bail!("a message longer than the work's") };
        write(message);
        while let Err(error) = out.offer(message) {
            is_passing(error)?;
            self.trial.idle();
        }
        Ok(())
    }

    #[inline]
    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        let from = self.from.as_ref().context("this end only sends")?;
        if self.trial.bytes <= self.claim_bytes_max.max(1024) {
            let count = from.poll_fn(|message: &[u8], _| read(message), FRAGMENTS_AT_ONCE)?;
            return Ok(count as usize);
        }
        let mut whole = 0;
        let mut take = |message: &[u8]| {
            whole += 1;
            read(message);
        };
        self.assembler.poll(from, &mut take, show, FRAGMENTS_AT_ONCE)?;
        Ok(whole)
    }
}

impl Peer for Aeron {
    type End = AeronEnd;

    fn name(&self) -> &'static str {
        "aeron"
    }

    fn version(&self) -> String {
        format!("{}, crate rusteron-client {}", Client::version_full(), env!("PEERS_VERSION_RUSTERON_CLIENT"))
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Polling]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        let way = if work.bytes <= 1024 { "try_claim, written in place" } else { "offer" };
        format!(
            "{}, exclusive publications, {way}; up to {FRAGMENTS_AT_ONCE} fragments polled at once; driver with one \
             thread that backs off, in a process of its own",
            channel(work.bytes, work.followers)
        )
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        let why = match work.kind {
            Kind::FanOut => "it only polls: so many processes would take the cores from each other",
            Kind::WorkQueue => "no competing receivers: every subscriber gets every message",
            Kind::Calls => "its response channels are streams that belong together: round-trip-64 shows them",
            Kind::Batch => {
                "nothing to send many messages at once; it takes up to 256 at once anyway: one-way-64 shows it"
            }
            _ => return None,
        };
        Some(why.into())
    }

    fn has_server(&self) -> bool {
        true
    }

    fn serve(&self, trial: &Trial) -> Result<()> {
        let driver = std::env::current_exe()?.with_file_name("swarmbus-peers-aeron-driver");
        Err(become_program(Command::new(driver).arg(folder(trial))))
    }

    fn serves(&self, trial: &Trial) -> bool {
        folder(trial).join("cnc.dat").exists()
    }

    fn is_alone(&self) -> bool {
        false
    }

    fn lead(&self, trial: &Trial) -> Result<AeronEnd> {
        AeronEnd::new(trial, trial.has_down().then_some(DOWN), Some(UP), trial.followers)
    }

    fn follower(&self, trial: &Trial, _index: u32) -> Result<AeronEnd> {
        AeronEnd::new(trial, Some(UP), trial.has_down().then_some(DOWN), 1)
    }
}

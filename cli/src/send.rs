//! `swarmbus send`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use swarmbus_core::{Bus, ContentType, Error, Lane, Member, MessageId, PublishError, SendOptions, schema_of};

use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;
use crate::message::is_json;
use crate::output::{Format, Output, compact, variable};
use crate::units;

/// From this many bytes on, input of unknown length is measured against what the bus can hold.
const CHECK: usize = 1 << 20;

/// Send a message, or one per line of standard input.
///
/// The payload is the argument, a file, or standard input as a whole or line by line.
///
/// If the queue is full, send waits for room as long as --timeout says; 0 fails at once. The
/// receiver need not run: its mailbox keeps the message. Lanes are taken strictly in the order
/// urgent, high, normal, low.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus send demo/bob \"hello\" --lane high --from alice --timeout 5s
  swarmbus send demo/bob --file picture.png
  date | swarmbus send demo/bob
  seq 100 | swarmbus send demo/jobs --lines
  swarmbus send demo/bob '[1, 2]' --content json
  swarmbus send demo/bob -v -- --starts-with-a-dash

Output: nothing; with -v the id of each message. JSON fields: id, bus, to, lane,
bytes; with --lines and -o json only the totals: sent, bytes.

Exit codes: 65 too large or no JSON, 66 no such file, 68 unknown bus or name,
69 closed, 74 the input failed, 75 full, timed out or out of memory")]
pub struct Args {
    /// Whom to send to: [BUS/]NAME
    address: String,

    /// The message [default: standard input, also written as -]
    payload: Option<OsString>,

    /// Send the content of a file
    #[arg(long, value_name = "F", conflicts_with = "payload")]
    file: Option<PathBuf>,

    /// Send each line of the input as a message, without its newline
    #[arg(long, conflicts_with = "payload")]
    lines: bool,

    /// Priority: urgent, high, normal or low
    #[arg(long, default_value_t = Lane::Normal, value_parser = lane(), hide_possible_values = true)]
    lane: Lane,

    /// Agent that the message says it is from [default: $SWARMBUS_AGENT]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,

    /// Longest wait for room, such as 250ms or 5s; 0 for none [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// Number that the receiver sees, to match answers to questions
    #[arg(long, value_name = "N", default_value_t = 0)]
    correlation: u64,

    /// What the payload is: bytes, json (it is checked) or rkyv (an archive)
    #[arg(long, default_value_t = ContentType::Bytes, value_parser = content(), hide_possible_values = true)]
    content: ContentType,
}

fn lane() -> impl TypedValueParser<Value = Lane> {
    PossibleValuesParser::new(["urgent", "high", "normal", "low"]).try_map(|name| name.parse::<Lane>())
}

fn content() -> impl TypedValueParser<Value = ContentType> {
    PossibleValuesParser::new(["bytes", "json", "rkyv"]).try_map(|name| name.parse::<ContentType>())
}

#[derive(Serialize)]
struct Sent<'a> {
    id: u64,
    bus: &'a str,
    to: &'a str,
    lane: String,
    bytes: usize,
}

#[derive(Default, Serialize)]
struct Totals {
    sent: u64,
    bytes: u64,
}

/// One open handle, one receiver, one set of options, for one message or a million.
struct Sender<'a> {
    member: Member,
    bus: String,
    to: String,
    options: SendOptions,
    interrupt: Interrupt,
    output: &'a Output,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, to) = output.address(&args.address)?;
    let options = SendOptions {
        lane: args.lane,
        timeout: args.timeout,
        correlation: args.correlation,
        content: args.content,
        ..SendOptions::default()
    };
    let interrupt = Interrupt::install()?;
    let member = Bus::open(&bus)?.join()?;
    if let Some(from) = args.from.or_else(|| variable("SWARMBUS_AGENT")) {
        member.set_sender(&from)?;
    }
    let sender = Sender { member, bus, to, options, interrupt, output };
    match (args.payload, args.file) {
        (Some(payload), _) if payload != "-" => {
            let payload = payload.into_vec();
            let id = sender.send(&payload)?;
            sender.tell(id, payload.len())?;
        }
        (_, Some(path)) if args.lines => {
            let what = format!("cannot read {}", path.display());
            let file = File::open(&path).map_err(|error| Failure::no_input(&path, &error))?;
            sender.send_lines(file, &what)?;
        }
        (_, Some(path)) => sender.send_file(&path)?,
        _ => {
            let what = "cannot read standard input";
            let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| Failure::io(what, &error))?;
            if args.lines {
                sender.send_lines(File::from(stdin), what)?;
            } else {
                sender.send_stream(File::from(stdin), what)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Sender<'_> {
    fn send(&self, payload: &[u8]) -> Result<MessageId, Failure> {
        self.check_content(payload)?;
        let mut interrupted = || self.interrupt.pending().is_some();
        self.member.send_until(&self.to, payload, &self.options, &mut interrupted).map_err(|error| self.failure(error))
    }

    /// What the receiver is told of a payload holds.
    fn check_content(&self, payload: &[u8]) -> Result<(), Failure> {
        match self.options.content {
            ContentType::Json => {
                is_json(payload).map_err(|error| Failure::data(format!("the payload is no JSON: {error}")))
            }
            ContentType::Rkyv if schema_of(ContentType::Rkyv, payload).is_none() => Err(Failure::data(
                "the payload is no archive of a message: that ends with the id of its schema, 8 bytes".to_owned(),
            )),
            ContentType::Rkyv | ContentType::Bytes => Ok(()),
        }
    }

    /// Reads the file straight into the memory that the receiver will read: no copy in between.
    fn send_file(&self, path: &Path) -> Result<(), Failure> {
        let what = format!("cannot read {}", path.display());
        let unreadable = |error| Failure::io(&what, &error);
        let mut file = File::open(path).map_err(|error| Failure::no_input(path, &error))?;
        let metadata = file.metadata().map_err(unreadable)?;
        // Devices, pipes and files of /proc do not say how long they are.
        if !metadata.is_file() || metadata.len() == 0 {
            return self.send_stream(file, &what);
        }
        let mut loan = self.member.loan(usize::try_from(metadata.len()).unwrap_or(usize::MAX))?;
        let length = read_full(&mut file, &mut loan).map_err(unreadable)?;
        self.check_content(&loan[..length])?;
        let mut interrupted = || self.interrupt.pending().is_some();
        let sent = loan.publish_until(&self.to, length, &self.options, &mut interrupted);
        let id = sent.map_err(|PublishError { error, .. }| self.failure(error))?;
        self.tell(id, length)
    }

    /// Sends all that comes until the end of the input as one message.
    fn send_stream(&self, mut input: File, what: &str) -> Result<(), Failure> {
        let mut payload = Vec::new();
        let mut block = vec![0; 1 << 16];
        let mut check = CHECK;
        loop {
            self.check_size(payload.len(), &mut check)?;
            self.interrupt.wait_readable(input.as_fd())?;
            match input.read(&mut block) {
                Ok(0) => break,
                Ok(count) => payload.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::io(what, &error)),
            }
        }
        let id = self.send(&payload)?;
        self.tell(id, payload.len())
    }

    /// Sends each line as it comes; a last line without newline counts.
    fn send_lines(&self, input: File, what: &str) -> Result<(), Failure> {
        let mut reader = BufReader::with_capacity(1 << 16, input);
        let mut ids = self.interrupt.writer(self.output.stdout()?);
        let mut totals = Totals::default();
        let mut partial = Vec::new();
        let mut check = CHECK;
        loop {
            if reader.buffer().is_empty() {
                // The ids of what was sent are out before we wait for more.
                ids.flush()?;
                self.interrupt.wait_readable(reader.get_ref().as_fd())?;
            }
            let buffer = match reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::io(what, &error)),
            };
            let at_end = buffer.is_empty();
            if at_end && partial.is_empty() {
                break;
            }
            let newline = buffer.iter().position(|&byte| byte == b'\n');
            let used = newline.map_or(buffer.len(), |at| at + 1);
            let piece = &buffer[..newline.unwrap_or(buffer.len())];
            if newline.is_none() && !at_end {
                partial.extend_from_slice(piece);
                self.check_size(partial.len(), &mut check)?;
            } else {
                let line = if partial.is_empty() {
                    piece
                } else {
                    partial.extend_from_slice(piece);
                    &partial
                };
                let id = self.send(line).map_err(|failure| failure.within(format_args!("line {}", totals.sent + 1)))?;
                totals.sent += 1;
                totals.bytes += line.len() as u64;
                self.tell_line(id, line.len(), &mut ids)?;
                partial.clear();
            }
            reader.consume(used);
        }
        ids.flush()?;
        if self.output.format() == Format::Json {
            self.output.record("", &totals)?;
        }
        Ok(())
    }

    /// Fails once no chunk can hold what was read so far, so that an endless input does not fill our own memory.
    fn check_size(&self, length: usize, check: &mut usize) -> Result<(), Failure> {
        if length >= *check {
            *check = length * 2;
            drop(self.member.loan(length)?);
        }
        Ok(())
    }

    fn tell(&self, id: MessageId, bytes: usize) -> Result<(), Failure> {
        let text = if self.output.verbose() { id.0.to_string() } else { String::new() };
        self.output.record(&text, &self.sent(id, bytes))
    }

    fn tell_line(&self, id: MessageId, bytes: usize, ids: &mut impl Write) -> Result<(), Failure> {
        match self.output.format() {
            Format::Jsonl => writeln!(ids, "{}", compact(&self.sent(id, bytes))?)?,
            Format::Table if self.output.verbose() => writeln!(ids, "{}", id.0)?,
            Format::Table | Format::Json => {}
        }
        Ok(())
    }

    fn sent(&self, id: MessageId, bytes: usize) -> Sent<'_> {
        Sent { id: id.0, bus: &self.bus, to: &self.to, lane: self.options.lane.to_string(), bytes }
    }

    fn failure(&self, error: Error) -> Failure {
        match (error, self.interrupt.pending()) {
            (Error::Interrupted, Some(signal)) => Failure::signal(signal),
            (Error::Timeout, _) => Failure::new(
                exit::TEMPORARY,
                format!(
                    "no room in {}/{} within {}: its lane {} is full; try again, or give more time with --timeout",
                    self.bus,
                    self.to,
                    humantime::format_duration(self.options.timeout.unwrap_or_default()),
                    self.options.lane
                ),
            ),
            (error, _) => error.into(),
        }
    }
}

/// Fills the buffer, or as much of it as the file has.
fn read_full(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

//! What 'send' and 'pub' share: payloads from the command line, files and standard input, on their way to a queue or a topic.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use swarmbus_core::{ContentType, Error, Member, MessageId, PublishError, PublishOptions, SendOptions, schema_of};

use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;
use crate::message::is_json;
use crate::output::{Format, Output, compact};

/// From this many bytes on, input of unknown length is measured against what the bus can hold.
pub const CHECK: usize = 1 << 20;

/// Where a payload comes from.
#[derive(clap::Args)]
pub struct Payload {
    /// The message [default: standard input, also written as -]
    payload: Option<OsString>,

    /// Send the content of a file
    #[arg(long, value_name = "F", conflicts_with = "payload")]
    file: Option<PathBuf>,
}

impl Payload {
    /// The whole of it; for verbs that send one message, which `limit` says a loan can hold.
    pub fn read(self, interrupt: &Interrupt, limit: &Member) -> Result<Vec<u8>, Failure> {
        match self.source()? {
            Source::Bytes(bytes) => Ok(bytes),
            Source::Input(file, what) => read_all(file, &what, interrupt, limit),
            Source::File(path) => {
                let file = File::open(&path).map_err(|error| Failure::no_input(&path, &error))?;
                read_all(file, &unreadable(&path), interrupt, limit)
            }
        }
    }

    fn source(self) -> Result<Source, Failure> {
        match (self.payload, self.file) {
            (Some(payload), _) if payload != "-" => Ok(Source::Bytes(payload.into_vec())),
            (_, Some(path)) => Ok(Source::File(path)),
            _ => {
                let what = "cannot read standard input";
                let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| Failure::io(what, &error))?;
                Ok(Source::Input(File::from(stdin), what.to_owned()))
            }
        }
    }
}

enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
    /// With what to say if it cannot be read.
    Input(File, String),
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// The parser of `--content`.
pub fn content() -> impl TypedValueParser<Value = ContentType> {
    PossibleValuesParser::new(["bytes", "json", "rkyv"]).try_map(|name| name.parse::<ContentType>())
}

/// What the receiver is told of a payload holds.
pub fn check_content(content: ContentType, payload: &[u8]) -> Result<(), Failure> {
    match content {
        ContentType::Json => {
            is_json(payload).map_err(|error| Failure::data(format!("the payload is no JSON: {error}")))
        }
        ContentType::Rkyv if schema_of(ContentType::Rkyv, payload).is_none() => Err(Failure::data(
            "the payload is no archive of a message: that ends with the id of its schema, 8 bytes".to_owned(),
        )),
        ContentType::Rkyv | ContentType::Bytes => Ok(()),
    }
}

/// Where messages go, and how.
pub enum Target {
    Queue(SendOptions),
    Topic(PublishOptions),
}

impl Target {
    fn content(&self) -> ContentType {
        match self {
            Self::Queue(options) => options.content,
            Self::Topic(options) => options.content,
        }
    }
}

/// What became of a message.
struct Fate {
    id: MessageId,
    /// Of a topic: its place there; `None` if it was dropped.
    position: Option<Option<u64>>,
}

#[derive(Serialize)]
struct Sent<'a> {
    id: u64,
    bus: &'a str,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    /// Of a topic: null if it was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Option<u64>>,
    /// With a key: whether the queue had accepted it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    bytes: usize,
}

#[derive(Default, Serialize)]
struct Totals {
    sent: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<u64>,
}

/// One open handle, one receiver, one set of options, for one message or a million.
pub struct Sender<'a> {
    pub member: Member,
    pub bus: String,
    pub to: String,
    pub target: Target,
    pub interrupt: Interrupt,
    pub output: &'a Output,
}

impl Sender<'_> {
    /// Sends what there is: as one message, or each line as one.
    pub fn send_all(&self, payload: Payload, lines: bool) -> Result<(), Failure> {
        match (payload.source()?, lines) {
            (Source::Bytes(bytes), _) => {
                let fate = self.send(&bytes)?;
                self.tell(&fate, bytes.len())
            }
            (Source::File(path), true) => {
                let file = File::open(&path).map_err(|error| Failure::no_input(&path, &error))?;
                self.send_lines(file, &unreadable(&path))
            }
            (Source::File(path), false) => self.send_file(&path),
            (Source::Input(file, what), true) => self.send_lines(file, &what),
            (Source::Input(file, what), false) => self.send_stream(file, &what),
        }
    }

    fn send(&self, payload: &[u8]) -> Result<Fate, Failure> {
        check_content(self.target.content(), payload)?;
        let mut interrupted = || self.interrupt.pending().is_some();
        match &self.target {
            Target::Queue(options) => {
                let sent = self.member.send_until(&self.to, payload, options, &mut interrupted);
                sent.map(|id| Fate { id, position: None })
            }
            Target::Topic(options) => {
                let published = self.member.publish_until(&self.to, payload, options, &mut interrupted);
                published.map(|published| Fate { id: published.id, position: Some(published.position) })
            }
        }
        .map_err(|error| self.failure(error))
    }

    /// Reads the file straight into the memory that the receiver will read: no copy in between.
    fn send_file(&self, path: &Path) -> Result<(), Failure> {
        let what = unreadable(path);
        let unreadable = |error| Failure::io(&what, &error);
        let mut file = File::open(path).map_err(|error| Failure::no_input(path, &error))?;
        let metadata = file.metadata().map_err(unreadable)?;
        // Devices, pipes and files of /proc do not say how long they are.
        if !metadata.is_file() || metadata.len() == 0 {
            return self.send_stream(file, &what);
        }
        let mut loan = self.member.loan(usize::try_from(metadata.len()).unwrap_or(usize::MAX))?;
        let length = read_full(&mut file, &mut loan).map_err(unreadable)?;
        check_content(self.target.content(), &loan[..length])?;
        let mut interrupted = || self.interrupt.pending().is_some();
        let sent = match &self.target {
            Target::Queue(options) => {
                let sent = loan.publish_until(&self.to, length, options, &mut interrupted);
                sent.map(|id| Fate { id, position: None })
            }
            Target::Topic(options) => {
                let published = loan.publish_to_until(&self.to, length, options, &mut interrupted);
                published.map(|published| Fate { id: published.id, position: Some(published.position) })
            }
        };
        let fate = sent.map_err(|PublishError { error, .. }| self.failure(error))?;
        self.tell(&fate, length)
    }

    /// Sends all that comes until the end of the input as one message.
    fn send_stream(&self, input: File, what: &str) -> Result<(), Failure> {
        let payload = read_all(input, what, &self.interrupt, &self.member)?;
        let fate = self.send(&payload)?;
        self.tell(&fate, payload.len())
    }

    /// Sends each line as it comes; a last line without newline counts.
    fn send_lines(&self, input: File, what: &str) -> Result<(), Failure> {
        let mut reader = BufReader::with_capacity(1 << 16, input);
        let mut ids = self.interrupt.writer(self.output.stdout()?);
        let is_topic = matches!(self.target, Target::Topic(_));
        let mut totals = Totals { dropped: is_topic.then_some(0), ..Totals::default() };
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
                check_size(&self.member, partial.len(), &mut check)?;
            } else {
                let line = if partial.is_empty() {
                    piece
                } else {
                    partial.extend_from_slice(piece);
                    &partial
                };
                let fate = self.send(line).map_err(|failure| {
                    failure.within(format_args!("line {}", totals.sent + totals.dropped.unwrap_or(0) + 1))
                })?;
                match (&mut totals.dropped, fate.position) {
                    (Some(dropped), Some(None)) => *dropped += 1,
                    _ => totals.sent += 1,
                }
                totals.bytes += line.len() as u64;
                self.tell_line(&fate, line.len(), &mut ids)?;
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

    fn tell(&self, fate: &Fate, bytes: usize) -> Result<(), Failure> {
        let text = if self.output.verbose() { said(fate) } else { String::new() };
        self.output.record(&text, &self.sent(fate, bytes))
    }

    fn tell_line(&self, fate: &Fate, bytes: usize, ids: &mut impl Write) -> Result<(), Failure> {
        match self.output.format() {
            Format::Jsonl => writeln!(ids, "{}", compact(&self.sent(fate, bytes))?)?,
            Format::Table if self.output.verbose() => writeln!(ids, "{}", said(fate))?,
            Format::Table | Format::Json => {}
        }
        Ok(())
    }

    fn sent(&self, fate: &Fate, bytes: usize) -> Sent<'_> {
        let (lane, has_key) = match &self.target {
            Target::Queue(options) => (Some(options.lane.to_string()), options.key.is_some()),
            Target::Topic(_) => (None, false),
        };
        let duplicate = has_key.then(|| fate.id.is_duplicate());
        Sent { id: fate.id.0, bus: &self.bus, to: &self.to, lane, position: fate.position, duplicate, bytes }
    }

    fn failure(&self, error: Error) -> Failure {
        let place = format!("{}/{}", self.bus, self.to);
        let within = |timeout: Option<std::time::Duration>| humantime::format_duration(timeout.unwrap_or_default());
        match (error, self.interrupt.pending(), &self.target) {
            (Error::Interrupted, Some(signal), _) => Failure::signal(signal),
            (Error::Timeout, _, Target::Queue(options)) => Failure::new(
                exit::TEMPORARY,
                format!(
                    "no room in {place} within {}: its lane {} is full; try again, or give more time with --timeout",
                    within(options.timeout),
                    options.lane
                ),
            ),
            (Error::Timeout, _, Target::Topic(options)) => Failure::new(
                exit::TEMPORARY,
                format!(
                    "a subscriber of {place} left no room within {}: 'swarmbus inspect {place}' shows which; try again, or give \
                     more time with --timeout",
                    within(options.timeout)
                ),
            ),
            (Error::UnknownAgent { name, bus }, _, Target::Topic(_)) => Failure::new(
                exit::UNKNOWN,
                format!("no topic '{name}' on bus '{bus}': declare it first (swarmbus topic declare {bus}/{name})"),
            ),
            (error, ..) => error.into(),
        }
    }
}

/// What '-v' says of a message.
fn said(fate: &Fate) -> String {
    match fate {
        Fate { id, .. } if id.is_duplicate() => "duplicate".to_owned(),
        Fate { position: Some(None), .. } => "dropped".to_owned(),
        Fate { id, .. } => id.0.to_string(),
    }
}

/// Reads until the end of the input.
fn read_all(mut input: File, what: &str, interrupt: &Interrupt, limit: &Member) -> Result<Vec<u8>, Failure> {
    let mut payload = Vec::new();
    let mut block = vec![0; 1 << 16];
    let mut check = CHECK;
    loop {
        check_size(limit, payload.len(), &mut check)?;
        interrupt.wait_readable(input.as_fd())?;
        match input.read(&mut block) {
            Ok(0) => return Ok(payload),
            Ok(count) => payload.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::io(what, &error)),
        }
    }
}

/// Fails once no chunk can hold what was read so far, so that an endless input does not fill our own memory.
pub fn check_size(member: &Member, length: usize, check: &mut usize) -> Result<(), Failure> {
    if length >= *check {
        *check = length * 2;
        drop(member.loan(length)?);
    }
    Ok(())
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

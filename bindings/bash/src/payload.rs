//! Payloads on their way from and to a script: words, files, base64.

use std::borrow::Cow;
use std::ffi::{CString, c_int};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::failure::Failure;
use crate::shell::{self, Shape, Target};
use crate::staged::Staged;
use crate::words::{Given, Opt};

/// No message is longer, also not as base64: the longest has 16 MiB. More of an endless input would but fill the shell's memory.
const LONGEST: usize = 24 << 20;

/// The payload that a verb sends: a word, a file, or standard input.
pub fn given<'a>(given: &Given<'a>, word: Option<&'a [u8]>) -> Result<Cow<'a, [u8]>, Failure> {
    let bytes = match (word, given.value(Opt::File)) {
        (Some(_), Some(_)) => return Err(given.wrong("give DATA or -f FILE, not both")),
        (Some(word), None) => Cow::Borrowed(word),
        (None, Some(path)) if path != b"-" => Cow::Owned(read_file(path)?),
        (None, _) => Cow::Owned(read_all(&mut descriptor(0), "standard input")?),
    };
    decoded(given, bytes)
}

/// What the script gave, or what it means as base64.
fn decoded<'a>(given: &Given<'_>, bytes: Cow<'a, [u8]>) -> Result<Cow<'a, [u8]>, Failure> {
    if !given.has(Opt::Base64) {
        return Ok(bytes);
    }
    let text = bytes.trim_ascii_end();
    let decoded = BASE64_STANDARD.decode(text).map_err(|error| Failure::data(format!("this is no base64: {error}")))?;
    Ok(Cow::Owned(decoded))
}

/// Gives out the lines of a file or of standard input, without their newlines, as they come.
pub fn lines(given: &Given<'_>, mut each: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut each = |line: &[u8]| each(&decoded(given, Cow::Borrowed(line))?);
    match given.value(Opt::File) {
        Some(path) if path != b"-" => {
            let (mut file, what) = opened(path)?;
            read_lines(&mut file, &what, &mut each)
        }
        _ => read_lines(&mut descriptor(0), "standard input", &mut each),
    }
}

fn read_lines(file: &mut File, what: &str, each: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    // The beginning of a line whose end is not there yet.
    let mut begun = Vec::new();
    let mut block = [0; 1 << 16];
    loop {
        let length = match file.read(&mut block) {
            Ok(0) if begun.is_empty() => return Ok(()),
            Ok(0) => return each(&begun),
            Ok(length) => length,
            Err(error) => {
                go_on(error, &format!("cannot read {what}"))?;
                continue;
            }
        };
        for part in block[..length].split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                None => {
                    begun.extend_from_slice(part);
                    check_length(&begun, what)?;
                }
                Some(line) if begun.is_empty() => each(line)?,
                Some(end) => {
                    begun.extend_from_slice(end);
                    each(&begun)?;
                    begun.clear();
                }
            }
        }
    }
}

fn read_file(path: &[u8]) -> Result<Vec<u8>, Failure> {
    let (mut file, what) = opened(path)?;
    read_all(&mut file, &what)
}

/// A file to read, and what to call it.
fn opened(path: &[u8]) -> Result<(File, Cow<'_, str>), Failure> {
    let what = String::from_utf8_lossy(path);
    let opened = open(path, libc::O_RDONLY)?;
    let file = opened.map_err(|error| Failure::no_input(format!("cannot read {what}: {error}")))?;
    Ok((file, what))
}

/// Opens a file. A signal may end that: the other end of a fifo may never come.
fn open(path: &[u8], how: c_int) -> Result<io::Result<File>, Failure> {
    let path = CString::new(path).map_err(|_| Failure::usage("a path has no zero byte"))?;
    loop {
        // SAFETY: a C string goes in.
        let number = unsafe { libc::open(path.as_ptr(), how | libc::O_CLOEXEC, 0o666) };
        if number >= 0 {
            // SAFETY: just opened, and nobody else's.
            return Ok(Ok(unsafe { File::from_raw_fd(number) }));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Ok(Err(error));
        }
        if let Some(signal) = shell::signal() {
            return Err(Failure::signal(signal));
        }
    }
}

fn read_all(file: &mut File, what: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(file.metadata().map_or(0, |about| about.len() as usize + 1).min(LONGEST));
    let mut block = [0; 1 << 16];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(bytes),
            Ok(length) => {
                bytes.extend_from_slice(&block[..length]);
                check_length(&bytes, what)?;
            }
            Err(error) => go_on(error, &format!("cannot read {what}"))?,
        }
    }
}

fn check_length(read: &[u8], what: &str) -> Result<(), Failure> {
    if read.len() <= LONGEST {
        return Ok(());
    }
    Err(Failure::data(format!("{what} is longer than the longest message, of 16 MiB: send it in parts")))
}

/// A descriptor of the shell's, which stays open.
fn descriptor(number: RawFd) -> ManuallyDrop<File> {
    // SAFETY: it is never closed by us; should it not be open, using it is an error of the system's.
    ManuallyDrop::new(unsafe { File::from_raw_fd(number) })
}

/// After a call that failed: whether to try again.
fn go_on(error: io::Error, what: &str) -> Result<(), Failure> {
    match (error.kind(), shell::signal()) {
        (io::ErrorKind::Interrupted, Some(signal)) => Err(Failure::signal(signal)),
        (io::ErrorKind::Interrupted, None) => Ok(()),
        _ => Err(Failure::io(what, &error)),
    }
}

/// Where a payload goes that a verb takes: into a variable, a file, or to standard output.
#[derive(Clone, Copy)]
pub struct Sink<'a> {
    pub var: Option<Target<'a>>,
    file: Option<&'a [u8]>,
    pub assoc: Option<Target<'a>>,
    pub base64: bool,
    prints: bool,
}

impl<'a> Sink<'a> {
    /// Looks at what was given before anything is taken; a verb may do without a payload.
    pub fn of(given: &Given<'a>, prints: bool) -> Result<Sink<'a>, Failure> {
        Sink::shaped(given, prints, Shape::Text)
    }

    /// For verbs whose `-f FILE` is where a payload comes from.
    pub fn without_file(given: &Given<'a>, prints: bool) -> Result<Sink<'a>, Failure> {
        let var = given.value(Opt::Var).map(|name| shell::target(name, Shape::Text)).transpose()?;
        let assoc = given.value(Opt::Assoc).map(|name| shell::target(name, Shape::Assoc)).transpose()?;
        Ok(Sink { var, file: None, assoc, base64: given.has(Opt::Base64), prints })
    }

    /// For a payload that is to be a variable of this shape.
    pub fn shaped(given: &Given<'a>, prints: bool, shape: Shape) -> Result<Sink<'a>, Failure> {
        let var = given.value(Opt::Var).map(|name| shell::target(name, shape)).transpose()?;
        let assoc = given.value(Opt::Assoc).map(|name| shell::target(name, Shape::Assoc)).transpose()?;
        let file = given.value(Opt::File);
        if var.is_some() && file.is_some() {
            return Err(given.wrong("give -v VAR or -f FILE, not both"));
        }
        Ok(Sink { var, file, assoc, base64: given.has(Opt::Base64), prints })
    }

    /// Whether a payload is asked for at all.
    pub fn is_there(&self) -> bool {
        self.var.is_some() || self.file.is_some() || self.assoc.is_some()
    }

    /// Writes the payload, or stages it for its variable.
    pub fn put(&self, payload: &[u8], staged: &mut Staged) -> Result<(), Failure> {
        if let Some(var) = self.var {
            staged.text(var.name, &self.value(payload, var)?);
        } else if let Some(path) = self.file.filter(|path| *path != b"-") {
            let what = format!("cannot write {}", String::from_utf8_lossy(path));
            let opened = open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
            let mut file = opened.map_err(|error| Failure::io(&what, &error))?;
            write_all(&mut file, payload, &what)?;
        } else if self.file.is_some() {
            print(payload)?;
        } else if self.prints && self.assoc.is_none() {
            let line = match self.base64 {
                true => BASE64_STANDARD.encode(payload).into_bytes(),
                false => payload.to_vec(),
            };
            print(&[&line[..], b"\n"].concat())?;
        }
        Ok(())
    }

    /// A payload as a variable can have it.
    pub fn value<'p>(&self, payload: &'p [u8], var: Target<'_>) -> Result<Cow<'p, [u8]>, Failure> {
        if self.base64 {
            return Ok(Cow::Owned(BASE64_STANDARD.encode(payload).into_bytes()));
        }
        if let Some(at) = memchr(payload) {
            return Err(Failure::data(format!(
                "the message has a zero byte (at {at}), which no variable can hold: take it by -f FILE or with --base64 \
                 (swarmbus data gets it once more)"
            )));
        }
        if var.is_integer && !is_plain_number(payload) {
            let name = var.name;
            return Err(Failure::data(format!(
                "the message is no number, and the variable {name} (declare -i) would evaluate it: declare +i {name}"
            )));
        }
        Ok(Cow::Borrowed(payload))
    }
}

/// Where the first zero byte is.
fn memchr(bytes: &[u8]) -> Option<usize> {
    // SAFETY: looks at as many bytes as there are.
    let found = unsafe { libc::memchr(bytes.as_ptr().cast(), 0, bytes.len()) };
    (!found.is_null()).then(|| found.addr() - bytes.as_ptr().addr())
}

fn is_plain_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits == b"0" || matches!(digits, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit))
}

/// Writes to standard output.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    write_all(&mut descriptor(1), bytes, "cannot write the output")
}

fn write_all(file: &mut File, mut bytes: &[u8], what: &str) -> Result<(), Failure> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) => go_on(error, what)?,
        }
    }
    Ok(())
}

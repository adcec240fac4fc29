//! Options and words of a call. Options come before the words, as bash's own builtins have it: so data that begins with a dash is data.

use std::time::Duration;

use crate::failure::Failure;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opt {
    All,
    Assoc,
    Base64,
    Batch,
    Blocker,
    Bus,
    Capacity,
    Content,
    Correlation,
    Count,
    DeadLetters,
    Delay,
    Done,
    Drop,
    Each,
    File,
    From,
    Id,
    Key,
    Lane,
    Last,
    Limit,
    Lines,
    MakesRoom,
    MaxDeliveries,
    Note,
    Part,
    Policy,
    Queue,
    Retain,
    Retained,
    Shared,
    StandBy,
    TakeOver,
    Task,
    Timeout,
    Topic,
    Total,
    Ttl,
    Var,
}

/// Option, letter (0 if it has none), long name, whether a value follows.
const OPTIONS: &[(Opt, u8, &str, bool)] = &[
    (Opt::Var, b'v', "var", true),
    (Opt::Timeout, b't', "timeout", true),
    (Opt::Lane, b'p', "priority", true),
    (Opt::Lane, 0, "lane", true),
    (Opt::Key, b'k', "key", true),
    (Opt::Bus, b'b', "bus", true),
    (Opt::File, b'f', "file", true),
    (Opt::Assoc, b'a', "assoc", true),
    (Opt::Queue, b'q', "queue", true),
    (Opt::Count, b'n', "count", true),
    (Opt::Content, b'c', "content", true),
    (Opt::Delay, b'd', "delay", true),
    (Opt::Id, b'i', "id", true),
    (Opt::Shared, b's', "shared", false),
    (Opt::Base64, 0, "base64", false),
    (Opt::Batch, 0, "batch", false),
    (Opt::Each, 0, "each", false),
    (Opt::Lines, 0, "lines", false),
    (Opt::Correlation, 0, "correlation", true),
    (Opt::From, 0, "from", true),
    (Opt::Ttl, 0, "ttl", true),
    (Opt::Part, 0, "part", false),
    (Opt::All, 0, "all", false),
    (Opt::Drop, 0, "drop", false),
    (Opt::TakeOver, 0, "take-over", false),
    (Opt::StandBy, 0, "stand-by", false),
    (Opt::Topic, 0, "topic", false),
    (Opt::Limit, 0, "limit", true),
    (Opt::MaxDeliveries, 0, "max-deliveries", true),
    (Opt::DeadLetters, 0, "dead-letters", true),
    (Opt::MakesRoom, 0, "makes-room", false),
    (Opt::Policy, 0, "policy", true),
    (Opt::Capacity, 0, "capacity", true),
    (Opt::Retain, 0, "retain", true),
    (Opt::Retained, 0, "retained", false),
    (Opt::Last, 0, "last", true),
    (Opt::Task, 0, "task", true),
    (Opt::Note, 0, "note", true),
    (Opt::Done, 0, "done", true),
    (Opt::Total, 0, "total", true),
    (Opt::Blocker, 0, "blocker", true),
];

/// What a call was given.
pub struct Given<'a> {
    verb: &'a str,
    taken: &'static [Opt],
    options: Vec<(Opt, &'a [u8])>,
    pub words: Vec<&'a [u8]>,
}

impl<'a> Given<'a> {
    /// Reads the words after a verb that takes these options.
    pub fn parse(
        verb: &'a str,
        rest: impl Iterator<Item = &'a [u8]>,
        taken: &'static [Opt],
    ) -> Result<Given<'a>, Failure> {
        let mut given = Given { verb, taken, options: Vec::new(), words: Vec::new() };
        given.read(rest)?;
        Ok(given)
    }

    /// The same for what comes after a word such as `set`, whose options come after it or before.
    pub fn after(&self, rest: &[&'a [u8]]) -> Result<Given<'a>, Failure> {
        let mut given = Given { verb: self.verb, taken: self.taken, options: self.options.clone(), words: Vec::new() };
        given.read(rest.iter().copied())?;
        Ok(given)
    }

    fn read(&mut self, mut rest: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        while let Some(word) = rest.next() {
            match word {
                b"--" => {
                    self.words.extend(rest);
                    break;
                }
                [b'-', b'-', long @ ..] => self.long(long, &mut rest)?,
                [b'-', letters @ ..] if !letters.is_empty() => self.letters(letters, &mut rest)?,
                _ => {
                    self.words.push(word);
                    self.words.extend(rest);
                    break;
                }
            }
        }
        Ok(())
    }

    fn long(&mut self, word: &'a [u8], rest: &mut impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        let end = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
        let (name, value) = (&word[..end], word.get(end + 1..));
        let found = OPTIONS.iter().find(|(opt, _, long, _)| long.as_bytes() == name && self.taken.contains(opt));
        let shown = || format!("--{}", String::from_utf8_lossy(name));
        let Some((opt, _, _, has_value)) = found else { return Err(self.unknown(&shown())) };
        if !has_value && value.is_some() {
            return Err(self.wrong(&format!("{} takes no value", shown())));
        }
        let value = match value {
            Some(value) => value,
            None if *has_value => rest.next().ok_or_else(|| self.wrong(&format!("{} needs a value", shown())))?,
            None => b"",
        };
        self.options.push((*opt, value));
        Ok(())
    }

    fn letters(&mut self, word: &'a [u8], rest: &mut impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        for (at, letter) in word.iter().enumerate() {
            let found = OPTIONS.iter().find(|(opt, known, ..)| known == letter && self.taken.contains(opt));
            let shown = || format!("-{}", char::from(*letter).escape_default());
            let Some((opt, _, _, has_value)) = found else { return Err(self.unknown(&shown())) };
            if !has_value {
                self.options.push((*opt, b""));
                continue;
            }
            let value = match &word[at + 1..] {
                [] => rest.next().ok_or_else(|| self.wrong(&format!("{} needs a value", shown())))?,
                value => value,
            };
            self.options.push((*opt, value));
            break;
        }
        Ok(())
    }

    fn unknown(&self, option: &str) -> Failure {
        self.wrong(&format!("no option {option} here; a word that begins with a dash comes after --"))
    }

    /// Wrong use of this verb.
    pub fn wrong(&self, what: &str) -> Failure {
        Failure::usage(format!("{0}: {what}; see 'swarmbus help {0}'", self.verb))
    }

    pub fn has(&self, opt: Opt) -> bool {
        self.value(opt).is_some()
    }

    /// The value that was given last.
    pub fn value(&self, opt: Opt) -> Option<&'a [u8]> {
        self.options.iter().rev().find(|(given, _)| *given == opt).map(|(_, value)| *value)
    }

    /// Every value that was given.
    pub fn values(&self, opt: Opt) -> impl Iterator<Item = &'a [u8]> {
        self.options.iter().filter(move |(given, _)| *given == opt).map(|(_, value)| *value)
    }

    pub fn text(&self, opt: Opt) -> Result<Option<&'a str>, Failure> {
        self.value(opt).map(|value| self.plain(value)).transpose()
    }

    /// A word that has to be text, such as a name.
    pub fn plain(&self, word: &'a [u8]) -> Result<&'a str, Failure> {
        std::str::from_utf8(word).map_err(|_| self.wrong(&format!("'{}' is not UTF-8", String::from_utf8_lossy(word))))
    }

    pub fn time(&self, opt: Opt) -> Result<Option<Duration>, Failure> {
        let time = |text: &str| {
            duration(text).ok_or_else(|| self.wrong(&format!("'{text}' is no time such as 5, 250ms, 5s or 1m30s")))
        };
        self.text(opt)?.map(time).transpose()
    }

    pub fn number<T: std::str::FromStr>(&self, opt: Opt) -> Result<Option<T>, Failure> {
        let number = |text: &str| text.parse().map_err(|_| self.wrong(&format!("'{text}' is not a number that fits")));
        self.text(opt)?.map(number).transpose()
    }

    /// The words, which have to be so many.
    pub fn words<const N: usize>(&self, names: &str) -> Result<[&'a [u8]; N], Failure> {
        <[&[u8]; N]>::try_from(self.words.as_slice()).map_err(|_| self.count(names))
    }

    /// One word or none.
    pub fn word_if_any(&self, name: &str) -> Result<Option<&'a str>, Failure> {
        match self.words.as_slice() {
            [] => Ok(None),
            [word] => Ok(Some(self.plain(word)?)),
            _ => Err(self.count(&format!("at most {name}"))),
        }
    }

    /// Not as many words as there should be.
    pub fn count(&self, names: &str) -> Failure {
        let found = match self.words.len() {
            0 => "there is none".to_owned(),
            1 => "there is one word".to_owned(),
            count => format!("there are {count} words"),
        };
        self.wrong(&format!("give {names}, options before them: {found}"))
    }
}

/// A duration: `250ms`, `5s`, `1m30s`; a bare number means seconds.
fn duration(text: &str) -> Option<Duration> {
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let seconds = |number: &str| number.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if text.bytes().all(is_number) {
        return seconds(text);
    }
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let (number, unit) = rest.split_at(rest.bytes().position(|byte| !is_number(byte))?);
        let length = unit.bytes().position(is_number).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(length);
        let unit = match unit.trim() {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        let part = number.parse::<f64>().ok().map(|number| number * unit)?;
        total = total.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = next.trim_start();
    }
    Some(total)
}

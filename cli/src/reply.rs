//! `swarmbus reply`.

use std::ffi::OsString;
use std::process::{ExitCode, Stdio};

use swarmbus_core::{ContentType, Error, Message};

use crate::exit::Failure;
use crate::handle::{Handled, hand_back, handle};
use crate::message::{Record, shown};
use crate::output::{Output, compact};
use crate::sender::{CHECK, Payload, check_content, check_size, content};
use crate::take::{Taker, Taking};

/// Answer questions: what 'swarmbus call' waits for.
///
/// With '-- CMD' it serves until interrupted: each question is the standard input of a run of CMD,
/// whose standard output is the answer, without its last newline. If CMD does not exit with 0, nothing is answered and the
/// question goes back to its queue, to be delivered again after a second at the earliest.
///
/// Without a command it takes one question, prints it, and answers with the argument, a file, or
/// standard input.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus reply demo/shouter -- tr a-z A-Z
  swarmbus reply demo/search --lines -- xargs grep -rn
  swarmbus reply demo/jobs --shared -- ./answer.sh
  swarmbus reply demo/bob 'pong' -n 1

CMD finds in its environment SWARMBUS, SWARMBUS_QUEUE, SWARMBUS_SENDER,
SWARMBUS_MESSAGE_ID, SWARMBUS_LANE, SWARMBUS_DELIVERIES, SWARMBUS_CORRELATION,
and TRACEPARENT if the message belongs to a trace.
A message whose sender has no mailbox is handled, and nobody is answered.

Exit codes: 64 no command, 65 the answer is too large or no JSON, 68 unknown
bus, 69 closed, 75 timed out or owned by another process, 126 or 127 no such
CMD, 130 SIGINT, 143 SIGTERM")]
pub struct Args {
    #[command(flatten)]
    taking: Taking,

    #[command(flatten)]
    answer: Payload,

    /// Answer with each line of CMD's output as it comes, as a part of the answer
    #[arg(long, requires = "command")]
    lines: bool,

    /// Answer with CMD's output as it is, its last newline included
    #[arg(long, requires = "command", conflicts_with = "lines")]
    raw: bool,

    /// What the answers are: bytes, json (it is checked) or rkyv (an archive)
    #[arg(short, long, value_name = "TYPE")]
    #[arg(default_value_t = ContentType::Bytes, value_parser = content(), hide_possible_values = true)]
    content: ContentType,

    /// Run this for each question, its payload on standard input
    #[arg(last = true, value_name = "CMD", conflicts_with = "payload")]
    command: Vec<OsString>,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let server = Server { words: args.command, lines: args.lines, raw: args.raw, content: args.content, output };
    if server.words.is_empty() {
        let count = args.taking.count(1);
        let taker = args.taking.open(output)?;
        server.answer_with(args.answer, count, &taker)?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = args.taking.count(0);
    let taker = args.taking.open(output)?;
    for _ in 0..count {
        let question = taker.wait()?;
        match server.serve(&question, &taker)? {
            Handled::Well => question.release()?,
            Handled::Badly(how) => hand_back(question, &how, output)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Server<'a> {
    words: Vec<OsString>,
    lines: bool,
    raw: bool,
    content: ContentType,
    output: &'a Output,
}

impl Server<'_> {
    /// Prints questions and answers them all alike.
    fn answer_with(&self, answer: Payload, count: u64, taker: &Taker) -> Result<(), Failure> {
        let mut answer = Some(answer);
        let mut bytes = Vec::new();
        for _ in 0..count {
            let question = taker.wait()?;
            self.print(&question)?;
            // Only now: whoever types it has seen the question.
            if let Some(answer) = answer.take() {
                bytes = answer.read(&taker.interrupt, taker.member())?;
            }
            self.answer(&question, &bytes)?;
            question.release()?;
        }
        Ok(())
    }

    fn print(&self, question: &Message<'_>) -> Result<(), Failure> {
        if self.output.is_json() {
            return self.output.line(&compact(&Record::from(question))?);
        }
        let text = match self.output.is_terminal() {
            true => shown(question.content(), question.data()),
            false => question.data().into(),
        };
        self.output.bytes(&text)
    }

    /// Runs the command for a question, and answers with what it says.
    fn serve(&self, question: &Message<'_>, taker: &Taker) -> Result<Handled, Failure> {
        let (mut said, mut check) = (Vec::new(), CHECK);
        let handled = handle(question, &self.words, taker, Stdio::piped(), |piece| {
            said.extend_from_slice(piece);
            if self.lines {
                self.answer_lines(question, &mut said, taker)?;
            }
            check_size(taker.member(), said.len(), &mut check)
        })?;
        if matches!(handled, Handled::Well) {
            // Of an answer in lines it is the rest, if need be without a newline, and the end.
            let answer = said.strip_suffix(b"\n").filter(|_| !self.raw).unwrap_or(&said);
            self.answer(question, answer)?;
        }
        Ok(handled)
    }

    /// Answers with the whole lines of what was said so far, each a part; keeps the rest.
    fn answer_lines(&self, question: &Message<'_>, said: &mut Vec<u8>, taker: &Taker) -> Result<(), Failure> {
        let mut begin = 0;
        while let Some(length) = said[begin..].iter().position(|byte| *byte == b'\n') {
            let line = &said[begin..begin + length];
            check_content(self.content, line)?;
            let mut stopped = || taker.interrupt.pending().is_some();
            let sent = question.reply_part_until(line, self.content, None, &mut stopped);
            match sent {
                // Who asked has gone, or never had a mailbox: the rest is for nobody.
                Ok(_) | Err(Error::Closed { .. } | Error::InvalidArgument { .. }) => {}
                Err(error) => return Err(crate::take::interrupted(error, &taker.interrupt)),
            }
            begin += length + 1;
        }
        said.drain(..begin);
        Ok(())
    }

    fn answer(&self, question: &Message<'_>, answer: &[u8]) -> Result<(), Failure> {
        if !(self.lines && answer.is_empty()) {
            check_content(self.content, answer)?;
        }
        match question.reply(answer, self.content) {
            Ok(_) => Ok(()),
            Err(Error::InvalidArgument { .. }) => {
                self.output.note(&format!("swarmbus: message {} is from nobody, who is not answered", question.id().0));
                Ok(())
            }
            // If it is the bus that is closed, the wait for the next question says so.
            Err(Error::Closed { .. }) => {
                self.output.note(&format!("swarmbus: who sent message {} takes no answer any more", question.id().0));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

//! Help, and what happens to verbs that only the command has.

use std::ffi::c_char;

use crate::failure::Failure;
use crate::payload;
use crate::shell::Words;
use crate::state::State;
use crate::verbs::VERBS;

/// Texts for bash: `help swarmbus` shows them.
pub struct Doc<const N: usize>([*const c_char; N]);

// SAFETY: pointers to constants.
unsafe impl<const N: usize> Sync for Doc<N> {}

impl<const N: usize> Doc<N> {
    pub const fn lines(&'static self) -> *const *const c_char {
        self.0.as_ptr()
    }
}

pub const SHORT: &std::ffi::CStr = c"swarmbus VERB [options] [words]";

macro_rules! doc {
    ($($line:literal)*) => { Doc([$($line.as_ptr(),)* std::ptr::null()]) };
}

pub static LONG: Doc<39> = doc! {
    c"Messages between processes of this host, through shared memory."
    c""
    c"An address is [BUS/]NAME; without BUS it is on the bus of -b, of the agent"
    c"opened last, or of $SWARMBUS. A TIME is 5, 0.5 (seconds), 250ms or 1m30s."
    c"Options come before words, so DATA may begin with a dash."
    c""
    c"Agents and messages:"
    c"  open [BUS/]NAME          be this agent (needless under 'swarmbus up')"
    c"  close                    leave"
    c"  send [-p LANE] [-k KEY] [-t TIME] TO [DATA | -f FILE]"
    c"  recv -v VAR [-t TIME] [-a ASSOC] [-n N] [-q QUEUE]..."
    c"  release, nack [-d TIME]  be done with what was taken, or give it back"
    c"  data, forward TO         get it once more, pass it on"
    c"Questions:  call [-t TIME] -v VAR TO [DATA], reply [DATA]"
    c"            ask TO [DATA], answer -v VAR, reply --part [DATA]"
    c"Topics:     pub TOPIC [DATA], sub -v VAR TOPIC, unsub TOPIC"
    c"Locks:      lock [-s] [-t TIME] NAME, unlock NAME"
    c"Status:     status set STATE, status get -v VAR [NAME], beat, role, tag"
    c"Names:      declare NAME, declare --topic NAME, queue, tap, untap"
    c""
    c"A message that was taken is this shell's until it is released, given back,"
    c"or the next one is taken, which releases it. If the shell ends with status 0"
    c"it is released as well; if it fails or is killed, it is delivered again."
    c""
    c"Other verbs (create, up, ps, ...) are run by the command of the same name."
    c"'swarmbus help VERB' says more of one verb."
    c""
    c"Exit Status:"
    c"0 done, 1 nothing more comes (answer) or was said (status get), 64 wrong"
    c"use, 65 bad data, 66 no such file, 68 unknown bus or name, 69 closed, 70 a"
    c"fault of swarmbus, 71 the system refused, 74 input or output failed, 75 try"
    c"again (timed out, full, taken), 77 no permission, 78 wrong configuration,"
    c"128 + n after signal n."
    c""
    c"Example:"
    c"  swarmbus open demo/worker"
    c"  while swarmbus recv -t 10s -v job; do"
    c"      swarmbus send boss \"done: $job\"; done"
};

/// `swarmbus help [VERB]`.
pub fn print(state: &mut State, verb: Option<&[u8]>, words: Words<'_>) -> Result<(), Failure> {
    let Some(verb) = verb else {
        state.staged().command(b"builtin help swarmbus");
        return Ok(());
    };
    match VERBS.iter().find(|known| known.name.as_bytes() == verb) {
        Some(known) => payload::print(format!("swarmbus {}\n", known.help).as_bytes()),
        None => {
            delegate(state, words);
            Ok(())
        }
    }
}

/// Has the command of the same name do it. `&&` keeps `set -e` from ending the shell in there: the caller's line decides.
pub fn delegate(state: &mut State, words: Words<'_>) {
    let mut line = b"command env swarmbus".to_vec();
    for word in words {
        line.extend(b" '");
        for byte in word {
            match byte {
                b'\'' => line.extend(b"'\\''"),
                other => line.push(*other),
            }
        }
        line.push(b'\'');
    }
    line.extend(b" && :");
    state.staged().command(&line);
}

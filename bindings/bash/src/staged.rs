//! What is to be done in bash when a verb has done its work: variables to assign, a command to run.
//!
//! Both may run any code of the script's and may end with a jump (`longjmp`) to bash's top level: the value of a `declare -i` variable is an
//! expression, a name reference may lead to `a[i++]`. So a verb only notes here what it wants, and [`Staged::apply`] does it when no lock is
//! held and no frame of ours has anything to drop: a jump then leaks what is staged and nothing else.

use std::ffi::{c_char, c_int};
use std::mem;

use crate::abi;
use crate::shell::for_bash;

/// Capacity that is kept for the next call, bytes.
const KEPT: usize = 1 << 16;

enum Step {
    Text { name: usize, value: usize },
    Array { name: usize },
    Element { index: i64, value: usize },
    Assoc { name: usize },
    Field { name: usize, key: usize, value: usize },
    Command { line: usize },
}

/// Steps, and the texts of which they speak.
#[derive(Default)]
pub struct Staged {
    /// Texts, each ended by a zero byte; steps have their beginnings.
    texts: Vec<u8>,
    steps: Vec<Step>,
}

impl Staged {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Forgets all of it, and keeps some memory.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.texts.clear();
        if self.texts.capacity() > KEPT {
            self.texts.shrink_to(KEPT);
        }
    }

    /// Assigns a text to a variable. Neither has a zero byte.
    pub fn text(&mut self, name: &str, value: &[u8]) {
        let step = Step::Text { name: self.keep(name.as_bytes()), value: self.keep(value) };
        self.steps.push(step);
    }

    /// Makes a variable an array without elements.
    pub fn array(&mut self, name: &str) {
        let name = self.keep(name.as_bytes());
        self.steps.push(Step::Array { name });
    }

    /// Sets an element of the array that was made last. The value has no zero byte.
    pub fn element(&mut self, index: i64, value: &[u8]) {
        let value = self.keep(value);
        self.steps.push(Step::Element { index, value });
    }

    /// Makes a variable an associative array of these.
    pub fn assoc(&mut self, name: &str, fields: &[(&str, String)]) {
        let name = self.keep(name.as_bytes());
        self.steps.push(Step::Assoc { name });
        for (key, value) in fields {
            let (key, value) = (self.keep(key.as_bytes()), self.keep(value.as_bytes()));
            self.steps.push(Step::Field { name, key, value });
        }
    }

    /// Runs a command line; the builtin returns what it returns.
    pub fn command(&mut self, line: &[u8]) {
        let line = self.keep(line);
        self.steps.push(Step::Command { line });
    }

    fn keep(&mut self, text: &[u8]) -> usize {
        let at = self.texts.len();
        self.texts.reserve(text.len() + 1);
        self.texts.extend_from_slice(text);
        self.texts.push(0);
        at
    }

    /// All of it, for who has no frame that a jump could hurt.
    pub fn take(&mut self) -> Staged {
        mem::take(self)
    }

    /// Does it; returns what the last command returned, or `None` if a variable could not be assigned to (bash has said why).
    ///
    /// # Safety
    /// In a call of the builtin; may not return but jump, so the callers up to bash have nothing to drop.
    pub unsafe fn apply(&self) -> Option<c_int> {
        let mut code = 0;
        let mut array = std::ptr::null_mut::<abi::ShellVar>();
        for step in &self.steps {
            match *step {
                Step::Text { name, value } => {
                    let (name, value) = (self.at(name), self.at(value));
                    // SAFETY: the caller's promise; C strings go in, which bash copies.
                    if unsafe { abi::bind_variable(name, value, 0) }.is_null() {
                        return None;
                    }
                    // SAFETY: as above.
                    unsafe { abi::stupidly_hack_special_variables(name) };
                }
                Step::Array { name } => {
                    let contents = make(self.at(name), abi::MAKE_ARRAY, &mut array)?;
                    // SAFETY: an indexed array's value is its elements.
                    unsafe { abi::array_flush(contents) };
                }
                Step::Element { index, value } => {
                    // SAFETY: as for a text; `array` is what the step before has made.
                    unsafe { abi::bind_array_element(array, index, self.at(value), 0) };
                }
                Step::Assoc { name } => {
                    let contents = make(self.at(name), abi::MAKE_ASSOC, &mut array)?;
                    // SAFETY: an associative array's value is its table.
                    unsafe { abi::assoc_flush(contents) };
                }
                Step::Field { name, key, value } => {
                    let (name, key, value) = (self.at(name), for_bash(self.at(key)), self.at(value));
                    // SAFETY: as for an element; the key becomes bash's.
                    unsafe { abi::bind_assoc_variable(array, name, key, value, 0) };
                }
                Step::Command { line } => {
                    let line = for_bash(self.at(line));
                    // SAFETY: the caller's promise; bash frees the line.
                    code = unsafe { abi::parse_and_execute(line, c"swarmbus".as_ptr(), abi::SEVAL_NOHIST) };
                }
            }
        }
        Some(code)
    }

    /// A text. A pointer, not a slice, so that nothing here can panic.
    fn at(&self, text: usize) -> *const c_char {
        self.texts.as_ptr().wrapping_add(text).cast()
    }
}

/// Finds or makes an array; `array` is the variable, what comes back is its value.
fn make(name: *const c_char, how: c_int, array: &mut *mut abi::ShellVar) -> Option<*mut c_char> {
    // SAFETY: a C string goes in.
    *array = unsafe { abi::find_or_make_array_variable(name, how) };
    // SAFETY: null, or a variable of bash's, which nobody else uses meanwhile.
    let variable = unsafe { array.as_mut() }?;
    // A bash that makes something else of a plain variable: its value is not what the caller takes it for.
    let wanted = if how == abi::MAKE_ASSOC { abi::ATT_ASSOC } else { abi::ATT_ARRAY };
    if variable.attributes & wanted == 0 {
        return None;
    }
    // An array without elements is there all the same.
    variable.attributes &= !abi::ATT_INVISIBLE;
    Some(variable.value)
}

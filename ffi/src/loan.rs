//! Loans: take a piece of shared memory, write in place, publish or discard.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::options::{hook, read, swarmbus_send_opts};
use crate::party::{self, Party};
use crate::text;
use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::ptr;
use swarmbus_core::{Error, Loan, Member, PublishError, RawLoan};

/// A piece of shared memory to write a message into. A plain struct that the caller provides and may copy; whichever
/// copy is published or discarded first counts, and any later one is SWARMBUS_RELEASED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_loan {
    /// Where to write, at a multiple of 64. The bytes there are not zeroed. Valid until the loan is published or
    /// discarded or its agent is closed.
    pub data: *mut c_void,
    /// How much may be written, bytes: the length asked for.
    pub length: usize,
    /// The library's own; leave them as they are.
    pub opaque: [u64; 6],
}

const _: () = assert!(size_of::<swarmbus_loan>() == 64, "the struct is part of the ABI and does not grow");

impl swarmbus_loan {
    /// What a caller finds in its struct when there is no loan.
    pub const NONE: Self = Self { data: ptr::null_mut(), length: 0, opaque: [0; 6] };

    /// As C sees it.
    pub fn new(agent: *const swarmbus_agent, raw: RawLoan) -> Self {
        let [chunk, word, capacity] = raw.token();
        Self { data: raw.data.cast(), length: raw.capacity, opaque: [agent.addr() as u64, chunk, word, capacity, 0, 0] }
    }
}

/// The loan that a caller's struct stands for, if it still is this agent's.
///
/// # Safety
/// `loan` is NULL or may be read.
pub unsafe fn find<'a>(agent: *const swarmbus_agent, party: &'a Party, loan: *const swarmbus_loan) -> Result<Loan<'a>> {
    if loan.is_null() {
        return Err(Failure::NullPointer("loan"));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let given = unsafe { loan.read() };
    check_mine(agent, &given)?;
    let words = given.opaque;
    // SAFETY: a loan exists within one call at most, and calls on one agent come one after the other, by one thread.
    Ok(unsafe { Loan::from_raw(party.member(), RawLoan::from_token([words[1], words[2], words[3]])) }?)
}

/// The loan of a batch, as long as its struct says.
///
/// # Safety
/// As for [`Loan::from_raw`].
pub unsafe fn find_for_batch<'a>(
    agent: *const swarmbus_agent,
    member: &'a Member,
    loan: &swarmbus_loan,
) -> Result<Loan<'a>> {
    check_mine(agent, loan)?;
    let [_, chunk, word, capacity, ..] = loan.opaque;
    if loan.length as u64 > capacity {
        return Err(Failure::Core(Error::TooLarge { length: loan.length as u64, limit: capacity }));
    }
    let raw = RawLoan::from_token([chunk, word, loan.length as u64]);
    // SAFETY: the caller's promise.
    Ok(unsafe { Loan::from_raw(member, raw) }?)
}

/// A loan that came back, with the length and the room that it had.
pub fn renewed(agent: *const swarmbus_agent, given: &swarmbus_loan, raw: RawLoan) -> swarmbus_loan {
    let mut renewed = swarmbus_loan::new(agent, raw);
    renewed.length = given.length;
    renewed.opaque[3] = given.opaque[3];
    renewed
}

fn check_mine(agent: *const swarmbus_agent, loan: &swarmbus_loan) -> Result<()> {
    if loan.opaque[0] == agent.addr() as u64 {
        return Ok(());
    }
    let what = "this struct holds no loan of this agent: pass the agent whose swarmbus_loan_get() filled it";
    Err(Failure::argument(what))
}

/// Clears the caller's pointer to a loan that is given away.
///
/// # Safety
/// `loan` may be written.
pub unsafe fn clear(loan: *mut swarmbus_loan) {
    // The words stay: a second use of this struct is told from a struct that never held a loan.
    // SAFETY: the caller's promise.
    let loan = unsafe { &mut *loan };
    loan.data = ptr::null_mut();
    loan.length = 0;
}

/// The end of a loan that was published, whose pointer is cleared; or one that came back, renewed, since its words may have changed.
///
/// # Safety
/// `loan` may be written, and stood for the loan that was published.
pub unsafe fn published<T>(
    agent: *const swarmbus_agent,
    loan: *mut swarmbus_loan,
    result: std::result::Result<T, PublishError<'_>>,
) -> Result<T> {
    match result {
        Ok(sent) => {
            // SAFETY: the caller's promise.
            unsafe { clear(loan) };
            Ok(sent)
        }
        Err(refused) => {
            // A loan that is dropped is given back; this one stays with the caller.
            let renewed = swarmbus_loan::new(agent, refused.loan.into_raw());
            // SAFETY: the caller's promise.
            unsafe { text::put(loan, renewed, "loan") }?;
            Err(Failure::Core(refused.error))
        }
    }
}

/// Borrows `length` bytes of shared memory to write a message into, so that nothing is copied. 0 is a length too.
///
/// # Errors
/// SWARMBUS_TOO_LARGE, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `loan->data` is NULL then.
///
/// # Ownership
/// The loan is the agent's until swarmbus_publish() succeeds, swarmbus_loan_discard(), or the agent is closed.
///
/// # Threads
/// The agent's thread. Other threads may write into the loan before it is published.
///
/// # Safety
/// `loan` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_loan_get(agent: *mut swarmbus_agent, length: usize, loan: *mut swarmbus_loan) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before a loan is made.
        unsafe { text::put(loan, swarmbus_loan::NONE, "loan") }?;
        let party = party::agent(agent)?;
        let filled = swarmbus_loan::new(agent, party.member().loan(length)?.into_raw());
        // SAFETY: this function's contract.
        unsafe { text::put(loan, filled, "loan") }
    })
}

/// Sends the first `length` bytes of a loan to the mailbox or queue `to`, in place. When the call returns SWARMBUS_OK
/// the message is in the queue and must not be written to any more; `loan->data` becomes NULL. After an error the
/// loan is the caller's as before: try again or discard it; copies of the struct made before are void.
///
/// `timeout_ns` and `id` are those of swarmbus_send().
///
/// # Errors
/// SWARMBUS_RELEASED (published or discarded before), SWARMBUS_TOO_LARGE (`length` is more than the loan has),
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED, SWARMBUS_INVALID_NAME,
/// SWARMBUS_INVALID_ARGUMENT, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing is sent then.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `loan` may be read and written; `to` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size`
/// says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_publish(
    agent: *mut swarmbus_agent,
    loan: *mut swarmbus_loan,
    to: *const c_char,
    length: usize,
    timeout_ns: i64,
    id: *mut u64,
    opts: *const swarmbus_send_opts,
) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let to = text::local(unsafe { text::read(to, "to") }?, member.bus().name())?;
        // SAFETY: this function's contract.
        let options = unsafe { read(opts) }?;
        // SAFETY: this function's contract: what `opts` holds is the caller's hook.
        let mut interrupted = unsafe { hook(options.interrupted, options.context) };
        // SAFETY: this function's contract.
        let options = unsafe { options.to_core(timeout_ns) }?;
        // SAFETY: this function's contract.
        let found = unsafe { find(agent, &party, loan) }?;
        let sent = found.publish_until(to, length, &options, &mut interrupted);
        // SAFETY: `find` refused NULL, and this function's contract has the rest.
        let sent = unsafe { published(agent, loan, sent) }?;
        // SAFETY: this function's contract.
        unsafe { text::tell(id, sent.0) };
        Ok(())
    })
}

/// Gives a loan back unsent; `loan->data` becomes NULL.
///
/// # Errors
/// SWARMBUS_RELEASED (published or discarded before), SWARMBUS_INVALID_ARGUMENT (not a loan of this agent),
/// SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `loan` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_loan_discard(agent: *mut swarmbus_agent, loan: *mut swarmbus_loan) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        drop(unsafe { find(agent, &party, loan) }?);
        // SAFETY: `find` refused NULL, and this function's contract has the rest.
        unsafe { clear(loan) };
        Ok(())
    })
}

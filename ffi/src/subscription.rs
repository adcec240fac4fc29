//! Subscriptions to topics, and the samples that they read.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::handle::{SUBSCRIPTION, bits_of, closed};
use crate::options::{Sized32, content_number, read, swarmbus_receive_opts, timeout, waiting};
use crate::party::{self, Part, What};
use crate::text;
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use swarmbus_core::{Error, Sample, StartAt, Subscription};

/// An agent's subscription to a topic: it gets every message once and in order, unless the topic is lossy. The handle is the
/// agent's and its thread's; closing the agent closes it.
pub enum swarmbus_subscription {}

/// In `history`: all that the topic retains for late joiners.
pub const SWARMBUS_RETAINED: u32 = u32::MAX;

/// Options of swarmbus_subscribe().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_subscribe_opts {
    /// sizeof(swarmbus_subscribe_opts).
    pub struct_size: u32,
    /// How many of the last messages, as far as the topic retains them; SWARMBUS_RETAINED: all of these. 0: what is published
    /// from now on.
    pub history: u32,
}

// SAFETY: integers, all of them.
unsafe impl Sized32 for swarmbus_subscribe_opts {}

/// A message of a topic, as a subscription reads it. A plain struct that the caller provides.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_sample {
    /// The payload. Read only. Valid until the next swarmbus_subscription_receive(), swarmbus_sample_release(), or the end of the
    /// subscription.
    pub data: *const c_void,
    /// The payload's length, bytes.
    pub length: usize,
    /// The message's id.
    pub id: u64,
    /// Its place in the order of its topic, counted from 0.
    pub position: u64,
    /// How many messages this subscriber has missed just before it. Only of a lossy topic is it ever more than 0.
    pub missed: u64,
    /// The number that the publisher gave it.
    pub correlation: u64,
    /// When it was published, nanoseconds of CLOCK_MONOTONIC; 0: it is not stamped (of messages every 64th is).
    pub sent_ns: u64,
    /// One of the SWARMBUS_CONTENT_ numbers.
    pub content: i32,
    /// 0.
    pub reserved: u32,
    /// The library's own; leave them as they are.
    pub opaque: [u64; 4],
}

const _: () = assert!(size_of::<swarmbus_sample>() == 96, "the struct is part of the ABI and does not grow");

impl swarmbus_sample {
    const NONE: Self = Self {
        data: ptr::null(),
        length: 0,
        id: 0,
        position: 0,
        missed: 0,
        correlation: 0,
        sent_ns: 0,
        content: 0,
        reserved: 0,
        opaque: [0; 4],
    };

    fn new(subscription: *const swarmbus_subscription, sample: &Sample<'_>, turn: u64) -> Self {
        Self {
            data: sample.data().as_ptr().cast(),
            length: sample.data().len(),
            id: sample.id().0,
            position: sample.position(),
            missed: sample.missed(),
            correlation: sample.correlation(),
            sent_ns: sample.sent_ns().unwrap_or(0),
            content: content_number(sample.content()),
            reserved: 0,
            opaque: [subscription.addr() as u64, turn, 0, 0],
        }
    }
}

/// A subscription of the core's, and the sample at which its cursor stands. It borrows from an agent, which the part that holds
/// it keeps.
pub struct Reader {
    /// Dropped first: it borrows from the subscription.
    sample: RefCell<Option<Sample<'static>>>,
    subscription: Boxed,
    /// Which sample the cursor stands at; rises with each.
    turn: Cell<u64>,
    /// Whether a wait for the next one is under way.
    waits: Cell<bool>,
}

/// A subscription to which only pointers refer, so that a sample may borrow it beside its owner.
struct Boxed(NonNull<Subscription<'static>>);

impl Drop for Boxed {
    fn drop(&mut self) {
        // SAFETY: it was leaked when this was made, and the sample that borrows from it is gone.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl Reader {
    fn new(subscription: Subscription<'_>) -> Reader {
        let subscription = Boxed(NonNull::from(Box::leak(Box::new(subscription))).cast());
        Reader { sample: RefCell::new(None), subscription, turn: Cell::new(0), waits: Cell::new(false) }
    }

    /// A look at the subscription between two receives.
    fn look<R>(&self, view: impl FnOnce(&Subscription<'static>) -> R) -> Result<R> {
        self.check_idle()?;
        // SAFETY: it lives as long as this, and no receive is under way that has it mutably.
        Ok(view(unsafe { self.subscription.0.as_ref() }))
    }

    /// Refuses what a hook of a receive that is under way asks for.
    fn check_idle(&self) -> Result<()> {
        if self.waits.get() {
            return Err(Failure::argument("this subscription waits for its next sample already, further out"));
        }
        Ok(())
    }

    fn receive(
        &self,
        handle: *const swarmbus_subscription,
        timeout: Option<std::time::Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<swarmbus_sample> {
        self.check_idle()?;
        self.sample.replace(None);
        self.waits.set(true);
        // SAFETY: it lives as long as this, there is no sample, and `waits` keeps others out.
        let received = unsafe { &mut *self.subscription.0.as_ptr() }.recv_until(timeout, interrupted);
        self.waits.set(false);
        let sample = received?;
        self.turn.set(self.turn.get() + 1);
        let filled = swarmbus_sample::new(handle, &sample, self.turn.get());
        self.sample.replace(Some(sample));
        Ok(filled)
    }

    /// Whether the cursor stands at this sample.
    fn check(&self, turn: u64) -> Result<()> {
        let is_there = self.turn.get() == turn && self.sample.try_borrow().is_ok_and(|sample| sample.is_some());
        if is_there { Ok(()) } else { Err(Failure::Core(Error::Released)) }
    }
}

fn open(handle: *const swarmbus_subscription) -> Result<Rc<Part>> {
    party::part(handle, SUBSCRIPTION)
}

fn reader(part: &Part, handle: *const swarmbus_subscription) -> Result<&Reader> {
    match &part.what {
        What::Reader(reader) => Ok(reader),
        _ => Err(closed(bits_of(handle, SUBSCRIPTION)?, SUBSCRIPTION)),
    }
}

/// Subscribes to a topic. From here on publishers wait for this subscriber, or drop their messages, as the topic's policy is:
/// who subscribes has to read. An agent subscribes to a topic once at a time.
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT (no such topic), SWARMBUS_WRONG_KIND, SWARMBUS_INVALID_ARGUMENT (subscribed already),
/// SWARMBUS_INVALID_NAME, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `*subscription` is NULL then.
///
/// # Ownership
/// The caller closes `*subscription` with swarmbus_subscription_close(), or closes the agent.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `topic` is a NUL-terminated string; `subscription` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_subscribe(
    agent: *mut swarmbus_agent,
    topic: *const c_char,
    subscription: *mut *mut swarmbus_subscription,
    opts: *const swarmbus_subscribe_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe { text::put(subscription, ptr::null_mut(), "subscription") }?;
        let party = party::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let topic = text::local(unsafe { text::read(topic, "topic") }?, member.bus().name())?;
        // SAFETY: this function's contract.
        let from = match unsafe { read(opts) }?.history {
            0 => StartAt::Now,
            SWARMBUS_RETAINED => StartAt::Retained,
            count => StartAt::Last(count),
        };
        let reader = What::Reader(Reader::new(member.subscribe(topic, from)?));
        let handle = party::add_part(SUBSCRIPTION, agent, party, reader)?;
        // SAFETY: this function's contract.
        unsafe { text::put(subscription, handle, "subscription") }
    })
}

/// Receives the next message of a topic; the sample before it is done with. What all subscribers read is one copy in shared
/// memory; of a lossy topic it is a copy of this subscription's own.
///
/// `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits until a message comes.
///
/// # Errors
/// SWARMBUS_TIMEOUT, SWARMBUS_CLOSED (the bus is gone), SWARMBUS_INTERRUPTED, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_FORKED,
/// SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `sample->data` is NULL
/// then.
///
/// # Ownership
/// The sample is the subscription's. Publishers may wait until it is done with.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `sample` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_subscription_receive(
    subscription: *mut swarmbus_subscription,
    timeout_ns: i64,
    sample: *mut swarmbus_sample,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe { text::put(sample, swarmbus_sample::NONE, "sample") }?;
        let part = open(subscription)?;
        let timeout = timeout(timeout_ns)?;
        // SAFETY: this function's contract.
        let mut interrupted = unsafe { waiting(opts) }?;
        let filled = reader(&part, subscription)?.receive(subscription, timeout, &mut interrupted)?;
        // SAFETY: this function's contract.
        unsafe { text::put(sample, filled, "sample") }
    })
}

/// The turn of the sample that a caller's struct stands for.
///
/// # Safety
/// `sample` is NULL or may be read.
unsafe fn turn(subscription: *const swarmbus_subscription, sample: *const swarmbus_sample) -> Result<u64> {
    if sample.is_null() {
        return Err(Failure::NullPointer("sample"));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let words = unsafe { sample.read() }.opaque;
    if words[0] != subscription.addr() as u64 {
        let what = "this struct holds no sample of this subscription: swarmbus_subscription_receive() fills one";
        return Err(Failure::argument(what));
    }
    Ok(words[1])
}

/// Writes a text that a sample has; the empty one if it has none.
///
/// # Safety
/// `sample` is NULL or may be read; `buffer` is as `text::write` wants it.
unsafe fn tell_text(
    subscription: *const swarmbus_subscription,
    sample: *const swarmbus_sample,
    buffer: *mut c_char,
    capacity: usize,
    text: impl Fn(&Sample<'_>) -> Option<String>,
) -> Result<()> {
    let part = open(subscription)?;
    let reader = reader(&part, subscription)?;
    // SAFETY: the caller's promise.
    reader.check(unsafe { turn(subscription, sample) }?)?;
    let found = reader.sample.borrow().as_ref().and_then(text);
    // SAFETY: as above.
    unsafe { text::write(found.as_deref().unwrap_or(""), buffer, capacity) }
}

/// Is done with a sample before the next one is asked for, so that no publisher waits for this subscriber; `sample->data`
/// becomes NULL.
///
/// # Errors
/// SWARMBUS_RELEASED (done with before, also by the next receive), SWARMBUS_INVALID_ARGUMENT (not of this subscription),
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `sample` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_sample_release(
    subscription: *mut swarmbus_subscription,
    sample: *mut swarmbus_sample,
) -> i32 {
    border(|| {
        let part = open(subscription)?;
        let reader = reader(&part, subscription)?;
        // SAFETY: this function's contract.
        reader.check(unsafe { turn(subscription, sample) }?)?;
        reader.sample.replace(None);
        // SAFETY: `turn` refused NULL, and this function's contract has the rest.
        let sample = unsafe { &mut *sample };
        sample.data = ptr::null();
        sample.length = 0;
        Ok(())
    })
}

/// Writes the name of the mailbox of a sample's publisher with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice.
/// Empty if it has none.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_sample_release().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `sample` may be read; `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_sample_sender(
    subscription: *const swarmbus_subscription,
    sample: *const swarmbus_sample,
    buffer: *mut c_char,
    capacity: usize,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { tell_text(subscription, sample, buffer, capacity, |sample| sample.sender()) })
}

/// Writes the trace that a sample belongs to, as a W3C `traceparent` with its NUL, into `buffer`; SWARMBUS_TRACEPARENT_SIZE
/// bytes always suffice. Empty if its publisher named none.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (the buffer is too small), and those of swarmbus_sample_release().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `sample` may be read; `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_sample_traceparent(
    subscription: *const swarmbus_subscription,
    sample: *const swarmbus_sample,
    buffer: *mut c_char,
    capacity: usize,
) -> i32 {
    let trace = |sample: &Sample<'_>| sample.trace().map(|trace| trace.to_string());
    // SAFETY: this function's contract.
    border(|| unsafe { tell_text(subscription, sample, buffer, capacity, trace) })
}

/// Gets where a subscription stands: the position of its next message in the order of the topic, counted from 0, and how many
/// messages it has missed so far, all in all. Either may be NULL. How far it is behind, swarmbus_snapshot_subscriber() tells.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (asked in the hook of its own receive), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `position` and `missed` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_subscription_position(
    subscription: *const swarmbus_subscription,
    position: *mut u64,
    missed: *mut u64,
) -> i32 {
    border(|| {
        let part = open(subscription)?;
        let (next, lost) = reader(&part, subscription)?.look(|of| (of.position(), of.missed()))?;
        // SAFETY: this function's contract.
        unsafe { text::tell(position, next) };
        // SAFETY: this function's contract.
        unsafe { text::tell(missed, lost) };
        Ok(())
    })
}

/// Ends a subscription; its sample's data pointer is void. NULL is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before, also with its agent), SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_subscription_close(subscription: *mut swarmbus_subscription) -> i32 {
    border(|| if subscription.is_null() { Ok(()) } else { party::remove_part(subscription, SUBSCRIPTION).map(drop) })
}

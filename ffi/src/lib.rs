//! The C ABI of Swarmbus: what `include/swarmbus.h` declares and `libswarmbus.so` and `libswarmbus.a` hold.
//!
//! Every function is a thin border around `swarmbus_core`: it checks what C handed over, calls the core, writes the
//! outputs and turns the result into a code. Three rules hold for all of them:
//!
//! * **Nothing unwinds into C.** [`error::border`] catches panics and returns `SWARMBUS_PANIC`.
//! * **A handle is a number, never an address.** [`handle`] looks it up in a table, so a handle that is closed, NULL, of
//!   another kind or of another thread is an error with a text and never a wild read.
//! * **A message or a loan is a plain struct** whose words the core checks against shared memory at each use, so a
//!   second release or a copy kept too long is `SWARMBUS_RELEASED`.
//!
//! The doc comments of the exported items speak to readers of the header: cbindgen carries them there.
#![allow(non_camel_case_types, reason = "the exported types bear their C names")]

#[cfg(panic = "abort")]
compile_error!("the C ABI promises SWARMBUS_PANIC in place of an abort: build it with panic = \"unwind\"");
#[cfg(not(target_pointer_width = "64"))]
compile_error!("handles and message words need 64 bits");

pub mod agent;
pub mod batch;
pub mod bus;
pub mod call;
pub mod descriptor;
pub mod error;
pub mod handle;
pub mod heading;
pub mod info;
pub mod loan;
pub mod lock;
pub mod message;
pub mod observe;
pub mod options;
pub mod party;
pub mod queue;
pub mod receive;
pub mod role;
pub mod row;
pub mod rows;
pub mod send;
pub mod snapshot;
pub mod sources;
pub mod status;
pub mod subscription;
pub mod table;
pub mod text;
pub mod topic;
pub mod version;

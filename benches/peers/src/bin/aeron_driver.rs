//! Aeron's media driver, in the folder that the one argument names. Runs until it is killed.

use rusteron_media_driver::{AeronCError, AeronDriver, AeronDriverContext, bindings};
use std::ffi::CString;
use std::process::ExitCode;

fn drive(folder: &CString) -> Result<(), AeronCError> {
    let context = AeronDriverContext::new()?;
    context.set_dir(folder)?;
    context.set_dir_delete_on_start(true)?;
    context.set_threading_mode(bindings::aeron_threading_mode_t::AERON_THREADING_MODE_SHARED)?;
    let driver = AeronDriver::new(&context)?;
    driver.start(true)?;
    loop {
        driver.main_idle_strategy(driver.main_do_work()?);
    }
}

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1).and_then(|folder| CString::new(folder).ok()) else {
        eprintln!("usage: swarmbus-peers-aeron-driver FOLDER");
        return ExitCode::from(64);
    };
    if let Err(error) = drive(&folder) {
        eprintln!("the media driver has failed: {error}");
    }
    ExitCode::FAILURE
}

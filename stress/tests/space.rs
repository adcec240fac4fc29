//! No space in /dev/shm.

use std::process::Command;
use swarmbus_stress::space::NOT_PERMITTED;

#[test]
fn without_space_there_is_out_of_memory_and_no_sigbus() {
    let output = Command::new(env!("CARGO_BIN_EXE_swarmbus-stress")).arg("small-tmpfs").output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_PERMITTED as i32) {
        println!("not run: {}", words.trim());
        return;
    }
    assert!(output.status.success(), "{}: {words}", output.status);
    println!("{}", words.trim());
}

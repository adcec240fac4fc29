//! What many attached processes cost. The figures are for people; asserted is what no machine changes: how often the kernel is asked, and how much
//! of the segment an agent takes.

use std::path::Path;
use swarmbus_stress::scale::{Burden, Company, Own, attach, calls, footprint, growth, handles, idle, options, reaping};
use swarmbus_stress::scene::Scene;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

#[test]
fn an_attach_asks_the_kernel_for_little() {
    let calls = calls(program()).unwrap();
    println!("system calls: {calls:?}");
    assert!(calls.open <= 24 && calls.attach <= 14 && calls.another <= 14 && calls.close <= 8, "{calls:?}");
}

#[test]
fn an_idle_agent_takes_a_page_of_the_segment() {
    let scene = Scene::new(&options(200)).unwrap();
    let observer = scene.observer().unwrap();
    let before = observer.bus().committed_bytes;
    let mut company = Company::gather(program(), scene.name(), 200, Burden::Nothing).unwrap();
    company.attach().unwrap();
    let taken = observer.bus().committed_bytes - before;
    println!("200 idle agents take {} KiB of the segment", taken >> 10);
    assert_eq!(taken, 200 * 4096);
}

#[test]
fn an_agent_adds_little_to_its_process() {
    let steps = footprint(program(), 300).unwrap();
    steps.iter().for_each(|(step, own)| println!("{step:?}: {own}"));
    let Own { stack, rest, tables } = steps.last().unwrap().1;
    // Where in their pages and regions things come to lie is chance; a page of page tables serves 2 MiB of the segment.
    assert!(rest <= 20 && tables <= 48, "{rest} KiB of heap and data, {tables} KiB of page tables");
    // Frames of a debug build are several times as large.
    assert!(stack <= if cfg!(debug_assertions) { 40 } else { 20 }, "{stack} KiB of stack");
}

#[test]
#[ignore = "figures of a thousand processes, for `make stress`"]
fn a_thousand_processes_come_and_go() {
    println!("{}", attach(program(), 1000, 5).unwrap());
    println!("{}", handles(1000, 5).unwrap());
    for burden in [Burden::Nothing, Burden::Message, Burden::Lock, Burden::Subscription, Burden::All] {
        println!("{}", reaping(program(), 1000, 5, burden).unwrap());
    }
    println!("{}", growth(program(), 10, 100_000).unwrap());
    println!("{}", growth(program(), 1000, 100_000).unwrap());
    println!("{}", idle(program(), 1000, Burden::Looked, false).unwrap());
}

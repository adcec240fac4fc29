//! Members that live, die and are reaped beside one another.

use crate::check::{fate, mortal};
use crate::tiny::member;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{self, JoinHandle};
use std::sync::Arc;
use swarmbus_core::word::Name;

/// The kernel's word on who is dead, and on how many may still die.
#[derive(Default)]
struct Register {
    dead: Vec<Name>,
    alive: usize,
}

#[derive(Default)]
struct Kernel {
    register: Mutex<Register>,
    changed: Condvar,
}

impl Kernel {
    fn begins(&self) {
        self.register.lock().unwrap().alive += 1;
    }

    fn ends(&self, who: Option<Name>) {
        let mut register = self.register.lock().unwrap();
        register.alive -= 1;
        register.dead.extend(who);
        drop(register);
        self.changed.notify_all();
    }

    /// The dead beyond those that are known, as soon as there are any. `None`: nobody is left who could die.
    fn next(&self, known: usize, left: usize) -> Option<Vec<Name>> {
        let mut register = self.register.lock().unwrap();
        loop {
            if register.dead.len() > known {
                return Some(register.dead.clone());
            }
            if register.alive == left {
                return None;
            }
            register = self.changed.wait(register).unwrap();
        }
    }
}

/// Threads of a model, each a member that may die.
pub struct Town {
    reapers: [u16; 2],
    kernel: Arc<Kernel>,
    living: Vec<JoinHandle<()>>,
}

impl Town {
    /// With two who reap; the first one may die of it.
    pub fn new(reapers: [u16; 2]) -> Town {
        Town { reapers, kernel: Arc::default(), living: Vec::new() }
    }

    /// Somebody who dies before one of its first `most` shared writes, or lives on.
    pub fn settle(&mut self, me: u16, most: u32, life: impl FnOnce(Name) + Send + 'static) {
        self.enter(me, fate(most), life);
    }

    /// Somebody who lives on.
    pub fn settle_for_good(&mut self, me: u16, life: impl FnOnce(Name) + Send + 'static) {
        self.enter(me, None, life);
    }

    fn enter(&mut self, me: u16, fate: Option<u32>, life: impl FnOnce(Name) + Send + 'static) {
        let (kernel, me) = (self.kernel.clone(), member(me));
        kernel.begins();
        self.living.push(thread::spawn(move || {
            let died = mortal(fate, || life(me)).is_none();
            kernel.ends(died.then_some(me));
        }));
    }

    /// Two reap at once, whoever dies, until all the others have gone; one of them dies of it, perhaps, and the other reaps it. Returns
    /// the dead.
    pub fn reap(mut self, most: u32, reap: impl Fn(Name, &[Name]) + Clone + Send + 'static) -> Vec<Name> {
        let [first, last] = self.reapers;
        let kernel = self.kernel.clone();
        self.settle(first, most, {
            let (kernel, reap) = (kernel.clone(), reap.clone());
            move |me| watch(&kernel, 1, |dead| reap(me, dead))
        });
        watch(&kernel, 0, |dead| reap(member(last), dead));
        for one in self.living {
            one.join().unwrap();
        }
        kernel.register.lock().unwrap().dead.clone()
    }
}

fn watch(kernel: &Kernel, left: usize, mut reap: impl FnMut(&[Name])) {
    let mut known = 0;
    while let Some(dead) = kernel.next(known, left) {
        reap(&dead[known..]);
        known = dead.len();
    }
}

//! One victim in one scene: what is prepared, who keeps it company, and what has to be right when it is over. How it ends is its [`Fate`].

use crate::Result;
use crate::boards;
use crate::books::{Balance, Books};
use crate::fault::{Harm, blame};
use crate::killer::Process;
use crate::ledger::Event;
use crate::mistake::Mistake;
use crate::scene::{Clerk, Scene, collect, expect_bare, expect_capacity, file_of, patience, probe, probe_all};
use crate::sweep::reap_all;
use crate::victim::locking::probe_locks;
use crate::victim::{Operation, keyed, make_second, topics};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::{CreateOptions, Lane, Member, QueueOptions};

/// Queues of every scene: one that everybody uses, one that is mostly empty, one whose redelivery ring a victim fills.
const QUEUES: [&str; 3] = ["q", "quiet", "crowded"];

/// Numbers of messages: the scene's start at 1, the peer's and the victim's here.
const PEER: u64 = 1_000_000_000;
/// The victim's.
pub const VICTIM: u64 = 2_000_000_000;

/// What a victim meets in its operation.
pub trait Fate {
    /// Starts the victim and returns when it has ended.
    ///
    /// # Errors
    /// When it does not end as it should.
    fn meet(&mut self, case: &Case<'_>, scene: &Scene, others: &mut Survivor<'_>) -> Result<Process>;

    /// All that the victim had has been given back.
    fn buried(&mut self) {}
}

/// One who was there before the victim, and lives on.
pub struct Survivor<'a> {
    /// Its handle.
    pub member: &'a Member,
    /// Its books.
    pub clerk: &'a mut Clerk,
    /// What others wrote down who ended meanwhile.
    pub ledgers: Vec<Vec<Event>>,
}

/// One victim.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The `swarmbus-stress` binary.
    pub program: &'a Path,
    /// What it does.
    pub operation: Operation,
    /// Whether a peer keeps the same things busy all the time.
    pub contended: bool,
    /// What is done wrong, so that a check has something to find.
    pub mistake: Option<Mistake>,
}

impl Case<'_> {
    /// Lets the victim meet its fate, and balances.
    ///
    /// # Errors
    /// What that cost (a [`Fault`](crate::fault::Fault)), or why it could not be tried.
    pub fn run(&self, fate: &mut dyn Fate) -> Result<Balance> {
        let options = CreateOptions { agents: 64, heap: 48 << 20, limit: 16, ..CreateOptions::default() };
        let scene = Scene::new(&options)?;
        for queue in QUEUES {
            scene.declare(queue, &QueueOptions::default())?;
        }
        for (queue, options) in self.operation.queues() {
            scene.declare(queue, &options)?;
        }
        let (mut clerk, member) = (Clerk::new(1, true), scene.join()?);
        for _ in 0..self.operation.messages_before() {
            clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
        }
        if self.operation == Operation::ReceiveAgain {
            drop(clerk.take(&member, "q", Duration::ZERO)?);
        }
        let mut books = Books::default();
        let mut others = Survivor { member: &member, clerk: &mut clerk, ledgers: Vec::new() };
        let mut victim = if self.operation.is_topical() {
            self.end_one_before_a_witness(&scene, &mut others, fate, &mut books)?
        } else {
            self.end_one(&scene, &mut others, fate, &mut books)?
        };
        victim.end()?;
        let mut ledgers = others.ledgers;
        ledgers.push(victim.events()?);
        for ledger in &ledgers {
            if self.operation.is_keyed() {
                blame(Harm::Duplicated, keyed::send_again(&mut clerk, &member, ledger))?;
            }
            books.add(ledger);
        }
        drop(member);
        books.add(&clerk.events);
        blame(Harm::Stuck, collect(&scene, &mut books))?;
        let balance = books.balance()?;
        self.expect_living(&scene)?;
        Ok(balance)
    }

    /// Whatever the victim was about: others can use it, and nothing of it is missing.
    fn expect_living(&self, scene: &Scene) -> Result<()> {
        if file_of(&scene.second()).exists() || matches!(self.operation, Operation::Create | Operation::Destroy) {
            blame(Harm::Stuck, self.expect_second(scene))?;
        }
        if self.operation == Operation::CloseQueue
            && scene.observer()?.queues().iter().any(|queue| queue.name == "closing")
        {
            // Who died after it had closed it had done what it should.
            blame(Harm::Stuck, scene.join()?.reopen_queue("closing").map_err(Into::into))?;
        }
        blame(Harm::Stuck, probe_all(scene))?;
        blame(Harm::Stuck, probe_locks(scene))?;
        blame(Harm::Leaked, expect_bare(scene))?;
        blame(Harm::Leaked, expect_capacity(scene, self.operation.is_about_memory()))
    }

    /// A witness reads the topic all the while.
    fn end_one_before_a_witness(
        &self,
        scene: &Scene,
        others: &mut Survivor<'_>,
        fate: &mut dyn Fate,
        books: &mut Books,
    ) -> Result<Process> {
        topics::prepare(scene)?;
        let (ready, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let (result, seen) = std::thread::scope(|threads| {
            let witness = threads.spawn(|| topics::witness(scene, &ready, &done));
            while !ready.load(Relaxed) && !witness.is_finished() {
                std::thread::yield_now();
            }
            let result = self.end_one(scene, others, fate, books);
            done.store(true, Relaxed);
            (result, witness.join())
        });
        let victim = result?;
        topics::enter(books, &blame(Harm::Lost, seen.map_err(|_| "the witness panicked")?)?);
        if self.operation == Operation::TrimTopic {
            topics::refill(scene)?;
        }
        blame(Harm::Stuck, topics::probe(scene))?;
        Ok(victim)
    }

    /// Runs the victim, with a peer if it has one, and buries it.
    fn end_one(
        &self,
        scene: &Scene,
        others: &mut Survivor<'_>,
        fate: &mut dyn Fate,
        books: &mut Books,
    ) -> Result<Process> {
        let mut peer = if self.contended { Some(self.start_peer(scene)?) } else { None };
        let victim = fate.meet(self, scene, others)?;
        if self.mistake != Some(Mistake::BuryNobody) {
            blame(Harm::Leaked, reap_all(scene, others.member))?;
        }
        fate.buried();
        let mut spoken = others.ledgers.clone();
        spoken.push(victim.events()?);
        if let Some(peer) = &mut peer {
            blame(Harm::Stuck, peer.stop())?;
            books.add(&peer.events()?);
            spoken.push(peer.events()?);
        }
        blame(Harm::Lost, boards::check(scene, &spoken))?;
        Ok(victim)
    }

    fn start_peer(&self, scene: &Scene) -> Result<Process> {
        let arguments = ["peer", "--bus", scene.name(), "--first", &PEER.to_string()];
        let operation = ["--operation", &self.operation.name()];
        let mut peer = Process::start(self.program, &[&arguments[..], &operation].concat())?;
        peer.wait_for(|event| *event == Event::Ready)?;
        Ok(peer)
    }

    /// Whatever became of the second bus: it can be had, used and removed.
    fn expect_second(&self, scene: &Scene) -> Result<()> {
        let second = make_second(scene.name())?;
        second.declare("sleepers", &QueueOptions::default())?;
        probe(&second, "sleepers")?;
        second.destroy()?;
        if file_of(&scene.second()).exists() { Err("the second bus is still there".into()) } else { Ok(()) }
    }
}

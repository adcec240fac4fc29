//! What runs the threads of a model: loom, in every order, or shuttle (the feature of that name), in orders drawn by chance.

#[cfg(feature = "shuttle")]
pub use drawn::*;
#[cfg(not(feature = "shuttle"))]
pub use every::*;

/// Loom: every order of few threads, and every value that a load may return.
#[cfg(not(feature = "shuttle"))]
mod every {
    use loom::sync::Condvar;
    pub use loom::sync::atomic;
    use loom::thread::{self, Thread};
    pub use loom::thread_local;
    use std::sync::Arc;

    /// Tells loom that the order of all accesses of a word matters.
    ///
    /// Of an atomic, loom 0.7 remembers the last access alone to find out which orders are worth a try. A load is so forgotten as
    /// soon as another thread loads the same word before it writes it, and the orders in which that write comes first are not
    /// tried, which in code made of loads and compare-exchanges are most. Ringing a bell for which nobody waits is an access of which
    /// none is forgotten, and does nothing else: it is no edge.
    #[derive(Clone, Debug)]
    pub struct Order(Option<Arc<Condvar>>);

    impl Order {
        pub fn new() -> Order {
            Order(Some(Arc::new(Condvar::new())))
        }

        /// Of a word that nobody writes while threads run.
        pub fn of_a_constant() -> Order {
            Order(None)
        }

        /// Before an access of the word.
        pub fn matters(&self) {
            if let Some(bell) = &self.0 {
                bell.notify_one();
            }
        }

        /// Before the kernel looks who sleeps on the word.
        pub fn matters_to_kernel(&self) {
            self.matters();
        }
    }

    /// A thread that is about to sleep.
    #[derive(Clone, Debug)]
    pub struct Sleeper(Thread);

    impl Sleeper {
        pub fn me() -> Sleeper {
            Sleeper(thread::current())
        }

        pub fn sleep(&self) {
            thread::park();
        }

        /// Takes the sleepers at once; they may run when this returns.
        pub fn wake_all(sleepers: impl Iterator<Item = Sleeper>) {
            sleepers.for_each(|sleeper| sleeper.0.unpark());
        }

        pub fn is(&self, other: &Sleeper) -> bool {
            self.0.id() == other.0.id()
        }
    }
}

/// Shuttle: many threads, one order at a time. Every access of a word is seen by all at once (sequential consistency).
#[cfg(feature = "shuttle")]
mod drawn {
    pub use shuttle::sync::atomic;
    use shuttle::thread::{self, Thread};
    pub use shuttle::thread_local;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    /// Where threads may change. Shuttle does so before each access of an atomic.
    #[derive(Clone, Debug)]
    pub struct Order;

    impl Order {
        pub fn new() -> Order {
            Order
        }

        pub fn of_a_constant() -> Order {
            Order
        }

        pub fn matters(&self) {}

        /// The kernel looks in a step of its own.
        pub fn matters_to_kernel(&self) {
            atomic::AtomicBool::new(false).load(atomic::Ordering::SeqCst);
        }
    }

    /// A thread that is about to sleep. Shuttle's `park` may end by itself, at which a wake that was missed would not be noticed; so this
    /// one sleeps until it was woken.
    #[derive(Clone, Debug)]
    pub struct Sleeper {
        thread: Thread,
        woken: Arc<AtomicBool>,
    }

    impl Sleeper {
        pub fn me() -> Sleeper {
            Sleeper { thread: thread::current(), woken: Arc::default() }
        }

        pub fn sleep(&self) {
            while !self.woken.load(Relaxed) {
                thread::park();
            }
        }

        /// Takes the sleepers at once; they may run before this returns.
        pub fn wake_all(sleepers: impl Iterator<Item = Sleeper>) {
            let sleepers: Vec<_> = sleepers.inspect(|sleeper| sleeper.woken.store(true, Relaxed)).collect();
            sleepers.iter().for_each(|sleeper| sleeper.thread.unpark());
        }

        pub fn is(&self, other: &Sleeper) -> bool {
            Arc::ptr_eq(&self.woken, &other.woken)
        }
    }
}

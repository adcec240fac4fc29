//! Models of code that is wrong on purpose: they have to fail, and nobody is to be told.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use swarmbus_core::sync::mutated;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a failure would be the one that is wanted.
pub fn is_expected() -> bool {
    EXPECTED.get()
}

/// Whether `model` fails, which is not shown.
pub fn fails(model: impl FnOnce()) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_expected() {
                usual(panic);
            }
        }));
    });
    EXPECTED.set(true);
    let failed = catch_unwind(AssertUnwindSafe(model)).is_err();
    EXPECTED.set(false);
    failed
}

/// Whether this is the run of one of these mutants. All are asked for, so that a survey hears of them.
pub fn is_run_of(mistakes: &[&'static str]) -> bool {
    mistakes.iter().filter(|mistake| mutated(mistake)).count() > 0
}

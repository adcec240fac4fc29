//! A handle that is bound to a thread dies with it.

use super::Member;
use crate::binding;
use crate::error::Result;
use crate::registry;

impl Member {
    /// Binds the handle to the calling thread, once: when the thread ends without closing the handle, what it had is given back as if the process
    /// had died. For bindings whose handles other threads can only drop. A handle that is not bound lives as long as its process.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    ///
    /// # Safety
    /// From now on only the calling thread uses the handle, and whatever it takes or borrows by it. Any thread may drop it.
    pub unsafe fn bind_to_thread(&self) -> Result<()> {
        self.check()?;
        let entry = self.entry();
        if self.thread.get().is_none() {
            let thread = registry::this_thread(&self.seat);
            self.thread.set(Some(thread));
            binding::bind(&entry.thread, thread);
        }
        Ok(())
    }

    /// Unbinds a handle for the time in which other threads look at what it has: views of a message. Its thread calls this while it lives.
    pub fn unbind_from_thread(&self) {
        if let Some(thread) = self.thread.get() {
            binding::unbind(&self.entry().thread, thread);
        }
    }

    /// Binds a handle that was unbound to the thread that it had; any thread may do so.
    ///
    /// # Safety
    /// As for [`Member::bind_to_thread`]: nobody looks any more.
    pub unsafe fn bind_again(&self) {
        if let Some(thread) = self.thread.get() {
            binding::bind(&self.entry().thread, thread);
        }
    }

    /// Whether the handle is the caller's to drop, and no reaper's: unbound from here on.
    pub fn unbind_to_drop(&self) -> bool {
        self.thread.get().is_none_or(|thread| registry::take_over(self.segment(), &self.seat, thread))
    }
}

//! Knowing that the process was forked, before anything is touched.
//!
//! A child shares the queues' memory with its parent: an entry that it pushed, or a completion that
//! it took, would break the parent's ring for good. So every ring remembers the *generation* in
//! which it was made, and compares it with a word that the kernel wipes in a child
//! (`MADV_WIPEONFORK`, Linux 4.14): one load and one compare, and no `getpid` on any path.
//!
//! A child may make rings of its own: the first one writes a generation that no ring of an ancestor
//! has, because the counter that it is taken from is ordinary memory and survives the fork.

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

/// The last generation given out in this process or its ancestors.
static LAST: AtomicU32 = AtomicU32::new(0);

/// The word that is wiped on fork.
static WORD: OnceLock<&'static AtomicU32> = OnceLock::new();

/// When (between which forks) something was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generation {
    word: &'static AtomicU32,
    made: u32,
}

impl Generation {
    /// The generation of this process.
    pub(crate) fn current() -> Self {
        let word = *WORD.get_or_init(wiped_word);
        // Pairs with the exchange below: whoever sees another's generation needs nothing else of it.
        let now = word.load(Ordering::Relaxed);
        if now != 0 {
            return Self { word, made: now };
        }
        // Relaxed: only uniqueness matters, and a read-modify-write gives that by itself.
        let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
        // Two threads may race here after a fork: both end with the value that won.
        // Relaxed: pairs with the loads here and in `is_current`, which need only the value.
        match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Self { word, made: next },
            Err(won) => Self { word, made: won },
        }
    }

    /// Whether this process is the one that made it.
    #[inline(always)]
    pub(crate) fn is_current(&self) -> bool {
        // Relaxed: pairs with the exchange in `current`, made before this value existed. In a child
        // the kernel wiped the word before the child ran.
        self.word.load(Ordering::Relaxed) == self.made
    }
}

/// A word in a page of its own that reads 0 in every child.
#[cfg(not(any(loom, miri)))]
fn wiped_word() -> &'static AtomicU32 {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

    let len = rustix::param::page_size();
    let flags = MapFlags::PRIVATE;
    // SAFETY: a new private mapping at an address of the kernel's choosing touches nothing else.
    let page = unsafe {
        mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags)
    };
    let Ok(page) = page else { return fallback_word() };
    // SAFETY: the range is the mapping made above; wiping it on fork is what it is for.
    let wiped = unsafe { madvise(page, len, Advice::LinuxWipeOnFork) };
    if wiped.is_err() {
        return fallback_word();
    }
    // SAFETY: the mapping is zeroed, aligned to a page, never unmapped, and only ever used as this.
    unsafe { &*page.cast::<AtomicU32>() }
}

/// Model checkers do not fork.
#[cfg(any(loom, miri))]
fn wiped_word() -> &'static AtomicU32 {
    fallback_word()
}

/// Without a page to wipe (no memory for one, or a kernel before 4.14), forks go unnoticed.
fn fallback_word() -> &'static AtomicU32 {
    static PLAIN: AtomicU32 = AtomicU32::new(0);
    &PLAIN
}

#[cfg(test)]
mod tests {
    use super::Generation;

    #[test]
    fn a_generation_is_current_where_it_was_made() {
        let first = Generation::current();
        let second = Generation::current();
        assert!(first.is_current() && second.is_current());
        assert_eq!(first.made, second.made);
    }
}

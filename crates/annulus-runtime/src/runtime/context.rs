//! The runtime that this thread is inside of.

use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr;
use std::rc::Rc;

use super::core::Core;

std::thread_local! {
    /// What `Rc::into_raw` gave; whoever set it keeps a count until it sets it back.
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// The runtime that this thread is inside of, if it is, for as long as `f` runs.
#[inline(always)]
fn try_with<R>(f: impl FnOnce(&Rc<Core>) -> R) -> Option<R> {
    let current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
    if current.is_null() {
        return None;
    }
    // SAFETY: it was made by `Rc::into_raw`, and its count is kept by the `Inside` that set it, on
    // a frame of this thread below this one. This takes no count, and gives none up.
    let core = ManuallyDrop::new(unsafe { Rc::from_raw(current) });
    Some(f(&core))
}

/// Whether this thread is inside of a runtime.
pub(super) fn is_inside() -> bool {
    try_with(|_| ()).is_some()
}

/// Calls `f` with the runtime that this thread is inside of.
///
/// # Panics
/// Outside of one.
#[inline]
#[track_caller]
pub(super) fn with<R>(f: impl FnOnce(&Rc<Core>) -> R) -> R {
    match try_with(f) {
        Some(answer) => answer,
        None => outside(),
    }
}

#[cold]
#[track_caller]
fn outside() -> ! {
    panic!(
        "this thread is not inside an Annulus runtime: call it from what `annulus_runtime::run` or \
         `Runtime::block_on` runs"
    )
}

/// Makes `core` the one that this thread is inside of.
///
/// # Panics
/// Inside another: it would stop until this is over.
#[track_caller]
pub(super) fn enter(core: &Rc<Core>) -> Inside {
    assert!(
        !is_inside(),
        "this thread is inside an Annulus runtime already: await the future instead of blocking on \
         it, or spawn it"
    );
    enter_for_end(core)
}

/// The same, also inside another: what ends does not run anything that waits.
pub(super) fn enter_for_end(core: &Rc<Core>) -> Inside {
    let own = Rc::into_raw(Rc::clone(core));
    let before = CURRENT.try_with(|current| current.replace(own)).unwrap_or(ptr::null());
    Inside { own, before }
}

/// While it lasts this thread is inside of a runtime. It is dropped in the frame that made it, on
/// top of which everything else runs.
pub(super) struct Inside {
    own: *const Core,
    before: *const Core,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.set(self.before));
        // SAFETY: the count that `enter_for_end` took.
        drop(unsafe { Rc::from_raw(self.own) });
    }
}

//! The runtime that this thread is inside of.

use core::cell::RefCell;
use std::rc::Rc;

use super::core::Core;

std::thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// The runtime that this thread is inside of, if it is.
pub(super) fn current() -> Option<Rc<Core>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Calls `f` with the runtime that this thread is inside of.
///
/// # Panics
/// Outside of one.
#[inline]
#[track_caller]
pub(super) fn with<R>(f: impl FnOnce(&Rc<Core>) -> R) -> R {
    let Some(core) = current() else {
        panic!(
            "this thread is not inside an Annulus runtime: call it from what `annulus::run` or \
             `Runtime::block_on` runs"
        )
    };
    f(&core)
}

/// Makes `core` the one that this thread is inside of.
///
/// # Panics
/// Inside another: it would stop until this is over.
#[track_caller]
pub(super) fn enter(core: &Rc<Core>) -> Inside {
    assert!(
        current().is_none(),
        "this thread is inside an Annulus runtime already: await the future instead of blocking on \
         it, or spawn it"
    );
    enter_for_end(core)
}

/// The same, also inside another: what ends does not run anything that waits.
pub(super) fn enter_for_end(core: &Rc<Core>) -> Inside {
    let before = CURRENT.try_with(|current| current.replace(Some(Rc::clone(core)))).ok().flatten();
    Inside { before }
}

/// While it lasts this thread is inside of a runtime.
pub(super) struct Inside {
    before: Option<Rc<Core>>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let before = self.before.take();
        let left = CURRENT.try_with(|current| current.replace(before));
        drop(left);
    }
}

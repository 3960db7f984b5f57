//! What is said where a ring is not what was asked for: one line, once in a process.

use core::sync::atomic::{AtomicBool, Ordering};
use std::io::Write;

use annulus_ring::{Error, SetupError};

use super::{KERNEL_VARIABLE, listener};

/// Whether it was said.
static SAID: AtomicBool = AtomicBool::new(false);

/// Says that the host kernel answers, why, what to do about it, and how to refuse.
pub(super) fn host(error: &Error) {
    say(|| {
        let (cause, fix) = why(error);
        format!(
            "rings run in user space, on epoll and threads: {cause}; fix: {fix}; \
             {KERNEL_VARIABLE}=linux makes this an error, {KERNEL_VARIABLE}=host says nothing"
        )
    });
}

/// Says that a ring is shorter than it was asked to be, and that others may be no rings of Linux.
pub(super) fn shorter(asked: u32, made: u32, error: &Error) {
    say(|| {
        let (cause, fix) = why(error);
        format!(
            "a ring has {made} entries instead of {asked}, and others may be shorter still, or run \
             in user space: {cause}; fix: {fix}; {KERNEL_VARIABLE}=linux makes this an error"
        )
    });
}

/// The cause and the cure, each without a line break.
pub(super) fn why(error: &Error) -> (String, String) {
    match error.setup_error() {
        Some(setup) => (cause(setup), setup.cure()),
        None => (error.to_string().replace('\n', "; "), "see `annulus probe`".to_owned()),
    }
}

/// The call that failed, how, and why.
fn cause(setup: &SetupError) -> String {
    format!("{}: {:?}: {}", setup.call().name(), setup.errno(), setup.cause())
}

/// Says `text` if nothing was said before: to who listens for events, else on standard error.
fn say(text: impl FnOnce() -> String) {
    // Relaxed: pairs with itself: one of those that find it unset says it.
    if SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let text = text();
    if !listener::tell(&text) {
        // In one write, past the print macros: those panic where standard error is closed.
        let _ = std::io::stderr().write_all(format!("annulus: {text}\n").as_bytes());
    }
}

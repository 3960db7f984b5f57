//! Whether Linux's io_uring works in this process: a NOP says so.
//!
//! A ring that can be made proves nothing. Filters of system calls are known that allow
//! `io_uring_setup` and refuse `io_uring_enter`, and one that answers 0 to it is as easily written.
//! So a NOP is done, once in a process, on a ring of one entry that is there for nothing else: the
//! ring that was asked for may be disabled, restricted, or another thread's later, and its queues
//! are to be as new.
//!
//! No lock is held, so that a child of `fork(2)` finds none: two threads may do it at once.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use annulus_ring::diagnose::Cause;
use annulus_ring::{Builder, Errno, Error, Result, Ring, Wait, op};

/// How long the NOP may take. Linux does it while it takes the entry.
const LIMIT: Duration = Duration::from_secs(1);

/// How often the kernel is entered for it. A signal may end an enter, and so may a call that says
/// that it did something and did not.
const ENTERS_MAX: usize = 8;

/// Whether a NOP came back once.
static WORKS: AtomicBool = AtomicBool::new(false);

/// Does a NOP through Linux's io_uring, unless one came back before.
///
/// # Errors
/// As `io_uring_setup(2)` and `io_uring_enter(2)`. `ENOSYS`: the kernel was entered, and nothing
/// came of it.
pub(super) fn of_linux() -> Result<()> {
    // Relaxed: pairs with the store below: a hint, nothing is read by it.
    if WORKS.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut ring: Ring = Builder::new().entries(1).build()?;
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(op::Nop::new())? };
    answer(|wait| {
        match wait {
            // Without a wait first: a kernel before 5.11 knows no limits.
            None => ring.submit(),
            Some(wait) => ring.submit_and_wait_with(1, &wait),
        }?;
        Ok(ring.completions()?.next().is_some())
    })?;
    // Relaxed: pairs with the load above.
    WORKS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Forgets that it worked: it was refused since.
pub(super) fn forget() {
    // Relaxed: pairs with the load in `of_linux`.
    WORKS.store(false, Ordering::Relaxed);
}

/// Enters until there is an answer, and not for ever.
fn answer(mut enter: impl FnMut(Option<Wait>) -> Result<bool>) -> Result<()> {
    for round in 0..ENTERS_MAX {
        match enter((round > 0).then(|| Wait::new().timeout(LIMIT))) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.is_interrupted() || error.is_busy() => {}
            Err(error) if error.is_timeout() => break,
            Err(error) => return Err(error),
        }
    }
    Err(Error::os(
        Errno::ENOSYS,
        "doing a NOP by io_uring: it is blocked here, io_uring_enter says that it did something \
         and did nothing (a filter that answers 0?)",
    ))
}

/// Whether `error` says that Linux's io_uring is not to be had in this process, whatever the ring.
pub(super) fn is_blocked(error: &Error) -> bool {
    match error.setup_error().map(annulus_ring::SetupError::cause) {
        // Another ring would be made: the request is to blame, or a right that only it needs.
        Some(Cause::SqpollRefused | Cause::TooOld { .. }) => false,
        Some(cause) => cause.is_unsupported(),
        None => error.errno() == Some(Errno::ENOSYS),
    }
}

/// Whether `error` says that memory is short, of which a shorter ring needs less.
pub(super) fn is_short(error: &Error) -> bool {
    let cause = error.setup_error().map(annulus_ring::SetupError::cause);
    matches!(cause, Some(Cause::Memlock { .. } | Cause::Memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_here_and_is_remembered() {
        if let Err(error) = of_linux() {
            assert!(is_blocked(&error) || is_short(&error), "{error}");
            return;
        }
        assert!(WORKS.load(Ordering::Relaxed)); // It pairs with the store in `of_linux`.
    }

    #[test]
    fn a_call_that_does_nothing_is_found_in_a_few_rounds() {
        let mut rounds = 0;
        let error = answer(|_| {
            rounds += 1;
            Ok(false)
        });
        let error = error.expect_err("nothing came");
        assert_eq!(rounds, ENTERS_MAX);
        assert!(is_blocked(&error) && error.is_unsupported(), "{error}");
        assert!(error.to_string().contains("did nothing"), "{error}");
    }

    #[test]
    fn a_request_that_no_kernel_takes_is_not_a_block() {
        if of_linux().is_err() {
            // Then it is blocked, whatever is asked for.
            return;
        }
        let error = annulus_ring::Ring::new(1 << 20).expect_err("too long");
        assert!(!is_blocked(&error) && !is_short(&error), "{error}");
    }
}

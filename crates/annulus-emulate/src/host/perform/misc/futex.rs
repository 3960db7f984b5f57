//! FUTEX_WAIT, FUTEX_WAITV, FUTEX_WAKE.
//!
//! A wait is a thread's, which really waits in the kernel: so whoever wakes the word, by whatever
//! call, wakes it, and is told so. On Linux an entry waits as soon as it is submitted. So here the
//! submit goes on only when the thread is seen in the queue of a word: of a [`Queue::gate`] that it
//! waits for beside the program's, if it can wait for several, else of the program's word.

use std::sync::atomic::AtomicU32;

use annulus_ring::Errno;
use annulus_ring::abi::{FUTEX_BITSET_MATCH_ANY, FUTEX_WAITV_MAX, Futex2Flags, FutexWaitv, Op};

use super::HostWork;
use crate::host::sys::futex as sys;
use crate::world::{Attempt, Stable};

/// A word of ours, private to the process.
const OURS: Futex2Flags = Futex2Flags(Futex2Flags::SIZE_U32.0 | Futex2Flags::PRIVATE.0);

/// Where a wait can be seen.
#[derive(Debug)]
pub(in crate::host) struct Queue {
    /// Nobody ever wakes it.
    gate: AtomicU32,
    has_gate: bool,
    /// The word in whose queue the wait is, and how many were there before.
    word: (u64, Futex2Flags),
    before: u32,
}

impl Queue {
    /// Of a wait that is about to begin. `None`: it is no wait for a futex.
    pub(in crate::host) fn of(work: &HostWork) -> Option<Self> {
        let waits = waits(work)?;
        let has_gate =
            !is_masked(work) && waits.len() < FUTEX_WAITV_MAX as usize && sys::can_wait_for_many();
        let last = waits.last()?;
        let word = (last.uaddr, last.flags);
        let before = if has_gate { 0 } else { sys::waiters(word.0, word.1) };
        Some(Self { gate: AtomicU32::new(0), has_gate, word, before })
    }

    /// Whether the wait is certain to be seen, unless it is over.
    pub(in crate::host) fn is_exact(&self) -> bool {
        self.has_gate
    }

    /// Whether the wait is in its queue.
    pub(in crate::host) fn is_joined(&self) -> bool {
        let (addr, flags) =
            if self.has_gate { (sys::address(&self.gate), OURS) } else { self.word };
        sys::waiters(addr, flags) > self.before
    }
}

/// The words of a wait.
fn waits(work: &HostWork) -> Option<Vec<FutexWaitv>> {
    match (&work.stable, work.sqe.opcode) {
        (Stable::Futexes(waits), _) => Some(waits.clone()),
        (_, Op::FUTEX_WAIT) => {
            let flags = Futex2Flags(work.sqe.fd as u32);
            let (val, uaddr) = (work.sqe.off, work.sqe.addr);
            Some(vec![FutexWaitv { val, uaddr, flags, ..FutexWaitv::default() }])
        }
        _ => None,
    }
}

/// Whether only some wakes are for it.
fn is_masked(work: &HostWork) -> bool {
    work.sqe.opcode == Op::FUTEX_WAIT && work.sqe.addr3 != u64::from(FUTEX_BITSET_MATCH_ANY)
}

/// Looks whether there is anything to wait for.
pub(super) fn attempt(work: &HostWork) -> Attempt {
    let Some(waits) = waits(work) else { return Attempt::Done(Err(Errno::EINVAL)) };
    let looked = match &waits[..] {
        [one] if work.sqe.opcode == Op::FUTEX_WAIT => {
            sys::look(one.uaddr, one.flags, one.val as u32, work.sqe.addr3 as u32)
        }
        all => sys::wait_many(all, true),
    };
    match looked {
        Err(Errno::ETIMEDOUT) => Attempt::Blocks,
        // Woken while it looked, or wrong.
        looked => Attempt::Done(looked),
    }
}

/// Waits, in a queue where it can be seen.
pub(super) fn wait(work: &HostWork, queue: Option<&Queue>) -> Result<u32, Errno> {
    let mut waits = waits(work).ok_or(Errno::EINVAL)?;
    let gated = queue.filter(|queue| queue.has_gate);
    if work.sqe.opcode == Op::FUTEX_WAIT && gated.is_none() {
        let FutexWaitv { uaddr, flags, val, .. } = waits[0];
        return sys::wait(uaddr, flags, val as u32, work.sqe.addr3 as u32);
    }
    if let Some(queue) = gated {
        let uaddr = sys::address(&queue.gate);
        // The last: who is in its queue is in all others.
        waits.push(FutexWaitv { val: 0, uaddr, flags: OURS, ..FutexWaitv::default() });
    }
    sys::wait_many(&waits, false)
}

/// FUTEX_WAKE.
pub(super) fn wake(work: &HostWork) -> Result<u32, Errno> {
    let sqe = &work.sqe;
    let (count, mask) = (sqe.off as u32, sqe.addr3 as u32);
    if count == 0 && mask != 0 && sqe.addr.is_multiple_of(4) {
        // The older call would wake one.
        return Ok(0);
    }
    sys::wake(sqe.addr, Futex2Flags(sqe.fd as u32), count, mask)
}

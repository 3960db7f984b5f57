//! Entry sizes as types, so that no entry costs a test: which kind of entry lies in a ring's
//! queues is decided when the ring is made.

use core::fmt::Debug;

use crate::abi::{Cqe, Cqe32, CqeFlags, SetupFlags, Sqe, Sqe128};
use crate::sync::Slot;

/// A kind of submission entry: [`Sqe`] (64 bytes) or [`Sqe128`].
///
/// # Safety
/// - The type is laid out as the kernel reads entries of a ring made with `SETUP`, and all zero
///   bytes are a NOP.
pub unsafe trait SqeKind: Copy + Default + From<Sqe> + Debug + Send + 'static {
    /// The set-up flag that asks for this kind.
    const SETUP: SetupFlags;
}

// SAFETY: the layout is asserted in `abi`; opcode 0 is NOP.
unsafe impl SqeKind for Sqe {
    const SETUP: SetupFlags = SetupFlags::empty();
}

// SAFETY: the layout is asserted in `abi`; opcode 0 is NOP.
unsafe impl SqeKind for Sqe128 {
    const SETUP: SetupFlags = SetupFlags::SQE128;
}

/// A kind of completion entry: [`Cqe`] (16 bytes), [`Cqe32`], or [`Mixed`].
///
/// # Safety
/// - `Slot` is laid out as the kernel writes the completion queue of a ring made with `SETUP`.
/// - `read` reads only slots that belong to the entry at `at`, none beyond `left`, and answers with
///   no more than `left`, and no more than `SLOTS_MAX`.
pub unsafe trait CqeKind: Debug + Send + 'static {
    /// What lies in the queue's slots.
    type Slot: Copy + Debug + Send + 'static;
    /// What an iteration yields.
    type Item;
    /// The set-up flag that asks for this kind.
    const SETUP: SetupFlags;
    /// How many slots an entry fills at most.
    const SLOTS_MAX: u32;

    /// Reads the entry at slot `at`: what it is (nothing, for padding) and how many slots it fills.
    ///
    /// # Safety
    /// - `slots` is the first slot of a completion queue of this kind with `mask + 1` slots.
    /// - From `at`, which is below `mask + 1`, it is the caller's turn with `left` slots (which may
    ///   wrap), at least one.
    unsafe fn read(
        slots: *const Slot<Self::Slot>,
        mask: u32,
        at: u32,
        left: u32,
    ) -> (Option<Self::Item>, u32);
}

/// Reads the slot `at`.
///
/// # Safety
/// - As [`CqeKind::read`].
#[inline(always)]
unsafe fn slot<T: Copy>(slots: *const Slot<T>, at: u32) -> T {
    // SAFETY: the caller says that the queue has a slot `at`.
    let slot = unsafe { slots.add(at as usize) };
    // SAFETY: the pointer is to a slot of the queue, which outlives the call.
    let slot = unsafe { &*slot };
    // SAFETY: it is the caller's turn with the slot.
    unsafe { slot.read() }
}

// SAFETY: the layout is asserted in `abi`; an entry is one slot.
unsafe impl CqeKind for Cqe {
    type Slot = Cqe;
    type Item = Cqe;
    const SETUP: SetupFlags = SetupFlags::empty();
    const SLOTS_MAX: u32 = 1;

    #[inline(always)]
    unsafe fn read(slots: *const Slot<Cqe>, _: u32, at: u32, _: u32) -> (Option<Cqe>, u32) {
        // SAFETY: the caller's promises are this call's.
        (Some(unsafe { slot(slots, at) }), 1)
    }
}

// SAFETY: the layout is asserted in `abi`; an entry is one slot.
unsafe impl CqeKind for Cqe32 {
    type Slot = Cqe32;
    type Item = Cqe32;
    const SETUP: SetupFlags = SetupFlags::CQE32;
    const SLOTS_MAX: u32 = 1;

    #[inline(always)]
    unsafe fn read(slots: *const Slot<Cqe32>, _: u32, at: u32, _: u32) -> (Option<Cqe32>, u32) {
        // SAFETY: the caller's promises are this call's.
        (Some(unsafe { slot(slots, at) }), 1)
    }
}

/// The kind of a queue whose completions are 16 or 32 bytes long, each as it needs
/// (`IORING_SETUP_CQE_MIXED`, Linux 6.18).
///
/// A long one fills two slots and never wraps: the kernel fills the last slot with padding
/// (`IORING_CQE_F_SKIP`) instead, which iteration passes over.
///
/// ```
/// use annulus_ring::{LocalRing, Mixed, abi::Sqe, op};
/// # fn main() -> Result<(), annulus_ring::Error> {
/// # let built = annulus_ring::Builder::new().entries(8).cqe_mixed().build_local();
/// # if built.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.18
/// let mut ring: LocalRing<Sqe, Mixed> = built?;
/// // SAFETY: a NOP points to nothing.
/// unsafe { ring.push(op::Nop::new().build().user_data(3))? };
/// ring.submit_and_wait(1)?;
/// let item = ring.completions()?.next().unwrap();
/// assert_eq!((item.cqe.user_data, item.big), (3, None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Mixed {}

/// A completion of a [`Mixed`] queue.
///
/// ```
/// use annulus_ring::{MixedCqe, abi::Cqe};
/// let short = MixedCqe { cqe: Cqe::default(), big: None };
/// assert!(short.big.is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixedCqe {
    /// The first 16 bytes.
    pub cqe: Cqe,
    /// The other 16, if this one is long.
    pub big: Option<[u64; 2]>,
}

// SAFETY: slots are 16 bytes; a long entry is the slot at `at` and the one after it.
unsafe impl CqeKind for Mixed {
    type Slot = Cqe;
    type Item = MixedCqe;
    const SETUP: SetupFlags = SetupFlags::CQE_MIXED;
    const SLOTS_MAX: u32 = 2;

    #[inline]
    unsafe fn read(
        slots: *const Slot<Cqe>,
        mask: u32,
        at: u32,
        left: u32,
    ) -> (Option<MixedCqe>, u32) {
        // SAFETY: the caller's promises are this call's.
        let cqe = unsafe { slot(slots, at) };
        if cqe.flags.contains(CqeFlags::SKIP) {
            return (None, 1);
        }
        if !cqe.flags.contains(CqeFlags::F_32) {
            return (Some(MixedCqe { cqe, big: None }), 1);
        }
        if left < 2 {
            // No kernel posts half an entry: somebody advanced into the middle of one.
            return (None, 1);
        }
        // The kernel pads the end of the queue, so the second half never wraps; the mask keeps a
        // kernel that broke this promise inside the queue all the same.
        // SAFETY: the caller has the turn with two slots.
        let rest = unsafe { slot(slots, at.wrapping_add(1) & mask) };
        let [a, b, c, d] = rest.res.to_ne_bytes();
        let [e, f, g, h] = rest.flags.0.to_ne_bytes();
        let second = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        (Some(MixedCqe { cqe, big: Some([rest.user_data, second]) }), 2)
    }
}

//! What the model kernel does with an entry, and how a completion of it lies in each kind of queue.

use annulus_ring::abi::{Cqe, Cqe32, CqeFlags, Op, Sqe, Sqe128, SqeFlags};
use annulus_ring::{CqeKind, Errno, Mixed, MixedCqe, SqeKind};

/// `IORING_NOP_CQE32`: a NOP that completes with 32 bytes, taken from `off` and `addr`.
pub const NOP_LONG: u32 = 1 << 5;

/// An operation that the model does not know: it completes with `EINVAL`.
pub const UNKNOWN: Op = Op(200);

/// A NOP that completes with `user_data`.
pub fn nop(user_data: u64) -> Sqe {
    Sqe { opcode: Op::NOP, user_data, ..Sqe::default() }
}

/// A NOP whose completion is 32 bytes long where the queue has such.
pub fn long_nop(user_data: u64) -> Sqe {
    Sqe { rw_flags: NOP_LONG, off: !user_data, addr: user_data ^ 0x55, ..nop(user_data) }
}

/// A completion, whatever its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    pub user_data: u64,
    pub res: i32,
    /// The other half of a long one.
    pub big: Option<[u64; 2]>,
}

impl Completion {
    /// What an entry completes with: its length (0 in a plain NOP) as the result; nothing if it
    /// succeeds and asked for silence.
    pub fn of(sqe: &Sqe) -> Option<Self> {
        let known = sqe.opcode == Op::NOP;
        if known && sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS) {
            return None;
        }
        let res = if known { sqe.len as i32 } else { -Errno::EINVAL.raw() };
        let long = known && sqe.rw_flags & NOP_LONG != 0;
        Some(Self { user_data: sqe.user_data, res, big: long.then_some([sqe.off, sqe.addr]) })
    }

    /// The first half of it.
    fn cqe(&self, flags: CqeFlags) -> Cqe {
        Cqe { user_data: self.user_data, res: self.res, flags }
    }
}

/// A kind of submission entry that the model can look into.
pub trait Entry: SqeKind {
    fn sqe(&self) -> &Sqe;
}

impl Entry for Sqe {
    fn sqe(&self) -> &Sqe {
        self
    }
}

impl Entry for Sqe128 {
    fn sqe(&self) -> &Sqe {
        &self.sqe
    }
}

/// A kind of completion that the model can post, and read back.
pub trait Posted: CqeKind {
    /// The slots that a completion fills.
    fn slots(completion: &Completion) -> (Self::Slot, Option<Self::Slot>);
    /// What the program saw.
    fn seen(item: &Self::Item) -> Completion;
    /// The slot that says "nothing here".
    fn padding() -> Self::Slot;
    /// Room for one that the program sees.
    fn blank() -> Self::Item;
    /// What `completion` looks like after it went through a queue of this kind.
    fn through(completion: Completion) -> Completion;
}

/// The slot that says "nothing here".
pub fn padding<C: Posted>() -> C::Slot {
    C::padding()
}

impl Posted for Cqe {
    fn slots(completion: &Completion) -> (Cqe, Option<Cqe>) {
        (completion.cqe(CqeFlags::empty()), None)
    }

    fn seen(item: &Cqe) -> Completion {
        Completion { user_data: item.user_data, res: item.res, big: None }
    }

    fn padding() -> Cqe {
        Cqe::default()
    }

    fn blank() -> Cqe {
        Cqe::default()
    }

    fn through(completion: Completion) -> Completion {
        Completion { big: None, ..completion }
    }
}

impl Posted for Cqe32 {
    fn slots(completion: &Completion) -> (Cqe32, Option<Cqe32>) {
        let big_cqe = completion.big.unwrap_or_default();
        (Cqe32 { cqe: completion.cqe(CqeFlags::empty()), big_cqe }, None)
    }

    fn seen(item: &Cqe32) -> Completion {
        let Cqe { user_data, res, .. } = item.cqe;
        Completion { user_data, res, big: Some(item.big_cqe) }
    }

    fn padding() -> Cqe32 {
        Cqe32::default()
    }

    fn blank() -> Cqe32 {
        Cqe32::default()
    }

    fn through(completion: Completion) -> Completion {
        Completion { big: Some(completion.big.unwrap_or_default()), ..completion }
    }
}

impl Posted for Mixed {
    fn slots(completion: &Completion) -> (Cqe, Option<Cqe>) {
        let Some([user_data, second]) = completion.big else {
            return (completion.cqe(CqeFlags::empty()), None);
        };
        let [a, b, c, d, e, f, g, h] = second.to_ne_bytes();
        let res = i32::from_ne_bytes([a, b, c, d]);
        let flags = CqeFlags(u32::from_ne_bytes([e, f, g, h]));
        (completion.cqe(CqeFlags::F_32), Some(Cqe { user_data, res, flags }))
    }

    fn seen(item: &MixedCqe) -> Completion {
        let Cqe { user_data, res, .. } = item.cqe;
        Completion { user_data, res, big: item.big }
    }

    fn padding() -> Cqe {
        Cqe { flags: CqeFlags::SKIP, ..Cqe::default() }
    }

    fn blank() -> MixedCqe {
        MixedCqe { cqe: Cqe::default(), big: None }
    }

    fn through(completion: Completion) -> Completion {
        completion
    }
}

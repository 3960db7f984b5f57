//! Registrations that wait, or are about threads and memory.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::{
    CancelFlags, ClockId, CloneBuffers, MemRegionFlags, MemRegionReg, QueryHdr, QueryOp,
    QueryOpcode, RegionDesc, RegisterOp, SetupFlags, SqeFlags, SyncCancelReg, Timespec,
};

use super::memory::Region;
use super::wait::{Goal, Inner, State, Terms};
use super::{FEATURES, KNOWN, enter, rings, sys};
use crate::semantics::{Criteria, OPERATIONS, REGISTRATIONS};
use crate::uaccess::Uaccess;
use crate::world::Span;

/// No time limit.
const FOR_EVER: Timespec = Timespec { tv_sec: -1, tv_nsec: -1 };

/// Where registered buffers are.
type Buffers = Result<Vec<Option<Span>>, Errno>;

fn must(fine: bool) -> Result<(), Errno> {
    if fine { Ok(()) } else { Err(Errno::EINVAL) }
}

impl Inner {
    /// `io_uring_register(2)`.
    ///
    /// # Safety
    /// - `arg` is the address of what `op` says.
    pub(super) unsafe fn register(
        self: &Arc<Self>,
        op: RegisterOp,
        arg: u64,
        count: u32,
    ) -> Result<u32, Errno> {
        // SAFETY: the caller's promise.
        let user = unsafe { Uaccess::promised() };
        // Before this ring's lock is taken: two rings may take from each other.
        let source = match op {
            RegisterOp::CLONE_BUFFERS => Some(clone_source(user, arg, count)?),
            _ => None,
        };
        let mut state = self.state();
        state.check_thread()?;
        state.core.rules.check_register(op)?;
        let mut answer = match op {
            RegisterOp::SYNC_CANCEL => {
                drop(state);
                return self.cancel(user, arg, count);
            }
            RegisterOp::MEM_REGION => state.register_region(user, arg, count).map(|()| 0),
            RegisterOp::CLONE_BUFFERS => {
                let (given, buffers) = source.ok_or(Errno::EINVAL)?;
                state.core.clone_buffers(&given, buffers)
            }
            RegisterOp::QUERY => query(user, arg, count).map(|()| 0),
            _ => state.core.register(op, arg, count),
        };
        if answer.is_ok() {
            match op {
                RegisterOp::ENABLE_RINGS => state.begin(),
                RegisterOp::EVENTFD | RegisterOp::EVENTFD_ASYNC if !self.be_served(&mut state) => {
                    // Nobody would signal it.
                    answer = state.core.register(RegisterOp::UNREGISTER_EVENTFD, 0, 0);
                    answer = answer.and(Err(Errno::EAGAIN));
                }
                _ => {}
            }
        }
        state = self.send_messages(state);
        self.settle(&mut state);
        answer
    }

    /// Has a thread see to the ring's files, as long as an eventfd is to tell of them. False: there
    /// can be none.
    fn be_served(self: &Arc<Self>, state: &mut State) -> bool {
        if !state.is_served {
            let ring = Arc::clone(self);
            state.is_served = self.pool.start_beside(move || ring.serve());
        }
        state.is_served
    }

    /// Cancels, and waits for what is being done to end.
    fn cancel(&self, user: Uaccess, arg: u64, count: u32) -> Result<u32, Errno> {
        must(arg != 0 && count == 1)?;
        let asked: SyncCancelReg = user.read(arg)?;
        let known = CancelFlags::ALL.iter().fold(CancelFlags::empty(), |all, k| all | k.value);
        must(known.contains(asked.flags) && asked.pad == [0; 7] && asked.pad2 == [0; 3])?;
        let limit = (asked.timeout != FOR_EVER).then(|| {
            let Timespec { tv_sec, tv_nsec } = asked.timeout;
            let span = Duration::from_secs(tv_sec.max(0).unsigned_abs())
                .saturating_add(Duration::from_nanos(tv_nsec.max(0).unsigned_abs()));
            sys::now(ClockId::MONOTONIC).saturating_add(span)
        });
        let criteria = Criteria {
            flags: asked.flags,
            user_data: asked.addr,
            fd: asked.fd,
            opcode: asked.opcode,
        };
        let mut state = self.state();
        state.core.check_named(&criteria)?;
        let first = state.core.cancel_by(&criteria, None);
        state.core.run();
        state = self.send_messages(state);
        let mut end = Ok(());
        while first == Err(Errno::EALREADY) && end.is_ok() && state.core.has_any(&criteria) {
            let goal = Goal::MoreThan(state.core.told());
            (state, end) = self.wait(state, goal, Terms::until(limit));
        }
        self.settle(&mut state);
        if first == Err(Errno::EALREADY) { end.map(|()| 0) } else { first }
    }
}

impl State {
    /// A ring that was enabled is the thread's that did it, if it is to be one thread's.
    fn begin(&mut self) {
        let flags = self.core.queues.shape().flags;
        if flags.contains(SetupFlags::SINGLE_ISSUER) {
            self.issuer = Some(enter::this_thread());
        }
    }

    fn register_region(&mut self, user: Uaccess, arg: u64, count: u32) -> Result<(), Errno> {
        must(arg != 0 && count == 1)?;
        if self.region.is_some() {
            return Err(Errno::EBUSY);
        }
        let asked: MemRegionReg = user.read(arg)?;
        let mut desc: RegionDesc = user.read(asked.region_uptr)?;
        let known = MemRegionFlags::REG_WAIT_ARG;
        must(asked.__resv == [0; 2] && known.contains(asked.flags))?;
        let has_waits = asked.flags.contains(MemRegionFlags::REG_WAIT_ARG);
        must(!has_waits || !self.core.rules.is_enabled())?;
        let region = Region::new(&mut desc, has_waits)?;
        if desc.user_addr != 0 {
            user.populate(desc.user_addr, desc.size as usize)?;
        }
        user.write(asked.region_uptr, desc)?;
        self.region = Some(region);
        Ok(())
    }
}

/// What buffers are to be taken, and those that the other ring has.
///
/// # Errors
/// `EINVAL`, `EFAULT`: no argument. In the second place, `EBADF`: there is no such descriptor;
/// `EOPNOTSUPP`: it is no ring of this kernel.
fn clone_source(user: Uaccess, arg: u64, count: u32) -> Result<(CloneBuffers, Buffers), Errno> {
    must(arg != 0 && count == 1)?;
    let given: CloneBuffers = user.read(arg)?;
    let fd = given.src_fd as RawFd;
    let buffers = match rings::find(fd).and_then(|ring| ring.0.upgrade()) {
        Some(ring) => Ok(ring.state().core.buffers_to_clone()),
        None if sys::is_open(fd) => Err(Errno::EOPNOTSUPP),
        None => Err(Errno::EBADF),
    };
    Ok((given, buffers))
}

/// Answers questions of what there is.
pub(super) fn query(user: Uaccess, mut arg: u64, count: u32) -> Result<(), Errno> {
    // So many that it is a circle.
    const QUESTIONS_MAX: u32 = 1 << 10;
    must(count == 0)?;
    for _ in 0..QUESTIONS_MAX {
        if arg == 0 {
            return Ok(());
        }
        let mut head: QueryHdr = user.read(arg)?;
        let answered = answer(user, &head);
        head.result = answered.err().map_or(0, |errno| -errno.raw());
        if let Ok(bytes) = answered {
            head.size = bytes;
        }
        user.write(arg, head)?;
        arg = head.next_entry;
    }
    Err(Errno::ELOOP)
}

/// Answers one: how long the answer is.
fn answer(user: Uaccess, head: &QueryHdr) -> Result<u32, Errno> {
    if head.query_op != QueryOp::OPCODES {
        return Err(Errno::EOPNOTSUPP);
    }
    must(head.__resv == [0; 3] && head.result == 0 && head.size > 0)?;
    let flags = SqeFlags::ALL.iter().fold(SqeFlags::empty(), |all, known| all | known.value);
    let told = QueryOpcode {
        nr_request_opcodes: OPERATIONS,
        nr_register_opcodes: REGISTRATIONS,
        feature_flags: FEATURES.bits().into(),
        ring_setup_flags: KNOWN.bits().into(),
        enter_flags: enter::KNOWN.bits().into(),
        sqe_flags: flags.bits().into(),
        nr_query_opcodes: 1,
        __pad: 0,
    };
    if head.size as usize >= size_of::<QueryOpcode>() {
        user.write(head.query_data, told)?;
        return Ok(size_of::<QueryOpcode>() as u32);
    }
    let words = [told.nr_request_opcodes, told.nr_register_opcodes];
    for (n, word) in (0..u64::from(head.size / 4)).zip(words) {
        user.write(head.query_data + 4 * n, word)?;
    }
    Ok(head.size)
}

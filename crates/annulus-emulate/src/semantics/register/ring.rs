//! What the ring may do, tells, and asks.

use annulus_ring::Errno;
use annulus_ring::abi::{
    ClockId, ClockRegister, Op, Probe, ProbeOp, ProbeOpFlags, RegisterOp, Restriction,
};

use super::must;
use crate::semantics::rules::{OPERATIONS, Rules};
use crate::semantics::{Core, prepare};
use crate::world::World;

/// More workers than that Linux does not take for a number.
const WORKERS_MAX: u32 = i32::MAX as u32;

impl<W: World> Core<W> {
    /// A registration of this family. `None`: it is of another.
    pub(super) fn register_ring(
        &mut self,
        op: RegisterOp,
        arg: u64,
        count: u32,
    ) -> Option<Result<u32, Errno>> {
        let done = match op {
            RegisterOp::PROBE => self.probe(arg, count),
            RegisterOp::ENABLE_RINGS => {
                must(arg == 0 && count == 0).and_then(|()| self.rules.enable())
            }
            RegisterOp::RESTRICTIONS => self.restrict(arg, count),
            RegisterOp::EVENTFD => self.register_eventfd(arg, count, false),
            RegisterOp::EVENTFD_ASYNC => self.register_eventfd(arg, count, true),
            RegisterOp::UNREGISTER_EVENTFD => must(arg == 0 && count == 0)
                .and_then(|()| self.eventfd.take().map(drop).ok_or(Errno::ENXIO)),
            RegisterOp::CLOCK => self.choose_clock(arg, count),
            // There are no workers that would have to be kept on a processor: granted, since a
            // program asks for speed, and loses none.
            RegisterOp::IOWQ_AFF => must(arg != 0 && count != 0),
            RegisterOp::UNREGISTER_IOWQ_AFF => must(arg == 0 && count == 0),
            RegisterOp::IOWQ_MAX_WORKERS => self.limit_workers(arg, count),
            RegisterOp::NAPI | RegisterOp::UNREGISTER_NAPI => Err(Errno::EOPNOTSUPP),
            // Credentials are the kernel's to lend, a table of rings is a thread's of Linux, and
            // resizing is the kernel's memory.
            RegisterOp::PERSONALITY
            | RegisterOp::UNREGISTER_PERSONALITY
            | RegisterOp::RING_FDS
            | RegisterOp::UNREGISTER_RING_FDS
            | RegisterOp::RESIZE_RINGS => Err(Errno::EINVAL),
            _ => return None,
        };
        Some(done.map(|()| 0))
    }

    /// Says which operations are emulated. The private ones are behind the last that Linux has, and
    /// told where there is room for their numbers.
    fn probe(&self, arg: u64, count: u32) -> Result<(), Errno> {
        must(arg != 0 && count <= 256)?;
        let head: Probe = self.user.read(arg)?;
        let is_clear = head == Probe::default();
        let at = |n: u32| arg + size_of::<Probe>() as u64 + u64::from(n) * 8;
        for n in 0..count {
            must(is_clear && self.user.read::<ProbeOp>(at(n))? == ProbeOp::default())?;
        }
        let told = count.min(OPERATIONS);
        let last_op = Op((OPERATIONS - 1) as u8);
        self.user.write(arg, Probe { last_op, ops_len: told as u8, ..Probe::default() })?;
        for n in 0..told {
            let op = Op(n as u8);
            let is_done = prepare::is_emulated(op);
            let flags = if is_done { ProbeOpFlags::SUPPORTED } else { ProbeOpFlags::empty() };
            self.user.write(at(n), ProbeOp { op, flags, ..ProbeOp::default() })?;
        }
        for known in Op::PRIVATE.iter().filter(|known| u32::from(known.value.0) < count) {
            let told =
                ProbeOp { op: known.value, flags: ProbeOpFlags::SUPPORTED, ..ProbeOp::default() };
            self.user.write(at(known.value.0.into()), told)?;
        }
        Ok(())
    }

    fn restrict(&mut self, arg: u64, count: u32) -> Result<(), Errno> {
        self.rules.may_restrict()?;
        must(arg != 0 && count <= Rules::count_max())?;
        let list = self.user.read_many::<Restriction>(arg, count as usize)?;
        self.rules.restrict(&list)
    }

    /// Has an eventfd signalled at completions: at those of workers only, if `async_only`.
    fn register_eventfd(&mut self, arg: u64, count: u32, async_only: bool) -> Result<(), Errno> {
        must(count == 1)?;
        if self.eventfd.is_some() {
            return Err(Errno::EBUSY);
        }
        let number: i32 = self.user.read(arg)?;
        let file = self.world.file(number)?;
        must(self.world.is_eventfd(&file))?;
        self.eventfd = Some((self.world.keep(file)?, async_only));
        Ok(())
    }

    fn choose_clock(&mut self, arg: u64, count: u32) -> Result<(), Errno> {
        must(arg != 0 && count == 0)?;
        let ClockRegister { clockid, __resv } = self.user.read(arg)?;
        must(__resv == [0; 3])?;
        must(matches!(clockid, ClockId::MONOTONIC | ClockId::BOOTTIME))?;
        self.rules.clock = clockid;
        Ok(())
    }

    /// Tells the limits, and changes those that are not 0.
    fn limit_workers(&mut self, arg: u64, count: u32) -> Result<(), Errno> {
        must(arg != 0 && count == 2)?;
        let wanted = [self.user.read::<u32>(arg)?, self.user.read::<u32>(arg + 4)?];
        must(wanted.iter().all(|max| *max <= WORKERS_MAX))?;
        let before = self.world.bound_workers(wanted);
        self.user.write(arg, before[0])?;
        self.user.write(arg + 4, before[1])
    }
}

//! What files, waits and rings do, tried on memory files and on the ring itself.

use core::time::Duration;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Instant;

use rustix::fs::{MemfdFlags, memfd_create};

use super::report::{Behaviour, Outcome};
use super::rig::{Fault, Rig, Tried, patiently};
use super::sockets;
use crate::abi::{BufIndex, FixedFd, Iovec, RegisterOp};
use crate::builder::Builder;
use crate::errno::Errno;
use crate::op::{Nop, Read, ReadFixed, WriteFixed};
use crate::ring::LocalRing;
use crate::wait::Wait;

/// A behaviour to be tried.
struct Trial {
    name: &'static str,
    title: &'static str,
    since: &'static str,
    try_it: fn(&mut Rig) -> Outcome,
}

const TRIALS: &[Trial] = &[
    Trial { name: "fixed-buffers", title: "fixed buffers", since: "5.1", try_it: fixed_buffers },
    Trial { name: "fixed-files", title: "fixed files", since: "5.1", try_it: fixed_files },
    Trial {
        name: "registered-ring",
        title: "ring indices",
        since: "5.18",
        try_it: registered_ring,
    },
    Trial { name: "sqpoll", title: "SQPOLL", since: "5.11", try_it: sqpoll },
    Trial {
        name: "multishot-accept",
        title: "multishot accept",
        since: "5.19",
        try_it: sockets::multishot_accept,
    },
    Trial {
        name: "buffer-ring",
        title: "buffer rings",
        since: "5.19",
        try_it: sockets::buffer_ring,
    },
    Trial {
        name: "buffer-ring-incremental",
        title: "incremental ones",
        since: "6.12",
        try_it: sockets::incremental_buffer_ring,
    },
    Trial { name: "recv-bundle", title: "recv bundle", since: "6.10", try_it: sockets::bundle },
    Trial { name: "min-wait", title: "minimum wait", since: "6.12", try_it: min_wait },
    Trial { name: "resize", title: "ring resize", since: "6.13", try_it: resize },
];

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TRIALS.iter().map(|trial| trial.name)
}

/// Tries them all.
pub(super) fn all(rig: &mut Rig) -> Vec<Behaviour> {
    let tried = |trial: &Trial| Behaviour {
        name: trial.name,
        title: trial.title,
        since: trial.since,
        outcome: (trial.try_it)(rig),
    };
    TRIALS.iter().map(tried).collect()
}

/// How much is written and read.
const LEN: u32 = 4096;

fn memory_file() -> Tried<File> {
    match memfd_create("annulus-probe", MemfdFlags::CLOEXEC) {
        Ok(fd) => Ok(fd.into()),
        Err(_) => Err(Fault::Untried("no memory file can be made")),
    }
}

/// Writes from a registered buffer, and reads it back into it.
fn fixed_buffers(rig: &mut Rig) -> Outcome {
    rig.test([0u8; LEN as usize], |rig, buffer| {
        let file = memory_file()?;
        buffer.fill(7);
        let start = buffer.as_mut_ptr();
        let piece = Iovec { iov_base: start.cast(), iov_len: LEN as usize };
        // SAFETY: one piece of the test's memory, which is unregistered below or outlives the ring.
        unsafe { rig.register(RegisterOp::BUFFERS, &raw const piece, 1) }?;
        let write = WriteFixed::new(&file, start, LEN, BufIndex(0)).offset(0).build();
        // SAFETY: the buffer is the test's memory.
        let written = unsafe { rig.run(write) };
        buffer.fill(0);
        // The address anew: one from before the bytes were touched may not be used after.
        let start = buffer.as_mut_ptr();
        let read = ReadFixed::new(&file, start, LEN, BufIndex(0)).offset(0).build();
        // SAFETY: the buffer is the test's memory.
        let read = written.and_then(|_| unsafe { rig.run(read) });
        // SAFETY: it takes no argument.
        let _ = unsafe { rig.register::<u8>(RegisterOp::UNREGISTER_BUFFERS, core::ptr::null(), 0) };
        read?;
        if buffer.iter().all(|byte| *byte == 7) {
            Ok(())
        } else {
            Err(Fault::Wrong("other bytes came back"))
        }
    })
}

/// Reads from a slot of the ring's own file table.
fn fixed_files(rig: &mut Rig) -> Outcome {
    rig.test([0u8; 16], |rig, buffer| {
        let file = memory_file()?;
        rustix::fs::ftruncate(&file, 16).map_err(|_| Fault::Untried("no memory for a file"))?;
        let table = [file.as_raw_fd()];
        // SAFETY: one descriptor, read during the call only.
        unsafe { rig.register(RegisterOp::FILES, table.as_ptr(), 1) }?;
        let sqe = Read::new(FixedFd(0), buffer.as_mut_ptr(), 16).offset(0).build();
        // SAFETY: the buffer is the test's memory.
        let read = unsafe { rig.run(sqe) };
        // SAFETY: it takes no argument.
        let _ = unsafe { rig.register::<u8>(RegisterOp::UNREGISTER_FILES, core::ptr::null(), 0) };
        match read?.result() {
            Ok(16) => Ok(()),
            _ => Err(Fault::Wrong("another length was read")),
        }
    })
}

/// Enters a ring by its index in the thread's table.
fn registered_ring(rig: &mut Rig) -> Outcome {
    rig.test((), |_, ()| {
        let mut ring = LocalRing::new(8)?;
        if !ring.is_descriptor_registered() {
            return Err(Fault::Wrong("no index was given"));
        }
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(Nop::new()) }?;
        ring.submit_and_wait(1)?;
        Ok(())
    })
}

/// Lets the kernel's own thread take an entry.
fn sqpoll(rig: &mut Rig) -> Outcome {
    rig.test((), |_, ()| {
        let mut ring = Builder::new().entries(8).sqpoll(Duration::from_millis(1)).build()?;
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(Nop::new()) }?;
        ring.submit_and_wait_with(1, &Wait::new().timeout(Duration::from_millis(100)))?;
        match ring.completions()?.next() {
            Some(_) => Ok(()),
            None => Err(Fault::Wrong("no completion came")),
        }
    })
}

/// Waits for two completions, of which one comes: the minimum wait ends it, not the limit.
fn min_wait(rig: &mut Rig) -> Outcome {
    rig.test((), |rig, ()| {
        let limit = Duration::from_millis(60);
        let began = Instant::now();
        // SAFETY: a NOP points to nothing.
        unsafe { rig.submit(Nop::new().build()) }?;
        let wait = Wait::new().timeout(limit).min_wait(Duration::from_millis(1));
        // It ends with the minimum (nothing to submit: 0), or, as by a limit, with ETIME.
        match rig.ring().submit_and_wait_with(2, &wait) {
            Err(error) if !error.is_timeout() => return Err(error.into()),
            _ => {}
        }
        let took = began.elapsed();
        rig.next()?;
        if took < limit { Ok(()) } else { Err(Fault::Wrong("it waited for the whole limit")) }
    })
}

/// Changes the lengths of a ring's queues.
fn resize(rig: &mut Rig) -> Outcome {
    rig.test((), |_, ()| {
        let mut ring = LocalRing::new(4)?;
        patiently(|| ring.resize(8, 16).map_err(|error| error.errno().unwrap_or(Errno::EIO)))?;
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(Nop::new()) }?;
        ring.submit_and_wait(1)?;
        match (ring.sq_entries(), ring.completions()?.count()) {
            (8, 1) => Ok(()),
            _ => Err(Fault::Wrong("the ring did not grow")),
        }
    })
}

//! Peer: NOPs through a ring written by hand, on rustix's inlined system calls: no checks, no
//! errors worth the name, nothing but the loop. The floor that the others are held to.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use annulus_bench::{Args, fail, pin, report};
use rustix::io_uring::{
    IORING_OFF_SQ_RING, IORING_OFF_SQES, IoringEnterFlags, IoringSetupFlags, io_uring_cqe,
    io_uring_enter, io_uring_params, io_uring_setup, io_uring_sqe,
};
use rustix::mm::{MapFlags, ProtFlags, mmap};

/// How many entries the ring has.
const ENTRIES: u32 = 256;

struct Ring {
    fd: OwnedFd,
    sq_tail: *const AtomicU32,
    cq_head: *const AtomicU32,
    cq_tail: *const AtomicU32,
    sqes: *mut io_uring_sqe,
    cqes: *const io_uring_cqe,
    sq_mask: u32,
    cq_mask: u32,
}

fn main() {
    let args = Args::parse();
    pin(&args);
    let flags = match args.text("mode", "defer_nosq").as_str() {
        "plain" => IoringSetupFlags::empty(),
        "defer" => IoringSetupFlags::SINGLE_ISSUER | IoringSetupFlags::DEFER_TASKRUN,
        _ => {
            IoringSetupFlags::SINGLE_ISSUER
                | IoringSetupFlags::DEFER_TASKRUN
                | IoringSetupFlags::NO_SQARRAY
        }
    };
    match make(flags) {
        Ok(ring) => run(&ring, &args),
        Err(errno) => fail(&errno.to_string()),
    }
}

fn make(flags: IoringSetupFlags) -> rustix::io::Result<Ring> {
    let mut params = io_uring_params::default();
    params.flags = flags;
    // SAFETY: the parameters ask for nothing that refers to other memory.
    let fd = unsafe { io_uring_setup(ENTRIES, &mut params) }?;
    let map = |bytes, offset| {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let how = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choosing touches nothing else.
        unsafe { mmap(std::ptr::null_mut(), bytes, protection, how, fd.as_fd(), offset) }
    };
    let rings = params.cq_off.cqes + params.cq_entries * 16 + params.sq_entries * 4 + 4096;
    let base = map(rings as usize, IORING_OFF_SQ_RING)?.cast::<u8>();
    let sqes = map(params.sq_entries as usize * 64, IORING_OFF_SQES)?.cast();
    let at = |offset: u32| base.wrapping_add(offset as usize);
    if !flags.contains(IoringSetupFlags::NO_SQARRAY) {
        for index in 0..params.sq_entries {
            let element = at(params.sq_off.array).cast::<u32>().wrapping_add(index as usize);
            // SAFETY: the array has as many elements as the queue has entries.
            unsafe { element.write(index) };
        }
    }
    Ok(Ring {
        sq_tail: at(params.sq_off.tail).cast(),
        cq_head: at(params.cq_off.head).cast(),
        cq_tail: at(params.cq_off.tail).cast(),
        sqes,
        cqes: at(params.cq_off.cqes).cast(),
        sq_mask: params.sq_entries - 1,
        cq_mask: params.cq_entries - 1,
        fd,
    })
}

fn run(ring: &Ring, args: &Args) {
    let batch: u32 = args.get("batch", 32);
    let rounds = args.get("ops", 1_000_000_u64) / u64::from(batch);
    let (mut tail, mut head, mut sum) = (0_u32, 0_u32, 0_u64);
    let begin = Instant::now();
    for round in 0..rounds {
        for n in 0..batch {
            let slot = ring.sqes.wrapping_add((tail & ring.sq_mask) as usize);
            // SAFETY: a zeroed entry is a NOP, and the mask keeps the slot inside the queue.
            unsafe { slot.write(std::mem::zeroed()) };
            // SAFETY: as above.
            unsafe { (*slot).user_data.u64_ = round.wrapping_add(n.into()) };
            tail = tail.wrapping_add(1);
        }
        // SAFETY: the word is in the mapping, which is never unmapped.
        // Release: pairs with the kernel's acquire of the tail.
        unsafe { &*ring.sq_tail }.store(tail, Ordering::Release);
        // SAFETY: NOPs point to nothing; there is no argument.
        let entered =
            unsafe { io_uring_enter(&ring.fd, batch, batch, IoringEnterFlags::GETEVENTS) };
        if let Err(errno) = entered {
            fail(&errno.to_string());
        }
        let mut got = 0;
        while got < batch {
            // SAFETY: the word is in the mapping, which is never unmapped.
            // Acquire: pairs with the kernel's release of the tail.
            let end = unsafe { &*ring.cq_tail }.load(Ordering::Acquire);
            while head != end {
                let slot = ring.cqes.wrapping_add((head & ring.cq_mask) as usize);
                // SAFETY: the entry is between head and tail.
                let cqe = unsafe { &*slot };
                sum = sum.wrapping_add(cqe.user_data.u64_() ^ cqe.res as u64);
                head = head.wrapping_add(1);
                got += 1;
            }
            // SAFETY: the word is in the mapping, which is never unmapped.
            // Release: pairs with the kernel's acquire of the head.
            unsafe { &*ring.cq_head }.store(head, Ordering::Release);
        }
    }
    let took = begin.elapsed();
    std::hint::black_box(sum);
    report(rounds * u64::from(batch), took);
}

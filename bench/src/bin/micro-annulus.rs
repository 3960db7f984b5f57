//! The two halves of a hot path by themselves, for counting instructions: `ops=` of one `part=`.
//!
//! - `push`, `reserve`: a READ is prepared and pushed, singly or as a batch; nothing is submitted.
//! - `walk`, `iter`: completions are walked, in place or by the iterator, again and again.

use std::hint::black_box;
use std::time::Instant;

use annulus_bench::{Args, fail, report};
use annulus_ring::{Builder, LocalRing, Result, op};

/// How many entries the ring has: all of `ops` for pushing, the walked ones for walking.
const ENTRIES: u32 = 32_768;
/// How many completions are walked at a time.
const WALKED: u32 = 256;

fn main() {
    let args = Args::parse();
    let ops: u64 = args.get("ops", 16_384);
    let begin = Instant::now();
    let done = match args.text("part", "push").as_str() {
        "push" => push(ops as u32),
        "reserve" => reserve(ops as u32),
        "walk" => walk(ops, true),
        "iter" => walk(ops, false),
        other => fail(&format!("part={other}: push, reserve, walk or iter")),
    };
    match done {
        Ok(()) => report(ops, begin.elapsed()),
        Err(error) => fail(&error.to_string()),
    }
}

fn ring() -> Result<LocalRing> {
    Builder::new().entries(ENTRIES).build_local()
}

fn push(count: u32) -> Result<()> {
    let mut ring = ring()?;
    let (fd, buffer) = (black_box(0), black_box(std::ptr::null_mut()));
    for n in 0..count {
        let offset = u64::from(n) << 12;
        let read = op::Read::new(fd, buffer, 4096).offset(offset).build().user_data(offset);
        // SAFETY: never submitted.
        unsafe { ring.push(read)? };
    }
    black_box(ring.sq_len());
    Ok(())
}

fn reserve(count: u32) -> Result<()> {
    let mut ring = ring()?;
    let (fd, buffer) = (black_box(0), black_box(std::ptr::null_mut()));
    let room = ring.reserve(count)?;
    let read = |n: u32| {
        let offset = u64::from(n) << 12;
        op::Read::new(fd, buffer, 4096).offset(offset).build().user_data(offset)
    };
    // SAFETY: never submitted.
    unsafe { room.fill(read) };
    black_box(ring.sq_len());
    Ok(())
}

fn walk(ops: u64, in_place: bool) -> Result<()> {
    let mut ring = ring()?;
    let room = ring.reserve(WALKED)?;
    // SAFETY: a NOP points to nothing.
    unsafe { room.fill(|n| op::Nop::new().build().user_data(n.into())) };
    ring.submit_and_wait(WALKED)?;
    let mut sum = 0_u64;
    for _ in 0..ops / u64::from(WALKED) {
        let (_, cq, _) = ring.parts();
        if in_place {
            let ready = cq.ready()?;
            let (first, second) = ready.slices();
            for cqe in first {
                sum = sum.wrapping_add(cqe.user_data ^ cqe.res as u64);
            }
            for cqe in second {
                sum = sum.wrapping_add(cqe.user_data ^ cqe.res as u64);
            }
        } else {
            let mut completions = cq.completions()?;
            for cqe in completions.by_ref() {
                sum = sum.wrapping_add(cqe.user_data ^ cqe.res as u64);
            }
            // Forgotten, so that the same completions come again.
            std::mem::forget(completions);
        }
    }
    black_box(sum);
    Ok(())
}

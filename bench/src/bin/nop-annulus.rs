//! NOPs through Annulus's raw ring: fill, submit, take, in batches.
//!
//! `mode=` is the ring (`plain`: `Ring`; `defer`, `defer_nosq`: `LocalRing`, which has NO_SQARRAY
//! and a registered descriptor by itself), `call=` the way of pushing: `reserve` (the batch call),
//! `push` (checked single pushes) or `all` (`push_all` of a slice).

use std::time::Instant;

use annulus_bench::{Args, fail, pin, report};
use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::{Builder, Linux, Place, Result, RingOf, op};

fn main() {
    let args = Args::parse();
    pin(&args);
    let run = match args.text("mode", "defer_nosq").as_str() {
        "plain" => Builder::new().build().and_then(|ring| run(ring, &args)),
        "defer" | "defer_nosq" => Builder::new().build_local().and_then(|ring| run(ring, &args)),
        other => fail(&format!("mode={other}: plain, defer or defer_nosq")),
    };
    if let Err(error) = run {
        fail(&error.to_string());
    }
}

fn run<P: Place>(mut ring: RingOf<P, Sqe, Cqe, Linux>, args: &Args) -> Result<()> {
    let batch: u32 = args.get("batch", 32);
    let rounds = args.get("ops", 1_000_000_u64) / u64::from(batch);
    let call = args.text("call", "reserve");
    let begin = Instant::now();
    let sum = match call.as_str() {
        "push" if batch == 1 => one_by_one(&mut ring, rounds)?,
        "reserve" => rounds_of(&mut ring, rounds, batch, by_reserve)?,
        "push" => rounds_of(&mut ring, rounds, batch, by_push)?,
        "all" => by_slice(&mut ring, rounds, batch)?,
        other => fail(&format!("call={other}: reserve, push or all")),
    };
    let took = begin.elapsed();
    std::hint::black_box(sum);
    report(rounds * u64::from(batch), took);
    Ok(())
}

/// One at a time, as a program would that has one: push, wait, next.
fn one_by_one<P: Place>(ring: &mut RingOf<P, Sqe, Cqe, Linux>, rounds: u64) -> Result<u64> {
    let mut sum = 0_u64;
    for round in 0..rounds {
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(op::Nop::new().build().user_data(round))? };
        ring.submit_and_wait(1)?;
        match ring.completions()?.next() {
            Some(cqe) => sum = sum.wrapping_add(cqe.user_data ^ cqe.res as u64),
            None => fail("no completion"),
        }
    }
    Ok(sum)
}

/// One batch: `fill` pushes, then submit and wait, then take.
#[inline(always)]
fn rounds_of<P: Place>(
    ring: &mut RingOf<P, Sqe, Cqe, Linux>,
    rounds: u64,
    batch: u32,
    fill: impl Fn(&mut RingOf<P, Sqe, Cqe, Linux>, u64, u32) -> Result<()>,
) -> Result<u64> {
    let mut sum = 0_u64;
    for round in 0..rounds {
        fill(ring, round, batch)?;
        ring.submit_and_wait(batch)?;
        let mut got = 0;
        while got < batch {
            got += take(ring, &mut sum)?;
        }
    }
    Ok(sum)
}

/// Takes what is there, in place.
#[inline(always)]
fn take<P: Place>(ring: &mut RingOf<P, Sqe, Cqe, Linux>, sum: &mut u64) -> Result<u32> {
    let ready = ring.parts().1.ready()?;
    let (first, second) = ready.slices();
    for cqe in first {
        *sum = sum.wrapping_add(cqe.user_data ^ cqe.res as u64);
    }
    for cqe in second {
        *sum = sum.wrapping_add(cqe.user_data ^ cqe.res as u64);
    }
    let count = ready.len();
    ready.consume();
    Ok(count)
}

#[inline(always)]
fn by_reserve<P: Place>(
    ring: &mut RingOf<P, Sqe, Cqe, Linux>,
    round: u64,
    batch: u32,
) -> Result<()> {
    let room = ring.reserve(batch)?;
    // SAFETY: a NOP points to nothing.
    unsafe { room.fill(|n| op::Nop::new().build().user_data(round.wrapping_add(n.into()))) };
    Ok(())
}

#[inline(always)]
fn by_push<P: Place>(ring: &mut RingOf<P, Sqe, Cqe, Linux>, round: u64, batch: u32) -> Result<()> {
    for n in 0..batch {
        let nop = op::Nop::new().build().user_data(round.wrapping_add(n.into()));
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push(nop)? };
    }
    Ok(())
}

fn by_slice<P: Place>(
    ring: &mut RingOf<P, Sqe, Cqe, Linux>,
    rounds: u64,
    batch: u32,
) -> Result<u64> {
    let entries = vec![op::Nop::new().build().user_data(1); batch as usize];
    rounds_of(ring, rounds, batch, |ring, _, _| {
        // SAFETY: a NOP points to nothing.
        unsafe { ring.push_all(&entries) }
    })
}

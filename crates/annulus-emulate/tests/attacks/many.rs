//! Tens of thousands of requests at once: nothing takes time by the square of their number.

use std::time::{Duration, Instant};

use annulus_emulate::abi::PollEvents;
use annulus_emulate::{Builder, KernelChoice, Ring, op};

use super::{LIMIT, push};
use crate::harness::limit;

const MANY: u64 = 20_000;
/// Far more than it takes, and far less than the square would.
const LONG: Duration = Duration::from_secs(30);

/// Has so many wait for one pipe.
fn poll(ring: &mut Ring, pipe: &std::io::PipeReader) {
    for n in 0..MANY {
        push(ring, op::PollAdd::new(pipe, PollEvents::IN).build().user_data(n));
    }
    ring.submit().expect("taken");
}

#[test]
fn many_wait_for_one_file_and_are_cancelled() {
    limit(3 * LIMIT, || {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let ring = Builder::new().entries(32_768).kernel(KernelChoice::Host);
        let mut ring = ring.build().expect("a ring");
        let begun = Instant::now();
        poll(&mut ring, &reader);
        push(&mut ring, op::AsyncCancel::any().build().user_data(MANY));
        ring.submit_and_wait(MANY as u32 + 1).expect("all end");
        assert_eq!(ring.completions().expect("a ring").count() as u64, MANY + 1);
        poll(&mut ring, &reader);
        for n in 0..MANY {
            push(&mut ring, op::AsyncCancel::user_data(n).build().user_data(MANY));
        }
        ring.submit_and_wait(2 * MANY as u32).expect("all end");
        assert_eq!(ring.completions().expect("a ring").count() as u64, 2 * MANY);
        poll(&mut ring, &reader);
        drop(ring);
        assert!(begun.elapsed() < LONG, "it took {:?}", begun.elapsed());
    });
}

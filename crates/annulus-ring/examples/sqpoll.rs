//! A ring that a thread of the kernel polls: while that thread is awake, submitting is a store to
//! memory and no system call.

use std::time::{Duration, Instant};

use annulus_ring::abi::SqRingFlags;
use annulus_ring::{Builder, Error, Ring, op};

const COUNT: u64 = 20_000;

/// Pushes one entry; where the queue is full, it waits until the polling thread made room.
fn push(ring: &mut Ring, n: u64) -> Result<(), Error> {
    loop {
        // SAFETY: a NOP points to nothing.
        match unsafe { ring.push(op::Nop::new().build().user_data(n)) } {
            Err(error) if error.is_queue_full() => {
                // Shows what was pushed, and wakes the thread if it sleeps.
                ring.submit()?;
                ring.submitter().squeue_wait()?;
            }
            result => return result,
        }
    }
}

fn main() -> Result<(), Error> {
    // It sleeps after 20 ms without work. On a machine with one processor to spare, bind it there:
    // `.sqpoll_cpu(3)`.
    let idle = Duration::from_millis(20);
    let mut ring = Builder::new().entries(256).sqpoll(idle).build()?;
    let (mut sum, mut done) = (0, 0);
    for n in 0..COUNT {
        push(&mut ring, n)?;
        // Costs a store; enters the kernel only if the thread sleeps, or completions wait outside
        // the queue.
        ring.submit()?;
        for cqe in ring.completions()? {
            sum += cqe.user_data;
            done += 1;
        }
    }
    while done < COUNT {
        ring.submit_and_wait(1)?;
        for cqe in ring.completions()? {
            sum += cqe.user_data;
            done += 1;
        }
    }
    assert_eq!(sum, COUNT * (COUNT - 1) / 2, "each completion came once");

    // Left alone, the thread goes to sleep, and says so: the next submit wakes it.
    let begin = Instant::now();
    while !ring.parts().0.flags().contains(SqRingFlags::NEED_WAKEUP) {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never sleeps");
        std::thread::sleep(Duration::from_millis(5));
    }
    push(&mut ring, 7)?;
    ring.submit_and_wait(1)?;
    assert_eq!(ring.completions()?.map(|cqe| cqe.user_data).sum::<u64>(), 7);
    println!("{COUNT} entries taken by the polling thread, and one after it had slept");
    Ok(())
}

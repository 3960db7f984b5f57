//! One ring, two threads: one pushes and submits, the other waits and takes completions. Neither
//! takes a lock.

use annulus_ring::{CompletionHalf, Error, Ring, SubmissionHalf, op};

const COUNT: u64 = 100_000;

/// Pushes every entry, submitting whenever the queue is full.
fn produce(mut half: SubmissionHalf) -> Result<SubmissionHalf, Error> {
    for n in 0..COUNT {
        loop {
            // SAFETY: a NOP points to nothing.
            match unsafe { half.queue().push(op::Nop::new().build().user_data(n)) } {
                Ok(()) => break,
                Err(error) if error.is_queue_full() => submit(&mut half)?,
                Err(error) => return Err(error),
            }
        }
    }
    while !half.queue().is_empty() {
        submit(&mut half)?;
    }
    Ok(half)
}

/// Submits what is queued; what the kernel does not take stays.
fn submit(half: &mut SubmissionHalf) -> Result<(), Error> {
    match half.submit() {
        Ok(_) => Ok(()),
        // The kernel is short of memory for requests until the other thread took completions.
        Err(error) if error.is_busy() => {
            std::thread::yield_now();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Takes every completion.
fn consume(mut half: CompletionHalf) -> Result<(CompletionHalf, u64), Error> {
    let (mut count, mut sum) = (0, 0);
    while count < COUNT {
        // The producer does not wait for this thread, so the queue may overflow: then the kernel
        // keeps completions outside of it, and `completions` brings them. None is lost.
        half.wait(1)?;
        for cqe in half.completions()? {
            count += 1;
            sum += cqe.user_data;
        }
    }
    Ok((half, sum))
}

fn main() -> Result<(), Error> {
    let (submission, completion) = Ring::new(256)?.split();
    let producer = std::thread::spawn(move || produce(submission));
    let (completion, sum) = consume(completion)?;
    let submission = producer.join().expect("the producer does not panic")?;
    assert_eq!(sum, COUNT * (COUNT - 1) / 2, "each completion came once");
    // Together again it is a ring as before.
    let mut ring = submission.unsplit(completion).expect("they are halves of one ring");
    assert_eq!((ring.sq_len(), ring.completions()?.count()), (0, 0));
    println!("{COUNT} entries from one thread, their completions to another");
    Ok(())
}

//! Time in a ring: timeouts, a limit on another operation, taking one back, moving one, and a limit
//! on the wait itself.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use annulus_ring::abi::{Sqe, Timespec};
use annulus_ring::{Errno, Error, LocalRing, Wait, op};

const MS: i64 = 1_000_000;

/// A span of milliseconds. The kernel copies it when it takes the entry, so it need not live longer
/// than the submit.
const fn span(ms: i64) -> Timespec {
    Timespec { tv_sec: 0, tv_nsec: ms * MS }
}

/// Submits entries that go together and waits for all of them: what each one's result was.
fn run(ring: &mut LocalRing, entries: &[Sqe]) -> Result<HashMap<u64, Result<u32, Errno>>, Error> {
    // SAFETY: what the entries of this program point to lives until `main` has seen their
    // completions: this waits for them all.
    unsafe { ring.push_all(entries)? };
    let mut results = HashMap::new();
    while results.len() < entries.len() {
        ring.submit_and_wait(1)?;
        results.extend(ring.completions()?.map(|cqe| (cqe.user_data, cqe.result())));
    }
    Ok(results)
}

/// Three timeouts, pushed in one order, ending in another.
fn in_order_of_time(ring: &mut LocalRing) -> Result<(), Error> {
    let (late, soon, later) = (span(20), span(5), span(30));
    let timeout = |time, user_data| op::Timeout::new(time).build().user_data(user_data);
    let entries = [timeout(&late, 1), timeout(&soon, 2), timeout(&later, 3)];
    let begin = Instant::now();
    // SAFETY: the times live until the submit, which the first wait makes.
    unsafe { ring.push_all(&entries)? };
    let mut order = Vec::new();
    while order.len() < 3 {
        ring.submit_and_wait(1)?;
        for cqe in ring.completions()? {
            // That its time was up is how a timeout ends well.
            assert_eq!(cqe.result(), Err(Errno::ETIME));
            order.push(cqe.user_data);
        }
    }
    assert_eq!(order, [2, 1, 3]);
    assert!(begin.elapsed() >= Duration::from_millis(30));
    println!("three timeouts, in order of their time");
    Ok(())
}

/// A read that nobody answers, and a limit linked to it.
fn limit_on_a_read(ring: &mut LocalRing) -> Result<(), Box<dyn std::error::Error>> {
    let (reader, _writer) = std::io::pipe()?;
    let mut byte = 0_u8;
    let time = span(5);
    let read = op::Read::new(&reader, &raw mut byte, 1).build().user_data(1).link();
    let limit = op::LinkTimeout::new(&time).build().user_data(2);
    let results = run(ring, &[read, limit])?;
    assert_eq!(results[&1], Err(Errno::ECANCELED));
    assert_eq!(results[&2], Err(Errno::ETIME));
    println!("a read was given up after 5 ms");
    Ok(())
}

/// A timeout of an hour, moved to 5 ms; another, taken back.
fn changed_and_taken_back(ring: &mut LocalRing) -> Result<(), Error> {
    let (hour, soon) = (Timespec { tv_sec: 3600, tv_nsec: 0 }, span(5));
    let begin = Instant::now();
    let results = run(
        ring,
        &[
            op::Timeout::new(&hour).build().user_data(1),
            op::TimeoutUpdate::new(1, &soon).build().user_data(2),
            op::Timeout::new(&hour).build().user_data(3),
            op::TimeoutRemove::new(3).build().user_data(4),
        ],
    )?;
    assert_eq!((results[&1], results[&2]), (Err(Errno::ETIME), Ok(0)));
    assert_eq!((results[&3], results[&4]), (Err(Errno::ECANCELED), Ok(0)));
    assert!(begin.elapsed() < Duration::from_secs(60));
    println!("an hour was made 5 ms, and another taken back");
    Ok(())
}

/// A wait that ends by itself: no entry, no completion.
fn limit_on_the_wait(ring: &mut LocalRing) -> Result<(), Error> {
    let begin = Instant::now();
    let wait = Wait::new().timeout(Duration::from_millis(5));
    match ring.submit_and_wait_with(1, &wait) {
        Err(error) if error.is_timeout() => {}
        Err(error) => return Err(error),
        Ok(_) => unreachable!("nothing was under way"),
    }
    assert!(begin.elapsed() >= Duration::from_millis(5));
    println!("nothing came within 5 ms");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut ring = LocalRing::new(8)?;
    in_order_of_time(&mut ring)?;
    limit_on_a_read(&mut ring)?;
    changed_and_taken_back(&mut ring)?;
    limit_on_the_wait(&mut ring)?;
    Ok(())
}

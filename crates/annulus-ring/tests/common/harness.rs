//! What the tests of every crate share: the third outcome, and an end for those that hang.

use std::io::Write;
use std::panic::Location;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Counts a test, or a named part of one, as skipped: it cannot run here, for this `reason`.
///
/// The caller returns after it. `name` is the test's function name where the whole test is skipped,
/// or `test: part`. `cargo xtask test` lists and counts what is written here, and fails above an
/// agreed number.
pub fn skip(name: &str, reason: &str) {
    // In the line a colon ends the name.
    let line = format!("skipped: {}: {}\n", name.replace(": ", ", "), reason.replace('\n', " "));
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ANNULUS_SKIPPED") {
        // One write in append mode: tests in other threads and processes do the same.
        let file = std::fs::File::options().create(true).append(true).open(&path);
        file.and_then(|mut f| f.write_all(line.as_bytes())).expect("the file of skips is writable");
    }
}

/// How many times slower this machine is than others: more than 1 where it is emulated, as
/// `ANNULUS_SLOWER` says.
pub fn slower() -> u64 {
    std::env::var("ANNULUS_SLOWER").map_or(1, |n| n.parse().expect("a number"))
}

/// How often a test does what it does `count` times where a machine is fast.
pub fn times(count: u64) -> u64 {
    (count / slower()).max(1)
}

/// Runs `body` on this thread, and aborts the process, naming the test, if it takes longer than
/// `limit`, or some times that on a slow machine: a hang fails in seconds and says who it was.
#[track_caller]
pub fn limit<T>(limit: Duration, body: impl FnOnce() -> T) -> T {
    let name = std::thread::current().name().unwrap_or("without a name").to_owned();
    let place = Location::caller();
    let limit = if slower() > 1 { 4 * limit } else { limit };
    let (done, ended) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // Past the print macros: the harness keeps what they write, and an abort loses it.
            let text = format!("test {name} hung: over {limit:?}, limited at {place}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            std::process::abort();
        }
    });
    let result = body();
    // A panic drops it as well, and ends the watch.
    drop(done);
    watch.join().expect("the watch does not panic");
    result
}

//! What registrations do on this kernel: by family, what works and what each errno is for.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/files.rs"]
mod files_rig;
#[path = "../common/rig.rs"]
mod rig;

mod buf_ring;
mod buffer_ring;
mod buffers;
mod cancel;
mod clock;
mod eventfd;
mod files;
mod incremental;
mod later;
mod message;
mod napi;
mod personality;
mod query;
mod region;
mod restrictions;
mod ring_fds;
mod workers;

use annulus_ring::{Errno, Error};
use std::time::{Duration, Instant};

/// The errno of what must have failed.
#[track_caller]
fn errno<T>(answer: Result<T, Error>) -> Errno {
    match answer {
        Ok(_) => panic!("it did not fail"),
        Err(error) => error.errno().unwrap_or_else(|| panic!("no errno: {error}")),
    }
}

/// Waits until `holds`, for what other threads and the kernel do in their own time.
#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to be that {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

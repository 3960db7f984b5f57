//! What the tests of this crate share: an end for those that hang, the third outcome, and trees of
//! files.
#![allow(dead_code, reason = "each file of tests uses what it needs")]

#[path = "../../../annulus-ring/tests/common/harness.rs"]
mod harness;
#[path = "../../../annulus-runtime/tests/common/tree.rs"]
pub mod tree;

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

#[allow(unused_imports, reason = "each file of tests uses what it needs")]
pub use harness::{limit, skip, slower, times};

/// How long a test may take that has no reason to take longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Runs `body` on a runtime, in a time.
#[track_caller]
pub fn on_runtime<F: Future<Output = ()>>(body: impl FnOnce() -> F) {
    limit(LIMIT, || annulus::run(async { body().await }).expect("a runtime"));
}

/// Whether runtimes have the kernel in user space.
pub fn on_host() -> bool {
    static ON_HOST: OnceLock<bool> = OnceLock::new();
    *ON_HOST.get_or_init(|| annulus::Runtime::new().expect("a runtime").kernel() == "host")
}

/// Whether the test `name`, which is of Linux alone for this `reason`, is skipped: on the kernel in
/// user space. The caller returns then.
pub fn only_on_linux(name: &str, reason: &str) -> bool {
    if on_host() {
        skip(name, reason);
    }
    on_host()
}

/// Waits until the operations are over that were given up.
pub async fn settle() {
    while !annulus::ops().is_empty() {
        annulus::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Polls a future once: begins what it does, which is not over yet.
pub async fn begin<F: Future + Unpin>(future: &mut F) {
    assert!(futures::future::poll_immediate(future).await.is_none(), "it is over already");
}

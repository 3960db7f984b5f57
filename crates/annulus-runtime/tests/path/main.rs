//! What is done by path: each operation's success and its failures.
//!
//! Descriptors that could leak are counted in `path_leaks.rs`, which has a process of its own.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/tree.rs"]
mod tree;

mod attributes;
mod dir;
mod fifo;
mod names;
mod open;
mod whole;

use annulus_ring::Errno;
use annulus_runtime::Engine;
use annulus_runtime::engine::PathError;

fn engine() -> Engine {
    Engine::new().expect("an engine")
}

/// The kernel's reason for a failure.
#[track_caller]
fn errno<T: std::fmt::Debug>(result: Result<T, PathError>) -> Errno {
    result.expect_err("it must fail").errno().expect("the kernel's reason")
}

/// Asserts that a name with a zero byte is refused without asking the kernel.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(engine: &Engine, result: Result<T, PathError>) {
    let error = result.expect_err("a zero byte ends a path");
    assert_eq!((error.kind(), error.errno()), (std::io::ErrorKind::InvalidInput, None));
    assert!(error.to_string().contains("zero byte"), "{error}");
    assert_eq!(engine.metrics().shipped, 0, "the kernel was asked");
}

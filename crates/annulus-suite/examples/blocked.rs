//! Starts a program where io_uring is blocked or short of memory, as containers and limits make it:
//! what `cargo xtask blocked` runs its programs by. Without a program it lists the ways.
//!
//! `cargo run -p annulus-suite --example blocked -- eperm target/debug/annulus probe`

#[allow(dead_code, reason = "filters and limits are used of it")]
#[path = "../../annulus-runtime/tests/common/child.rs"]
mod child;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use annulus_ring::Errno;
use child::{ENTER, REGISTER, SETUP, block, lock_at_most};

/// What the children of tests have; there are none here.
const LIMIT: Duration = Duration::from_secs(30);

/// The user that no file belongs to, on every distribution.
const NOBODY: u32 = 65_534;

/// A user that has nothing but this process: who was it before is long gone.
fn nobody_else() -> u32 {
    (1 << 20) + std::process::id()
}

const ALL: &[i64] = &[SETUP, ENTER, REGISTER];

/// A name, what it is, and how it is brought about.
type Way = (&'static str, &'static str, fn());

const WAYS: &[Way] = &[
    ("eperm", "a filter answers EPERM to the three calls", || block(ALL, Errno::EPERM)),
    ("enosys", "a filter answers ENOSYS to the three calls", || block(ALL, Errno::ENOSYS)),
    ("eacces", "a filter answers EACCES to the three calls", || block(ALL, Errno::EACCES)),
    ("enter", "a filter answers EPERM to io_uring_enter alone", || block(&[ENTER], Errno::EPERM)),
    ("setup", "a filter answers EPERM to io_uring_setup alone", || block(&[SETUP], Errno::EPERM)),
    ("memlock", "nobody, who may lock 64 KiB", || lock_at_most(64 << 10, NOBODY)),
    ("memlock-own", "a user of its own, who may lock 64 KiB", || {
        lock_at_most(64 << 10, nobody_else())
    }),
    ("memlock-0", "nobody, who may lock nothing", || lock_at_most(0, NOBODY)),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(name), Some(program)) = (arguments.next(), arguments.next()) else {
        WAYS.iter().for_each(|(name, what, _)| println!("{name:<10} {what}"));
        return ExitCode::SUCCESS;
    };
    let Some((.., bring_about)) = WAYS.iter().find(|way| name == way.0) else {
        eprintln!("blocked: there is no way {name:?}: without arguments they are listed");
        return ExitCode::from(64);
    };
    bring_about();
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("blocked: {}: {error}", program.display());
    // As of a shell.
    ExitCode::from(126)
}

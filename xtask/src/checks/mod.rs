//! The slower checks: what the ordinary tests cannot find, each by one command.
//!
//! Each builds in a target directory of its own, so that the ordinary build is not thrown away. One
//! that cannot run on this machine is a counted skip with a reason, never a silent success.

mod asan;
mod blocked;
mod broken;
mod cross;
mod differential;
mod errno;
mod kernels;
mod loom;
mod miri;
mod packages;
mod seeded;
mod soak;
mod tsan;

use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::processes::{End, run_within, status_within};
use crate::tree::root;

pub use blocked::run_short as blocked_short;
pub use differential::run as differential;
pub use kernels::run_instructions as kernel_instructions;
pub use packages::OWN_ALLOCATOR;
pub use {
    asan::run as asan, blocked::run as blocked, broken::run as broken, cross::run as cross,
    errno::run as errno, kernels::run as kernels,
};
pub use {loom::run as loom, miri::run as miri, soak::run as soak, tsan::run as tsan};

/// When one command of a check is given up.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Runs one command of the check `name`, its output shown; false where it failed or hung.
fn succeeds(name: &str, command: &mut Command) -> bool {
    let end = run_within(command, LIMIT);
    if end == End::Hung {
        eprintln!("{name}: hung, no end after {} s", LIMIT.as_secs());
    }
    end == End::Passed
}

/// Whether `command` runs at all and succeeds, its output kept quiet.
fn is_there(command: &mut Command) -> bool {
    command.output().is_ok_and(|out| out.status.success())
}

/// What `command` prints, or the first line of why it failed.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command.output().map_err(|e| format!("{name}: {e}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&out.stderr);
    Err(format!("{name}: {}", why.lines().next().unwrap_or("failed")))
}

/// Cargo of the nightly toolchain, whatever runs this program.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.current_dir(root()).args(["run", "nightly", "cargo"]);
    command
}

/// Whether the nightly toolchain has its own source, to build the standard library from.
fn has_rust_src() -> bool {
    let script = "test -d \"$(rustc --print sysroot)/lib/rustlib/src/rust/library\"";
    is_there(Command::new("rustup").args(["run", "nightly", "sh", "-c", script]))
}

fn code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! `cargo xtask`: the project's own commands. `.ci/run` runs them all.

use std::process::ExitCode;

mod checks;
mod coverage;
mod json;
mod lexer;
mod metadata;
mod processes;
mod programs;
mod progress;
mod report;
mod skips;
mod source;
mod test;
mod tidy;
mod tree;

/// One of the commands.
struct Command {
    name: &'static str,
    /// What it does, in a line.
    what: &'static str,
    run: fn() -> ExitCode,
}

impl Command {
    const fn new(name: &'static str, what: &'static str, run: fn() -> ExitCode) -> Self {
        Self { name, what, run }
    }

    /// Whether these arguments mean it. What is in brackets is read by the command itself.
    fn is_meant(&self, arguments: &[String]) -> bool {
        match self.name.split_once(" [") {
            None => self.name == arguments.join(" "),
            Some((name, _)) => arguments.len() <= 2 && arguments.first().is_some_and(|a| a == name),
        }
    }
}

const COMMANDS: &[Command] = &[
    Command::new("test", "every test, with what was skipped and why", test::run),
    Command::new("tidy", "the house style: layers, modules, names, comments, commits", tidy::run),
    Command::new("coverage", "how much is documented, and by examples that run", coverage::run),
    Command::new("cross", "the workspace compiles for the other targets", checks::cross),
    Command::new("loom", "every interleaving of the models, and each seeded bug", checks::loom),
    Command::new("broken", "the runtime's soundness, each row found by its test", checks::broken),
    Command::new("miri", "undefined behaviour and weak memory, and each bug", checks::miri),
    Command::new("asan", "the tests under AddressSanitizer, leaks included", checks::asan),
    Command::new("tsan", "the tests under ThreadSanitizer, and each seeded race", checks::tsan),
    Command::new("errno", "every errno at every n-th system call", checks::errno),
    Command::new("blocked", "programs and tests where io_uring is blocked", checks::blocked),
    Command::new("blocked --short", "the same in a minute or two", checks::blocked_short),
    Command::new(
        "differential [PROGRAMS]",
        "random programs on Linux and in user space, which must agree",
        checks::differential,
    ),
    Command::new("soak", "the long forms of the threaded tests, with their times", checks::soak),
    Command::new("kernels", "the tests on older kernels, under emulation", checks::kernels),
    Command::new(
        "kernels --instructions",
        "what work costs in those kernels, beside its peers",
        checks::kernel_instructions,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match COMMANDS.iter().find(|command| command.is_meant(&arguments)) {
        Some(command) => (command.run)(),
        None => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("Usage: cargo xtask COMMAND\n\nCommands:");
    for Command { name, what, .. } in COMMANDS {
        eprintln!("  {name:<24} {what}");
    }
    ExitCode::from(2)
}

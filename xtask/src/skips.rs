//! Skipped is a third outcome: with a reason, counted, and never more than agreed.
//!
//! A test that cannot run here appends `skipped: NAME: REASON` to the file that `ANNULUS_SKIPPED`
//! names (`tests/common` does it). A step of the tooling that cannot run says so the same way.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The variable that names the file.
pub const VARIABLE: &str = "ANNULUS_SKIPPED";

/// The file that says how many skips are agreed.
pub const PIN: &str = "xtask/skips.txt";

/// Something that did not run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// The test, or the part of it.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What a file of skips says, each once.
pub fn parse(text: &str) -> Vec<Skip> {
    let parse = |line: &str| {
        let (name, reason) = line.strip_prefix("skipped: ")?.split_once(": ")?;
        Some(Skip { name: name.to_owned(), reason: reason.to_owned() })
    };
    let mut skips: Vec<Skip> = text.lines().filter_map(parse).collect();
    skips.sort();
    skips.dedup();
    skips
}

/// The number in the pin file for a kernel: in the line that begins with its name.
pub fn pinned(root: &Path, kernel: &str) -> Result<usize, String> {
    let text = std::fs::read_to_string(root.join(PIN)).map_err(|e| format!("{PIN}: {e}"))?;
    let number = text.lines().find_map(|line| line.strip_prefix(kernel)?.strip_prefix(' '));
    let none = || format!("{PIN} holds no number for {kernel}");
    number.and_then(|n| n.trim().parse().ok()).ok_or_else(none)
}

/// A step of the tooling that cannot run here: said, counted, and no failure.
pub fn step(name: &str, reason: &str) -> ExitCode {
    println!("skipped: {name}: {reason}");
    if let Some(path) = std::env::var_os(VARIABLE) {
        let file = std::fs::File::options().create(true).append(true).open(path);
        let written = file.and_then(|mut f| f.write_all(line(name, reason).as_bytes()));
        if let Err(why) = written {
            eprintln!("{VARIABLE}: {why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn line(name: &str, reason: &str) -> String {
    format!("skipped: {name}: {reason}\n")
}

#[cfg(test)]
mod tests {
    use super::{line, parse, pinned};

    #[test]
    fn lines_are_read_back_once() {
        let text = format!("{}noise\n{}{}", line("b", "no: c"), line("a", "x"), line("b", "no: c"));
        let found: Vec<_> = parse(&text).into_iter().map(|s| (s.name, s.reason)).collect();
        let expected = [("a", "x"), ("b", "no: c")];
        assert_eq!(found, expected.map(|(n, r)| (n.to_owned(), r.to_owned())));
    }

    #[test]
    fn the_pins_of_this_project_are_numbers() {
        let root = crate::tree::root();
        assert!(pinned(&root, "linux").is_ok() && pinned(&root, "host").is_ok());
        assert!(pinned(&root, "another").is_err());
    }
}

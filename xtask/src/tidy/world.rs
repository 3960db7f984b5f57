//! Clock, threads, sleep and randomness enter through the kernel below the waist: elsewhere a
//! simulated world would see the real one.

use crate::report::{Rule, Violation};
use crate::source::Source;

/// What touches the world.
const TOUCHES: &[&[&str]] = &[
    &["Instant", "::", "now"],
    &["SystemTime"],
    &["thread", "::", "spawn"],
    &["thread", "::", "scope"],
    &["thread", "::", "Builder"],
    &["thread", "::", "sleep"],
    &["rand", "::"],
    &["getrandom"],
];

/// Whole folders that may: what runs on a real machine only.
const OUTSIDE: &[&str] = &["xtask", "bench", "crates/annulus-cli"];

/// Modules of the libraries that may, and why; with a `*` at its end, all that begin so.
const LISTED: &[(&str, &str)] = &[
    ("crates/annulus-ring/src/linux", "the kernel that is the real world"),
    (
        "crates/annulus-ring/src/abi/private",
        "its getrandom makes an entry: the kernel below decides",
    ),
    ("crates/annulus-emulate/src/host", "the kernel that is the real world, by system calls"),
    ("crates/annulus-runtime/src/engine/metadata", "its times are the files': no clock is read"),
    ("crates/annulus-ring/src/shared/thread", "a shared ring's thread that submits, if asked for"),
    ("crates/annulus-ring/src/probe", "it asks what the machine can do"),
    ("crates/annulus-ring/src/diagnose", "it asks why the machine cannot"),
    ("crates/annulus-runtime/src/engine/driver*", "the drivers are threads"),
    ("crates/annulus-runtime/src/engine/helper", "a call that may wait has a thread of its own"),
    ("crates/annulus-runtime/src/engine/metadata", "a file's times are told in the type for times"),
    ("crates/annulus-runtime/src/engine/times", "the times that a file is to have are given"),
    ("crates/annulus/src/fs/inode", "the times that a file is to have are given"),
    ("crates/annulus-runtime/src/runtime/threads", "a runtime on each of several threads"),
    ("crates/annulus-runtime/src/runtime/builder", "what a reactor does while it cannot enter"),
    ("crates/annulus-runtime/src/runtime/time/sleep", "a time of the caller's clock is given"),
    ("crates/annulus-runtime/src/blocking", "the pool for calls that block is made of threads"),
];

/// Checks one file.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    let path = &source.path;
    let listed = LISTED.iter().any(|(place, _)| is_or_under(path, place));
    if listed || OUTSIDE.iter().any(|folder| source.is_under(folder)) {
        return;
    }
    let mut rule = Rule::new("world", out);
    for (i, token) in source.code.iter().enumerate() {
        let Some(what) = TOUCHES.iter().find(|words| source.matches(i, words)) else { continue };
        if !source.in_test(token.line) {
            let cure = "ask the kernel below the waist; or list the file in tidy/world.rs with why";
            rule.broken(path, token.line, format!("{} above the waist", what.concat()), cure);
        }
    }
}

/// Whether `path` is the module `place`: its file, or a file in its folder.
fn is_or_under(path: &str, place: &str) -> bool {
    if let Some(beginning) = place.strip_suffix('*') {
        return path.starts_with(beginning);
    }
    path.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::lines;

    const BAD: &str = "//! x\nlet t = std::time::Instant::now();\nuse std::time::SystemTime;\n\
                       std::thread::spawn(f);\nthread::sleep(d);\nlet r = rand::random();";

    #[test]
    fn the_world_is_found_above_the_waist() {
        assert_eq!(lines(check, "crates/annulus-ring/src/ring.rs", BAD), [2, 3, 4, 5, 6]);
        assert_eq!(lines(check, "crates/annulus-ring/src/linuxish.rs", BAD), [2, 3, 4, 5, 6]);
    }

    #[test]
    fn kernels_tools_and_tests_may_touch_it() {
        for path in ["crates/annulus-ring/src/linux/mod.rs", "crates/annulus-ring/src/linux.rs"] {
            assert_eq!(lines(check, path, BAD), []);
        }
        let engine = "crates/annulus-runtime/src/engine";
        for file in ["driver.rs", "driver_thread.rs", "driver/mod.rs"] {
            assert_eq!(lines(check, &format!("{engine}/{file}"), BAD), []);
        }
        for file in ["handle.rs", "mod.rs", "a_driver.rs"] {
            assert_eq!(lines(check, &format!("{engine}/{file}"), BAD), [2, 3, 4, 5, 6]);
        }
        assert_eq!(lines(check, "crates/annulus-runtime/src/blocking.rs", BAD), []);
        for path in ["crates/annulus-ring/tests/a.rs", "xtask/src/a.rs", "bench/src/main.rs"] {
            assert_eq!(lines(check, path, BAD), []);
        }
        let good =
            "fn f(d: Instant) {} // Instant::now()\n#[cfg(test)]\nmod t { thread::sleep(d) }";
        assert_eq!(lines(check, "crates/annulus-ring/src/ring.rs", good), []);
    }
}

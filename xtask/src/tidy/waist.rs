//! Above the waist nothing calls the operating system: the crates above the ring ask the kernel
//! below it, else another kernel would be asked by half of them alone.

use crate::lexer::Kind;
use crate::report::{Rule, Violation};
use crate::source::Source;

/// Crates above the waist. Their tests may call what they like.
const ABOVE: &[&str] = &["crates/annulus-runtime/src", "crates/annulus/src"];

/// Crates that are system calls. vm-memory is none: it hands out memory that somebody else mapped.
const SYSTEMS: &[&str] = &["rustix", "libc", "nix", "linux_raw_sys", "syscalls"];

/// Checks one file.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    if !ABOVE.iter().any(|folder| source.is_under(folder)) {
        return;
    }
    let mut rule = Rule::new("waist", out);
    for (i, token) in source.code.iter().enumerate() {
        if source.in_test(token.line) {
            continue;
        }
        let Some(what) = system(source, i).or_else(|| instruction(source, i)) else { continue };
        let cure = "a private opcode, or the kernel below the waist: nothing here calls the system";
        rule.broken(&source.path, token.line, format!("{what} above the waist"), cure);
    }
}

/// The name at `at`, if it is that of a crate of system calls.
fn system(source: &Source, at: usize) -> Option<&str> {
    let name = source.ident(at).filter(|name| SYSTEMS.contains(name))?;
    // What belongs to something else has a name of its own: `x.libc`, `a::libc`.
    let member = at > 0 && source.is(at - 1, ".");
    let inside = at > 1 && source.is(at - 1, "::") && source.ident(at - 2).is_some();
    let begins_path = source.is(at + 1, "::");
    let imported = at > 0 && ["use", "crate", "{", ","].iter().any(|w| source.is(at - 1, w));
    let ends = [";", ",", "}", "as"].iter().any(|w| source.is(at + 1, w));
    (!member && !inside && (begins_path || (imported && ends && in_use(source, at))))
        .then_some(name)
}

/// Whether the name at `at` stands in a `use` or an `extern crate`.
fn in_use(source: &Source, at: usize) -> bool {
    let mut statement = source.code[..at].iter().rev().take_while(|t| !t.is(";"));
    statement.any(|t| t.is("use") || t.is("extern"))
}

/// A way past every crate: inline assembly, or a foreign function declared by hand.
fn instruction(source: &Source, at: usize) -> Option<&'static str> {
    let text = |at: usize| source.code.get(at).is_some_and(|t| t.kind == Kind::Text);
    if source.matches(at, &["asm", "!"]) {
        Some("asm!")
    } else if source.is(at, "extern")
        && (source.is(at + 1, "{") || text(at + 1) && source.is(at + 2, "{"))
    {
        Some("a foreign function")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::found;

    const ENGINE: &str = "crates/annulus-runtime/src/engine/driver.rs";

    fn names(path: &str, text: &str) -> Vec<String> {
        let short = |m: String| m.strip_suffix(" above the waist").unwrap_or(&m).to_owned();
        found(check, path, text)
            .into_iter()
            .map(|(line, m)| format!("{line} {}", short(m)))
            .collect()
    }

    #[test]
    fn system_calls_are_found_above_the_waist() {
        let bad = "use rustix::fs::open;\nuse libc;\nextern crate libc as c;\n\
                   fn f() { ::libc::close(3); }\nuse {libc, std::io};\nuse nix as n;\n";
        let expected = ["1 rustix", "2 libc", "3 libc", "4 libc", "5 libc", "6 nix"];
        assert_eq!(names(ENGINE, bad), expected);
        assert_eq!(names("crates/annulus/src/fs.rs", bad), expected);
    }

    #[test]
    fn ways_past_the_crates_are_found() {
        let bad = "core::arch::asm!(\"syscall\");\nunsafe extern \"C\" { fn close(fd: i32); }\n\
                   extern { fn open(); }\n";
        assert_eq!(names(ENGINE, bad), ["1 asm!", "2 a foreign function", "3 a foreign function"]);
    }

    #[test]
    fn other_names_tests_and_what_is_below_are_left_alone() {
        let good = "// libc::close\nuse vm_memory::GuestMemory;\nuse a::libc;\nlet libc = x.libc;\n\
                    let s = \"rustix::\";\nextern \"C\" fn f() {}\nf(libc, 1);\nuse std::os::fd::OwnedFd;\n\
                    #[cfg(test)]\nmod tests { use libc::close; }\n";
        assert_eq!(names(ENGINE, good), [] as [&str; 0]);
        let bad = "use rustix::fs;";
        for path in ["crates/annulus-ring/src/linux/mod.rs", "crates/annulus-runtime/tests/a.rs"] {
            assert_eq!(names(path, bad), [] as [&str; 0]);
        }
    }
}

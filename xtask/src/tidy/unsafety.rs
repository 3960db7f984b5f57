//! Unsafe code of the libraries lives in few files, and each is listed: a new one is a decision.
//! Tests beside the code do not count. The crates above the runtime have none.

use std::collections::BTreeMap;

use crate::lexer::Token;
use crate::report::{Rule, Violation};
use crate::source::Source;
use crate::tree::Tree;

/// The files with unsafe code, one per line.
const LIST: &str = "xtask/unsafe-files.txt";

/// Crates whose unsafe code is listed.
const COVERED: &[&str] =
    &["crates/annulus-ring/src", "crates/annulus-emulate/src", "crates/annulus-runtime/src"];

/// Crates that forbid unsafe code, by the first line that says so.
const SAFE: &[&str] = &["crates/annulus"];

/// Checks the list both ways, and the crates without unsafe code for saying so.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    let text = tree.text(LIST).unwrap_or("");
    let mut listed: BTreeMap<&str, usize> = text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.is_empty() && !l.starts_with('#'))
        .map(|(i, l)| (l.trim(), i + 1))
        .collect();
    let mut rule = Rule::new("unsafe-files", out);
    let is_covered = |source: &&Source| COVERED.iter().any(|folder| source.is_under(folder));
    for source in tree.sources.iter().filter(is_covered) {
        let is_ours = |t: &&Token| t.is("unsafe") && !source.in_test(t.line);
        let Some(token) = source.code.iter().find(is_ours) else { continue };
        if listed.remove(source.path.as_str()).is_none() {
            let cure = "move it to a file that has unsafe code already, or list it with its reason";
            rule.broken(&source.path, token.line, format!("not listed in {LIST}"), cure);
        }
    }
    for (path, line) in listed {
        rule.broken(LIST, line, format!("{path} has no unsafe code, or is gone"), "take it out");
    }
    for folder in SAFE {
        let lib = format!("{folder}/src/lib.rs");
        let Some(source) = tree.sources.iter().find(|s| s.path == lib) else { continue };
        let forbids = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
        if !(0..source.code.len()).any(|i| source.matches(i, &forbids)) {
            rule.broken(&lib, 1, "unsafe code is not forbidden", "#![forbid(unsafe_code)]");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::messages;

    const RAW: &str = "crates/annulus-ring/src/raw.rs";
    const TRAITS: &str = "crates/annulus-runtime/src/buffer/traits.rs";
    const LIST: &str = "xtask/unsafe-files.txt";

    #[test]
    fn a_new_file_with_unsafe_code_is_found() {
        let found = messages(check, &[(RAW, "//! x\nunsafe fn f() {}\n"), (LIST, "# why\n")]);
        assert_eq!(found, [format!("{RAW}:2: not listed in {LIST}")]);
        let found =
            messages(check, &[(TRAITS, "unsafe trait A {}"), (RAW, "unsafe {}"), (LIST, RAW)]);
        assert_eq!(found, [format!("{TRAITS}:1: not listed in {LIST}")]);
    }

    #[test]
    fn an_entry_without_unsafe_code_is_found() {
        let found =
            messages(check, &[(RAW, "// unsafe\nlet unsafe_code = \"unsafe\";"), (LIST, RAW)]);
        assert_eq!(found, [format!("{LIST}:1: {RAW} has no unsafe code, or is gone")]);
    }

    #[test]
    fn listed_files_and_other_crates_are_left_alone() {
        let files = [(RAW, "unsafe {}"), (LIST, RAW), ("crates/annulus-cli/src/a.rs", "unsafe {}")];
        assert_eq!(messages(check, &files), [] as [&str; 0]);
        let files = [(RAW, "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }")];
        assert_eq!(messages(check, &files), [] as [&str; 0]);
    }

    #[test]
    fn crates_above_the_runtime_forbid_it() {
        let lib = "crates/annulus/src/lib.rs";
        let found = messages(check, &[(lib, "//! x\n#![deny(unsafe_code)]")]);
        assert_eq!(found, [format!("{lib}:1: unsafe code is not forbidden")]);
        assert_eq!(messages(check, &[(lib, "#![forbid(unsafe_code)]")]), [] as [&str; 0]);
    }
}

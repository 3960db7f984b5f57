//! A program of tests with an allocator of its own says so by its name: the sanitizers leave it
//! out.

use crate::checks::OWN_ALLOCATOR;
use crate::report::{Rule, Violation};
use crate::source::Source;

/// Checks one file of tests.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    let Some((_, after)) = source.path.split_once("/tests/") else { return };
    // What the programs share, or how an allocator is made, is no program.
    let name = after.split('/').next().unwrap_or(after);
    if name == "common" || OWN_ALLOCATOR.iter().any(|prefix| name.starts_with(prefix)) {
        return;
    }
    let mut rule = Rule::new("own-allocator", out);
    let of_its_own = |open: &usize| source.is(open + 1, "global_allocator");
    for open in source.attributes().filter(of_its_own) {
        let message = format!("`{name}` has an allocator of its own");
        let cure = "name it alloc_* or detector_*: a sanitizer would be blind behind it";
        rule.broken(&source.path, source.code[open].line, message, cure);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::lines;

    const TEXT: &str = "//! x\n#[global_allocator]\nstatic A: Counting = Counting;\n";

    #[test]
    fn an_allocator_under_another_name_is_found() {
        for path in ["crates/a/tests/engine_reads.rs", "crates/a/tests/engine/main.rs"] {
            assert_eq!(lines(check, path, TEXT), [2]);
        }
    }

    #[test]
    fn those_that_say_so_and_what_they_share_are_left_alone() {
        let names = ["alloc_reads.rs", "detector_drop/main.rs", "common/counting.rs"];
        for name in names {
            assert_eq!(lines(check, &format!("crates/a/tests/{name}"), TEXT), []);
        }
        assert_eq!(lines(check, "crates/annulus-cli/src/main.rs", TEXT), []);
        assert_eq!(lines(check, "crates/a/tests/a.rs", "// #[global_allocator]"), []);
    }
}

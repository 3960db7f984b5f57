//! Every atomic access says which store or load on the other side it pairs with.

use crate::report::{Rule, Violation};
use crate::source::Source;

/// The orderings of atomics; those of comparisons have other names.
const ORDERINGS: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// How far above the access the comment may end.
const LINES_ABOVE: usize = 3;

/// Crates whose threads share memory.
const COVERED: &[&str] = &["crates/annulus-ring/src", "crates/annulus-runtime/src"];

/// Checks one file of theirs.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    if !COVERED.iter().any(|folder| source.is_under(folder)) {
        return;
    }
    let mut rule = Rule::new("pairing", out);
    let said: Vec<(usize, usize)> = source
        .blocks()
        .iter()
        .filter(|b| b.text.to_lowercase().contains("pair"))
        .map(|b| (b.line, b.end_line))
        .collect();
    for (i, token) in source.code.iter().enumerate() {
        if !source.matches(i, &["Ordering", "::"]) || source.in_test(token.line) {
            continue;
        }
        let line = token.line;
        if source.is(i + 2, "{") || source.is(i + 2, "*") {
            let message = "orderings imported by name";
            rule.broken(&source.path, line, message, "write `Ordering::X` at each access");
        }
        let named = ORDERINGS.iter().any(|o| source.is(i + 2, o));
        let near = |(from, to): &(usize, usize)| *from <= line && line <= to + LINES_ABOVE;
        if named && !said.iter().any(near) {
            let message = format!("Ordering::{} without its pair", source.code[i + 2].text);
            let cure =
                "a comment within 3 lines above: what it pairs with (or that it has no pair)";
            rule.broken(&source.path, line, message, cure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::lines;

    const PATH: &str = "crates/annulus-ring/src/raw/sq.rs";

    #[test]
    fn an_access_without_its_pair_is_found() {
        let bad = "// reads the head\nx.load(Ordering::Acquire);\nuse a::Ordering::{Relaxed};\n";
        assert_eq!(lines(check, PATH, bad), [2, 3]);
        assert_eq!(lines(check, "crates/annulus-runtime/src/slot.rs", bad), [2, 3]);
        let far = "// Pairs with y.\n\n\n\n\nx.load(Ordering::Acquire);\n";
        assert_eq!(lines(check, PATH, far), [6]);
    }

    #[test]
    fn an_access_with_its_pair_is_left_alone() {
        let good = "use a::Ordering;\n// Pairs with the kernel's store,\n// as said above.\nlet a =\n\
                    x.load(Ordering::Acquire);\ny.store(1, Ordering::Release); // pairs with a\n\
                    a.cmp(b) == Ordering::Less;\n#[cfg(test)]\nfn t() { Ordering::Relaxed }\n";
        assert_eq!(lines(check, PATH, good), []);
        assert_eq!(lines(check, "xtask/src/a.rs", "Ordering::Relaxed"), []);
    }
}

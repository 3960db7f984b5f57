//! The contract at the waist is one short comment: what a kernel must provide.

use crate::report::{Rule, Violation};
use crate::source::Source;

const LINES_MAX: usize = 20;

/// The traits that are seams: where, and which.
const SEAMS: &[(&str, &str)] = &[("crates/annulus-ring/src/kernel", "Kernel")];

/// Checks the trait of a seam, where this file has it.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    let Some((_, name)) = SEAMS.iter().find(|(place, _)| source.path.starts_with(place)) else {
        return;
    };
    let declares = |i: &usize| {
        source.is(*i, "pub") && [1, 2].iter().any(|gap| source.matches(i + gap, &["trait", name]))
    };
    let Some(at) = (0..source.code.len()).find(declares) else { return };
    // Attributes may stand between the comment and the trait.
    let trait_line = source.code[at].line;
    let before = source.code[..at].iter().rev().find(|t| [";", "}"].iter().any(|e| t.is(e)));
    let after_line = before.map_or(0, |t| t.end_line);
    let documents =
        |line: usize, text: &str| after_line < line && line < trait_line && text.starts_with("///");
    let lines = source.comments.iter().filter(|c| documents(c.line, &c.text)).count();
    if !(1..=LINES_MAX).contains(&lines) {
        let message = format!("the contract of `{name}` has {lines} lines, not 1 to {LINES_MAX}");
        let cure = "list what a backend must provide; the rest belongs to the methods";
        Rule::new("seam", out).broken(&source.path, trait_line, message, cure);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::found;

    const PATH: &str = "crates/annulus-ring/src/kernel/mod.rs";

    #[test]
    fn a_missing_or_long_contract_is_found() {
        let long = format!("//! x\nuse a;\n{}pub trait Kernel {{}}", "/// a\n".repeat(21));
        let message = |n| format!("the contract of `Kernel` has {n} lines, not 1 to 20");
        assert_eq!(found(check, PATH, &long), [(24, message(21))]);
        assert_eq!(found(check, PATH, "/// of a\nmod a;\npub trait Kernel {}"), [(3, message(0))]);
    }

    #[test]
    fn a_short_contract_is_left_alone() {
        let good =
            "//! x\n/// A kernel answers.\n#[doc(alias = \"x\")]\npub unsafe trait Kernel {}";
        assert_eq!(found(check, PATH, good), []);
        assert_eq!(found(check, "crates/annulus-ring/src/sq.rs", "pub trait Kernel {}"), []);
    }
}

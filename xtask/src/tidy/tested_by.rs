//! An argument that rests on behaviour names the test that would fail, and the name resolves.

use std::collections::BTreeSet;

use crate::report::{Rule, Violation};
use crate::tree::Tree;

const PHRASE: &str = "ested by `";

/// Checks every comment that names a test.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    let mut functions = BTreeSet::new();
    for source in &tree.sources {
        let names = (0..source.code.len()).filter(|i| source.is(*i, "fn"));
        functions.extend(names.filter_map(|i| source.ident(i + 1)));
    }
    let mut rule = Rule::new("tested-by", out);
    for source in &tree.sources {
        for block in source.blocks() {
            for (at, name) in named(&block.text) {
                let last = name.rsplit("::").next().unwrap_or(name);
                if !functions.contains(last.trim_end_matches("()")) {
                    let line = block.line + block.text[..at].matches('\n').count();
                    let message = format!("no test `{name}`");
                    rule.broken(&source.path, line, message, "name one that exists, or write it");
                }
            }
        }
    }
}

/// Each name after the phrase, also those after "and" and commas, with its place in `text`.
fn named(text: &str) -> Vec<(usize, &str)> {
    let flat = text.replace('\n', " ");
    let mut names = Vec::new();
    for (phrase, _) in flat.match_indices(PHRASE) {
        let mut at = phrase + PHRASE.len();
        while let Some(length) = text[at..].find('`') {
            names.push((at, &text[at..at + length]));
            at += length + 1;
            let rest = &flat[at..];
            let joint = [", and `", " and `", ", `"].into_iter().find(|j| rest.starts_with(j));
            let Some(joint) = joint else { break };
            at += joint.len();
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::messages;

    #[test]
    fn names_that_resolve_to_no_function_are_found() {
        let text = "// Holds. Tested\n// by `gone`.\n// Tested by `here`, `a::lost` and `lost2`.\n";
        let found = messages(check, &[("a.rs", text), ("tests/t.rs", "fn here() {}")]);
        assert_eq!(
            found,
            ["a.rs:2: no test `gone`", "a.rs:3: no test `a::lost`", "a.rs:3: no test `lost2`",]
        );
    }

    #[test]
    fn names_that_resolve_are_left_alone() {
        let text = "// Tested by `tests::a()`, and `b`. Contested by nobody, tested by hand `x`.\n\
                    fn a() {}\nlet s = \"Tested by `z`\";";
        assert_eq!(messages(check, &[("a.rs", text), ("b.rs", "fn b() {}")]), [] as [&str; 0]);
    }
}

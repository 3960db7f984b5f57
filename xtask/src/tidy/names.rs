//! The field's own words in public names: submit and complete, not their synonyms.

use crate::report::{Rule, Violation};
use crate::source::Source;

/// Parts of names that stand for a verb the field spells otherwise.
const SYNONYMS: &[(&str, &str)] = &[
    ("enqueue", "liburing's verbs: push, prep, submit"),
    ("dequeue", "liburing's verbs: peek, seen, advance"),
    ("reap", "liburing's verbs: wait, peek, seen, advance; or completions"),
];

/// Words that may stand between `pub` and the name.
const BETWEEN: &[&str] = &["const", "unsafe", "async", "extern", "mut", "safe"];

/// What may be named.
const ITEMS: &[&str] =
    &["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "union", "macro"];

/// Checks one file.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    let mut rule = Rule::new("names", out);
    for (i, token) in source.code.iter().enumerate() {
        if !token.is("pub") {
            continue;
        }
        let Some(name) = public_name(source, i + 1) else { continue };
        let lower = name.to_lowercase();
        for (synonym, cure) in SYNONYMS.iter().filter(|(s, _)| lower.contains(s)) {
            let message = format!("\"{synonym}\" in the public name `{name}`");
            rule.broken(&source.path, token.line, message, cure);
        }
    }
}

/// The name of the item declared from `at` on, unless its visibility is restricted.
fn public_name(source: &Source, at: usize) -> Option<&str> {
    let mut at = at;
    while BETWEEN.iter().any(|w| source.is(at, w)) || source.code.get(at)?.text.starts_with('"') {
        // `pub const NAME` against `pub const fn name`.
        if source.is(at, "const") && !ITEMS.iter().any(|k| source.is(at + 1, k)) {
            let next = source.ident(at + 1)?;
            return if BETWEEN.contains(&next) { public_name(source, at + 1) } else { Some(next) };
        }
        at += 1;
    }
    if ITEMS.iter().any(|k| source.is(at, k)) { source.ident(at + 1) } else { None }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::lines;

    #[test]
    fn synonyms_are_found_in_public_names() {
        let bad = "pub fn enqueue() {}\npub const unsafe fn reap_all() {}\npub struct Reaper;\n\
                   pub const REAP: u32 = 1;\npub unsafe extern \"C\" fn dequeue_c() {}\n";
        assert_eq!(lines(check, "a.rs", bad), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn private_names_and_other_words_are_left_alone() {
        let good = "fn enqueue() {}\npub(crate) fn reap() {}\npub fn submit() {}\n// enqueue\n\
                    pub struct Queue { pub tail: u32 }\npub use a::b;\npub const fn push() {}\n";
        assert_eq!(lines(check, "a.rs", good), []);
    }
}

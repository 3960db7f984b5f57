//! Code that may not be there: skipped and unfinished things, lints switched off, arithmetic that
//! is wrong on a ring's indices.

use crate::lexer::Kind;
use crate::report::{Rule, Violation};
use crate::source::Source;

/// Macros that stand for work not done.
const MACROS: &[(&str, &str)] = &[
    ("todo", "finish it, or leave it out"),
    ("unimplemented", "finish it, or leave it out"),
    ("dbg", "take it out"),
];

/// The lints whose silence would hide an unproved `unsafe`.
const SAFETY_LINTS: &[&str] = &[
    "unsafe_op_in_unsafe_fn",
    "undocumented_unsafe_blocks",
    "multiple_unsafe_ops_per_block",
    "missing_safety_doc",
    "unnecessary_safety_comment",
];

/// Checks one file.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    macros(source, &mut Rule::new("unfinished", out));
    ignored(source, &mut Rule::new("ignored", out));
    lints(source, &mut Rule::new("safety-lint", out));
    if source.is_under("crates/annulus-ring/src") {
        indices(source, &mut Rule::new("ring-index", out));
    }
}

fn macros(source: &Source, rule: &mut Rule<'_>) {
    for (i, token) in source.code.iter().enumerate() {
        for (name, cure) in MACROS {
            let called = source.is(i + 1, "!") && !source.is(i + 2, "=");
            if token.is(name) && called {
                rule.broken(&source.path, token.line, format!("{name}!"), cure);
            }
        }
    }
}

/// Tests that do not run: `#[ignore]`, also under `cfg_attr`, and doctests marked so.
fn ignored(source: &Source, rule: &mut Rule<'_>) {
    let cure = "let it run, or skip at run time with a reason: tests/common has `skip`";
    for open in source.attributes() {
        let inside = &source.code[open..source.close(open)];
        if inside.iter().any(|t| t.is("ignore")) {
            rule.broken(&source.path, source.code[open].line, "#[ignore]", cure);
        }
    }
    for comment in &source.comments {
        let fence = comment.text.trim_start_matches(['/', '!']).trim();
        if fence.strip_prefix("```").is_some_and(|tags| tags.split(',').any(|t| t == "ignore")) {
            rule.broken(&source.path, comment.line, "an example marked `ignore`", cure);
        }
    }
}

fn lints(source: &Source, rule: &mut Rule<'_>) {
    for open in source.attributes() {
        let inside = &source.code[open + 1..source.close(open).max(open + 1)];
        let silences = inside.iter().any(|t| ["allow", "expect", "warn"].iter().any(|l| t.is(l)));
        for token in inside.iter().filter(|_| silences) {
            if SAFETY_LINTS.iter().any(|lint| token.is(lint)) {
                let message = format!("`{}` switched off", token.text);
                rule.broken(&source.path, token.line, message, "write the proof it asks for");
            }
        }
    }
}

/// Indices run free over `u32`: they wrap, and nothing else.
fn indices(source: &Source, rule: &mut Rule<'_>) {
    let cure = "ring indices wrap: wrapping_add, wrapping_sub";
    for (i, token) in source.code.iter().enumerate() {
        if token.kind != Kind::Ident || source.in_test(token.line) {
            continue;
        }
        if token.text.starts_with("saturating_") {
            rule.broken(&source.path, token.line, format!("{}()", token.text), cure);
        }
        let is_index = ["head", "tail"].iter().any(|n| {
            token.text == *n || token.text.strip_suffix(n).is_some_and(|p| p.ends_with('_'))
        });
        let operator = |at: usize| source.is(at, "+") || source.is(at, "-");
        // What follows `+` or `-` after another operator or an opening bracket is a sign.
        let after = operator(i + 1);
        let value = |kind| matches!(kind, Kind::Ident | Kind::Number | Kind::Close);
        let before = i > 1 && operator(i - 1) && value(source.code[i - 2].kind);
        if is_index && (after || before) {
            rule.broken(&source.path, token.line, format!("bare + or - on `{}`", token.text), cure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::lines;

    const RING: &str = "crates/annulus-ring/src/sq.rs";

    #[test]
    fn unfinished_macros_are_found_in_code_alone() {
        assert_eq!(lines(check, "a.rs", "fn f() {\n todo!();\n x(dbg!(1));\n}"), [2, 3]);
        assert_eq!(lines(check, "a.rs", "// todo!()\nlet s = \"dbg!\"; let todo = 1;"), []);
    }

    #[test]
    fn tests_that_do_not_run_are_found() {
        let bad = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(miri, ignore)]\nfn b() {}\n\
                   /// ```rust,ignore\nfn c() {}";
        assert_eq!(lines(check, "a.rs", bad), [2, 4, 6]);
        assert_eq!(lines(check, "a.rs", "#[doc = \"ignore\"]\nfn ignore() {}\n/// ```text\n"), []);
    }

    #[test]
    fn safety_lints_stay_on() {
        let bad = "#![allow(dead_code, clippy::missing_safety_doc)]\n\
                   #[expect(\n unsafe_op_in_unsafe_fn\n)]\nfn a() {}";
        assert_eq!(lines(check, "a.rs", bad), [1, 3]);
        assert_eq!(lines(check, "a.rs", "#![deny(clippy::missing_safety_doc)]"), []);
    }

    #[test]
    fn indices_only_wrap() {
        let bad = "fn f() {\n let n = tail - head;\n x.saturating_sub(1);\n self.sq_tail += 1;\n}";
        assert_eq!(lines(check, RING, bad), [2, 2, 3, 4]);
        let good = "fn tail(&self) -> u32 { tail.wrapping_sub(head) }\nf(-head, *tail);";
        assert_eq!(lines(check, RING, good), []);
        assert_eq!(lines(check, "crates/annulus-cli/src/a.rs", "tail - head"), []);
    }
}

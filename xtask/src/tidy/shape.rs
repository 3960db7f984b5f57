//! The outer shape of files: width, length, and how they open.

use crate::lexer::Kind;
use crate::report::{Rule, Violation};
use crate::source::Source;
use crate::tree::Tree;

const COLUMNS_MAX: usize = 100;
const LINES_MAX: usize = 900;
const README_LINES_MAX: usize = 220;

/// Files that no hand breaks into lines.
const GENERATED: &[&str] = &["Cargo.lock", ".svg", ".json"];

/// Checks every file.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    for source in &tree.sources {
        let mut rule = Rule::new("width", out);
        for line in wide_lines(&source.path, &source.text) {
            if !literal_alone_is_wide(source, line) {
                too_wide(&source.path, line, &mut rule);
            }
        }
        length(&source.path, &source.text, out);
        opening(source, out);
    }
    for file in &tree.texts {
        if GENERATED.iter().any(|end| file.path.ends_with(end)) {
            continue;
        }
        let mut rule = Rule::new("width", out);
        for line in wide_lines(&file.path, &file.text) {
            too_wide(&file.path, line, &mut rule);
        }
        if !file.path.ends_with(".md") {
            length(&file.path, &file.text, out);
        }
    }
    readme(tree, out);
}

/// Lines over the width, but for those that cannot be broken: addresses, rows of a table, headers
/// and descriptions of a manifest.
fn wide_lines(path: &str, text: &str) -> Vec<usize> {
    let document = path.ends_with(".md");
    let manifest = path.ends_with(".toml");
    let unbreakable = |line: &str| {
        let row = line.trim_start().trim_start_matches(['/', '!']).trim_start().starts_with('|');
        line.contains("://")
            || row
            || (document && line.starts_with("[!["))
            || (manifest && (line.starts_with('[') || line.starts_with("description")))
    };
    let wide = |line: &str| line.chars().count() > COLUMNS_MAX && !unbreakable(line);
    text.lines().enumerate().filter(|(_, l)| wide(l)).map(|(i, _)| i + 1).collect()
}

fn too_wide(path: &str, line: usize, rule: &mut Rule<'_>) {
    rule.broken(path, line, format!("over {COLUMNS_MAX} columns"), "break the line");
}

/// Whether a string on this line would not fit on a line of its own either.
fn literal_alone_is_wide(source: &Source, line: usize) -> bool {
    let text = source.text.lines().nth(line - 1).unwrap_or("");
    let indent = text.len() - text.trim_start().len();
    source.code.iter().any(|t| {
        let several = t.line < t.end_line && (t.line..=t.end_line).contains(&line);
        let here = t.line == line && indent + t.text.chars().count() >= COLUMNS_MAX;
        t.kind == Kind::Text && (several || here)
    })
}

fn length(path: &str, text: &str, out: &mut Vec<Violation>) {
    let lines = text.lines().count();
    if lines > LINES_MAX && !GENERATED.iter().any(|end| path.ends_with(end)) {
        let message = format!("{lines} lines, more than {LINES_MAX}");
        Rule::new("file-length", out).broken(path, lines, message, "split it by what it does");
    }
}

fn opening(source: &Source, out: &mut Vec<Violation>) {
    let first = source.comments.first();
    let opens = first.is_some_and(|c| {
        let before_code = source.code.first().is_none_or(|t| c.line < t.line);
        before_code && (c.text.starts_with("//!") || c.text.starts_with("/*!"))
    });
    // Attributes of the file (`#![no_std]`) and the shebang of a script may come first.
    let after_attributes = source.text.starts_with("#!");
    let opens = opens || (after_attributes && source.text.contains("\n//!"));
    if !opens {
        let cure = "say in a line what the file is for";
        Rule::new("opening", out).broken(&source.path, 1, "no `//!` at its top", cure);
    }
}

fn readme(tree: &Tree, out: &mut Vec<Violation>) {
    let lines = tree.text("README.md").map_or(0, |text| text.lines().count());
    if lines > README_LINES_MAX {
        let message = format!("{lines} lines, more than {README_LINES_MAX}");
        let cure = "move what is not for the first reader to the documentation";
        Rule::new("readme", out).broken("README.md", lines, message, cure);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::messages;

    fn long(n: usize) -> String {
        "x".repeat(n)
    }

    #[test]
    fn wide_lines_are_found() {
        let wide = format!("//! a\nlet {} = 1;\n// {}\n", long(100), long(100));
        let string = format!("//! a\nlet {} = f(\"{}\");\n", long(50), long(50));
        let found = messages(check, &[("a.rs", &wide), ("b.rs", &string), ("c.md", &long(101))]);
        let at: Vec<_> = found.iter().map(|m| m.rsplit_once(": ").unwrap().0).collect();
        assert_eq!(at, ["a.rs:2", "a.rs:3", "b.rs:2", "c.md:1"]);
    }

    #[test]
    fn lines_that_cannot_be_broken_are_left_alone() {
        let text = format!(
            "//! <https://{}>\n// | {} |\nlet a = \"{}\";\nlet b = r\"a\n{}\";\n",
            long(100),
            long(100),
            long(98),
            long(120)
        );
        let row = format!("| {} |\n", long(100));
        assert_eq!(messages(check, &[("a.rs", &text), ("b.md", &row)]), [] as [&str; 0]);
    }

    #[test]
    fn long_files_and_readmes_are_found() {
        let code = format!("//! a\n{}", "f();\n".repeat(900));
        let found = messages(check, &[("a.rs", &code), ("README.md", &"a\n".repeat(221))]);
        let expected =
            ["a.rs:901: 901 lines, more than 900", "README.md:221: 221 lines, more than 220"];
        assert_eq!(found, expected);
        assert_eq!(messages(check, &[("README.md", &"a\n".repeat(220))]), [] as [&str; 0]);
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        let bad = ["// a\nfn f() {}", "fn f() {}\n//! late", "/// f\nfn f() {}", ""];
        for text in bad {
            assert_eq!(messages(check, &[("a.rs", text)]), ["a.rs:1: no `//!` at its top"]);
        }
        for text in ["//! a", "#![no_std]\n//! a\nfn f() {}", "\n/*! a */ fn f() {}\n"] {
            let text = text.replace("*/ fn", "*/\nfn");
            assert_eq!(messages(check, &[("a.rs", &text)]), [] as [&str; 0]);
        }
    }
}

//! Words that comments and documents do without, and paths of somebody's machine.

use crate::report::{Rule, Violation};
use crate::source::Source;
use crate::tree::Tree;

/// Each with what to do. Whole words, any case; a space matches a line's end too.
const BANNED: &[(&str, &str)] = &[
    ("simply", "leave it out"),
    ("just", "leave it out, or say \"only\""),
    ("obviously", "leave it out, or say why"),
    ("trust me", "name the fact, and who guarantees it"),
    ("values are valid", "name the fact, and who guarantees it"),
    ("blazing", "give the figure"),
];

/// Where a machine's own files begin: nothing in the project may point there.
const MACHINE: &[&str] = &["work", "root"];

/// Checks the comments of a Rust file, and its whole text for machine paths.
pub fn check(source: &Source, out: &mut Vec<Violation>) {
    for block in source.blocks() {
        check_words(&source.path, block.line, &block.text, out);
    }
    check_paths(&source.path, &source.text, out);
}

/// Checks every other file: documents for words, everything for machine paths.
pub fn check_texts(tree: &Tree, out: &mut Vec<Violation>) {
    for file in &tree.texts {
        if file.path.ends_with(".md") {
            check_words(&file.path, 1, &file.text, out);
        } else {
            check_words(&file.path, 1, &hash_comments(&file.text), out);
        }
        check_paths(&file.path, &file.text, out);
    }
}

/// What stands after `#` on each line, the lines kept.
fn hash_comments(text: &str) -> String {
    text.lines()
        .map(|l| l.split_once('#').map_or("", |(_, words)| words))
        .collect::<Vec<_>>()
        .join("\n")
}

fn check_words(path: &str, first_line: usize, text: &str, out: &mut Vec<Violation>) {
    let flat = text.to_lowercase().replace('\n', " ");
    for (word, cure) in BANNED {
        for (at, _) in flat.match_indices(word) {
            let inside = |c: char| c.is_alphanumeric() || c == '_';
            let before = flat[..at].chars().next_back().is_some_and(inside);
            let after = flat[at + word.len()..].chars().next().is_some_and(inside);
            if !before && !after {
                // Lower case changes no line: count the ones before.
                let line = first_line + newlines_before(text, at);
                Rule::new("words", out).broken(path, line, format!("\"{word}\""), cure);
            }
        }
    }
}

/// How many lines end within the first `at` bytes of `text` in lower case.
fn newlines_before(text: &str, at: usize) -> usize {
    text.to_lowercase().bytes().take(at).filter(|b| *b == b'\n').count()
}

fn check_paths(path: &str, text: &str, out: &mut Vec<Violation>) {
    for (i, line) in text.lines().enumerate() {
        for folder in MACHINE {
            let needle = format!("/{folder}/");
            let begins = |at: usize| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "_.-}>)*$~".contains(c))
            };
            if line.match_indices(&needle).any(|(at, _)| begins(at)) {
                let message = format!("a path of one machine: {needle}");
                let cure = "make it relative to the project, or take it from the environment";
                Rule::new("machine-path", out).broken(path, i + 1, message, cure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, check_texts};
    use crate::tidy::testing::{found, lines, messages};

    #[test]
    fn banned_words_are_found_whole_in_comments_alone() {
        let text = "//! It is Just a ring.\n\n/// trust\n/// me, the values are\n// valid.\n\
                    fn just() { f(\"simply\"); } // adjust, justice, just_so\n";
        let words: Vec<_> = found(check, "a.rs", text);
        let expected = [(1, "\"just\""), (3, "\"trust me\""), (4, "\"values are valid\"")];
        assert_eq!(words, expected.map(|(l, w)| (l, w.to_owned())));
    }

    #[test]
    fn documents_are_read_whole_and_scripts_by_their_comments() {
        let files = [("README.md", "One.\nBlazing fast."), ("run.sh", "just x # simply\n")];
        let expected = ["README.md:2: \"blazing\"", "run.sh:1: \"simply\""];
        assert_eq!(messages(check_texts, &files), expected);
    }

    #[test]
    fn machine_paths_are_found_in_strings_too() {
        let (work, root) = ("work", "root");
        let bad = format!("//! x\nlet a = \"/{work}/a\";\n// see /{root}/b\n");
        assert_eq!(lines(check, "a.rs", &bad), [2, 3]);
        let good = format!("//! x\nlet a = \"fake/{root}/a\"; // target/{work}/\n");
        assert_eq!(lines(check, "a.rs", &good), []);
    }
}

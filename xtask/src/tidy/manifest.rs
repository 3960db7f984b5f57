//! Each dependency and each feature says in a comment why it is there.

use crate::report::{Rule, Violation};
use crate::tree::{Text, Tree};

/// Checks every manifest.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    for file in &tree.texts {
        if file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml") {
            check_file(file, &mut Rule::new("dependency-why", out));
        }
    }
}

/// What a line of a manifest is to this check.
enum Section {
    /// Entries need a reason.
    Explained,
    /// One dependency spread over lines: its header needed the reason.
    Whole,
    /// Anything else.
    Other,
}

fn check_file(file: &Text, rule: &mut Rule<'_>) {
    let mut section = Section::Other;
    let mut explained = false;
    let mut depth = 0;
    for (i, line) in file.text.lines().enumerate() {
        let (code, has_comment) = split_comment(line);
        let inside = depth > 0;
        depth += balance(code);
        if inside {
            continue;
        }
        if code.trim().is_empty() {
            // A comment explains the next line; an empty line ends what it is about.
            explained = has_comment;
        } else if code.trim_start().starts_with('[') && !inside {
            section = Section::of(code.trim());
            if matches!(section, Section::Whole) && !(explained || has_comment) {
                unexplained(file, i + 1, code, rule);
            }
            // A comment above the header is about its first entry too.
        } else {
            let inherited = code.contains("workspace = true");
            let needs = matches!(section, Section::Explained) && !inherited;
            if needs && !explained && !has_comment {
                unexplained(file, i + 1, code, rule);
            }
            explained = false;
        }
    }
}

fn unexplained(file: &Text, line: usize, code: &str, rule: &mut Rule<'_>) {
    let name = code.trim().trim_start_matches('[').split([' ', '=', ']']).next().unwrap_or("");
    let cure = "a comment above it or behind it: what it does here, who should turn it off";
    rule.broken(&file.path, line, format!("`{name}` without a reason"), cure);
}

impl Section {
    fn of(header: &str) -> Self {
        let name = header.trim_matches(['[', ']', ' ']);
        let last = name.rsplit('.').next().unwrap_or(name);
        let before = name.strip_suffix(last).unwrap_or("").trim_end_matches('.');
        if last.ends_with("dependencies") || name == "features" {
            Section::Explained
        } else if before.ends_with("dependencies") {
            Section::Whole
        } else {
            Section::Other
        }
    }
}

/// A line's code, and whether a comment follows it.
fn split_comment(line: &str) -> (&str, bool) {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return (&line[..at], true),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    (line, false)
}

/// How many brackets of a value stay open at the line's end; a section's header closes its own.
fn balance(code: &str) -> i32 {
    code.chars().map(|c| i32::from("[{".contains(c)) - i32::from("]}".contains(c))).sum()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::messages;

    fn lines(text: &str) -> Vec<String> {
        messages(check, &[("crates/a/Cargo.toml", text)])
            .iter()
            .map(|m| m.trim_start_matches("crates/a/Cargo.toml:").to_owned())
            .collect()
    }

    #[test]
    fn dependencies_without_a_reason_are_found() {
        let bad = "[package]\nname = \"a\"\n[dependencies]\nx = \"1\"\n# Why y.\ny = \"1\"\nz = \"1\"\n\
                   [target.'cfg(a)'.dev-dependencies]\nw = { version = \"1\" }\n\
                   [dependencies.v]\nversion = \"1\"\n[features]\nf = []\n";
        let missing = |l: u32, name: &str| format!("{l}: `{name}` without a reason");
        let expected = [
            missing(4, "x"),
            missing(7, "z"),
            missing(9, "w"),
            missing(10, "dependencies.v"),
            missing(13, "f"),
        ];
        assert_eq!(lines(bad), expected);
    }

    #[test]
    fn reasons_above_and_behind_count() {
        let good = "[dependencies]\n# Why,\n# at length.\nx = { version = \"1#\", features = [\n\
                    \"a\",\n \"b\",\n] }\ny = \"1\" # why\nz.workspace = true\n\
                    # For the others.\n[target.'cfg(a)'.dependencies]\nlibc = \"0.2\"\n\
                    # Why.\n[dev-dependencies.v]\nversion = \"1\"\n[lints]\nworkspace = true\n";
        assert_eq!(lines(good), [] as [&str; 0]);
        assert_eq!(lines("[dependencies]\n# About nothing.\n\nx = \"1\"\n").len(), 1);
    }
}

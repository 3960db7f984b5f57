//! Functions fit a screen. Those that do not are listed, and the list only shrinks.

use std::collections::BTreeMap;

use crate::lexer::Kind;
use crate::report::{Rule, Violation};
use crate::source::Source;
use crate::tree::Tree;

const LINES_MAX: usize = 70;

/// The functions allowed to be longer: `path name lines`, one per line.
const RATCHET: &str = "xtask/ratchet.txt";

/// A function's place and length.
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Checks every function against the limit or its entry in the ratchet.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    let mut rule = Rule::new("function-length", out);
    let mut listed = entries(tree.text(RATCHET).unwrap_or(""), &mut rule);
    for source in &tree.sources {
        let mut longest: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for f in functions(source).into_iter().filter(|f| f.lines > LINES_MAX) {
            let entry = longest.entry(f.name).or_default();
            *entry = (*entry).max((f.lines, f.line));
        }
        for (name, (lines, line)) in longest {
            let key = (source.path.clone(), name.clone());
            judge(&key, lines, line, listed.remove(&key), &mut rule);
        }
    }
    for ((path, name), (_, at)) in listed {
        let message = format!("`{name}` of {path} is within {LINES_MAX} lines, or gone");
        rule.broken(RATCHET, at, message, "take the entry out");
    }
}

fn judge(
    (path, name): &(String, String),
    lines: usize,
    line: usize,
    listed: Option<(usize, usize)>,
    rule: &mut Rule<'_>,
) {
    match listed {
        None => {
            let message = format!("`{name}` has {lines} lines, more than {LINES_MAX}");
            rule.broken(path, line, message, "split it by what it does");
        }
        Some((was, _)) if lines > was => {
            let message = format!("`{name}` grew from {was} to {lines} lines");
            rule.broken(path, line, message, "make it no longer than it was");
        }
        Some((was, at)) if lines < was => {
            let message = format!("`{name}` of {path} shrank from {was} to {lines} lines");
            rule.broken(RATCHET, at, message, "write the new length there");
        }
        Some(_) => {}
    }
}

/// The ratchet: what is allowed, by path and name, and the line of each entry.
fn entries(text: &str, rule: &mut Rule<'_>) -> BTreeMap<(String, String), (usize, usize)> {
    let mut entries = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#'))
    {
        let words: Vec<_> = line.split_whitespace().collect();
        match (&words[..], words.last().and_then(|n| n.parse().ok())) {
            ([path, name, _], Some(lines)) => {
                entries.insert(((*path).to_owned(), (*name).to_owned()), (lines, i + 1));
            }
            _ => rule.broken(RATCHET, i + 1, "not an entry", "write: path name lines"),
        }
    }
    entries
}

/// Every function with a body, also those that macros write.
fn functions(source: &Source) -> Vec<Function> {
    let mut found = Vec::new();
    for (i, token) in source.code.iter().enumerate() {
        let named = source.ident(i + 1).map(str::to_owned);
        let written = source.is(i + 1, "$").then(|| source.ident(i + 2)).flatten();
        let name = named.or_else(|| written.map(|n| format!("${n}")));
        let (true, Some(name)) = (token.is("fn"), name) else { continue };
        if let Some(end) = body_end(source, i) {
            let lines = source.code[end].line - token.line + 1;
            found.push(Function { name, line: token.line, lines });
        }
    }
    found
}

/// The brace that closes the body of the function at `start`, if it has one.
fn body_end(source: &Source, start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(token) = source.code.get(at) {
        match token.kind {
            Kind::Open if token.is("{") => return Some(source.close(at)),
            Kind::Open => at = source.close(at),
            Kind::Close => return None,
            Kind::Punct if token.is(";") => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::messages;

    fn of(name: &str, lines: usize) -> String {
        format!("fn {name}(a: [u8; 2]) {{\n{}}}\n", "// }\n".repeat(lines - 2))
    }

    fn with_ratchet(code: &str, ratchet: &str) -> Vec<String> {
        messages(check, &[("a.rs", code), ("xtask/ratchet.txt", ratchet)])
    }

    #[test]
    fn long_functions_are_found_in_macros_too() {
        let code = format!(
            "{}{}macro_rules! m {{ ($a:ident) => {{ {} }} }}",
            of("short", 70),
            of("long", 71),
            of("$a", 80)
        );
        let expected = [
            "a.rs:142: `$a` has 80 lines, more than 70",
            "a.rs:71: `long` has 71 lines, more than 70",
        ];
        assert_eq!(with_ratchet(&code, ""), expected);
    }

    #[test]
    fn functions_without_a_body_have_no_length() {
        let code = format!("trait T {{ fn a(&self); }}\ntype F = fn(u32);\n{}", "\n".repeat(90));
        assert_eq!(with_ratchet(&code, ""), [] as [&str; 0]);
    }

    #[test]
    fn the_ratchet_only_shrinks() {
        let entry = |n| format!("# Long functions\n\na.rs long {n}\n");
        assert_eq!(with_ratchet(&of("long", 90), &entry(90)), [] as [&str; 0]);
        let grew = with_ratchet(&of("long", 91), &entry(90));
        assert_eq!(grew, ["a.rs:1: `long` grew from 90 to 91 lines"]);
        let shrank = with_ratchet(&of("long", 80), &entry(90));
        assert_eq!(shrank, ["xtask/ratchet.txt:3: `long` of a.rs shrank from 90 to 80 lines"]);
        for now in [of("long", 60), of("renamed", 60)] {
            let gone = with_ratchet(&now, &entry(90));
            assert_eq!(gone, ["xtask/ratchet.txt:3: `long` of a.rs is within 70 lines, or gone"]);
        }
        assert_eq!(with_ratchet("", "a.rs long"), ["xtask/ratchet.txt:1: not an entry"]);
    }
}

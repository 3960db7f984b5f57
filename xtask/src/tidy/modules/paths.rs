//! Paths in code, resolved as far as the top-level module they reach.

use std::collections::BTreeMap;

use crate::lexer::Kind;
use crate::source::Source;

/// A name at the crate's root that some path goes through.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name, or `*`.
    pub name: String,
    /// Where the path begins.
    pub line: usize,
}

/// Every name of the root that the file, whose module is `module`, reaches.
pub fn references(source: &Source, module: &[String]) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut inline: Vec<usize> = Vec::new();
    for (i, token) in source.code.iter().enumerate() {
        inline.retain(|close| i < *close);
        if source.is(i, "mod") && source.is(i + 2, "{") {
            inline.push(source.close(i + 2));
        }
        let begins = ["crate", "super"].iter().any(|w| token.is(w)) && source.is(i + 1, "::");
        let goes_on = i > 0 && source.is(i - 1, "::");
        let restricts = i > 1 && source.matches(i - 2, &["(", "in"]);
        if !begins || goes_on || restricts {
            continue;
        }
        if let Some(rest) = from_root(source, i, module.len() + inline.len()) {
            let names = first_names(source, rest);
            found.extend(names.into_iter().map(|name| Reference { name, line: token.line }));
        }
    }
    found
}

/// Where the path that begins at `at`, `depth` modules below the root, goes on from the root; none
/// if it stays below.
fn from_root(source: &Source, at: usize, depth: usize) -> Option<usize> {
    let (mut at, mut depth) = (at, depth);
    if source.is(at, "crate") {
        return Some(at + 2);
    }
    while source.matches(at, &["super", "::"]) {
        (at, depth) = (at + 2, depth.checked_sub(1)?);
    }
    (depth == 0).then_some(at)
}

/// The first names of the path or tree that goes on at `at`.
fn first_names(source: &Source, at: usize) -> Vec<String> {
    if !source.is(at, "{") {
        let token = source.code.get(at);
        return token.map(|t| t.text.clone()).into_iter().collect();
    }
    branches(source, at).into_iter().flat_map(|branch| first_names(source, branch)).collect()
}

/// Where each branch of the tree in braces at `open` begins.
fn branches(source: &Source, open: usize) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), open + 1);
    let mut fresh = true;
    while at < source.close(open) {
        if fresh {
            starts.push(at);
        }
        fresh = source.is(at, ",");
        at = if source.is(at, "{") { source.close(at) } else { at } + 1;
    }
    starts
}

/// The names that the root's `use` statements bring there, each with the module it comes from.
pub fn exports(root: &Source) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for i in (0..root.code.len()).filter(|i| root.is(*i, "use")) {
        let skip = ["crate", "self"].iter().any(|w| root.is(i + 1, w)) && root.is(i + 2, "::");
        leaves(root, if skip { i + 3 } else { i + 1 }, &mut Vec::new(), &mut found);
    }
    found
}

/// Adds the leaves of the tree at `at`; `path` is what leads to it.
fn leaves(root: &Source, at: usize, path: &mut Vec<String>, out: &mut BTreeMap<String, String>) {
    if root.is(at, "{") {
        for branch in branches(root, at) {
            leaves(root, branch, &mut path.clone(), out);
        }
        return;
    }
    let Some(name) = root.code.get(at).filter(|t| t.kind == Kind::Ident) else { return };
    let own = if name.is("self") { path.last().cloned() } else { Some(name.text.clone()) };
    if root.is(at + 1, "::") {
        path.push(name.text.clone());
        leaves(root, at + 2, path, out);
    } else if let Some(own) = own {
        let alias = if root.is(at + 1, "as") { root.ident(at + 2) } else { None };
        let origin = path.first().cloned().unwrap_or_else(|| own.clone());
        out.insert(alias.map_or(own, str::to_owned), origin);
    }
}

#[cfg(test)]
mod tests {
    use super::{exports, references};
    use crate::source::Source;

    fn names(module: &[&str], text: &str) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|m| (*m).to_owned()).collect();
        let found = references(&Source::new("a.rs", text), &module);
        found.into_iter().map(|r| r.name).collect()
    }

    #[test]
    fn trees_yield_every_branch() {
        let text = "use crate::{a, b::{c, d::*}, {e as f, self::g}};";
        assert_eq!(names(&["x"], text), ["a", "b", "e", "self"]);
    }

    #[test]
    fn super_counts_files_and_inline_modules() {
        assert_eq!(
            names(&["x"], "super::a(); mod m { super::b(); super::super::c(); }"),
            ["a", "c"]
        );
        assert_eq!(names(&["x", "y"], "super::a(); super::super::b::c()"), ["b"]);
        assert_eq!(names(&["x"], "mod m { } super::a()"), ["a"]);
        assert_eq!(
            names(&["x"], "pub(in crate::a) b; pub(crate) c; foo::crate::d"),
            [] as [&str; 0]
        );
    }

    #[test]
    fn exports_know_their_module() {
        let root = Source::new("lib.rs", "pub use a::{B, c::D as E, self as F};\nuse self::g::H;");
        let found: Vec<_> = exports(&root).into_iter().collect();
        let expected = [("B", "a"), ("E", "a"), ("F", "a"), ("H", "g")];
        assert_eq!(found, expected.map(|(n, m)| (n.to_owned(), m.to_owned())));
    }
}

//! The top-level modules of each crate form a DAG.
//!
//! An edge goes from the module a file belongs to, to every top-level module that a path in it
//! reaches: `crate::x`, `super::x` (where that is the root), `$crate::x` in macros, each also in a
//! `use` tree. A name that `lib.rs` re-exports counts as the module it comes from. Test code
//! counts too: a module whose tests need an upper one is tested in the upper one, or in `tests/`.

use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::Kind;
use crate::report::{Rule, Violation};
use crate::source::Source;
use crate::tree::Tree;

mod paths;

use paths::{Reference, exports, references};

/// A crate's files, and where its modules begin.
struct Package<'a> {
    name: &'a str,
    root: &'a Source,
    /// Every file but the root and other binaries, with the path of its module.
    files: Vec<(Vec<String>, &'a Source)>,
}

/// The first place where one module names another.
type Edges = BTreeMap<String, BTreeMap<String, (String, usize)>>;

/// Checks every crate, and says for each whether it has cycles.
pub fn check(tree: &Tree, out: &mut Vec<Violation>) {
    for package in packages(tree) {
        let mut rule = Rule::new("module-dag", out);
        let edges = edges(&package, &mut rule);
        let found = cycles(&edges);
        let shown = if found.is_empty() { "none".to_owned() } else { found.len().to_string() };
        println!("{}: {} modules, cycles: {shown}", package.name, modules(&package).len());
        for cycle in found {
            let (path, line) = &edges[&cycle[0]][&cycle[1]];
            let message = format!("cycle: {}", cycle.join(" -> "));
            rule.broken(path, *line, message, "move what both need into a module below");
        }
    }
}

fn packages(tree: &Tree) -> Vec<Package<'_>> {
    let mut packages = Vec::new();
    for folder in tree.texts.iter().filter_map(|t| t.path.strip_suffix("Cargo.toml")) {
        let find =
            |name: &str| tree.sources.iter().find(|s| s.path == format!("{folder}src/{name}"));
        let Some(root) = find("lib.rs").or_else(|| find("main.rs")) else { continue };
        let inside = |s: &'_ &Source| {
            let rest = s.path.strip_prefix(folder).and_then(|p| p.strip_prefix("src/"));
            rest.is_some_and(|p| !["lib.rs", "main.rs"].contains(&p) && !p.starts_with("bin/"))
        };
        let files = tree.sources.iter().filter(inside);
        let files = files.map(|s| (module_path(&s.path[folder.len() + 4..]), s)).collect();
        let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or(folder);
        packages.push(Package { name, root, files });
    }
    packages
}

/// `a/mod.rs` and `a.rs` are `a`.
fn module_path(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut path: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|l| l == "mod") {
        path.pop();
    }
    path
}

fn modules(package: &Package<'_>) -> BTreeSet<String> {
    package.files.iter().filter_map(|(path, _)| path.first().cloned()).collect()
}

fn edges(package: &Package<'_>, rule: &mut Rule<'_>) -> Edges {
    let modules = modules(package);
    let mut origin = exports(package.root);
    for (path, source) in &package.files {
        for name in exported_macros(source) {
            origin.insert(name, path[0].clone());
        }
    }
    let mut edges = Edges::new();
    for (path, source) in &package.files {
        for Reference { name, line } in references(source, path) {
            let known = origin.get(&name).filter(|to| modules.contains(*to));
            let to = if modules.contains(&name) { Some(&name) } else { known };
            let Some(to) = to else {
                let message = format!("`crate::{name}` leads to no module of this crate");
                let cure = "name the module it comes from; the root holds nothing of its own";
                rule.broken(&source.path, line, message, cure);
                continue;
            };
            if *to != path[0] {
                let from = edges.entry(path[0].clone()).or_default();
                from.entry(to.clone()).or_insert((source.path.clone(), line));
            }
        }
    }
    edges
}

/// The macros that `#[macro_export]` puts at the root.
fn exported_macros(source: &Source) -> Vec<String> {
    let mut names = Vec::new();
    for open in source.attributes().filter(|i| source.is(i + 1, "macro_export")) {
        let after = &source.code[source.close(open)..];
        let at = after.iter().position(|t| t.is("macro_rules"));
        let name = at.and_then(|i| after.get(i + 2)).filter(|t| t.kind == Kind::Ident);
        names.extend(name.map(|t| t.text.clone()));
    }
    names
}

/// One cycle through each module that is on one: the first found, as the modules in order, the
/// first again at the end.
fn cycles(edges: &Edges) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for start in edges.keys() {
        if found.iter().any(|cycle| cycle.contains(start)) {
            continue;
        }
        if let Some(path) = way(edges, start, start) {
            found.push(path);
        }
    }
    found
}

/// The shortest way of at least one step between two modules.
fn way(edges: &Edges, from: &str, to: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for path in ways {
            for next in edges.get(path.last()?).into_iter().flat_map(BTreeMap::keys) {
                let mut path = path.clone();
                path.push(next.clone());
                if next == to {
                    return Some(path);
                }
                if seen.insert(next.clone()) {
                    longer.push(path);
                }
            }
        }
        ways = longer;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::testing::messages;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let paths: Vec<String> = files.iter().map(|(p, _)| format!("c/src/{p}")).collect();
        let mut all = vec![("c/Cargo.toml", "")];
        all.extend(paths.iter().zip(files).map(|(p, (_, text))| (p.as_str(), *text)));
        messages(check, &all)
    }

    #[test]
    fn a_cycle_is_found_through_use_trees_expressions_and_super() {
        let a_to_b = ["use crate::{b::X, c};", "fn f() { crate::b::g(); }", "use super::b;"];
        let b_to_a = ["use crate::a;", "mod t { use super::super::a; }", "m!($crate::a::f());"];
        for a in a_to_b {
            for b in b_to_a {
                let files =
                    [("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b/mod.rs", b), ("c.rs", "")];
                let expected = ["c/src/a.rs:1: cycle: a -> b -> a"];
                assert_eq!(found(&files), expected, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_long_cycle_through_a_reexport_is_found_once() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;\npub use c::{Thing as Other};"),
            ("a.rs", "use crate::b;"),
            ("b/deep.rs", "\nlet x: crate::Other;"),
            ("c.rs", "use super::a::Y;"),
        ];
        assert_eq!(found(&files), ["c/src/a.rs:1: cycle: a -> b -> c -> a"]);
    }

    #[test]
    fn a_dag_is_left_alone() {
        let files = [
            ("lib.rs", "mod a; mod b;\npub use a::A;\npub use b::{B, self as bee};"),
            (
                "a.rs",
                "// crate::b\nconst S: &str = \"crate::b\"; pub(crate) fn f() {}\nmod t { use super::S; }",
            ),
            (
                "b/mod.rs",
                "mod deep; use crate::A; use super::a::{self, A as Z}; pub(in crate::b) fn g() {}",
            ),
            ("b/deep.rs", "use super::g; use super::super::a; use self::x::y;"),
            ("main.rs", "use crate::b;"),
        ];
        assert_eq!(found(&files), [] as [&str; 0]);
    }

    #[test]
    fn exported_macros_count_as_their_module() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "#[macro_export]\nmacro_rules! m { () => {}; }\nuse crate::b;"),
            ("b.rs", "crate::m!();"),
        ];
        assert_eq!(found(&files), ["c/src/a.rs:3: cycle: a -> b -> a"]);
    }

    #[test]
    fn names_of_the_root_itself_are_found() {
        let files =
            [("main.rs", "mod a;\nfn run() {}"), ("a.rs", "\ncrate::run();\nuse super::*;")];
        assert_eq!(
            found(&files),
            [
                "c/src/a.rs:2: `crate::run` leads to no module of this crate",
                "c/src/a.rs:3: `crate::*` leads to no module of this crate",
            ]
        );
    }
}

//! `cargo xtask tidy`: the house style as a test.
//!
//! Each check is a module here: a function that reads the files and reports what breaks its rule,
//! with tests that feed it text that must be reported and text that must not. What is a matter of
//! judgement is left to review.

mod allocators;
mod atomics;
mod commits;
mod features;
mod forbidden;
mod functions;
mod lib_rs;
mod manifest;
mod modules;
mod names;
mod operations;
mod ranks;
mod seam;
mod shape;
mod tested_by;
mod unsafety;
mod waist;
mod words;
mod world;

use std::process::ExitCode;

use crate::report::Violation;
use crate::tree::{Tree, root};

/// Runs every check; the exit code is 1 where one found something.
pub fn run() -> ExitCode {
    let tree = Tree::read(&root());
    let mut found = Vec::new();
    for source in &tree.sources {
        check_source(source, &mut found);
    }
    shape::check(&tree, &mut found);
    words::check_texts(&tree, &mut found);
    functions::check(&tree, &mut found);
    unsafety::check(&tree, &mut found);
    tested_by::check(&tree, &mut found);
    features::check(&tree, &mut found);
    manifest::check(&tree, &mut found);
    ranks::check(&tree, &mut found);
    commits::check(&tree, &mut found);
    modules::check(&tree, &mut found);
    summary(&tree, found)
}

fn check_source(source: &crate::source::Source, found: &mut Vec<Violation>) {
    words::check(source, found);
    forbidden::check(source, found);
    world::check(source, found);
    waist::check(source, found);
    allocators::check(source, found);
    atomics::check(source, found);
    names::check(source, found);
    lib_rs::check(source, found);
    seam::check(source, found);
    operations::check(source, found);
}

fn summary(tree: &Tree, mut found: Vec<Violation>) -> ExitCode {
    found.sort();
    for violation in &found {
        println!("{violation}");
    }
    let files = tree.sources.len() + tree.texts.len();
    println!("tidy: {files} files, {} violations", found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod testing {
    //! What the checks' own tests share.

    use crate::report::Violation;
    use crate::source::Source;
    use crate::tree::{Text, Tree};

    /// `line: rule` of all that `check` finds in `text` as the file `path`.
    pub fn found(
        check: fn(&Source, &mut Vec<Violation>),
        path: &str,
        text: &str,
    ) -> Vec<(usize, String)> {
        let mut out = Vec::new();
        check(&Source::new(path, text), &mut out);
        out.into_iter().map(|v| (v.line, v.message)).collect()
    }

    /// The lines on which `check` finds something.
    pub fn lines(check: fn(&Source, &mut Vec<Violation>), path: &str, text: &str) -> Vec<usize> {
        found(check, path, text).into_iter().map(|(line, _)| line).collect()
    }

    /// A project of the given files.
    pub fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree { root: "/nonexistent".into(), sources: vec![], texts: vec![] };
        for (path, text) in files {
            if path.ends_with(".rs") {
                tree.sources.push(Source::new(path, text));
            } else {
                tree.texts.push(Text { path: (*path).to_owned(), text: (*text).to_owned() });
            }
        }
        tree
    }

    /// The messages of `check` over a project of the given files, as `path:line: message`.
    pub fn messages(check: fn(&Tree, &mut Vec<Violation>), files: &[(&str, &str)]) -> Vec<String> {
        let mut out = Vec::new();
        check(&tree(files), &mut out);
        out.iter().map(|v| format!("{}:{}: {}", v.path, v.line, v.message)).collect()
    }
}

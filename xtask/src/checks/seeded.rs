//! Bugs seeded on purpose: a model that finds none of them proves nothing.
//!
//! The sources hold each bug behind `#[cfg(seeded_bug = "name")]`; the names are read from there,
//! so none is forgotten, and each is hunted by the models of the crate that it lives in. The
//! check's command is built with one bug at a time, by flags for that crate alone, so that its
//! dependencies are built once. That needs an unstable option of cargo.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::{End, LIMIT, run_within};
use crate::lexer::Kind;
use crate::source::Source;
use crate::tree::{Tree, root};

/// Has a program of tests end with its first failure: one model that finds a bug is enough, and the
/// others take their time. An unstable option, as the seeding's own.
const FAIL_FAST: [&str; 3] = ["--", "-Zunstable-options", "--fail-fast"];

/// The names of all bugs seeded in `package`, and in which file each is.
fn names(tree: &Tree, package: &str) -> BTreeMap<String, String> {
    let folder = format!("crates/{package}/src");
    let sources = tree.sources.iter().filter(|s| s.is_under(&folder));
    let named = |s: &Source| {
        let path = s.path.clone();
        names_in(s).into_iter().map(move |name| (name, path.clone())).collect::<Vec<_>>()
    };
    sources.flat_map(named).collect()
}

fn names_in(source: &Source) -> Vec<String> {
    let named = |i: &usize| source.matches(*i, &["seeded_bug", "="]);
    let text = |i: usize| source.code.get(i + 2).filter(|t| t.kind == Kind::Text);
    let found = (0..source.code.len()).filter(named).filter_map(text);
    found.map(|t| t.text.trim_matches('"').to_owned()).collect()
}

/// The options of cargo that build `package` with the flag `--cfg condition` in `profile`.
pub fn options(profile: &str, package: &str, condition: &str) -> [String; 3] {
    let flags = format!("profile.{profile}.package.{package}.rustflags=[\"--cfg\", '{condition}']");
    ["-Zprofile-rustflags".to_owned(), "--config".to_owned(), flags]
}

/// How a check looks for the bugs.
pub struct Hunt {
    /// The check's name.
    pub check: &'static str,
    /// The crates that it has models of.
    pub packages: &'static [&'static str],
    /// The profile of cargo that it builds in.
    pub profile: &'static str,
    /// How often it runs at most until it finds one: chance may hide what is there.
    pub tries: u32,
    /// The bugs that it can find, and what to say of the others.
    pub finds: fn(&str) -> Result<(), &'static str>,
}

impl Hunt {
    /// Runs the check once per seeded bug; false where one was not found. `command` makes the
    /// check's command of a crate, the file that the bug is in and the options of cargo that it is
    /// to have, if the check has one there.
    pub fn run(&self, command: impl Fn(&str, &str, &[String]) -> Option<Command>) -> bool {
        let (check, tree) = (self.check, Tree::read(&root()));
        let mut all_found = true;
        for package in self.packages {
            for (name, file) in names(&tree, package) {
                if let Err(reason) = (self.finds)(&name) {
                    println!("{check}: seeded bug {name}: not looked for: {reason}");
                    continue;
                }
                let options = options(self.profile, package, &format!("seeded_bug=\"{name}\""));
                let outcome = outcome(self.tries, |more| {
                    command(package, &file, &[&options[..], more].concat())
                });
                println!("{check}: seeded bug {name}: {outcome}");
                all_found &= outcome.starts_with("found");
            }
        }
        all_found
    }
}

/// What became of one bug. `command` makes the check's command with further options.
fn outcome(tries: u32, command: impl Fn(&[String]) -> Option<Command>) -> &'static str {
    let (Some(mut quiet), Some(mut building)) = (command(&[]), command(&["--no-run".to_owned()]))
    else {
        return "NOT FOUND: its crate has no such models";
    };
    quiet.args(FAIL_FAST).stdout(Stdio::null()).stderr(Stdio::null());
    let mut ends = (0..tries).map(|_| run_within(&mut quiet, LIMIT));
    let end = ends.find(|end| *end != End::Passed).unwrap_or(End::Passed);
    // What does not compile fails as well, and would pass for found.
    let builds = end != End::Failed || run_within(&mut building, LIMIT) == End::Passed;
    match end {
        End::Failed if builds => "found",
        End::Failed => "NOT BUILT",
        End::Hung => "found (by a hang)",
        End::Passed => "NOT FOUND",
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{names, names_in, options, outcome};
    use crate::source::Source;
    use crate::tree::Tree;

    #[test]
    fn names_are_read_from_the_sources() {
        let text = "#[cfg(seeded_bug = \"a\")] f();\n// seeded_bug = \"b\"\n\
                    if cfg!(all(loom, not(seeded_bug = \"c\"))) {}";
        assert_eq!(names_in(&Source::new("a.rs", text)), ["a", "c"]);
    }

    #[test]
    fn a_bug_belongs_to_the_crate_that_holds_it() {
        let source = |package: &str, name: &str| {
            let text = format!("#[cfg(seeded_bug = \"{name}\")] f();");
            Source::new(&format!("crates/{package}/src/a.rs"), &text)
        };
        let sources = vec![source("annulus-ring", "a"), source("annulus-runtime", "b")];
        let tree = Tree { root: "/nonexistent".into(), sources, texts: vec![] };
        let ring = names(&tree, "annulus-ring");
        assert_eq!(ring["a"], "crates/annulus-ring/src/a.rs");
        assert_eq!(ring.len(), 1);
        assert!(names(&tree, "annulus-runtime").into_keys().eq(["b"]));
    }

    #[test]
    fn options_seed_one_crate() {
        let flags = &options("dev", "annulus-runtime", "seeded_bug=\"a\"")[2];
        assert!(flags.starts_with("profile.dev.package.annulus-runtime.rustflags="), "{flags}");
        assert!(flags.ends_with("'seeded_bug=\"a\"']"), "{flags}");
    }

    #[test]
    fn found_is_what_fails_and_yet_builds() {
        // The command that only builds has one option, the other those of the tests.
        let script = |script: &'static str| {
            move |more: &[String]| {
                let mut command = Command::new("sh");
                command.args(["-c", script, "sh"]).args(more);
                Some(command)
            }
        };
        assert_eq!(outcome(1, script("test $# = 1")), "found");
        assert_eq!(outcome(1, script("false")), "NOT BUILT");
        assert_eq!(outcome(3, script("true")), "NOT FOUND");
        assert_eq!(outcome(1, |_| None), "NOT FOUND: its crate has no such models");
    }
}

//! Bugs seeded on purpose: a model that finds none of them proves nothing.
//!
//! The ring's sources hold each bug behind `#[cfg(seeded_bug = "name")]`; the names are read from
//! there, so none is forgotten. The check's command is built with one bug at a time, by flags for
//! that crate alone, so that its dependencies are built once. That needs an unstable option of
//! cargo.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::{End, LIMIT, run_within};
use crate::lexer::Kind;
use crate::source::Source;
use crate::tree::{Tree, root};

/// The names of all bugs seeded in the ring.
pub fn names() -> BTreeSet<String> {
    let tree = Tree::read(&root());
    let ring = tree.sources.iter().filter(|s| s.is_under("crates/annulus-ring/src"));
    ring.flat_map(names_in).collect()
}

fn names_in(source: &Source) -> Vec<String> {
    let named = |i: &usize| source.matches(*i, &["seeded_bug", "="]);
    let text = |i: usize| source.code.get(i + 2).filter(|t| t.kind == Kind::Text);
    let found = (0..source.code.len()).filter(named).filter_map(text);
    found.map(|t| t.text.trim_matches('"').to_owned()).collect()
}

/// The options of cargo that seed the bug `name` into the ring in `profile`.
fn options(profile: &str, name: &str) -> [String; 3] {
    let flags = format!(
        "profile.{profile}.package.annulus-ring.rustflags=[\"--cfg\", 'seeded_bug=\"{name}\"']"
    );
    ["-Zprofile-rustflags".to_owned(), "--config".to_owned(), flags]
}

/// Runs the check once per seeded bug; false where one was not found. `command` makes the check's
/// command of the options of cargo that it is to have.
pub fn hunt(check: &str, profile: &str, command: impl Fn(&[String]) -> Command) -> bool {
    let mut all_found = true;
    for name in names() {
        let mut with = options(profile, &name).to_vec();
        let mut quiet = command(&with);
        let end = run_within(quiet.stdout(Stdio::null()).stderr(Stdio::null()), LIMIT);
        // What does not compile fails as well, and would pass for found.
        with.push("--no-run".to_owned());
        let builds = end != End::Failed || run_within(&mut command(&with), LIMIT) == End::Passed;
        let outcome = match end {
            End::Failed if builds => "found",
            End::Failed => "NOT BUILT",
            End::Hung => "found (by a hang)",
            End::Passed => "NOT FOUND",
        };
        println!("{check}: seeded bug {name}: {outcome}");
        all_found &= outcome.starts_with("found");
    }
    all_found
}

#[cfg(test)]
mod tests {
    use super::{names_in, options};
    use crate::source::Source;

    #[test]
    fn names_are_read_from_the_sources() {
        let text = "#[cfg(seeded_bug = \"a\")] f();\n// seeded_bug = \"b\"\n\
                    if cfg!(all(loom, not(seeded_bug = \"c\"))) {}";
        assert_eq!(names_in(&Source::new("a.rs", text)), ["a", "c"]);
    }

    #[test]
    fn options_seed_one_crate() {
        let flags = &options("dev", "a")[2];
        assert!(flags.starts_with("profile.dev.package.annulus-ring.rustflags="), "{flags}");
        assert!(flags.ends_with("'seeded_bug=\"a\"']"), "{flags}");
    }
}

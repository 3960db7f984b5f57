//! The crates that the slower checks are about, and their programs of tests by name.
//!
//! What a program of tests is for, its name says: `loom_*` and `miri_*` are models, `shared_*` uses
//! threads, `alloc_*` and `detector_*` have an allocator of their own (tidy holds them to that). A
//! check asks for what it wants by prefix, in every crate, so what comes later is run without a
//! change here.

use std::path::{Path, PathBuf};

use crate::tree::root;

/// The libraries under check, from the bottom up.
pub const PACKAGES: &[&str] = &["annulus-ring", "annulus-runtime"];

/// Those with models of threads (`loom_*`), in every interleaving.
pub const MODELLED: &[&str] = &["annulus-ring", "annulus-emulate", "annulus-runtime"];

/// What the kernel in user space is tested by.
pub const ON_HOST: &[&str] = &["annulus-emulate", "annulus-suite"];

/// What the sanitizers run of that: its own tests, the random programs and the attacks among them.
/// Those of rings on it (annulus-suite) would take as long again, and find no more.
const SANITIZED_ON_HOST: &[&str] = &["annulus-emulate"];

/// What the sanitizers run: each crate, and the kernel that its tests run on.
pub fn sanitized() -> impl Iterator<Item = (&'static str, &'static str)> {
    let on = |kernel| move |package: &&'static str| (*package, kernel);
    PACKAGES.iter().map(on("linux")).chain(SANITIZED_ON_HOST.iter().map(on("host")))
}

/// How the names of those begin that have an allocator of their own: a sanitizer replaces the
/// allocator too, and would be blind behind it, or in its way.
pub const OWN_ALLOCATOR: &[&str] = &["alloc_", "detector_"];

/// Whether `name` begins with one of `prefixes`.
pub fn begins(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// The folder of `package`.
pub fn folder(package: &str) -> PathBuf {
    root().join("crates").join(package)
}

/// The names of all programs of tests of `package`, in order.
pub fn tests(package: &str) -> Vec<String> {
    let folder = folder(package);
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let mut names = in_folder(&folder.join("tests"));
    // Those that lie elsewhere, as all of annulus-suite do.
    names.extend(named_in(&manifest));
    names.sort();
    names.dedup();
    names
}

/// The names of all examples of `package`, in order.
pub fn examples(package: &str) -> Vec<String> {
    let mut names = in_folder(&folder(package).join("examples"));
    names.sort();
    names
}

/// The programs of tests that a manifest names.
fn named_in(manifest: &str) -> impl Iterator<Item = String> {
    let sections = manifest.split("[[test]]\n").skip(1);
    sections.filter_map(|section| {
        let name = section.lines().find_map(|line| line.strip_prefix("name = "))?;
        Some(name.trim_matches('"').to_owned())
    })
}

/// Those of them that begin with one of `prefixes`.
pub fn tests_named(package: &str, prefixes: &[&str]) -> Vec<String> {
    tests(package).into_iter().filter(|name| begins(name, prefixes)).collect()
}

/// Those of `programs` that compile the source `file` of `package` into themselves, as models do;
/// all of them where none does.
pub fn covering(package: &str, programs: Vec<String>, file: &str) -> Vec<String> {
    let (tests, own) = (folder(package).join("tests"), format!("crates/{package}/src/"));
    let Some(file) = file.strip_prefix(&own) else { return programs };
    let covers = |name: &&String| texts(&tests, name).iter().any(|text| compiles(text, file));
    let covering: Vec<String> = programs.iter().filter(covers).cloned().collect();
    if covering.is_empty() { programs } else { covering }
}

/// The texts of a program of tests: of its root, and of the modules that this names.
fn texts(tests: &Path, name: &str) -> Vec<String> {
    let Ok(root) = std::fs::read_to_string(tests.join(format!("{name}.rs"))) else { return vec![] };
    let modules = root.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let files = modules.flat_map(|module| std::fs::read_dir(tests.join(module)).ok());
    let mut texts: Vec<String> = files
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .collect();
    texts.push(root);
    texts
}

/// Whether `text` has the source `file` as a module, by its path, or the folder that it is in.
fn compiles(text: &str, file: &str) -> bool {
    text.split("/src/").skip(1).filter_map(|rest| rest.split('"').next()).any(|path| {
        let folder = path.strip_suffix("mod.rs").filter(|folder| !folder.is_empty());
        path == file || folder.is_some_and(|folder| file.starts_with(folder))
    })
}

/// Those of them that the sanitizer `check` can run; it says which it leaves out.
pub fn tests_under(check: &str, package: &str) -> Vec<String> {
    let (left_out, run): (Vec<_>, Vec<_>) =
        tests(package).into_iter().partition(|name| begins(name, OWN_ALLOCATOR));
    for name in left_out {
        println!("{check}: {package}: {name} is left out: it has an allocator of its own");
    }
    run
}

/// As cargo finds them: each file, and each folder with a `main.rs`.
fn in_folder(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let program = |path: PathBuf| {
        let is_one = path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").exists();
        is_one.then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned())).flatten()
    };
    entries.filter_map(|entry| program(entry.path())).collect()
}

/// The options of cargo that choose these programs.
pub fn options(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().flat_map(|name| ["--test", name])
}

#[cfg(test)]
mod tests {
    use super::{
        begins, compiles, covering, examples, folder, options, sanitized, tests, tests_named,
    };

    #[test]
    fn a_bug_is_hunted_by_the_models_that_have_its_file() {
        let text =
            "#[path = \"../../src/executor/mod.rs\"]\nmod e;\n#[path = \"../src/packet.rs\"]";
        assert!(compiles(text, "executor/remote.rs") && compiles(text, "packet.rs"));
        assert!(!compiles(text, "slot/mod.rs") && !compiles(text, "sync.rs"));
        let all = || vec!["loom_slots".to_owned(), "loom_tasks".to_owned()];
        let of = |file| covering("annulus-runtime", all(), file);
        assert_eq!(of("crates/annulus-runtime/src/executor/remote.rs"), ["loom_tasks"]);
        assert_eq!(of("crates/annulus-runtime/src/slot/inbox.rs"), ["loom_slots"]);
        assert_eq!(of("crates/annulus-runtime/src/no_models.rs"), all());
    }

    #[test]
    fn the_crates_under_check_are_there() {
        for (package, _) in sanitized() {
            assert!(folder(package).join("Cargo.toml").exists(), "{package}");
        }
    }

    #[test]
    fn tests_are_files_and_folders_with_a_main() {
        let all = tests("annulus-ring");
        assert!(all.is_sorted());
        for name in ["ring_build", "ring_fork", "loom_queues"] {
            assert!(all.iter().any(|n| n == name), "{name} in {all:?}");
        }
        // Folders that the others share.
        assert!(!all.iter().any(|n| n == "common" || n == "model"), "{all:?}");
        assert_eq!(tests_named("annulus-ring", &["loom_"]), ["loom_queues", "loom_shared"]);
        assert_eq!(tests("annulus-none"), [] as [&str; 0]);
        assert!(begins("alloc_reads", &["x_", "alloc_"]) && !begins("shared_alloc_", &["alloc_"]));
    }

    #[test]
    fn tests_that_lie_elsewhere_are_known_by_the_manifest() {
        let all = tests("annulus-suite");
        assert!(all.is_sorted());
        for name in ["op_net", "ring_fork", "shared"] {
            assert!(all.iter().any(|n| n == name), "{name} in {all:?}");
        }
        // In the folder, and named for the features that it needs.
        let all = tests("annulus-emulate");
        assert_eq!(all.iter().filter(|n| *n == "choice_event").count(), 1, "{all:?}");
    }

    /// Cargo puts those of all crates into one folder.
    #[test]
    fn no_two_examples_have_one_name() {
        let crates = std::fs::read_dir(crate::tree::root().join("crates")).unwrap();
        let crates = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut all: Vec<String> = crates.flat_map(|package| examples(&package)).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert!(count > 20 && count == all.len(), "{all:?}");
    }

    #[test]
    fn each_program_is_asked_for_by_name() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(options(&names).collect::<Vec<_>>(), ["--test", "a", "--test", "b"]);
    }
}

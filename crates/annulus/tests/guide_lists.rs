//! What the guide and the front page list is there: the programs, and the pages.

use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("it is there")
}

/// The names of the files in `directory` that end in `.extension`, without that.
fn names(directory: &str, extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(root().join(directory)).expect("it is there");
    let paths = files.map(|file| file.expect("it is readable").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|own| own == extension));
    paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// What stands in code quotes between `begin` and `end`.
fn quoted(text: &str, begin: &str, end: &str) -> BTreeSet<String> {
    let from = text.split_once(begin).expect("the list begins so").1;
    let list = from.split_once(end).expect("the list ends so").0;
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_program_is_named_and_every_name_is_a_program() {
    let programs = names("examples", "rs");
    assert!(programs.len() > 10, "{programs:?}");
    let guide = text("src/guide.rs");
    assert_eq!(quoted(&guide, "`examples` has programs:", ". Each"), programs);
    let readme = text("../../README.md");
    assert_eq!(quoted(&readme, "(crates/annulus/examples):", "[ARCHITECTURE.md]"), programs);
}

#[test]
fn every_page_is_a_module() {
    let guide = text("src/guide.rs");
    let included: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("#[doc = include_str!(\"../docs/"))
        .filter_map(|line| line.strip_suffix(".md\")]"))
        .map(str::to_owned)
        .collect();
    let mut pages = names("docs", "md");
    assert!(pages.remove("overview"), "the crate's own page");
    assert_eq!(included, pages);
    for page in pages {
        let module = page.replace('-', "_");
        assert!(guide.contains(&format!("pub mod {module} {{}}")), "{module}");
        let links = [format!("]({module})"), format!("]: {module}"), format!("[{module}]")];
        assert!(links.iter().any(|link| guide.contains(link)), "{module} is not linked");
    }
}

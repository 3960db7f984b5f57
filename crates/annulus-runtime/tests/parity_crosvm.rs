//! The page on crosvm: no cell of its tables is empty, and the tests that it names exist.

use std::path::Path;

const PAGE: &str = include_str!("../docs/parity-crosvm.md");

/// The rows of all tables, by their cells, without their heads.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = PAGE.lines().filter(|line| line.starts_with('|'));
    let rows = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    rows.filter(|row: &Vec<_>| !row[0].starts_with("---") && row[0] != "there")
}

#[test]
fn no_row_is_empty() {
    let mut count = 0;
    for row in rows() {
        assert!(row.len() >= 2 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        count += 1;
    }
    assert!(count > 60, "{count} rows");
}

#[test]
fn the_tests_that_are_named_exist() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut count = 0;
    for name in PAGE.split('`').skip(1).step_by(2) {
        let Some((file, test)) = name.split_once("::") else { continue };
        if !tests.join(format!("{file}.rs")).exists() {
            continue;
        }
        let text = std::fs::read_to_string(tests.join(format!("{file}.rs"))).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{name} is not there");
        count += 1;
    }
    assert!(count > 40, "{count} tests are named");
}

//! The tests' own helpers: a hang ends the process and says whose it was, a skip is written down.

mod common;

use std::process::{Command, Output};
use std::time::Duration;

/// Set where a test is to run as the child of another.
const CHILD: &str = "ANNULUS_TEST_CHILD";

fn run_as_child(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test]).env(CHILD, "1").envs(variables.iter().copied());
    child.output().unwrap()
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn a_hang_aborts_and_names_the_test() {
    if is_child() {
        return common::limit(Duration::from_millis(20), || {
            std::thread::sleep(Duration::from_secs(60));
        });
    }
    let output = run_as_child("a_hang_aborts_and_names_the_test", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("test a_hang_aborts_and_names_the_test hung"), "{said}");
    assert!(said.contains("common_helpers.rs"), "{said}");
}

#[test]
fn what_ends_in_time_gives_its_result() {
    assert_eq!(common::limit(common::LIMIT, || 7), 7);
}

#[test]
fn a_panic_passes_through_the_limit() {
    let caught = std::panic::catch_unwind(|| common::limit(common::LIMIT, || panic!("on purpose")));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
}

#[test]
fn a_skip_is_written_as_one_line() {
    if is_child() {
        return common::skip("a_test: a part", "no device,\nof any kind");
    }
    let path = std::env::temp_dir().join(format!("annulus-skips-{}", std::process::id()));
    let named = [("ANNULUS_SKIPPED", path.to_str().unwrap())];
    for _ in 0..2 {
        assert!(run_as_child("a_skip_is_written_as_one_line", &named).status.success());
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(text, "skipped: a_test, a part: no device, of any kind\n".repeat(2));
}

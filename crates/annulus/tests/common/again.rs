//! A test's body in a process of its own: the test's program, started again for that one test.

/// What says that a process is such a one.
const VARIABLE: &str = "ANNULUS_TEST_AGAIN";

/// Whether this is the process of one test's body.
pub fn is_again() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The program for the body of the test `name`.
pub fn this_test(name: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(VARIABLE, "1");
    command
}

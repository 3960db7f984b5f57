//! `annulus probe` where io_uring works, where it is blocked, and where it is short of something:
//! what it says, what programs read, and how it exits.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use serde_json::Value;

const SETUP: i64 = 425;
const ENTER: i64 = 426;
const REGISTER: i64 = 427;
const ALL: &[i64] = &[SETUP, ENTER, REGISTER];

const EPERM: u32 = 1;
const EACCES: u32 = 13;
const ENOSYS: u32 = 38;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(20);

fn annulus(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    // Whichever kernel the tests are run on.
    command.env_remove("ANNULUS_KERNEL");
    command.arg("probe").args(args).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// Runs it, and ends it if it hangs.
fn finish(mut command: Command) -> Output {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let end = Instant::now() + LIMIT;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > end {
            child.kill().expect("a child");
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().expect("its output")
}

fn run(args: &[&str]) -> Output {
    finish(annulus(args))
}

/// Runs it under a filter that answers `errno` to `calls`: a thread puts the filter over itself,
/// and what it starts inherits that.
fn filtered(calls: &'static [i64], errno: u32, args: &[&str]) -> Output {
    let command = annulus(args);
    let under_filter = move || {
        let rules: BTreeMap<i64, Vec<_>> = calls.iter().map(|call| (*call, vec![])).collect();
        let arch = TargetArch::try_from(std::env::consts::ARCH).expect("it has filters");
        let refuse = SeccompAction::Errno(errno);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).expect("valid");
        let program: BpfProgram = filter.try_into().expect("a program");
        seccompiler::apply_filter(&program).expect("it is taken");
        finish(command)
    };
    std::thread::spawn(under_filter).join().expect("no panic")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(output)))
}

#[track_caller]
fn check(output: &Output, code: i32, words: &[&str]) {
    let text = text(output);
    assert_eq!(output.status.code(), Some(code), "{text}{}", errors(output));
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

/// Counts a test as skipped: see `xtask/skips.txt`.
fn skip(name: &str, reason: &str) {
    use std::io::Write;
    let line = format!("skipped: {name}: {reason}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ANNULUS_SKIPPED") {
        let file = std::fs::File::options().create(true).append(true).open(path);
        file.and_then(|mut f| f.write_all(line.as_bytes())).expect("the file of skips is writable");
    }
}

/// A folder that is removed with this, and that everybody may read.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("annulus-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("its own");
        Self(path)
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("not the root")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn here_it_agrees_with_itself() {
    let human = run(&[]);
    let json = run(&["--json"]);
    assert_eq!(human.status.code(), json.status.code());
    let report = object(&json);
    assert_eq!(report["schema"], 1);
    assert_eq!(report["exit_code"], json.status.code().unwrap());
    if report["verdict"] == "unusable" {
        return skip("here_it_agrees_with_itself", "io_uring is not usable here");
    }
    let supported = report["ops_supported_count"].as_u64().unwrap();
    assert!(text(&human).contains(&format!("opcodes    {supported} of the 65 known")));
    assert_eq!(report["ops"].as_array().unwrap().len(), 65);
    assert_eq!(report["runs_on"]["kernel"], "linux");
    assert!(text(&human).contains("runs on    Linux; ANNULUS_KERNEL=host forces"));
    assert_eq!(report["ops"][22]["name"], "IORING_OP_READ");
    assert_eq!(report["ops"][22]["liburing"], "io_uring_prep_read");
    let kernel = report["evidence"]["kernel"].as_str().unwrap();
    if kernel.starts_with("6.18.") {
        assert_eq!((supported, &report["register_ops_supported_count"]), (63, &Value::from(36)));
        assert_eq!(report["setup_flags"].as_array().unwrap().len(), 21);
    }
}

#[test]
fn under_a_filter_it_names_it_and_the_cure() {
    for (errno, name) in [(EPERM, "EPERM"), (EACCES, "EACCES"), (ENOSYS, "ENOSYS")] {
        let human = filtered(ALL, errno, &[]);
        check(&human, 2, &["blocked: a seccomp filter", name, "Seccomp: 2", "fix "]);
        let report = object(&filtered(ALL, errno, &["--json"]));
        assert_eq!(report["verdict"], "unusable");
        assert_eq!(report["error"]["cause"], "seccomp");
        assert_eq!(report["error"]["errno"], name);
        assert_eq!(report["error"]["call"], "io_uring_setup");
        assert_eq!(report["error"]["blocked"], true);
        assert_eq!(report["evidence"]["enter"], name);
        assert_eq!(report["exit_code"], 2);
    }
}

/// Runs the probe with `ANNULUS_KERNEL` = `kernel`.
fn with_kernel(kernel: &str, args: &[&str]) -> Output {
    let mut command = annulus(args);
    command.env("ANNULUS_KERNEL", kernel);
    finish(command)
}

#[test]
fn it_says_what_a_program_would_run_on() {
    for calls in [ALL, &[ENTER]] {
        let human = filtered(calls, EPERM, &[]);
        check(&human, 2, &["runs on    the kernel in user space", "ANNULUS_KERNEL=linux makes it"]);
        assert_eq!(errors(&human), "", "nothing is said twice");
        let report = object(&filtered(calls, EPERM, &["--json"]));
        let runs_on = &report["runs_on"];
        assert_eq!((&runs_on["kernel"], &runs_on["asked_for"]), (&"host".into(), &false.into()));
        let because = runs_on["because"].as_str().unwrap();
        assert!(because.contains("EPERM: a seccomp filter"), "{because}");
    }
    let host = with_kernel("host", &[]);
    check(&host, run(&[]).status.code().unwrap(), &["ANNULUS_KERNEL=host asks for it"]);
    let report = object(&with_kernel("host", &["--json"]));
    assert_eq!(report["runs_on"]["kernel"], "host");
    assert_eq!(report["runs_on"]["asked_for"], true);
    let emulated = report["runs_on"]["emulated_ops_count"].as_u64().expect("it answers a probe");
    assert!((50..=65).contains(&emulated), "{emulated}");
    assert!(text(&host).contains(&format!("does {emulated} of the 65 known operations")));
    let wrong = with_kernel("uring", &[]);
    assert!(text(&wrong).contains("runs on    nothing: "), "{}", text(&wrong));
    assert!(text(&wrong).contains("must be linux, host or auto"), "{}", text(&wrong));
}

#[test]
fn a_filter_on_one_call_is_told_from_one_on_all() {
    check(&filtered(&[SETUP], EPERM, &[]), 2, &["a seccomp filter on io_uring_setup alone"]);
    check(&filtered(&[ENTER], EPERM, &[]), 2, &["a seccomp filter on io_uring_enter alone"]);
    let limited = filtered(&[REGISTER], EPERM, &[]);
    let words = ["usable with limits", "a seccomp filter on io_uring_register alone"];
    check(&limited, 1, &words);
    let report = object(&filtered(&[ENTER], EPERM, &["--json"]));
    assert_eq!(report["error"]["call"], "io_uring_enter");
    assert_eq!(report["error"]["cause"], "seccomp");
}

#[test]
fn the_sysctl_is_named_with_its_value() {
    let root = Folder::new("sysctl");
    root.file("proc/self/status", "Seccomp:\t0\nCapEff:\t0000000000000000\nGid:\t7 7 7 7\n");
    root.file("proc/sys/kernel/io_uring_group", "-1\n");
    root.file("proc/sys/kernel/osrelease", "6.18.44\n");
    for value in ["1", "2"] {
        root.file("proc/sys/kernel/io_uring_disabled", value);
        let args = ["--root", root.path()];
        let cause = format!("kernel.io_uring_disabled = {value}");
        let cure = "sysctl -w kernel.io_uring_disabled=0";
        check(&filtered(&[SETUP], EPERM, &args), 2, &[&cause, cure, "kernel 6.18.44"]);
        let report = object(&filtered(&[SETUP], EPERM, &["--json", "--root", root.path()]));
        assert_eq!(report["error"]["cause"], "sysctl");
        assert_eq!(report["evidence"]["io_uring_disabled"].to_string(), value);
    }
    root.file("proc/sys/kernel/io_uring_disabled", "0");
    let report = object(&filtered(&[SETUP], EPERM, &["--json", "--root", root.path()]));
    assert_eq!(report["error"]["cause"], "security-module");
}

#[test]
fn a_kernel_without_it_is_not_blocked() {
    let root = Folder::new("old");
    root.file("proc/self/status", "Seccomp:\t0\n");
    root.file("proc/sys/kernel/osrelease", "4.19.0\n");
    let output = filtered(ALL, ENOSYS, &["--root", root.path()]);
    check(&output, 2, &["not usable: this kernel has no io_uring", "kernel 4.19.0"]);
}

/// The program, as a user that nobody else is, with 64 KiB of memory to lock.
fn with_little_memory(folder: &Folder, args: &[&str]) -> Output {
    // The user may not be able to look into the folder where the program was built.
    let program = folder.0.join("annulus");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_annulus"), &program).expect("a copy");
    }
    let mut command = Command::new("sh");
    command.env_remove("ANNULUS_KERNEL");
    command.args(["-c", "ulimit -l 64 && exec \"$@\"", "sh"]).arg(&program).arg("probe").args(args);
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| {
        use std::os::unix::fs::MetadataExt;
        me.uid() == 0
    });
    if is_root {
        let id = 65_000 - std::process::id() % 1_000;
        command.uid(id).gid(id);
    }
    command.stdin(Stdio::null()).current_dir("/");
    finish(command)
}

#[test]
fn little_locked_memory_is_a_limit() {
    let folder = Folder::new("memlock");
    let report = object(&with_little_memory(&folder, &["--json"]));
    if report["limits"]["ring_4096_now"] == true {
        return skip("little_locked_memory_is_a_limit", "this kernel does not charge rings");
    }
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"limited".into(), &1.into()));
    assert_eq!(report["limitations"][0]["name"], "memlock");
    assert_eq!(report["limits"]["memlock_bytes"], 65_536);
    assert_eq!(report["limits"]["rings_256_max"], 2);
    std::thread::sleep(Duration::from_millis(50));
    let human = with_little_memory(&folder, &[]);
    let words = ["usable with limits", "64 KiB", "room for 2 rings of 256", "raise the limit"];
    check(&human, 1, &words);
    // What is required is there: the limit is said, and the exit code says that it is there.
    std::thread::sleep(Duration::from_millis(50));
    check(&with_little_memory(&folder, &["--require", "read,write"]), 0, &["64 KiB"]);
}

#[test]
fn without_descriptors_it_says_which_limit() {
    let mut command = Command::new("sh");
    command.env_remove("ANNULUS_KERNEL");
    command.args(["-c", "ulimit -n 3 && exec \"$0\" probe"]).arg(env!("CARGO_BIN_EXE_annulus"));
    // The loader needs one more to begin with, where there is one.
    let output = finish(command);
    if output.status.code() == Some(127) {
        return skip("without_descriptors_it_says_which_limit", "the loader needs a descriptor");
    }
    check(&output, 2, &["the process has no descriptor left", "RLIMIT_NOFILE"]);
}

#[test]
fn what_is_required_decides_the_exit() {
    check(&run(&["--require", "nop"]), 0, &[]);
    check(&run(&["--require", "NOP,io_uring_prep_read", "--require", "fixed-files"]), 0, &[]);
    let output = run(&["--require", "nop,SQ_REWIND"]);
    if object(&run(&["--json"]))["setup_flags"][20]["works"] == false {
        check(&output, 1, &[]);
        assert!(errors(&output).contains("missing: IORING_SETUP_SQ_REWIND"));
        let report = object(&run(&["--json", "--require", "nop,SQ_REWIND"]));
        assert_eq!(report["missing"], serde_json::json!(["IORING_SETUP_SQ_REWIND"]));
        assert_eq!(report["exit_code"], 1);
    }
    assert_eq!(filtered(ALL, EPERM, &["--require", "nop"]).status.code(), Some(2));
    let output = run(&["--require", "reed"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(errors(&output).contains("there is no `reed`"), "{}", errors(&output));
    assert!(errors(&output).contains("did you mean read"), "{}", errors(&output));
}

#[test]
fn operations_are_a_table() {
    let output = run(&["--ops"]);
    let text = text(&output);
    assert_eq!(text.lines().count(), 67, "{text}");
    let read = text.lines().find(|line| line.contains("io_uring_prep_read ")).expect("a line");
    let words: Vec<&str> = read.split_whitespace().collect();
    assert_eq!(words, ["22", "READ", "5.6", "io_uring_prep_read", "yes"]);
    // Where it is blocked the table is there all the same, without the answer.
    let blocked = filtered(ALL, EPERM, &["--ops"]);
    check(&blocked, 2, &["io_uring_prep_read "]);
    assert!(String::from_utf8_lossy(&blocked.stdout).contains(" ?"));
}

#[test]
fn a_directory_is_tried() {
    let folder = Folder::new("path");
    let output = run(&["--path", folder.path(), "--json"]);
    let path = &object(&output)["path"];
    assert_eq!(path["path"], folder.path());
    assert!(path["file_system"].is_string() && path["direct"].is_boolean());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing");
    let missing = run(&["--path", "/nonexistent"]);
    assert!(text(&missing).contains("O_DIRECT on /nonexistent"), "{}", text(&missing));
}

#[test]
fn error_numbers_are_explained() {
    for (name, words) in [
        ("EPERM", ["io_uring_setup ", "seccomp", "io_uring_enter "]),
        ("12", ["ENOMEM (12)", "RLIMIT_MEMLOCK", "io_uring_register "]),
        ("-105", ["ENOBUFS (105)", "buffer", "a completion "]),
    ] {
        check(&run(&[&format!("--explain={name}")]), 0, &words);
    }
    let explained = object(&run(&["--json", "--explain", "ETIME"]));
    assert_eq!((&explained["schema"], &explained["errno"]), (&1.into(), &62.into()));
    assert_eq!(explained["meanings"].as_array().unwrap().len(), 3);
    let unknown = run(&["--explain", "EPREM"]);
    assert_eq!(unknown.status.code(), Some(64));
    assert!(errors(&unknown).contains("EPERM"), "{}", errors(&unknown));
}

#[test]
fn the_profile_is_one_that_runtimes_read() {
    let output = run(&["--seccomp"]);
    check(&output, 0, &["defaultAction"]);
    assert!(errors(&output).contains("--base"));
    assert!(!text(&output).contains("io_uring"), "nothing denies it");

    let folder = Folder::new("profile");
    let base = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}"#;
    let base = folder.file("default.json", base);
    let profile = object(&run(&["--seccomp", "--base", base.to_str().unwrap()]));
    let allowed = &profile["syscalls"][1];
    let calls = ["io_uring_setup", "io_uring_enter", "io_uring_register"];
    assert_eq!(allowed["names"], serde_json::json!(calls));
    assert_eq!(allowed["action"], "SCMP_ACT_ALLOW");

    let broken = folder.file("broken.json", "{");
    for path in [broken.as_path(), Path::new("/nonexistent.json")] {
        let output = run(&["--seccomp", "--base", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
        assert_eq!(errors(&output).lines().count(), 1, "{}", errors(&output));
    }
    assert_eq!(run(&["--base", "x"]).status.code(), Some(64));
}

#[test]
fn help_says_what_the_exit_codes_mean() {
    let output = run(&["--help"]);
    check(&output, 0, &["Exit codes:", "usable with limits", "--require", "not usable"]);
}

#[test]
fn colours_are_for_who_wants_them() {
    assert!(!text(&run(&[])).contains('\u{1b}'));
    assert!(text(&run(&["--color", "always"])).contains("\u{1b}[32m"));
    let mut ascii = annulus(&[]);
    ascii.env("LC_ALL", "C");
    assert!(text(&finish(ascii)).is_ascii());
}

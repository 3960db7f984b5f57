//! `annulus bench` as its users run it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

/// A directory of this test's own, removed with everything in it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("annulus-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn entries(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A test that fails has more to say than that its directory stayed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn annulus(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    // Whichever kernel the tests are run on.
    command.env_remove("ANNULUS_KERNEL");
    command.args(line.split_whitespace()).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it, in at most 30 s.
fn run(line: &str) -> Output {
    let began = Instant::now();
    let output = annulus(line).output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{line}: {:?}", began.elapsed());
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The one line that says what went wrong.
fn complaint(line: &str, code: i32) -> String {
    let output = run(line);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{line}: {text}");
    assert_eq!(text.lines().count(), 1, "{line}: {text}");
    assert!(text.starts_with("annulus: ") && text.contains(" ("), "{line}: {text}");
    assert_eq!(stdout(&output), "", "{line}");
    text
}

/// Small enough for a test, in `dir`.
fn tiny(dir: &Path) -> String {
    format!("bench --dir {} --size 1M --time 10ms --rounds 4 --depth 1,4", dir.display())
}

#[test]
fn everything_is_measured_and_nothing_left_behind() {
    let dir = Dir::new("all");
    let output = run(&tiny(&dir.0));
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for words in [
        "machine  ",
        "NOPs",
        "random reads, cached (4 KiB)",
        "random reads, direct (4 KiB)",
        "random writes, cached (4 KiB)",
        "random writes, direct (4 KiB)",
        "operations per second, by depth",
        "The ring against the ordinary way",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains('\x1b'), "no colours in a pipe: {text}");
    assert!(!stderr(&output).contains('\r'), "no progress in a pipe: {}", stderr(&output));
    assert_eq!(dir.entries(), Vec::<PathBuf>::new());
}

#[test]
fn json_is_one_object_with_every_round() {
    let dir = Dir::new("json");
    let output = run(&format!("{} --json", tiny(&dir.0)));
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["settings"]["depths"], serde_json::json!([1, 4]));
    assert_eq!(report["settings"]["block_bytes"], 4096);
    assert_eq!(report["settings"]["cached_file_bytes"], 1 << 20);
    assert_eq!(report["io_uring"]["usable"], true);
    for fact in ["kernel", "arch", "dir", "file_system"] {
        assert!(report["machine"][fact].is_string(), "{fact}: {}", report["machine"]);
    }
    let workloads = report["workloads"].as_array().unwrap();
    assert_eq!(workloads.len(), 5);
    for workload in workloads.iter().filter(|workload| workload["skipped"].is_null()) {
        let cells = workload["cells"].as_array().unwrap();
        assert_eq!(cells.len(), 4, "two depths, two engines: {workload}");
        for cell in cells {
            check_cell(cell);
        }
        for comparison in workload["comparisons"].as_array().unwrap() {
            check_comparison(&comparison["ops"]);
            check_comparison(&comparison["cpu"]);
        }
    }
}

/// The summary is of the rounds; each round did something and took some time for it.
fn check_cell(cell: &Value) {
    let rounds = cell["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 4, "{cell}");
    for round in rounds {
        assert!(round["ops"].as_u64().unwrap() > 0, "{cell}");
        assert!(round["wall_ns"].as_u64().unwrap() >= 10_000_000, "{cell}");
    }
    let [min, median, max] =
        ["min", "median", "max"].map(|name| cell["ops_per_s"][name].as_f64().unwrap());
    assert!(0.0 < min && min <= median && median <= max, "{cell}");
    let calls = cell["calls_per_op"].as_f64().unwrap();
    match (cell["engine"].as_str().unwrap(), cell["depth"].as_u64().unwrap()) {
        ("threads", _) => assert!((calls - 1.0).abs() < 0.01, "{cell}"),
        // One enter submits one and waits for it; a completion may come with the enter before.
        ("uring" | "host", 1) => assert!((calls - 1.0).abs() < 0.01, "{cell}"),
        ("uring" | "host", _) => assert!((0.2..=1.01).contains(&calls), "{cell}"),
        other => panic!("{other:?}"),
    }
}

/// Whatever the verdict: it is not one within the spread.
fn check_comparison(comparison: &Value) {
    let [low, ratio, high] =
        ["low", "ratio", "high"].map(|name| comparison[name].as_f64().unwrap());
    assert!(low <= ratio && ratio <= high, "{comparison}");
    match comparison["verdict"].as_str().unwrap() {
        "higher" => assert!(low > 1.0, "{comparison}"),
        "lower" => assert!(high < 1.0, "{comparison}"),
        "no_difference" => {}
        other => panic!("{other}"),
    }
}

#[test]
fn a_disk_is_measured_without_nops() {
    let dir = Dir::new("disk");
    fs::write(dir.0.join("mine"), "untouched").unwrap();
    let line = format!(
        "bench disk {} --cached --rw read --size 64k --time 10ms --rounds 1 --depth 2 --svg {}",
        dir.0.display(),
        dir.0.join("plot.svg").display()
    );
    let output = run(&line);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!text.contains("NOPs") && !text.contains("direct"), "{text}");
    assert!(text.contains("too few rounds for a verdict"), "{text}");
    assert_eq!(fs::read_to_string(dir.0.join("mine")).unwrap(), "untouched");
    let svg = fs::read_to_string(dir.0.join("plot.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert_eq!(dir.entries().len(), 2);
}

#[test]
fn a_wrong_command_line_is_one_line_and_64() {
    assert!(complaint("bench --depth 0", 64).contains("--depth"));
    assert!(complaint("bench --size 0", 64).contains("at least 64k"));
    assert!(complaint("bench --time 10", 64).contains("500ms"));
    assert!(complaint("bench --rounds 0", 64).contains("--rounds"));
    assert!(complaint("bench --engine epoll", 64).contains("uring, threads"));
    assert!(complaint("bench --rouns 3", 64).contains("--rounds"));
    assert!(complaint("bench --rw nop --direct", 64).contains("nothing to measure"));
    assert!(complaint("frobnicate", 64).contains("frobnicate"));
    assert!(complaint("", 64).contains("annulus bench"));
}

#[test]
fn a_directory_of_no_use_is_named_with_what_to_do() {
    assert!(complaint("bench --dir /nonexistent/x", 3).contains("/nonexistent/x: No such file"));
    assert!(complaint("bench disk /proc/version", 3).contains("--dir"));
    assert!(complaint("bench --svg /nonexistent/x.svg", 3).contains("--svg"));
    let dir = Dir::new("readonly");
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write there all the same: then a read-only file system has to do.
    let closed = if fs::write(dir.0.join("x"), "").is_ok() { Path::new("/proc") } else { &dir.0 };
    let text = complaint(&format!("bench --dir {}", closed.display()), 3);
    assert!(text.contains("TMPDIR"), "{text}");
}

#[test]
fn an_svg_that_was_not_drawn_is_not_there() {
    let dir = Dir::new("svg");
    let svg = dir.0.join("plot.svg");
    complaint(&format!("bench --dir /nonexistent/x --svg {}", svg.display()), 3);
    assert!(!svg.exists());
}

/// Starts a long run in `dir` and waits until its header is there.
fn start(dir: &Dir) -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let line = format!("bench --dir {} --size 1M --time 60s", dir.0.display());
    let mut child = annulus(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("machine"), "{line}");
    (child, stdout)
}

fn kill(child: &std::process::Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn signals_end_it_at_once_and_leave_nothing() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let dir = Dir::new(&format!("signal{signal}"));
        let (child, _stdout) = start(&dir);
        thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        kill(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert!(began.elapsed() < Duration::from_secs(10), "{signal}: {:?}", began.elapsed());
        assert_eq!(output.status.code(), Some(code), "{signal}: {}", stderr(&output));
        assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
        assert_eq!(dir.entries(), Vec::<PathBuf>::new(), "{signal}");
    }
}

#[test]
fn not_even_sigkill_leaves_a_file() {
    let dir = Dir::new("kill");
    let (mut child, _stdout) = start(&dir);
    kill(&child, "-KILL");
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(dir.entries(), Vec::<PathBuf>::new());
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let dir = Dir::new("pipe");
    let line = format!("{} --rw nop,read --cached --quiet", tiny(&dir.0));
    let mut child = annulus(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(stderr(&output), "");
}

/// Runs it on a thread where a filter refuses one system call, as containers do.
fn run_filtered(call: i64, line: &'static str) -> Output {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    thread::spawn(move || {
        let arch: TargetArch = std::env::consts::ARCH.try_into().unwrap();
        let refuse = SeccompAction::Errno(1);
        let rules = [(call, Vec::new())].into_iter().collect();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        // Of this thread and its children alone.
        seccompiler::apply_filter(&program).unwrap();
        run(line)
    })
    .join()
    .unwrap()
}

#[test]
fn without_io_uring_the_kernel_in_user_space_is_measured() {
    // io_uring_setup and io_uring_enter have the same numbers on every architecture.
    for call in [425, 426] {
        let output = run_filtered(
            call,
            "bench --rw nop,read --cached --direct --size 1M --time 10ms --rounds 1",
        );
        let (text, warning) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{call}: {warning}");
        let lines = warning.lines().filter(|line| line.contains("io_uring is not usable: "));
        assert_eq!(lines.count(), 1, "{call}: {warning}");
        for word in ["seccomp", "fix:", "--kernel linux makes this an error"] {
            assert!(warning.contains(word), "{call}: {word}: {warning}");
        }
        assert!(text.contains("1 thread") && text.contains("host kernel"), "{call}: {text}");
        assert!(!text.contains("ring  "), "{call}: {text}");

        let line = "bench --kernel linux --engine uring --rw nop --time 10ms --rounds 1";
        let output = run_filtered(call, line);
        assert_eq!(output.status.code(), Some(2), "{call}");
        let text = stderr(&output);
        assert_eq!(text.lines().count(), 1, "{call}: {text}");
        assert!(text.contains("seccomp") && text.contains("fix:"), "{call}: {text}");

        let line = "bench --kernel both --rw nop --time 10ms --rounds 1";
        let output = run_filtered(call, line);
        assert_eq!(output.status.code(), Some(2), "{call}: {}", stderr(&output));
        assert!(stdout(&output).contains("host kernel"), "{call}: {}", stdout(&output));
    }
}

#[test]
fn both_kernels_are_measured_beside_each_other() {
    let dir = Dir::new("both");
    let line = format!("{} --rw nop,read --kernel both --json", tiny(&dir.0));
    let output = run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["settings"]["kernel"], "both");
    for workload in report["workloads"].as_array().unwrap() {
        let cells = workload["cells"].as_array().unwrap();
        if workload["skipped"].is_null() {
            assert_eq!(cells.len(), 6, "two depths, three engines: {workload}");
        }
        cells.iter().for_each(check_cell);
        for comparison in workload["comparisons"].as_array().unwrap() {
            assert!(["uring", "host"].contains(&comparison["engine"].as_str().unwrap()));
        }
    }
    let output = run(&format!("{} --rw nop,read --cached --kernel both", tiny(&dir.0)));
    let text = stdout(&output);
    for words in ["The ring against", "The host kernel against", "enters: the system calls"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn the_environment_names_the_kernel() {
    let of = |kernel: &str| {
        let mut command = annulus("bench --rw nop --time 10ms --rounds 1 --depth 1 --json");
        command.env("ANNULUS_KERNEL", kernel).output().unwrap()
    };
    for (kernel, engine) in [("host", "host"), ("linux", "uring"), ("auto", "uring")] {
        let report: Value = serde_json::from_slice(&of(kernel).stdout).unwrap();
        assert_eq!(report["settings"]["engines"][0], engine, "{kernel}");
    }
    let wrong = of("epoll");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(stderr(&wrong).contains("linux, host or auto"), "{}", stderr(&wrong));
}

#[test]
fn pages_and_completions_are_generated() {
    let dir = Dir::new("man");
    assert!(run(&format!("man {}", dir.0.display())).status.success());
    let page = fs::read_to_string(dir.0.join("annulus-bench.1")).unwrap();
    assert!(page.contains("O_DIRECT"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&run(&format!("completions {shell}"))).contains("annulus"), "{shell}");
    }
}

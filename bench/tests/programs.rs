//! The programs by themselves: a right run prints its cost, a wrong argument is one line and exit
//! code 2. How fast they are is not tested.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What a run must not take longer than.
const LIMIT_SECONDS: &str = "60";

/// Runs `program` with `arguments`, for a limited time.
fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args([LIMIT_SECONDS, program]).args(arguments);
    command.output().expect("timeout of coreutils runs")
}

/// The `key=value`s of the last line printed.
fn last(output: &Output) -> HashMap<String, f64> {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let pairs = said.lines().last().unwrap_or_default().split(' ');
    let pairs = pairs.map(|pair| pair.split_once('=').expect("key=value"));
    pairs.map(|(key, value)| (key.to_owned(), value.parse().expect("a number"))).collect()
}

/// That `program` refuses `arguments` in one line, which has `word` in it.
fn refuses(program: &str, arguments: &[&str], word: &str) {
    let output = run(program, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{program} {arguments:?}: {said}");
    assert!(said.contains(word), "{program} {arguments:?}: '{said}' without '{word}'");
    assert!(output.stdout.is_empty(), "{program} {arguments:?} printed something too");
}

/// A file of 64 blocks, removed at the end.
struct Data(PathBuf);

impl Data {
    fn new(name: &str) -> Self {
        let name = format!("annulus-bench-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, vec![7; 64 * 4096]).expect("the temporary directory can be written");
        Self(path)
    }

    fn argument(&self) -> String {
        format!("file={}", self.0.display())
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The programs that read, with each of their ways.
const READERS: &[(&str, &[&str])] = &[
    (env!("CARGO_BIN_EXE_randread-annulus"), &["qd=7"]),
    (env!("CARGO_BIN_EXE_randread-annulus"), &["qd=9"]),
    (env!("CARGO_BIN_EXE_randread-annulus-rt"), &["qd=7"]),
    (env!("CARGO_BIN_EXE_randread-threads"), &["threads=7"]),
    (env!("CARGO_BIN_EXE_randread-tokio"), &["qd=7", "way=blocking"]),
    (env!("CARGO_BIN_EXE_randread-tokio"), &["qd=7", "way=fs"]),
    (env!("CARGO_BIN_EXE_randread-tokio"), &["qd=7", "way=engine"]),
    (env!("CARGO_BIN_EXE_randread-tokio"), &["qd=7", "way=driven"]),
    (env!("CARGO_BIN_EXE_randread-tokio"), &["qd=7", "way=woken"]),
];
const PUSHER: &str = env!("CARGO_BIN_EXE_shared-push");
const TASKS: &str = env!("CARGO_BIN_EXE_tasks-annulus");
const IDLER: &str = env!("CARGO_BIN_EXE_idle-wakeups");

#[test]
fn readers_read_as_many_blocks_as_asked() {
    let data = Data::new("blocks");
    let file = data.argument();
    for (program, ways) in READERS {
        let arguments = [&[file.as_str(), "ops=1000"], *ways].concat();
        let cost = last(&run(program, &arguments));
        assert_eq!(cost["ops"], 1000.0, "{program} {ways:?}");
        assert!(cost["user_s"] + cost["system_s"] > 0.0, "{program} {ways:?}: no time taken");
    }
}

#[test]
fn fewer_reads_than_there_is_room_for_are_enough() {
    let data = Data::new("fewer");
    let file = data.argument();
    for (program, ways) in READERS {
        let arguments = [&[file.as_str(), "ops=3"], *ways].concat();
        assert_eq!(last(&run(program, &arguments))["ops"], 3.0, "{program} {ways:?}");
    }
}

#[test]
fn readers_stop_when_the_time_is_over() {
    let data = Data::new("time");
    let file = data.argument();
    for (program, ways) in READERS {
        let arguments = [&[file.as_str(), "seconds=0.1"], *ways].concat();
        let cost = last(&run(program, &arguments));
        assert!((0.09..30.0).contains(&cost["secs"]) && cost["ops"] > 0.0, "{program}: {cost:?}");
    }
}

#[test]
fn readers_refuse_what_they_cannot_read() {
    let data = Data::new("refused");
    let file = data.argument();
    for (program, _) in READERS {
        refuses(program, &["file=/nonexistent"], "No such file");
        refuses(program, &["file=/"], "not a regular file");
        refuses(program, &["file=/proc/version", "direct=1"], "no O_DIRECT");
        refuses(program, &["file=/proc/version"], "not a regular file of 4096 bytes");
        refuses(program, &[&file, "direct=2"], "direct=2");
        refuses(program, &[&file, "ops=0"], "ops=0");
        refuses(program, &[&file, "ops=x"], "ops=x");
        refuses(program, &[&file, "seconds=-1"], "seconds=-1");
        refuses(program, &[&file, "seconds=nan"], "seconds=");
        refuses(program, &[&file, "depth=1"], "no such argument");
        refuses(program, &[&file, "hello"], "not key=value");
    }
    let tokio = env!("CARGO_BIN_EXE_randread-tokio");
    refuses(tokio, &[&file, "way=ring"], "way=ring");
    refuses(tokio, &[&file, "qd=0"], "qd=0");
    refuses(tokio, &[&file, "workers=0"], "workers=0");
}

#[test]
fn tokio_fs_is_refused_past_the_page_cache() {
    let data = Data::new("direct");
    let tokio = env!("CARGO_BIN_EXE_randread-tokio");
    // Where there is no O_DIRECT for temporary files, the file is refused instead, as well.
    refuses(tokio, &[&data.argument(), "direct=1", "way=fs"], "direct");
}

#[test]
fn pushers_complete_each_nop_once() {
    for way in ["way=mutex", "way=own", "way=local"] {
        for (threads, batch) in [(1, 1), (3, 7), (8, 256)] {
            let (threads, batch) = (format!("threads={threads}"), format!("batch={batch}"));
            let cost = last(&run(PUSHER, &[way, &threads, &batch, "ops=10001"]));
            assert_eq!(cost["ops"], 10_001.0, "{way} {threads} {batch}");
        }
    }
    refuses(PUSHER, &["way=none"], "way=none");
    refuses(PUSHER, &["threads=0"], "threads=0");
    refuses(PUSHER, &["batch=257"], "batch=257");
    refuses(PUSHER, &["file=x"], "no such argument");
}

#[test]
fn tasks_do_as_much_as_asked() {
    let modes = ["spawn", "spawn1", "yield", "nyield", "tcancel", "tfire", "tspread", "wake"];
    for mode in modes {
        let cost = last(&run(TASKS, &[&format!("mode={mode}"), "ops=20000"]));
        assert_eq!(cost["ops"], 20_000.0, "{mode}");
    }
    refuses(TASKS, &["mode=none"], "mode=none");
    refuses(TASKS, &["mode=tspread", "ops=12000"], "multiple of 10000");
    refuses(TASKS, &["ops=0"], "ops=0");
    refuses(TASKS, &["seconds=1"], "no such argument");
}

#[test]
fn both_http_servers_answer_each_request() {
    for program in [env!("CARGO_BIN_EXE_hyper-annulus"), env!("CARGO_BIN_EXE_hyper-tokio")] {
        for more in [["timer=0", "depth=1"], ["timer=1", "depth=4"]] {
            let cost =
                last(&run(program, &[&["ops=1001", "conns=7", "bytes=20000"], &more[..]].concat()));
            assert_eq!(cost["ops"], 1001.0, "{program} {more:?}");
        }
        refuses(program, &["file=x"], "no such argument");
        refuses(program, &["timer=2"], "timer=2");
    }
    let load = env!("CARGO_BIN_EXE_hyper-load");
    refuses(load, &["conns=0"], "conns=0");
    refuses(load, &["addr=127.0.0.1:1"], "refused");
}

#[test]
fn wakeups_are_counted() {
    let cost = last(&run(IDLER, &["what=ticking", "seconds=1"]));
    assert!(cost["wakeups"] >= 5.0, "a task that wakes ten times a second: {cost:?}");
    refuses(IDLER, &["what=none"], "what=none");
    refuses(IDLER, &["seconds=0"], "seconds=0");
}

#[test]
fn idle_threads_stay_asleep() {
    for what in ["what=tokio", "what=ring", "what=engine"] {
        let cost = last(&run(IDLER, &[what, "seconds=1"]));
        assert_eq!(cost["wakeups"], 0.0, "{what}: {cost:?}");
    }
}

#[test]
fn the_driver_refuses_in_one_line() {
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/run.py");
    let data = Data::new("driver");
    let small = data.0.to_string_lossy().into_owned();
    refuses(driver, &["frobnicate"], "frobnicate");
    refuses(driver, &["tokio"], "FILE");
    refuses(driver, &["tokio", "/nonexistent"], "No such file");
    refuses(driver, &["tokio", "/tmp"], "not a regular file");
    refuses(driver, &["tokio", &small], "bytes");
    refuses(driver, &["tokio", &small, "--modes", "warm"], "warm");
    refuses(driver, &["tokio", &small, "--depths", "0"], "--depths");
    refuses(driver, &["shared", "--seconds", "0"], "--seconds");
    refuses(driver, &["shared", "--threads", "1,,2"], "--threads");
    refuses(driver, &["idle", "--frob"], "--frob");
    refuses(driver, &["runtime"], "FILE");
    refuses(driver, &["runtime", &small], "bytes");
    refuses(driver, &["runtime", &small, "--peers", "crosvm"], "crosvm");
    refuses(driver, &["tasks", "--modes", "sleep"], "sleep");
    refuses(driver, &["tasks", "--seconds", "1"], "--seconds");
    refuses(driver, &["hyper", "--bytes", "0"], "--bytes");
}

/// What the driver's modules say of themselves: `code` runs beside them, and prints one line.
fn in_driver(code: &str) -> String {
    let here = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("timeout")
        .args([LIMIT_SECONDS, "python3", "-B", "-c", code])
        .current_dir(here)
        .output()
        .expect("timeout of coreutils runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_peer_that_cannot_be_built_is_one_line() {
    let said = in_driver("import runtimes; print(runtimes.build(['no-such-runtime']))");
    assert_eq!(said, "[]");
    let why = "import runtimes; print(runtimes.reason('   Compiling x\\nerror: a\\nerror: b\\n'))";
    assert_eq!(in_driver(why), "error: a");
}

#[test]
fn ratios_are_to_ours() {
    let said = in_driver(
        "import rounds\n\
         said = 'ops=2 secs=1 ops_per_s=2 user_s=1 system_s=0 voluntary=4 involuntary=0'\n\
         argv = ['echo', said]\n\
         peers = [rounds.Peer(name, argv, ops=2) for name in ('ours', 'theirs')]\n\
         rows = rounds.compare(peers, ['ours'], rounds.Plan(3, 0.0, False, False))\n\
         row = rows[1]\n\
         print(row['cpu_of_ours'], row['voluntary'], row['instructions_of_ours'])",
    );
    assert_eq!(said, "1.0 2.0 None");
}

//! `annulus cp`: full disks, directories that cannot be written, signals, and being killed.

mod cp_common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cp_common::{Dir, Rng, cp, hidden, is_root, run, skip, start, told, tree, wait};

/// How often it is killed: 25 times, or as `ANNULUS_CP_KILLS` says. The full number is 200.
fn kills() -> u64 {
    let told = std::env::var("ANNULUS_CP_KILLS").ok();
    told.map_or(25, |number| number.parse().expect("ANNULUS_CP_KILLS is a number"))
}

/// Many small files, and some larger ones.
fn forest(dir: &Dir, name: &str) {
    let mut rng = Rng(1);
    for sub in 0..10 {
        let sub = dir.path(name).join(format!("d{sub}"));
        fs::create_dir_all(&sub).unwrap();
        for number in 0..40 {
            fs::write(sub.join(format!("f{number}")), vec![rng.next() as u8; 6_000]).unwrap();
        }
        fs::write(sub.join("large"), vec![rng.next() as u8; 1 << 18]).unwrap();
    }
}

/// Whether all that stands under a final name is whole; what may be missing may be missing.
fn is_whole(from: &Path, to: &Path) -> Result<usize, String> {
    let expected = tree(from);
    let mut count = 0;
    for (path, (mode, length, hash)) in tree(to) {
        if path.iter().any(|part| part.to_string_lossy().starts_with(".annulus-cp-")) {
            continue;
        }
        match expected.get(&path) {
            Some((_, bytes, whole)) if (*bytes, *whole) == (length, hash) => count += 1,
            _ => return Err(format!("{} ({mode:o}): {length} bytes", path.display())),
        }
    }
    Ok(count)
}

/// Killed at random points: into a new directory, into one that is there, and over old files.
#[test]
fn killed_at_any_time_no_part_of_a_file_has_a_final_name() {
    let dir = Dir::new("killed");
    forest(&dir, "s");
    let began = Instant::now();
    assert_eq!(run(&dir, &["-r", "s", "whole"]).0, 0);
    let all = began.elapsed() * 3 / 2;
    let (mut rng, mut parts, mut wholes) = (Rng(42), 0, 0);
    for turn in 0..kills() {
        let to = dir.path("d");
        if turn % 3 > 0 {
            // There, with files of old content in it.
            fs::create_dir_all(to.join("d1")).unwrap();
        }
        let mut command = cp(&dir);
        command.args(["-rT", "s", "d"]);
        if turn % 4 == 3 {
            command.args(["--jobs", "1", "--verify"]);
        }
        let mut child = start(&mut command);
        thread::sleep(all.mul_f64(rng.below(1000) as f64 / 1000.0));
        child.kill().unwrap();
        wait(child);
        match fs::symlink_metadata(&to) {
            Err(_) => parts += 1,
            Ok(_) => match is_whole(&dir.path("s"), &to) {
                Ok(421) => wholes += 1,
                Ok(_) => parts += 1,
                Err(part) => panic!("turn {turn}: {part}"),
            },
        }
        let _ = fs::remove_dir_all(&to);
        for left in hidden(&dir.0) {
            fs::remove_dir_all(left).unwrap();
        }
    }
    assert!(parts > 0, "it was never killed in the middle: {wholes} were complete");
}

/// The same with one large file over an old one: the one or the other, never between.
#[test]
fn killed_while_it_replaces_a_file_the_old_one_stands() {
    let dir = Dir::new("replace");
    let (old, new) = (vec![1; 1 << 20], vec![2; 24 << 20]);
    dir.file("new", &new);
    let mut rng = Rng(5);
    for turn in 0..kills().div_ceil(3) {
        dir.file("x", &old);
        let mut command = cp(&dir);
        command.args(["new", "x"]);
        if turn % 2 == 1 {
            command.arg("--reflink=never");
        }
        let mut child = start(&mut command);
        thread::sleep(Duration::from_micros(rng.below(30_000)));
        child.kill().unwrap();
        wait(child);
        let found = dir.read("x");
        assert!(found == old || found == new, "turn {turn}: {} bytes", found.len());
        for left in hidden(&dir.0) {
            fs::remove_file(left).unwrap();
        }
    }
}

/// Sends a signal once the copy has something that is not complete.
fn interrupted(dir: &Dir, arguments: &[&str], signal: &str, shows: impl Fn() -> bool) -> i32 {
    let mut child = start(cp(dir).args(arguments));
    let began = Instant::now();
    while !shows() && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing shows");
        thread::sleep(Duration::from_micros(200));
    }
    let pid = child.id().to_string();
    let _ = Command::new("kill").args([signal, &pid]).stderr(Stdio::null()).status();
    let (code, stdout, stderr) = told(&wait(child));
    assert_eq!(stdout, "");
    if code != 0 {
        assert!(stderr.starts_with("annulus: interrupted: signal "), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    code
}

#[test]
fn a_signal_cleans_up() {
    let dir = Dir::new("signal");
    forest(&dir, "s");
    let mut ended = 0;
    for (signal, number) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129), ("-INT", 130)] {
        let shows = || !hidden(&dir.0).is_empty();
        // Synced file by file it takes its time.
        let code = interrupted(&dir, &["-r", "--fsync", "--jobs", "1", "s", "d"], signal, shows);
        assert!(code == number || code == 0, "{signal}: {code}");
        assert_eq!(hidden(&dir.0).len(), 0, "{signal}");
        if code != 0 {
            ended += 1;
            assert!(!dir.path("d").exists());
        }
        let _ = fs::remove_dir_all(dir.path("d"));
    }
    assert!(ended > 0, "no signal came in time");
}

/// It waits for a writer, in the ring: nothing but the signal ends that.
#[test]
fn a_signal_ends_what_waits_for_a_fifo() {
    let dir = Dir::new("waits");
    assert!(Command::new("mkfifo").arg(dir.path("f")).status().unwrap().success());
    dir.file("a", "one");
    fs::create_dir(dir.path("d")).unwrap();
    let shows = || dir.path("d/a").exists();
    let code = interrupted(&dir, &["f", "a", "d"], "-INT", shows);
    assert_eq!(code, 130);
    assert!(!dir.path("d/f").exists() && hidden(&dir.path("d")).is_empty());
    // What is complete stays.
    assert_eq!(dir.read("d/a"), b"one");
}

/// The same for one that nobody reads, and for one whose reader takes its time.
#[test]
fn a_signal_ends_what_waits_for_a_reader() {
    let dir = Dir::new("reader");
    assert!(Command::new("mkfifo").arg(dir.path("f")).status().unwrap().success());
    dir.file("large", vec![1; 1 << 20]);
    for reads in [false, true] {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let path = dir.path("f");
        let reader = thread::spawn(move || {
            // Opens, and reads nothing.
            let _file = reads.then(|| fs::File::open(path).unwrap());
            let _ = ended.recv();
        });
        let mut child = start(cp(&dir).args(["large", "f"]));
        thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "it waits");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(told(&wait(child)).0, 130);
        drop(end);
        reader.join().unwrap();
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let dir = Dir::new("full");
    fs::create_dir(dir.path("m")).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "none"])
        .arg(dir.path("m"))
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        let reason = "no tmpfs may be mounted here";
        return skip("a_full_disk_is_said_and_leaves_nothing", reason);
    }
    let unmount = || Command::new("umount").arg(dir.path("m")).status();
    let tried = std::panic::catch_unwind(|| {
        dir.file("large", vec![1; 4 << 20]);
        dir.file("small", vec![2; 40_000]);
        dir.file("m/old", vec![3; 1000]);
        for way in ["--reflink=auto", "--reflink=never", "--sparse=always"] {
            for to in ["m", "m/old"] {
                let (code, _, stderr) = run(&dir, &[way, "large", to]);
                assert_eq!(code, 1);
                assert!(
                    stderr.contains("No space left") && stderr.contains("make room"),
                    "{stderr}"
                );
                assert!(stderr.starts_with("annulus: m/"), "{stderr}");
            }
            let (code, _, _) = run(&dir, &[way, "large", "small", "m"]);
            assert_eq!(code, 1);
            assert_eq!(dir.read("m/small").len(), 40_000, "the run goes on");
            assert_eq!(dir.read("m/old"), vec![3; 1000]);
            assert_eq!((hidden(&dir.path("m")).len(), dir.path("m/large").exists()), (0, false));
            fs::remove_file(dir.path("m/small")).unwrap();
        }
        fs::create_dir(dir.path("s")).unwrap();
        fs::copy(dir.path("large"), dir.path("s/large")).unwrap();
        fs::copy(dir.path("small"), dir.path("s/small")).unwrap();
        assert_eq!(run(&dir, &["-r", "s", "m"]).0, 1);
        assert!(dir.path("m/s/small").exists() && !dir.path("m/s/large").exists());
    });
    assert!(unmount().unwrap().success());
    tried.unwrap();
}

#[test]
fn a_file_that_is_too_large_for_the_limit_is_refused() {
    let dir = Dir::new("limit");
    dir.file("a", vec![1; 1 << 20]);
    let program = env!("CARGO_BIN_EXE_annulus");
    // SIGXFSZ is ignored by nobody: the shell sees to that.
    let line = format!("trap '' XFSZ; ulimit -f 100; exec {program} cp --reflink=never a b");
    let output = Command::new("bash").args(["-c", &line]).current_dir(&dir.0).output().unwrap();
    let (code, _, stderr) = told(&output);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.starts_with("annulus: b: cannot write: File too large"), "{stderr}");
    assert!(!dir.path("b").exists() && hidden(&dir.0).is_empty());
}

#[test]
fn directories_that_cannot_be_written_or_read_are_named() {
    let dir = Dir::new("readonly");
    fs::create_dir_all(dir.path("s/locked")).unwrap();
    dir.file("s/a", "one");
    dir.file("s/locked/b", "two");
    let program = env!("CARGO_BIN_EXE_annulus");
    let as_nobody = |line: &str| {
        let mut command = match is_root() {
            true => Command::new("setpriv"),
            false => Command::new("env"),
        };
        if is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        let output = command.arg(program).args(line.split(' ')).current_dir(&dir.0).output();
        told(&output.unwrap())
    };
    fs::set_permissions(dir.path("s/locked"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::create_dir(dir.path("to")).unwrap();
    fs::set_permissions(dir.path("to"), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, stderr) = as_nobody("cp -r s to");
    if stderr.contains("exec") || stderr.contains("setpriv") {
        return skip("directories_that_cannot_be_written_or_read_are_named", stderr.trim());
    }
    assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
    assert!(stderr.starts_with("annulus: s/locked: cannot open"), "{stderr}");
    assert!(stderr.contains("Permission denied"), "{stderr}");
    assert!(dir.path("to/s/a").exists(), "the run goes on");
    fs::set_permissions(dir.path("to"), fs::Permissions::from_mode(0o555)).unwrap();
    let (code, _, stderr) = as_nobody("cp s/a to/b");
    assert_eq!(code, 1);
    assert!(stderr.starts_with("annulus: to/b: ") && stderr.contains("ermission"), "{stderr}");
    fs::set_permissions(dir.path("to"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// What vanishes or changes meanwhile is no crash, and what is copied is whole.
#[test]
fn files_that_come_and_go_meanwhile() {
    let dir = Dir::new("meanwhile");
    forest(&dir, "s");
    for turn in 0..5 {
        let child = start(cp(&dir).args(["-r", "s", "d"]));
        thread::sleep(Duration::from_millis(turn));
        for number in 0..40 {
            let _ = fs::remove_file(dir.path(format!("s/d{}/f{number}", turn + 2)));
        }
        let (code, _, stderr) = told(&wait(child));
        assert!(code <= 1, "{stderr}");
        for line in stderr.lines() {
            assert!(line.contains("No such file") && line.contains("(is it spelled"), "{line}");
        }
        fs::remove_dir_all(dir.path("d")).unwrap();
        fs::remove_dir_all(dir.path("s")).unwrap();
        forest(&dir, "s");
    }
}

//! Starting programs: what they get, and why one does not start.

mod common;

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use annulus::process::{Child, Command, Stdio};
use common::on_runtime;
use futures::future::poll_immediate;

/// A file in the temporary folder, removed at the end.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, text: &str, mode: u32) -> Self {
        let name = format!("annulus-process-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Self(path)
    }
}

/// Why it does not start. Not because it is being written: a child that another test is about to
/// start has for a moment what this process had open, a script too.
async fn why(mut command: Command) -> std::io::Error {
    loop {
        let why = command.spawn().await.unwrap_err();
        if why.kind() != ErrorKind::ExecutableFileBusy {
            return why;
        }
        std::thread::yield_now();
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_program_gets_what_was_set() {
    on_runtime(|| async {
        let mut command = Command::new("sh");
        command.arg("-c").arg(r#"echo "$0 $1 $A ${B-none} $PWD"; cat; echo done >&2"#);
        command.args(["zero", "one"]).env("A", "a").env("B", "b").env_remove("B");
        command.current_dir("/").stdin(Stdio::null());
        for _ in 0..2 {
            // Each is as it was set up, also the second time.
            let output = command.output().await.unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "zero one a none /\n");
            assert_eq!((output.stderr, output.status.code()), (b"done\n".to_vec(), Some(0)));
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().await.unwrap().success());
        assert!(format!("{command:?}").contains("zero"));
    });
}

#[test]
fn why_a_program_does_not_start() {
    on_runtime(|| async {
        let kind = async |command: Command| why(command).await.kind();
        assert_eq!(kind(Command::new("/nowhere/at/all")).await, ErrorKind::NotFound);
        assert_eq!(kind(Command::new("no-such-program-anywhere")).await, ErrorKind::NotFound);
        let mut elsewhere = Command::new("true");
        elsewhere.current_dir("/nowhere");
        assert_eq!(kind(elsewhere).await, ErrorKind::NotFound);
        let closed = Script::new("closed", "#!/bin/sh\n", 0o644);
        assert_eq!(kind(Command::new(&closed.0)).await, ErrorKind::PermissionDenied);
        assert_eq!(kind(Command::new("/tmp")).await, ErrorKind::PermissionDenied);
        let strange = Script::new("strange", "#!/nowhere/interpreter\n", 0o755);
        assert_eq!(kind(Command::new(&strange.0)).await, ErrorKind::NotFound);
        let nothing = Script::new("nothing", "\u{1}\u{2}", 0o755);
        let why = why(Command::new(&nothing.0)).await;
        assert_eq!(why.raw_os_error(), Some(8), "ENOEXEC: {why}");
        assert_eq!(kind(Command::new("a\0b")).await, ErrorKind::InvalidInput);
        let why = Command::new("/nowhere").output().await.unwrap_err();
        assert_eq!(why.kind(), ErrorKind::NotFound);
        assert_eq!(Command::new("/nowhere").spawn_here().unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_spawn_that_is_given_up_leaves_neither_command_nor_zombie_behind() {
    on_runtime(|| async {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 7"]);
        for _ in 0..20 {
            let _ = poll_immediate(Box::pin(command.spawn())).await;
        }
        // Nor what it is set to for a while.
        let _ = poll_immediate(Box::pin(command.output())).await;
        let mut child = command.spawn().await.unwrap();
        assert!(child.stdout.is_none() && child.stderr.is_none());
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert_eq!(zombies_of_this_process("sh").await, 0);
    });
}

/// How many of them there are when there is nothing more to come: those that have ended and that
/// somebody is about to wait for are waited for.
async fn zombies_of_this_process(name: &str) -> usize {
    for _ in 0..2000 {
        let found = zombies(name);
        if found == 0 {
            return 0;
        }
        annulus::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    zombies(name)
}

/// The children of this process by this name, whatever they do.
fn zombies(name: &str) -> usize {
    let me = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            let (head, tail) = stat.rsplit_once(") ").unwrap_or_default();
            let words: Vec<&str> = tail.split(' ').collect();
            head.ends_with(&format!("({name}")) && words.get(1) == Some(&&me[..])
        })
        .count()
}

#[test]
fn a_child_of_the_standard_library_is_waited_for() {
    on_runtime(|| async {
        let mut std = std::process::Command::new("cat");
        let std = std.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut child = Child::from_std(std);
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.stdin.is_some() && child.stdout.is_some() && child.stderr.is_none());
        assert!(child.wait().await.unwrap().success());
        assert!(child.try_wait().unwrap().unwrap().success());
        child.kill().unwrap(); // it was waited for: nobody is hit
    });
}

#[test]
fn a_user_a_group_and_a_process_group() {
    on_runtime(|| async {
        if !std::fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t") {
            return common::skip("a_user_a_group_and_a_process_group", "needs root");
        }
        let mut command = Command::new("sh");
        command.args(["-c", "id -u; id -g; id -G; cat /proc/$$/stat | cut -d' ' -f5; echo $$"]);
        command.uid(65_534).gid(65_533).process_group(0);
        let output = command.output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words[..3], ["65534", "65533", "65533"]);
        assert_eq!(words[3], words[4], "it leads a group of its own");
    });
}

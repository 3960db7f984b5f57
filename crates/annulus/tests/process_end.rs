//! How processes end, and that none is left behind.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use annulus::io::AsyncReadOwned;
use annulus::process::{Child, Command, Stdio};
use annulus::time::{sleep, timeout};
use common::{LIMIT, begin, limit, on_runtime, times};

/// A child that lives until its input ends.
async fn cat() -> Child {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().await.unwrap()
}

/// Whether a process is there, be it as a zombie.
fn is_there(id: u32) -> bool {
    std::fs::exists(format!("/proc/{id}")).unwrap()
}

/// Waits until it is not, without help of the runtime.
fn gone(id: u32) {
    while is_there(id) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_end_of_a_child_is_told_as_the_standard_library_tells_it() {
    on_runtime(|| async {
        for (script, code, signal) in [
            ("exit 0", Some(0), None),
            ("exit 255", Some(255), None),
            ("kill -KILL $$", None, Some(9)),
            ("kill -TERM $$", None, Some(15)),
            ("kill -SEGV $$", None, Some(11)),
        ] {
            let status = Command::new("sh").args(["-c", script]).status().await.unwrap();
            assert_eq!((status.code(), status.signal()), (code, signal), "{script}");
        }
    });
}

#[test]
fn waiting_may_be_given_up_as_often_as_one_likes() {
    on_runtime(|| async {
        let mut child = cat().await;
        let input = child.stdin.take();
        for _ in 0..20 {
            begin(&mut Box::pin(child.wait())).await;
            assert!(timeout(Duration::from_micros(300), child.wait()).await.is_err());
            assert_eq!(child.try_wait().unwrap(), None);
        }
        begin(&mut Box::pin(child.wait())).await;
        drop(input);
        assert!(child.wait().await.unwrap().success());
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_child_ends_while_somebody_waits_and_others_go_on() {
    on_runtime(|| async {
        let mut children = Vec::new();
        for at in 0..times(30) {
            let mut child = cat().await;
            let input = child.stdin.take().unwrap();
            children.push((annulus::spawn_local(async move { child.wait().await }), input, at));
        }
        sleep(Duration::from_millis(5)).await;
        for (waiter, input, _) in children.into_iter().rev() {
            drop(input);
            assert!(waiter.await.unwrap().unwrap().success());
        }
    });
}

#[test]
fn a_dropped_child_runs_on_and_leaves_no_zombie() {
    on_runtime(|| async {
        let mut child = cat().await;
        let (id, input) = (child.id(), child.stdin.take());
        begin(&mut Box::pin(child.wait())).await;
        drop(child);
        sleep(Duration::from_millis(5)).await;
        assert!(is_there(id), "it runs on");
        drop(input);
        gone(id);
    });
}

#[test]
fn a_child_is_waited_for_also_where_its_runtime_is_gone() {
    limit(LIMIT, || {
        let children = annulus::run(async {
            let mut children = Vec::new();
            for _ in 0..5 {
                let mut child = cat().await;
                children.push((child.id(), child.stdin.take().map(|to| to.try_into_fd().unwrap())));
            }
            children
        });
        for (id, input) in children.unwrap() {
            assert!(is_there(id));
            drop(input);
            gone(id);
        }
    });
}

#[test]
fn a_child_is_killed_with_its_handle_if_that_was_asked_for() {
    on_runtime(|| async {
        let mut command = Command::new("sleep");
        command.arg("1000").kill_on_drop(true);
        let child = command.spawn().await.unwrap();
        let id = child.id();
        drop(child);
        gone(id);
        // The same with the futures that have one.
        let before = sleeping();
        assert!(timeout(Duration::from_millis(50), command.status()).await.is_err());
        assert!(timeout(Duration::from_millis(50), command.output()).await.is_err());
        while sleeping() > before {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

/// How many children of this process are called `sleep`.
fn sleeping() -> usize {
    let me = std::process::id();
    let children = format!("/proc/{me}/task");
    let tasks = std::fs::read_dir(children).unwrap().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let ids: Vec<String> =
        lists.flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let name =
        |id: &String| std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    ids.iter().filter(|id| name(id) == "sleep\n").count()
}

#[test]
fn many_children_come_and_go() {
    on_runtime(|| async {
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let mut ids = Vec::new();
        Command::new("true").status().await.unwrap();
        let before = descriptors();
        for at in 0..times(100) {
            let mut child = Command::new("true").spawn().await.unwrap();
            ids.push(child.id());
            match at % 3 {
                0 => drop(child),
                1 => assert!(child.wait().await.unwrap().success()),
                _ => begin_or_end(&mut child).await,
            }
        }
        ids.into_iter().for_each(gone);
        // The thread that waits for those that were dropped polls their descriptors.
        while descriptors() > before + 8 {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

/// Polls once, and has it dropped.
async fn begin_or_end(child: &mut Child) {
    let _ = futures::future::poll_immediate(Box::pin(child.wait())).await;
}

#[test]
fn a_grandchild_that_holds_the_pipe_keeps_the_output_and_not_the_status() {
    on_runtime(|| async {
        // It holds the output until its own input ends, which is this test's to end.
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3<&0; (cat <&3; echo late) & echo early"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().await.unwrap();
        let (input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        assert!(child.wait().await.unwrap().success(), "the child itself has ended");
        assert_eq!(output.read_exact(vec![0; 6]).await.unwrap().1, b"early\n");
        let rest = timeout(Duration::from_millis(20), output.read(vec![0; 16])).await;
        assert!(rest.is_err(), "the pipe is open still");
        drop(input);
        assert_eq!(output.read_to_string().await.unwrap(), "late\n");
    });
}

#[test]
fn somebody_else_may_have_waited() {
    on_runtime(|| async {
        let mut std = std::process::Command::new("true").spawn().unwrap();
        let id = std.id();
        std.wait().unwrap();
        let waited = annulus::submit(annulus_runtime::runtime::process::WaitChild::new(id)).await;
        let why = waited.unwrap_err();
        let is_old = why.errno() == Some(annulus_ring::Errno::EINVAL);
        assert!(is_old || why.errno().is_some_and(|errno| errno.raw() == 10), "ECHILD: {why}");
    });
}

//! `fs::replace`: one or the other content, whole; and nothing left behind.

mod common;

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use annulus::Errno;
use annulus::fs::{self, Dir, ReplaceStep, Standing};
use annulus::time::sleep;
use common::tree::Tree;
use common::{LIMIT, limit, on_runtime, settle, skip};

/// The names in a directory, in order.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_made_and_replaced() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.at("file");
        for content in ["", "one", "and another", ""] {
            let given = fs::replace(&path, content).await.unwrap();
            assert_eq!(given, content, "the buffer comes back");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        let big: Vec<u8> = (0..3_000_000_u32).map(|n| n.wrapping_mul(17) as u8).collect();
        let big = fs::replace(&path, big).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == big);
        assert_eq!(names(tree.path()), ["file"]);
    });
}

#[test]
fn permissions_stay_and_other_names_keep_the_old_content() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "old");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(&path, tree.at("second")).await.unwrap();
        fs::replace(&path, "new").await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(tree.at("second")).unwrap(), b"old");
        std::os::unix::fs::symlink("second", tree.at("link")).unwrap();
        fs::replace(tree.at("link"), "of its own").await.unwrap();
        assert!(std::fs::symlink_metadata(tree.at("link")).unwrap().is_file());
        assert_eq!(std::fs::read(tree.at("second")).unwrap(), b"old");
        assert_eq!(names(tree.path()), ["file", "link", "second"]);
    });
}

#[test]
fn what_fails_says_its_step_and_leaves_nothing() {
    on_runtime(|| async {
        let tree = Tree::new();
        let missing = fs::replace(tree.at("none/file"), "x").await.unwrap_err();
        assert_eq!(missing.step(), ReplaceStep::OpenDirectory);
        assert_eq!((missing.error().errno(), missing.into_buf()), (Some(Errno::ENOENT), "x"));
        tree.dir("dir");
        let dir = fs::replace(tree.at("dir"), "x").await.unwrap_err();
        assert_eq!((dir.step(), dir.standing()), (ReplaceStep::Create, Standing::Old));
        assert_eq!(dir.error().errno(), Some(Errno::EISDIR));
        assert_eq!(dir.error().path(), tree.at("dir"));
        let up = fs::replace(tree.at(".."), "x").await.unwrap_err();
        assert_eq!(up.step(), ReplaceStep::OpenDirectory);
        assert_eq!(names(tree.path()), ["dir"]);
        // A directory of procfs takes no files.
        let proc = fs::replace("/proc/self/file", "x").await.unwrap_err();
        assert_eq!((proc.step(), proc.standing()), (ReplaceStep::Create, Standing::Old));
        assert!(proc.to_string().contains("the file is as it was"), "{proc}");
    });
}

#[test]
fn without_room_the_old_content_stands() {
    const NAME: &str = "without_room_the_old_content_stands";
    on_runtime(|| async {
        let tree = Tree::new();
        let dir = tree.dir("mount");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "annulus-test"]).arg(&dir);
        let done = mount.stderr(std::process::Stdio::null()).status();
        if !done.is_ok_and(|status| status.success()) {
            return skip(NAME, "mounting needs root");
        }
        let path = dir.join("file");
        fs::replace(&path, "old").await.unwrap();
        let Err(full) = fs::replace(&path, vec![7; 1 << 20]).await else {
            panic!("there was room");
        };
        assert_eq!((full.step(), full.standing()), (ReplaceStep::Write, Standing::Old), "{full}");
        assert_eq!(full.error().errno(), Some(Errno::ENOSPC), "{full}");
        assert_eq!(full.into_buf().len(), 1 << 20);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let left = names(&dir);
        let done = std::process::Command::new("umount").arg("-l").arg(&dir).status();
        assert!(done.is_ok_and(|status| status.success()));
        assert_eq!(left, ["file"]);
    });
}

/// Polls a replace `polls` times, drops it at once or, if `late`, when what it waited for is over;
/// and looks at what is there then. Whether it was over.
async fn dropped_after(dir: &Path, polls: usize, late: bool) -> bool {
    let path = dir.join("file");
    std::fs::write(&path, "old").unwrap();
    let over = {
        let mut replacing = pin!(fs::replace(&path, vec![b'n'; 100_000]));
        let mut left = polls;
        let over = std::future::poll_fn(|cx| {
            let polled = replacing.as_mut().poll(cx);
            left -= 1;
            match polled {
                std::task::Poll::Ready(done) => std::task::Poll::Ready(done.is_ok()),
                std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(false),
                std::task::Poll::Pending => std::task::Poll::Pending,
            }
        })
        .await;
        if late {
            sleep(Duration::from_millis(3)).await;
        }
        over
    };
    // What was begun is over when the operations are that were given up.
    settle().await;
    let content = std::fs::read(&path).unwrap();
    assert!(content == b"old" || content == vec![b'n'; 100_000], "a part after {polls} polls");
    assert_eq!(names(dir), ["file"], "after {polls} polls");
    over
}

#[test]
fn dropped_anywhere_it_leaves_nothing_behind() {
    on_runtime(|| async {
        let tree = Tree::new();
        for late in [false, true] {
            let mut polls = 1;
            while !dropped_after(tree.path(), polls, late).await {
                polls += 1;
            }
            assert!(polls > 3, "it was over after {polls} polls: nothing was dropped");
        }
    });
}

#[test]
fn a_runtime_that_ends_takes_its_temporaries_along() {
    limit(LIMIT, || {
        for turns in 0..12 {
            let tree = Tree::new();
            let path = tree.file("file", "old");
            let runtime = annulus::Runtime::new().unwrap();
            runtime.block_on(async {
                let _task =
                    annulus::spawn_local(async move { fs::replace(&path, vec![7; 1 << 20]).await });
                for _ in 0..turns {
                    annulus::yield_now().await;
                }
            });
            runtime.shutdown(LIMIT).unwrap();
            assert_eq!(names(tree.path()), ["file"], "after {turns} turns");
        }
    });
}

#[test]
fn names_that_are_taken_are_left_alone() {
    on_runtime(|| async {
        let tree = Tree::new();
        let dir = Dir::open(tree.path()).await.unwrap();
        // What another process of this number may have left.
        let taken: Vec<_> = (0..64)
            .map(|n| format!(".annulus-{:x}-{n:x}", std::process::id()))
            .inspect(|name| drop(tree.file(name, "theirs")))
            .collect();
        dir.replace("file", "ring").await.unwrap();
        assert_eq!(dir.read("file").await.unwrap(), b"ring");
        for name in &taken {
            assert_eq!(std::fs::read(tree.at(name)).unwrap(), b"theirs");
        }
        assert_eq!(names(tree.path()).len(), taken.len() + 1);
    });
}

#[test]
fn readers_see_one_content_or_the_other() {
    limit(LIMIT, || {
        let tree = Tree::new();
        let path = tree.at("file");
        let of = |n: u8| vec![n; 20_000];
        std::fs::write(&path, of(0)).unwrap();
        let other = path.clone();
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let reader = std::thread::spawn(move || {
            let mut seen = 0;
            while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let content = std::fs::read(&other).expect("it is there at any time");
                assert_eq!(content.len(), 20_000);
                assert!(content.iter().all(|byte| *byte == content[0]), "of two contents");
                seen += 1;
            }
            seen
        });
        annulus::run(async {
            for n in 1..common::times(40) as u8 + 1 {
                fs::replace(&path, of(n)).await.unwrap();
            }
        })
        .unwrap();
        drop(done);
        assert!(reader.join().unwrap() > 0);
    });
}

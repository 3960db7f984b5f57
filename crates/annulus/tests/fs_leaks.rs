//! Descriptors: what is dropped, and what fails, leaves none open. A program of one test, since
//! descriptors are counted.

mod common;

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use annulus::fs::{self, Dir, File, Times};
use annulus::time::sleep;
use annulus::yield_now;
use common::tree::Tree;
use common::{on_runtime, settle};

/// How many descriptors the process has open.
fn descriptors() -> usize {
    // The folder itself is open while it is read.
    std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").count() - 1
}

/// Polls a future once, and drops it after so many turns of the runtime: before its operation is
/// submitted, under way, or when its result lies there and nobody has taken it.
async fn poll_once(turns: u32, future: impl Future) {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = Box::pin(future);
    let _ = future.as_mut().poll(&mut context);
    for _ in 0..turns {
        yield_now().await;
    }
    if turns > 2 {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn nothing_stays_open_that_was_dropped_or_failed() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "ring");
        let dir = Dir::open(tree.path()).await.unwrap();
        // What the runtime opens once: helpers, pipes of its own.
        File::open(&path).await.unwrap().close().await.unwrap();
        fs::copy(&path, tree.at("copied")).await.unwrap();
        settle().await;
        let before = descriptors();
        for round in 0..20 {
            let turns = round % 4;
            poll_once(turns, File::open(&path)).await;
            poll_once(turns, File::create(tree.at("made"))).await;
            poll_once(turns, File::options().read(true).direct(true).open(&path)).await;
            poll_once(
                turns,
                File::options().read(true).write(true).tmpfile(true).open(tree.path()),
            )
            .await;
            poll_once(turns, Dir::open(tree.path())).await;
            poll_once(turns, dir.open_file("file")).await;
            poll_once(turns, dir.clone().beneath().metadata("file")).await;
            poll_once(turns, dir.clone().beneath().rename("file", &dir, "file")).await;
            poll_once(turns, fs::pipe()).await;
            poll_once(turns, fs::read(&path)).await;
            poll_once(turns, fs::write(tree.at("written"), "x")).await;
            poll_once(turns, fs::replace(tree.at("replaced"), "x")).await;
            poll_once(turns, fs::copy(&path, tree.at("copied"))).await;
            poll_once(turns, fs::canonicalize(&path)).await;
            poll_once(turns, dir.set_times("file", Times::new().modified_now())).await;
            poll_once(turns, fs::read_dir(tree.path())).await;
            poll_once(turns, dir.read_dir().await.unwrap().next_entry()).await;
            std::fs::create_dir_all(tree.at("top/a/b")).unwrap();
            poll_once(turns, dir.remove_dir_all("top")).await;
            if round % 4 == 0 {
                // Some begin together, some find others under way.
                settle().await;
            }
        }
        for turns in (0..20).map(|n| n % 4) {
            let file = File::open(&path).await.unwrap();
            poll_once(turns, file.read_at(vec![0; 4], 0)).await;
            poll_once(turns, file.clone().into_std()).await;
            poll_once(turns, file.try_clone().unwrap().into_std()).await;
            poll_once(turns, file.close()).await;
            let (reader, writer) = fs::pipe().await.unwrap();
            poll_once(turns, reader.read(vec![0; 4])).await;
            poll_once(turns, reader.splice(None, &writer, None, 4)).await;
            assert!(File::open(tree.at("none")).await.is_err());
            assert!(dir.open_dir("file").await.is_err());
            assert!(fs::replace(tree.path(), "x").await.is_err());
            assert!(fs::read(tree.path()).await.is_err());
        }
        settle().await;
        assert_eq!(descriptors(), before, "some are left open");
        let left: Vec<_> = std::fs::read_dir(tree.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .collect();
        assert!(left.is_empty(), "temporaries are left: {left:?}");
    });
}

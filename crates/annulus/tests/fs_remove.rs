//! Trees that are removed, and nothing beside them.

mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::Errno;
use annulus::fs::{self, Dir, PathError};
use common::on_runtime;
use common::tree::Tree;

#[track_caller]
fn errno<T: std::fmt::Debug>(result: Result<T, PathError>) -> Errno {
    result.expect_err("it must fail").errno().expect("the kernel's reason")
}

/// Directories in each other, and files of each kind in them.
fn grow(top: &Path, depth: u32) {
    std::fs::create_dir(top).unwrap();
    for n in 0..40 {
        std::fs::write(top.join(format!("file{n}")), "x").unwrap();
    }
    symlink("/etc", top.join("link")).unwrap();
    if depth > 0 {
        grow(&top.join("one"), depth - 1);
        grow(&top.join("two"), depth - 1);
    }
}

#[test]
fn a_tree_is_removed_and_what_links_lead_to_stays() {
    on_runtime(|| async {
        let tree = Tree::new();
        let kept = tree.dir("kept");
        std::fs::write(kept.join("precious"), "x").unwrap();
        grow(&tree.at("top"), 2);
        tree.fifo("top/fifo");
        symlink(&kept, tree.at("top/one/out")).unwrap();
        fs::remove_dir_all(tree.at("top")).await.unwrap();
        assert!(!tree.at("top").exists());
        assert!(kept.join("precious").exists());
        // A link is removed itself.
        symlink(&kept, tree.at("link")).unwrap();
        fs::remove_dir_all(tree.at("link")).await.unwrap();
        assert!(kept.join("precious").exists() && !tree.at("link").is_symlink());
    });
}

#[test]
fn many_names_and_many_levels_are_removed() {
    on_runtime(|| async {
        let tree = Tree::new();
        let top = tree.dir("top");
        for n in 0..1500 {
            std::fs::write(top.join(format!("{n:0>100}")), "").unwrap();
        }
        let mut path = top.clone();
        for _ in 0..100 {
            path.push("d");
            std::fs::create_dir(&path).unwrap();
        }
        Dir::open(tree.path()).await.unwrap().remove_dir_all("top").await.unwrap();
        assert!(!top.exists());
    });
}

#[test]
fn what_cannot_be_removed_says_which_it_is() {
    on_runtime(|| async {
        let tree = Tree::new();
        let file = tree.file("file", "x");
        assert_eq!(errno(fs::remove_dir_all(tree.at("none")).await), Errno::ENOENT);
        assert_eq!(errno(fs::remove_dir_all(&file).await), Errno::ENOTDIR);
        assert!(file.exists());
        tree.dir("dir");
        for odd in ["dir/..", "/", ".."] {
            assert_eq!(errno(fs::remove_dir_all(tree.at(odd)).await), Errno::EINVAL, "{odd}");
        }
        assert_eq!(errno(fs::remove_dir_all("").await), Errno::ENOENT);
        assert!(file.exists());
        // An immutable directory's names stay, and the error has the path.
        grow(&tree.at("top"), 1);
        let chattr = |flag: &str| {
            let mut command = std::process::Command::new("chattr");
            command.arg(flag).arg(tree.at("top/one")).stderr(std::process::Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if chattr("+i") {
            let error = fs::remove_dir_all(tree.at("top")).await.unwrap_err();
            assert!(chattr("-i"));
            assert_eq!(error.errno(), Some(Errno::EPERM), "{error}");
            assert_eq!(error.path().parent(), Some(&*tree.at("top/one")), "{error}");
        } else {
            let mode = std::fs::Permissions::from_mode(0o500);
            std::fs::set_permissions(tree.at("top/one"), mode).unwrap();
        }
        // What is left is removed by another try.
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(tree.at("top/one"), mode).unwrap();
        fs::remove_dir_all(tree.at("top")).await.unwrap();
        assert!(!tree.at("top").exists());
    });
}

#[test]
fn beneath_a_directory_nothing_else_is_removed() {
    on_runtime(|| async {
        let tree = Tree::new();
        grow(&tree.at("outside"), 0);
        grow(&tree.at("dir"), 1);
        symlink("../outside", tree.at("dir/out")).unwrap();
        let dir = Dir::open(tree.at("dir")).await.unwrap().beneath();
        assert_eq!(errno(dir.remove_dir_all("../outside").await), Errno::EXDEV);
        assert_eq!(errno(dir.remove_dir_all("out/x").await), Errno::EXDEV);
        dir.remove_dir_all("one").await.unwrap();
        assert!(tree.at("outside/file1").exists() && !tree.at("dir/one").exists());
    });
}

/// A thread exchanges a directory of the tree for a link to another, again and again, while the
/// tree is removed: nothing of the other is ever removed.
#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    on_runtime(|| async {
        let tree = Tree::new();
        let kept = tree.dir("kept");
        for n in 0..20 {
            std::fs::write(kept.join(format!("file{n}")), "x").unwrap();
        }
        static OVER: AtomicBool = AtomicBool::new(false);
        let (link, real) = (tree.at("top/dir"), tree.at("aside"));
        let target = kept.clone();
        std::fs::create_dir(tree.at("top")).unwrap();
        std::fs::create_dir(&link).unwrap();
        let exchanging = std::thread::spawn(move || {
            // Relaxed: pairs with nothing: only that it ends at some time counts.
            while !OVER.load(Ordering::Relaxed) {
                let _ = std::fs::rename(&link, &real);
                let _ = symlink(&target, &link);
                let _ = std::fs::remove_file(&link);
                let _ = std::fs::create_dir_all(&link);
                let _ = std::fs::write(link.join("file1"), "x");
                let _ = std::fs::remove_dir_all(&real);
            }
        });
        for _ in 0..100 {
            // It may meet a directory that is filled again, or removed by the other.
            let _ = fs::remove_dir_all(tree.at("top")).await;
        }
        // Relaxed: as above; pairs with nothing.
        OVER.store(true, Ordering::Relaxed);
        exchanging.join().unwrap();
        assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 20);
    });
}

#[test]
fn what_is_given_up_can_be_removed_again() {
    on_runtime(|| async {
        let tree = Tree::new();
        for turns in 0..6 {
            grow(&tree.at("top"), 1);
            let mut removing = Box::pin(fs::remove_dir_all(tree.at("top")));
            for _ in 0..turns {
                let _ =
                    futures::future::poll_immediate(&mut removing).await.is_some_and(|removed| {
                        removed.unwrap();
                        true
                    });
                if !tree.at("top").exists() {
                    break;
                }
                annulus::yield_now().await;
            }
            drop(removing);
            common::settle().await;
            match fs::remove_dir_all(tree.at("top")).await {
                Err(error) => assert_eq!(error.errno(), Some(Errno::ENOENT)),
                Ok(()) => assert!(!tree.at("top").exists()),
            }
        }
    });
}

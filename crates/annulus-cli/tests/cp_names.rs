//! `annulus cp`: where copies go, and what is refused.

mod cp_common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use cp_common::{Dir, copies, cp, hidden, is_root, refuses, run, start, told, tree, wait};

#[test]
fn a_file_goes_to_a_name_or_into_a_directory() {
    let dir = Dir::new("names");
    dir.file("a", "one");
    dir.file("b", "two");
    fs::create_dir(dir.path("into")).unwrap();
    copies(&dir, &["a", "c"]);
    assert_eq!(dir.read("c"), b"one");
    copies(&dir, &["a", "b", "into"]);
    copies(&dir, &["b", "into/"]);
    assert_eq!((dir.read("into/a"), dir.read("into/b")), (b"one".to_vec(), b"two".to_vec()));
    copies(&dir, &["b", "a"]);
    assert_eq!(dir.read("a"), b"two");
    assert_eq!(hidden(&dir.0), [] as [std::path::PathBuf; 0]);
}

#[test]
fn what_cannot_be_is_refused_and_the_rest_is_copied() {
    let dir = Dir::new("refused");
    dir.file("a", "one");
    fs::create_dir(dir.path("d")).unwrap();
    refuses(&dir, &["nope", "x"], "nope", "No such file");
    refuses(&dir, &["d", "x"], "d", "is a directory");
    refuses(&dir, &["a", "a"], "a", "is the file that is to be copied");
    refuses(&dir, &["a", "d/../a"], "d/../a", "is the file that is to be copied");
    refuses(&dir, &["a", "x/"], "x", "is no directory");
    refuses(&dir, &["a", "a/x"], "a/x", "Not a directory");
    refuses(&dir, &["a", "nope/x"], "nope", "No such file");
    refuses(&dir, &["a", "a", "x"], "x", "is no directory");
    refuses(&dir, &["-T", "a", "d"], "d", "is a directory");
    refuses(&dir, &["-r", "d", "a"], "a", "is no directory");
    // The run goes on.
    refuses(&dir, &["nope", "a", "d"], "nope", "No such file");
    assert_eq!(dir.read("d/a"), b"one");
    let (code, _, stderr) = run(&dir, &["-T", "a", "a", "d"]);
    assert_eq!((code, stderr.lines().count()), (64, 1), "{stderr}");
    assert_eq!(run(&dir, &["a"]).0, 64);
}

#[test]
fn hard_links_and_symbolic_links_to_the_source_are_the_source() {
    let dir = Dir::new("same");
    dir.file("a", "one");
    fs::hard_link(dir.path("a"), dir.path("hard")).unwrap();
    symlink("a", dir.path("soft")).unwrap();
    for other in ["hard", "soft"] {
        refuses(&dir, &["a", other], other, "is the file that is to be copied");
        refuses(&dir, &["-f", other, "a"], "a", "is the file that is to be copied");
    }
    assert_eq!(dir.read("a"), b"one");
}

#[test]
fn a_directory_goes_nowhere_into_itself() {
    let dir = Dir::new("itself");
    fs::create_dir_all(dir.path("d/e/f")).unwrap();
    for to in ["d", "d/e", "d/e/f", "d/e/new", "d/new", "d/."] {
        refuses(&dir, &["-r", "d", to], "d", "into itself");
    }
    refuses(&dir, &["-rT", "d", "d"], "d", "is the directory that is to be copied");
    refuses(&dir, &["-r", ".", "d"], ".", "into itself");
    assert_eq!(tree(&dir.0).len(), 4, "{:?}", tree(&dir.0));
}

#[test]
fn trees_are_made_merged_and_named() {
    let dir = Dir::new("trees");
    fs::create_dir_all(dir.path("s/sub")).unwrap();
    dir.file("s/a", "one");
    dir.file("s/sub/b", "two");
    copies(&dir, &["-r", "s", "new"]);
    assert_eq!(tree(&dir.path("s")), tree(&dir.path("new")));
    // Into one that is there; over itself; its content alone.
    copies(&dir, &["-r", "s", "new"]);
    assert_eq!(tree(&dir.path("s")), tree(&dir.path("new/s")));
    dir.file("new/s/a", "other");
    dir.file("new/s/kept", "kept");
    copies(&dir, &["-rT", "s", "new/s"]);
    assert_eq!((dir.read("new/s/a"), dir.read("new/s/kept")), (b"one".into(), b"kept".into()));
    fs::create_dir(dir.path("dot")).unwrap();
    copies(&dir, &["-r", "s/.", "dot"]);
    assert_eq!(tree(&dir.path("s")), tree(&dir.path("dot")));
    for at in ["", "new", "dot"] {
        assert_eq!(hidden(&dir.path(at)), [] as [std::path::PathBuf; 0]);
    }
}

#[test]
fn what_was_just_made_is_not_replaced() {
    let dir = Dir::new("twice");
    for sub in ["x", "y", "to", "x/d", "y/d"] {
        fs::create_dir(dir.path(sub)).unwrap();
    }
    dir.file("x/a", "one");
    dir.file("y/a", "two");
    refuses(&dir, &["x/a", "y/a", "to"], "to/a", "was just made of another source");
    assert_eq!(dir.read("to/a"), b"one");
    // Directories of one name are merged.
    dir.file("x/d/1", "");
    dir.file("y/d/2", "");
    copies(&dir, &["-r", "x/d", "y/d", "to"]);
    assert!(dir.path("to/d/1").exists() && dir.path("to/d/2").exists());
}

#[test]
fn symbolic_links_are_followed_or_copied() {
    let dir = Dir::new("links");
    dir.file("a", "one");
    symlink("a", dir.path("link")).unwrap();
    symlink("nowhere", dir.path("dangling")).unwrap();
    copies(&dir, &["link", "followed"]);
    assert!(fs::symlink_metadata(dir.path("followed")).unwrap().is_file());
    copies(&dir, &["-r", "link", "copied"]);
    assert_eq!(fs::read_link(dir.path("copied")).unwrap().to_str(), Some("a"));
    // Over a file, and over a link to one, which is what is written to.
    copies(&dir, &["-r", "link", "followed"]);
    assert_eq!(fs::read_link(dir.path("followed")).unwrap().to_str(), Some("a"));
    dir.file("b", "two");
    dir.file("target", "old");
    symlink("target", dir.path("to")).unwrap();
    copies(&dir, &["b", "to"]);
    assert_eq!(dir.read("target"), b"two");
    assert!(fs::symlink_metadata(dir.path("to")).unwrap().is_symlink());
    refuses(&dir, &["b", "dangling"], "dangling", "leads nowhere");
    refuses(&dir, &["dangling", "x"], "dangling", "No such file");
    copies(&dir, &["-f", "b", "dangling"]);
    assert_eq!(dir.read("dangling"), b"two");
}

#[test]
fn names_are_bytes() {
    let dir = Dir::new("bytes");
    let odd = OsStr::from_bytes(b"\xff\xfe\n-x");
    fs::create_dir(dir.path("s")).unwrap();
    fs::write(dir.path("s").join(odd), "odd").unwrap();
    copies(&dir, &["-r", "s", "d"]);
    assert_eq!(tree(&dir.path("s")), tree(&dir.path("d")));
    // It stays one line.
    let (code, _, stderr) = told(&wait(start(cp(&dir).arg("--").arg(odd).arg("x"))));
    assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
    assert!(stderr.contains("\"\\xFF\\xFE\\n-x\": "), "{stderr}");
}

#[test]
fn no_clobber_leaves_alone_what_is_there() {
    let dir = Dir::new("clobber");
    fs::create_dir_all(dir.path("s/sub")).unwrap();
    dir.file("s/a", "new");
    dir.file("s/b", "new");
    symlink("x", dir.path("s/link")).unwrap();
    fs::create_dir_all(dir.path("d/s")).unwrap();
    dir.file("d/s/a", "old");
    dir.file("d/s/link", "old");
    copies(&dir, &["-rn", "s", "d"]);
    let read = |name| String::from_utf8(dir.read(name)).unwrap();
    assert_eq!([read("d/s/a"), read("d/s/b"), read("d/s/link")], ["old", "new", "old"]);
    let (_, json, _) = run(&dir, &["-rn", "--json", "s", "d"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["skipped"], &json["files"]), (&3.into(), &0.into()));
}

#[test]
fn what_may_not_be_written_is_replaced_by_force_alone() {
    let dir = Dir::new("force");
    dir.file("a", "new");
    dir.file("old", "old");
    fs::set_permissions(dir.path("old"), fs::Permissions::from_mode(0o444)).unwrap();
    if !is_root() {
        refuses(&dir, &["a", "old"], "old", "may not be written");
        assert_eq!(dir.read("old"), b"old");
    }
    copies(&dir, &["-f", "a", "old"]);
    assert_eq!(dir.read("old"), b"new");
    // It is another file, with the old one's mode.
    assert_eq!(fs::metadata(dir.path("old")).unwrap().mode() & 0o777, 0o444);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_its_other_names_their_content() {
    let dir = Dir::new("replaced");
    dir.file("a", "new");
    let old = dir.file("old", "old");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(&old, dir.path("other")).unwrap();
    copies(&dir, &["a", "old"]);
    assert_eq!((dir.read("old"), dir.read("other")), (b"new".into(), b"old".into()));
    assert_eq!(fs::metadata(&old).unwrap().mode() & 0o777, 0o640);
}

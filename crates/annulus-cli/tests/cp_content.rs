//! `annulus cp`: what the copies are: content, holes, modes, times, and which way they took.

mod cp_common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use cp_common::{
    Dir, Rng, copies, cp, hidden, is_root, plant, refuses, run, start, told, tree, wait,
};

/// Random trees, with and without what changes how they are copied.
#[test]
fn random_trees_are_copied_as_they_are() {
    let dir = Dir::new("random");
    let ways: [&[&str]; 8] = [
        &["-r"],
        &["-rp", "--verify"],
        &["-r", "--jobs", "1"],
        &["-r", "--jobs", "200", "--fsync"],
        &["-r", "--reflink=never"],
        &["-r", "--sparse=always", "--verify"],
        &["-r", "--sparse=never"],
        &["-rf", "--explain"],
    ];
    for (seed, way) in (0..).zip(ways.iter().chain(&ways)) {
        let (from, to) = (format!("s{seed}"), format!("d{seed}"));
        plant(&dir.path(&from), &mut Rng(seed), 4);
        let mut arguments = way.to_vec();
        arguments.extend([from.as_str(), to.as_str()]);
        let (code, _, stderr) = run(&dir, &arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(tree(&dir.path(&from)), tree(&dir.path(&to)), "{arguments:?}");
        // Once more, over what is there.
        let mut arguments = way.to_vec();
        arguments.extend(["-T", from.as_str(), to.as_str()]);
        let (code, _, stderr) = run(&dir, &arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(tree(&dir.path(&from)), tree(&dir.path(&to)), "{arguments:?}");
    }
    assert_eq!(hidden(&dir.0).len(), 0);
}

/// Around the sizes where the way changes.
#[test]
fn files_of_all_sizes() {
    let dir = Dir::new("sizes");
    let sizes = [0, 1, 4095, 4096, 65535, 65536, 65537, 131_071, 131_072, 131_073, 300_000];
    for way in ["--reflink=auto", "--reflink=never", "--sparse=always", "--sparse=never"] {
        for size in sizes {
            let data = Rng(size as u64).bytes(size);
            dir.file("a", &data);
            copies(&dir, &[way, "--verify", "a", "b"]);
            assert!(dir.read("b") == data, "{way} {size}");
        }
    }
}

/// Of several the kernel copies some at a time, each on a thread.
#[test]
fn several_large_files_at_once() {
    let dir = Dir::new("several");
    fs::create_dir_all(dir.path("s")).unwrap();
    for number in 0..12 {
        dir.file(&format!("s/{number}"), Rng(number).bytes(700_000));
    }
    copies(&dir, &["-r", "s", "d"]);
    assert_eq!(tree(&dir.path("s")), tree(&dir.path("d")));
    copies(&dir, &["-r", "--jobs", "3", "--verify", "s/0", "s/1", "s/2", "s/3", "d"]);
    assert!(dir.read("d/3") == dir.read("s/3"));
}

/// Behind 4 GiB: nearly all of it is a hole.
#[test]
fn a_file_beyond_four_gibibytes_keeps_its_holes() {
    let dir = Dir::new("huge");
    let file = File::create(dir.path("a")).unwrap();
    for at in [0, (1_u64 << 31) - 3, (1 << 32) - 5, (5 << 30) + 7] {
        file.write_all_at(b"here it is", at).unwrap();
    }
    file.set_len(6 << 30).unwrap();
    let (code, stdout, stderr) = run(&dir, &["--explain", "a", "b"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(stdout, "a -> b: copy_file_range (it is large)\n");
    let copy = File::open(dir.path("b")).unwrap();
    let meta = copy.metadata().unwrap();
    assert_eq!(meta.len(), 6 << 30);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    for at in [0, (1_u64 << 31) - 3, (1 << 32) - 5, (5 << 30) + 7] {
        let mut found = [0; 12];
        copy.read_exact_at(&mut found, at).unwrap();
        assert_eq!(&found, b"here it is\0\0", "{at}");
    }
}

#[test]
fn holes_are_made_kept_or_filled() {
    let dir = Dir::new("holes");
    let file = File::create(dir.path("a")).unwrap();
    file.set_len(4 << 20).unwrap();
    file.write_all_at(b"x", 1 << 20).unwrap();
    fs::write(dir.path("zeros"), vec![0; 4 << 20]).unwrap();
    let used = |name| fs::metadata(dir.path(name)).unwrap().blocks() * 512;
    for (way, from, sparse) in [
        ("--sparse=auto", "a", true),
        ("--sparse=always", "a", true),
        ("--sparse=never", "a", false),
        ("--sparse=auto", "zeros", false),
        ("--sparse=always", "zeros", true),
        ("--sparse=never", "zeros", false),
        ("--reflink=never", "a", true),
    ] {
        copies(&dir, &[way, "--fsync", from, "b"]);
        assert!(dir.read("b") == dir.read(from), "{way} {from}");
        assert_eq!(used("b") < 1 << 20, sparse, "{way} {from}: {}", used("b"));
    }
}

#[test]
fn what_has_no_size_is_read_to_its_end() {
    let dir = Dir::new("proc");
    for name in
        ["/proc/version", "/proc/self/mountinfo", "/sys/kernel/mm/transparent_hugepage/enabled"]
    {
        let Ok(expected) = fs::read(name) else { continue };
        copies(&dir, &[name, "x"]);
        assert_eq!(dir.read("x"), expected, "{name}");
    }
}

#[test]
fn fifos_are_read_or_made_anew() {
    let dir = Dir::new("fifo");
    assert!(Command::new("mkfifo").arg(dir.path("f")).status().unwrap().success());
    copies(&dir, &["-r", "f", "g"]);
    assert!(fs::metadata(dir.path("g")).unwrap().file_type().is_fifo());
    let data = Rng(7).bytes(300_000);
    let child = start(cp(&dir).args(["f", "x"]));
    File::options().write(true).open(dir.path("f")).unwrap().write_all(&data).unwrap();
    assert_eq!(told(&wait(child)), (0, String::new(), String::new()));
    assert!(dir.read("x") == data);
    // And into one.
    let child = start(cp(&dir).args(["x", "f"]));
    let mut found = Vec::new();
    File::open(dir.path("f")).unwrap().read_to_end(&mut found).unwrap();
    assert_eq!(told(&wait(child)), (0, String::new(), String::new()));
    assert!(found == data);
    copies(&dir, &["x", "/dev/null"]);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn sockets_and_devices_are_made_anew_by_who_may() {
    let dir = Dir::new("special");
    let _socket = std::os::unix::net::UnixListener::bind(dir.path("s")).unwrap();
    copies(&dir, &["-r", "s", "t"]);
    assert!(fs::symlink_metadata(dir.path("t")).unwrap().file_type().is_socket());
    refuses(&dir, &["s", "u"], "s", "cannot open");
    let (code, _, stderr) = run(&dir, &["-r", "/dev/null", "n"]);
    if is_root() {
        assert_eq!(code, 0, "{stderr}");
        let found = fs::metadata(dir.path("n")).unwrap();
        assert_eq!(found.rdev(), fs::metadata("/dev/null").unwrap().rdev());
    } else {
        assert_eq!(code, 1, "{stderr}");
    }
}

#[test]
fn preserve_keeps_modes_owners_times_and_attributes() {
    let dir = Dir::new("preserve");
    fs::create_dir(dir.path("s")).unwrap();
    let file = dir.file("s/a", "content");
    symlink("a", dir.path("s/link")).unwrap();
    let touch = |time: &str, name: &str| {
        let status = Command::new("touch").args(["-h", "-d", time]).arg(dir.path(name)).status();
        assert!(status.unwrap().success());
    };
    let has_xattrs = Command::new("setfattr")
        .args(["-n", "user.colour", "-v", "blue"])
        .arg(&file)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
    if is_root() {
        std::os::unix::fs::lchown(dir.path("s/link"), Some(12), Some(34)).unwrap();
        std::os::unix::fs::chown(&file, Some(12), Some(34)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
    }
    for (time, name) in [("2001-02-03 04:05:06.789", "s/a"), ("2002-01-01", "s/link")] {
        touch(time, name);
    }
    fs::set_permissions(dir.path("s"), fs::Permissions::from_mode(0o2550)).unwrap();
    touch("2003-01-01", "s");
    copies(&dir, &["-rp", "s", "d"]);
    for name in ["", "a", "link"] {
        let facts = |top: &str| {
            let m = fs::symlink_metadata(dir.path(top).join(name)).unwrap();
            (m.mode(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec())
        };
        assert_eq!(facts("s"), facts("d"), "{name}");
    }
    if has_xattrs {
        let got = Command::new("getfattr")
            .args(["--only-values", "-n", "user.colour"])
            .arg(dir.path("d/a"))
            .output();
        assert_eq!(got.unwrap().stdout, b"blue");
    }
    // Without it: the mode less the umask and without set-user-ID, the times new.
    copies(&dir, &["s/a", "plain"]);
    let plain = fs::metadata(dir.path("plain")).unwrap();
    assert_eq!(plain.mode() & 0o7000, 0);
    assert!(plain.mtime() > 1_500_000_000);
}

#[test]
fn the_umask_is_obeyed() {
    let dir = Dir::new("umask");
    fs::create_dir(dir.path("s")).unwrap();
    for name in ["s", "s/a"] {
        if name == "s/a" {
            dir.file(name, "x");
        }
        fs::set_permissions(dir.path(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_annulus");
    let line = format!("umask 027; {program} cp -r s d && {program} cp s/a a");
    let done = Command::new("sh").args(["-c", &line]).current_dir(&dir.0).status().unwrap();
    assert!(done.success());
    for name in ["d", "d/a", "a"] {
        let mode = fs::metadata(dir.path(name)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o750, "{name}");
    }
}

#[test]
fn every_way_is_explained_and_counted() {
    let dir = Dir::new("explain");
    dir.file("small", "x");
    dir.file("large", vec![1; 100_000]);
    let explained = |arguments: &[&str]| run(&dir, &[&["--explain"], arguments].concat()).1;
    assert_eq!(explained(&["small", "a"]), "small -> a: read and write (it is small)\n");
    assert_eq!(
        explained(&["-n", "small", "a"]),
        "small -> a: nothing (it is there, and -n was given)\n"
    );
    let never = "large -> b: read and write (--reflink=never)\n";
    assert_eq!(explained(&["--reflink=never", "large", "b"]), never);
    let (code, json, _) = run(&dir, &["--json", "--explain", "small", "large", "nope", "/tmp/."]);
    assert_eq!(code, 1);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["schema"], &json["exit_code"]), (&1.into(), &1.into()));
    for name in ["small", "large"] {
        let _ = fs::remove_file(format!("/tmp/{name}"));
    }
    assert_eq!((&json["files"], &json["bytes"]), (&2.into(), &100_001.into()));
    assert_eq!(json["errors"][0]["path"], "nope");
    assert!(json["errors"][0]["cure"].is_string() && json["errors"][0]["why"].is_string());
    assert_eq!(json["explained"].as_array().unwrap().len(), 2);
    let ways = &json["routes"];
    let sum: u64 = ["reflink", "copy_file_range", "read_write", "ring"]
        .iter()
        .map(|way| ways[way].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 2, "{ways}");
}

#[test]
fn sharing_blocks_can_be_demanded() {
    let dir = Dir::new("reflink");
    dir.file("a", vec![7; 100_000]);
    let (code, _, stderr) = run(&dir, &["--reflink=always", "a", "b"]);
    if code == 0 {
        assert!(dir.read("b") == dir.read("a"));
    } else {
        assert!(stderr.contains("cannot share blocks") && stderr.contains("auto"), "{stderr}");
        assert!(!dir.path("b").exists());
        // The same with holes demanded: nothing but sharing would do.
        refuses(&dir, &["--reflink=always", "a", "c"], "c", "cannot share blocks");
    }
}

/// What does not happen to be in memory is read by the ring.
#[test]
fn what_is_not_in_the_page_cache_is_read_by_the_ring() {
    let dir = Dir::new("cold");
    let data = Rng(3).bytes(50_000);
    for number in 0..20 {
        let path = dir.file(&format!("{number}"), &data);
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        let dropped = Command::new("dd")
            .arg(format!("of={}", dir.path(format!("{number}")).display()))
            .args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0"])
            .stderr(Stdio::null())
            .status();
        assert!(dropped.unwrap().success());
    }
    fs::create_dir(dir.path("d")).unwrap();
    let names: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let mut arguments = vec!["--verify", "--json"];
    arguments.extend(names.iter().map(String::as_str));
    arguments.push("d");
    let (code, json, stderr) = run(&dir, &arguments);
    assert_eq!(code, 0, "{stderr}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["files"], 20);
    for name in names {
        assert!(dir.read(&format!("d/{name}")) == data, "{name}");
    }
}

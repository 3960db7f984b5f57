//! What the tests of `annulus cp` share: a directory, the program, trees and their comparison.
#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long one run of the program may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A directory of a test's own, removed with everything in it.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new(name: &str) -> Self {
        Self::under(&std::env::temp_dir(), name)
    }

    /// In a directory that is there: a mount, say.
    pub fn under(parent: &Path, name: &str) -> Self {
        let path = parent.join(format!("annulus-cp-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a file, and says where.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A test that fails has more to say than that its directory stayed.
        let _ =
            Command::new("chmod").args(["-R", "u+rwX"]).arg(&self.0).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `annulus cp`, in a directory.
pub fn cp(dir: &Dir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    command.arg("cp").current_dir(&dir.0).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
    command
}

/// Waits for it, within a limit.
pub fn wait(mut child: Child) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it hangs: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

pub fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs it: the exit code, stdout, stderr.
pub fn run<S: AsRef<OsStr>>(dir: &Dir, arguments: &[S]) -> (i32, String, String) {
    told(&wait(start(cp(dir).args(arguments))))
}

pub fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs it, and it has nothing to say.
#[track_caller]
pub fn copies<S: AsRef<OsStr> + std::fmt::Debug>(dir: &Dir, arguments: &[S]) {
    assert_eq!(run(dir, arguments), (0, String::new(), String::new()), "{arguments:?}");
}

/// Runs it, and it refuses one file, in one line that names it, with a cure.
#[track_caller]
pub fn refuses<S: AsRef<OsStr>>(dir: &Dir, arguments: &[S], name: &str, why: &str) {
    let (code, stdout, stderr) = run(dir, arguments);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with(&format!("annulus: {name}: ")), "{stderr}");
    assert!(stderr.contains(why) && stderr.ends_with(")\n"), "{stderr}");
}

/// Names in it that say that something is not complete.
pub fn hidden(path: &Path) -> Vec<PathBuf> {
    let is_hidden =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(".annulus-cp-");
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(is_hidden).collect()
}

/// What a tree is: each path with its kind and mode, its length, and a hash of its content.
pub type Tree = BTreeMap<PathBuf, (u32, usize, u64)>;

pub fn tree(path: &Path) -> Tree {
    let mut found = BTreeMap::new();
    gather(path, Path::new(""), &mut found);
    found
}

fn gather(path: &Path, below: &Path, found: &mut Tree) {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let content = if kind.is_file() {
        fs::read(path).unwrap()
    } else if kind.is_symlink() {
        fs::read_link(path).unwrap().into_os_string().into_vec()
    } else if kind.is_char_device() || kind.is_block_device() {
        meta.rdev().to_ne_bytes().to_vec()
    } else {
        Vec::new()
    };
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    found.insert(below.to_owned(), (meta.mode(), content.len(), hasher.finish()));
    if kind.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name();
            gather(&path.join(&name), &below.join(&name), found);
        }
    }
}

/// Numbers that look random and come again with the same seed.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let x = self.0 ^ (self.0 >> 33);
        x.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ (x >> 29)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// A random tree: files of all sizes, some with holes, links, FIFOs, odd names and modes.
pub fn plant(path: &Path, rng: &mut Rng, depth: u32) {
    fs::create_dir(path).unwrap();
    for number in 0..rng.below(12) {
        let mut name = OsString::from(format!("{number}"));
        match rng.below(5) {
            0 => name.push(OsString::from_vec(vec![b'\xff', b'\n', b' '])),
            1 => name.push("-ä"),
            _ => {}
        }
        let child = path.join(name);
        match rng.below(10) {
            0 | 1 if depth > 0 => plant(&child, rng, depth - 1),
            2 => symlink("../nowhere/at all", &child).unwrap(),
            3 => assert!(Command::new("mkfifo").arg(&child).status().unwrap().success()),
            4 => {
                let file = fs::File::create(&child).unwrap();
                file.set_len(rng.below(3 << 20)).unwrap();
                let (at, data) = (rng.below(1 << 20), rng.bytes(5000));
                std::os::unix::fs::FileExt::write_all_at(&file, &data, at).unwrap();
            }
            5 => fs::write(&child, "").unwrap(),
            _ => {
                let most = [10, 5_000, 70_000, 400_000][rng.below(4) as usize];
                let length = rng.below(most) as usize;
                let data = rng.bytes(length);
                fs::write(&child, data).unwrap();
                let mode = [0o644, 0o600, 0o755, 0o444][rng.below(4) as usize];
                fs::set_permissions(&child, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    }
    let mode = [0o755, 0o700, 0o555][rng.below(3) as usize];
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether this is root, whom no mode stops.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Counts a test as skipped: see `xtask/skips.txt`.
pub fn skip(name: &str, reason: &str) {
    use std::io::Write;
    let line = format!("skipped: {name}: {reason}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ANNULUS_SKIPPED") {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut f| f.write_all(line.as_bytes())).expect("the file of skips is writable");
    }
}

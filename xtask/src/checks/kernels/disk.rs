//! The disk of the other machine: an ext4 with its programs and all that they look for.
//!
//! A file system on a disk, and not one in memory: the tests take for granted what only the former
//! has on every kernel, as direct I/O and reads that do not wait. So do the programs that read.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::{output, packages};
use super::{Run, TARGET, machine};

/// As long as it is: no more is used of it than is written.
const BYTES: u64 = 3 << 30;

/// Where cargo builds the programs.
pub fn built() -> PathBuf {
    machine::folder().join("build")
}

/// Makes the disk with the tests, for a machine called `name`: its file.
pub fn make(name: &str, script: &str, busybox: &[u8], runs: &[Run]) -> Result<PathBuf, String> {
    image(name, |folder| fill(folder, script, busybox, runs))
}

/// Makes a disk for a machine called `name`, of what `fill` puts into the folder that it is given:
/// the disk's file.
pub fn image(
    name: &str,
    fill: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<PathBuf, String> {
    let folder = machine::folder().join(format!("{name}.root"));
    let _ = std::fs::remove_dir_all(&folder);
    let filled = std::fs::create_dir(&folder).and_then(|()| fill(&folder));
    filled.map_err(|e| format!("{}: {e}", folder.display()))?;
    let path = machine::folder().join(format!("{name}.disk"));
    let file = File::create(&path).map_err(|e| e.to_string())?;
    file.set_len(BYTES).map_err(|e| e.to_string())?;
    let mut make = mkfs();
    make.args(["-q", "-F", "-E", "root_owner=0:0", "-d"]).arg(&folder).arg(&path);
    output(&mut make)?;
    let _ = std::fs::remove_dir_all(&folder);
    Ok(path)
}

/// What every machine begins with: a shell, and `script`, its first program.
pub fn begin(folder: &Path, script: &str, busybox: &[u8]) -> std::io::Result<()> {
    for path in ["bin", "dev", "proc", "sys", "tmp", "etc", "run"] {
        std::fs::create_dir_all(folder.join(path))?;
    }
    program(&folder.join("bin/busybox"), busybox)?;
    symlink("busybox", folder.join("bin/sh"))?;
    program(&folder.join("init"), script.as_bytes())
}

/// The program that makes an ext4; it lies where not everyone looks for programs.
pub fn mkfs() -> Command {
    let mut make = Command::new("mkfs.ext4");
    let look_in = std::env::var("PATH").unwrap_or_default() + ":/sbin:/usr/sbin";
    make.env("PATH", look_in);
    make
}

/// What is on the disk: a shell, the programs of each crate in a folder of its name, the list of
/// what runs, and what the tests look for where they were built: the crates' sources, and the
/// folder for their files.
fn fill(folder: &Path, script: &str, busybox: &[u8], runs: &[Run]) -> std::io::Result<()> {
    begin(folder, script, busybox)?;
    std::fs::create_dir(folder.join("tests"))?;
    std::fs::create_dir_all(inside(folder, &built().join(TARGET).join("tmp")))?;
    for package in packages::PACKAGES.iter().chain(packages::ON_HOST) {
        let library = packages::folder(package);
        copy(&library.join("src"), &inside(folder, &library).join("src"))?;
        std::fs::copy(library.join("Cargo.toml"), inside(folder, &library).join("Cargo.toml"))?;
    }
    let mut list = String::new();
    for run in runs {
        let of_package = folder.join("tests").join(&run.program.package);
        std::fs::create_dir_all(&of_package)?;
        let to = of_package.join(&run.program.name);
        if !to.exists() {
            std::fs::hard_link(&run.program.file, to)?;
        }
        list += &format!("{} {} {}\n", run.kernel, run.program.package, run.program.name);
    }
    std::fs::write(folder.join("runs"), list)
}

/// Where `path` of this machine is on the disk, while that is `folder`.
pub fn inside(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path.strip_prefix("/").unwrap_or(path))
}

fn program(path: &Path, content: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, content)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755))
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy(&path, &to)? } else { std::fs::copy(&path, to).map(drop)? }
    }
    Ok(())
}

//! A machine of another kernel: the kernel as Debian packs it, under qemu's emulation.
//!
//! Nothing is installed: packages are fetched and unpacked below `target/kernels`, and kept there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::{End, is_there, output, run_within};
use crate::tree::root;

/// How the processor is emulated.
#[derive(Clone, Copy)]
pub enum Clock<'a> {
    /// As fast as it goes, in the host's time.
    Host,
    /// One processor, and one nanosecond per instruction that it executes.
    Instructions(Plugin<'a>),
}

/// What qemu loads to look at each instruction, and where it writes what it has to say.
#[derive(Clone, Copy)]
pub struct Plugin<'a> {
    pub file: &'a Path,
    pub log: &'a Path,
}

/// One kernel, unpacked.
pub struct Kernel {
    /// The package it came in.
    pub package: String,
    image: PathBuf,
}

const QEMU: &str = "qemu-system-x86_64";

/// Where all of this lies.
pub fn folder() -> PathBuf {
    root().join("target/kernels")
}

/// The number that qemu's version begins with.
pub fn qemu_version() -> Option<u32> {
    let said = output(Command::new(QEMU).arg("--version")).ok()?;
    numbers(&said).first().and_then(|n| u32::try_from(*n).ok())
}

/// Why this machine can start no other, if it cannot.
pub fn missing() -> Option<&'static str> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Some("only written for x86-64");
    }
    let has = |program: &str| is_there(Command::new(program).arg("--version"));
    if !has("apt-get") || !has("dpkg") {
        return Some("no apt-get and dpkg to fetch Debian's kernels with");
    }
    if !is_there(super::disk::mkfs().arg("-V")) {
        return Some("no mkfs.ext4: apt-get install e2fsprogs");
    }
    if !has(QEMU) {
        return Some("no qemu: apt-get install qemu-system-x86");
    }
    let target = ["target", "add", super::TARGET];
    if !is_there(Command::new("rustup").args(target)) {
        return Some("no standard library for musl: rustup target add x86_64-unknown-linux-musl");
    }
    std::fs::create_dir_all(folder()).is_err().then_some("target/kernels cannot be made")
}

/// The newest kernel of `series` (as in `6.1`) that apt offers, or one fetched before.
pub fn kernel(series: &str) -> Result<Kernel, String> {
    let names = output(Command::new("apt-cache").args(["search", "--names-only", "cloud-amd64$"]))?;
    let of_series = format!("linux-image-{series}.");
    let names = names.lines().filter_map(|l| l.split_whitespace().next());
    // The bare number is a package that depends on the newest.
    let newest = names.filter(|n| n.starts_with(&of_series)).max_by_key(|n| numbers(n));
    let package = newest.ok_or_else(|| format!("apt offers no kernel {series}"))?.to_owned();
    let boot = unpacked(&package)?.join("boot");
    let image = std::fs::read_dir(&boot)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz")));
    let image = image.ok_or_else(|| format!("{package} holds no kernel"))?;
    Ok(Kernel { package, image })
}

/// The numbers in a name, to order versions by.
fn numbers(name: &str) -> Vec<u64> {
    let parts = name.split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|digits| digits.parse().ok()).collect()
}

/// The shell and the tools of the other machine: one static program.
pub fn busybox() -> Result<Vec<u8>, String> {
    let path = unpacked("busybox-static")?.join("bin/busybox");
    std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The folder with what is in `package`.
fn unpacked(package: &str) -> Result<PathBuf, String> {
    let to = folder().join(package);
    if to.exists() {
        return Ok(to);
    }
    let fetched = folder().join(format!("{package}.fetched"));
    let _ = std::fs::remove_dir_all(&fetched);
    std::fs::create_dir_all(&fetched).map_err(|e| e.to_string())?;
    output(Command::new("apt-get").current_dir(&fetched).args(["download", "-qq", package]))?;
    let mut files = std::fs::read_dir(&fetched).map_err(|e| e.to_string())?.flatten();
    let file = files.next().ok_or_else(|| format!("apt-get fetched no {package}"))?.path();
    // Under its name only when it is whole.
    let half = fetched.join("unpacked");
    output(Command::new("dpkg").arg("-x").arg(&file).arg(&half))?;
    std::fs::rename(&half, &to).map_err(|e| e.to_string())?;
    let _ = std::fs::remove_dir_all(&fetched);
    Ok(to)
}

/// Starts `kernel` with `disk`, to read and write, and gives what it wrote to its console, and how
/// it ended.
pub fn boot(
    kernel: &Kernel,
    disk: &Path,
    clock: Clock<'_>,
    limit: Duration,
) -> Result<(String, End), String> {
    let at = |name: &str| folder().join(name);
    let why = |e: std::io::Error| e.to_string();
    let mut qemu = Command::new(QEMU);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    qemu.args(["-m", "4096", "-serial", "stdio"]);
    qemu.arg("-kernel").arg(&kernel.image);
    // What goes wrong in the kernel is to end it, and with it qemu.
    let mut line = "console=ttyS0 quiet oops=panic panic=-1".to_owned();
    // The driver that Debian's kernels need no module for.
    line += " root=/dev/nvme0n1 rootfstype=ext4 rootwait rw init=/init";
    let drive = format!("file={},if=none,id=disk,format=raw,cache=unsafe", disk.display());
    qemu.args(["-drive", &drive, "-device", "nvme,serial=annulus,drive=disk"]);
    match clock {
        Clock::Host => {
            qemu.args(["-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max"]);
            line += " mitigations=off";
        }
        // A processor that needs mitigations, so that they count. An instruction that repeats
        // itself counts once per repetition here, and once on a processor: without the fast ones
        // the kernel copies by ordinary instructions.
        Clock::Instructions(plugin) => {
            qemu.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]);
            qemu.args(["-smp", "1", "-cpu", "EPYC-Milan,-erms,-fsrm"]);
            // Else the clock is a device's, and to read it a system call, as on no machine in use.
            line += " tsc=reliable clocksource=tsc";
            qemu.arg("-plugin").arg(plugin.file);
            qemu.args(["-d", "plugin", "-D"]).arg(plugin.log);
        }
    }
    qemu.args(["-append", &line]);
    let log = at(&format!("{}.log", kernel.package));
    let file = File::create(&log).map_err(why)?;
    qemu.stdin(Stdio::null()).stderr(file.try_clone().map_err(why)?).stdout(file);
    let end = run_within(&mut qemu, limit);
    let written = std::fs::read(&log).map_err(why)?;
    Ok((String::from_utf8_lossy(&written).replace('\r', ""), end))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let of = |version: &str| numbers(&format!("linux-image-{version}-cloud-amd64"));
        assert!(of("6.1.0-9") < of("6.1.0-50") && of("6.12.9+deb12") < of("6.12.117+deb12"));
    }
}

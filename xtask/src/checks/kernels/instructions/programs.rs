//! The programs that are counted, as `bench/run.py` measures them: those of bench/, those of other
//! runtimes, and the one in C where its source is.
//!
//! The libraries that they are linked with go along. Static programs would not do: rustix does not
//! find the vDSO in one, nor musl that of a newer kernel, and the clock is then read by system
//! calls.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::super::output;
use super::super::machine;
use crate::tree::root;
use crate::{metadata, skips};

/// Those of bench/.
const OURS: &[&str] = &[
    "known-loop",
    "mark",
    "nop-annulus",
    "nop-rustix",
    "nop-uring",
    "randread-annulus",
    "randread-annulus-rt",
    "randread-file",
    "tasks-annulus",
    "pingpong",
];

/// Those that the counting itself needs.
const COUNTING: &[&str] = &["known-loop", "mark"];
/// The peer in C.
const IN_C: &str = "nop-c";

/// Those of bench/peers, and what each has.
const THEIRS: &[(&str, &[&str])] = &[
    ("monoio", &["randread-monoio", "tasks-monoio"]),
    ("tokio-uring", &["randread-tokio-uring", "tasks-tokio-uring"]),
    ("compio", &["randread-compio", "tasks-compio"]),
    ("glommio", &["randread-glommio", "tasks-glommio"]),
    ("tokio", &["tasks-tokio"]),
];

/// The programs that could be built.
pub struct Programs(Vec<PathBuf>);

impl Programs {
    /// Builds what is wanted and can be built: each that cannot is a skip, but those of bench/.
    pub fn build(is_wanted: impl Fn(&str) -> bool) -> Result<Self, String> {
        let ours = OURS.iter().filter(|name| COUNTING.contains(name) || is_wanted(name));
        let what: Vec<&str> = ours.clone().flat_map(|name| ["--bin", name]).collect();
        let built = cargo("bench", "bench/target", &what)?;
        let mut programs: Vec<PathBuf> = ours.map(|name| built.join(name)).collect();
        for (peer, names) in THEIRS.iter().filter(|(_, names)| names.iter().any(|n| is_wanted(n))) {
            let package = format!("peer-{peer}");
            match cargo("bench/peers", "bench/target/peers", &["--locked", "-p", &package]) {
                Ok(built) => programs.extend(names.iter().map(|name| built.join(name))),
                Err(why) => drop(skips::step(&format!("kernels --instructions: {peer}"), &why)),
            }
        }
        match is_wanted(IN_C).then(in_c) {
            None => {}
            Some(Some(program)) => programs.push(program),
            Some(None) => {
                let reason = "no source in $PEERBENCH/c, no gcc or no liburing-dev";
                skips::step("kernels --instructions: liburing", reason);
            }
        }
        Ok(Self(programs))
    }

    /// The program called `name`, if it could be built.
    pub fn path(&self, name: &str) -> Option<&Path> {
        self.all().find(|p| p.file_name().is_some_and(|n| n == name))
    }

    /// The shared libraries that they need.
    pub fn libraries(&self) -> Result<BTreeSet<PathBuf>, String> {
        let of_each: Result<Vec<_>, _> = self.all().map(libraries).collect();
        Ok(of_each?.into_iter().flatten().collect())
    }

    pub fn all(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }
}

/// The plugin that counts, for this machine.
pub fn plugin() -> Result<PathBuf, String> {
    let target = machine::folder().join("counter");
    let mut build = metadata::cargo(&root().join("bench/counter"));
    build.args(["build", "--release", "--quiet", "--target-dir"]).arg(&target);
    // Since its ninth version qemu loads no plugin that is written for the first interface.
    if machine::qemu_version().is_some_and(|version| version < 9) {
        build.env("QEMU_PLUGIN_FIRST", "1");
    }
    output(&mut build)?;
    Ok(target.join("release/libannulus_bench_counter.so"))
}

/// Builds in the workspace `folder`, into the directory `target`: where the programs are.
fn cargo(folder: &str, target: &str, what: &[&str]) -> Result<PathBuf, String> {
    let target = root().join(target);
    let mut build = metadata::cargo(&root().join(folder));
    build.args(["build", "--release", "--quiet", "--target-dir"]).arg(&target);
    output(build.args(what))?;
    Ok(target.join("release"))
}

/// The shared libraries that `program` is linked with, the loader among them.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>, String> {
    Ok(paths(&output(Command::new("ldd").arg(program))?))
}

/// The paths in what ldd prints.
fn paths(said: &str) -> BTreeSet<PathBuf> {
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// The peer in C.
fn in_c() -> Option<PathBuf> {
    let source = std::env::var_os("PEERBENCH")
        .map_or_else(|| root().join("../shared/peerbench"), PathBuf::from)
        .join("c/nop.c");
    let program = machine::folder().join(IN_C);
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-o"]).arg(&program).arg(&source).arg("-luring");
    (source.exists() && output(&mut gcc).is_ok()).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::paths;

    #[test]
    fn libraries_are_the_paths_that_ldd_prints() {
        let said = "\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld.so.2 (0x00007f)\n";
        let found: Vec<_> = paths(said).into_iter().collect();
        assert_eq!(found, ["/lib/libc.so.6", "/lib64/ld.so.2"].map(std::path::PathBuf::from));
    }
}

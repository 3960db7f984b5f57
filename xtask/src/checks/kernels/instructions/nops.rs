//! `cargo xtask kernels --instructions`: the instructions that a NOP costs in the kernel.
//!
//! Where no counter can be read, an emulated processor counts: qemu with `-icount shift=0` lets the
//! guest's time advance by one nanosecond per instruction executed, so a time measured in the guest
//! is a count, of user space and kernel together. That it is one is checked first, by a loop of
//! known length; what the loop costs too much is the timer's interrupt, and everything is divided
//! by it. The part of user space is counted by callgrind, on the same programs, and taken off.
//! The processor emulated is one that needs retpolines and safe returns, as most that are in use.
//!
//! Each number is a slope between a short run and a long one, so that set-up cancels out, and the
//! least of three runs. Fitted over the batches is `per enter + per NOP`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use super::super::{End, code, output};
use super::machine::{self, Clock, Kernel, Start};
use super::{SERIES, TARGET, chosen};
use crate::tree::root;
use crate::{metadata, skips};

/// How many NOPs go in together.
const BATCHES: [u32; 4] = [1, 8, 32, 128];

/// The lengths of the two runs.
const FEW: u64 = 12_800;
const MANY: u64 = 102_400;

/// The loop that the way of counting is checked with: two instructions a turn.
const LOOP: &str = "known-loop";
const LOOP_TURNS: [u64; 2] = [10_000_000, 50_000_000];
const LOOP_INSTRUCTIONS: f64 = 2.0;

/// What the loop may be off by: the timer's interrupts.
const INTERRUPTS_MAX: f64 = 0.02;

const MACHINE_LIMIT: Duration = Duration::from_secs(10 * 60);

/// A program, and how it is asked for what is compared.
struct Peer {
    name: &'static str,
    program: &'static str,
    arguments: &'static str,
}

const PEERS: &[Peer] = &[
    Peer { name: "annulus", program: "nop-annulus", arguments: "call=reserve" },
    Peer { name: "annulus-pushes", program: "nop-annulus", arguments: "call=push" },
    Peer { name: "annulus-Ring", program: "nop-annulus", arguments: "call=reserve mode=plain" },
    Peer { name: "rustix-by-hand", program: "nop-rustix", arguments: "mode=defer_nosq" },
    // What it can do where there is no NO_SQARRAY.
    Peer { name: "rustix-array", program: "nop-rustix", arguments: "mode=defer" },
    Peer { name: "io-uring", program: "nop-uring", arguments: "mode=defer_nosq" },
    Peer { name: "io-uring-array", program: "nop-uring", arguments: "mode=defer" },
    Peer { name: "liburing-registered", program: "nop-c", arguments: "mode=defer regring=1" },
    Peer { name: "liburing", program: "nop-c", arguments: "mode=defer" },
];

/// Counts on every kernel that can be had, and prints a table for each.
pub fn run() -> ExitCode {
    let name = "kernels --instructions";
    if let Some(reason) = machine::missing() {
        return skips::step(name, reason);
    }
    let busybox = match machine::busybox() {
        Ok(busybox) => busybox,
        Err(why) => return skips::step(name, &why),
    };
    let programs = match build() {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("{name}: {why}");
            return ExitCode::FAILURE;
        }
    };
    let user = user(&programs);
    let mut good = true;
    for series in SERIES.iter().filter(|s| chosen(s)) {
        let counted = machine::kernel(series).and_then(|k| count(&k, &busybox, &programs));
        match counted {
            Ok(totals) => table(series, &totals, user.as_ref()),
            Err(why) => {
                eprintln!("{name}: {}: {why}", series);
                good = false;
            }
        }
    }
    code(good)
}

/// The programs, linked statically: those of bench/, and the one in C where its source is.
fn build() -> Result<Vec<PathBuf>, String> {
    let target = root().join("target/kernels/bench");
    let mut build = metadata::cargo(&root().join("bench"));
    build.args(["build", "--release", "--quiet", "--target", TARGET, "--target-dir"]).arg(&target);
    output(&mut build)?;
    let built = target.join(TARGET).join("release");
    let names = [LOOP, "nop-annulus", "nop-rustix", "nop-uring"];
    let mut programs: Vec<PathBuf> = names.iter().map(|name| built.join(name)).collect();
    let source = std::env::var_os("PEERBENCH")
        .map_or_else(|| root().join("../shared/peerbench"), PathBuf::from)
        .join("c/nop.c");
    let in_c = machine::folder().join("nop-c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-static", "-o"]).arg(&in_c).arg(&source).arg("-luring");
    if source.exists() && output(&mut gcc).is_ok() {
        programs.push(in_c);
    } else {
        let reason = "no source in $PEERBENCH/c, no gcc or no liburing.a (liburing-dev)";
        skips::step("kernels --instructions: liburing", reason);
    }
    Ok(programs)
}

/// The program called `name`, if it could be built.
fn path<'a>(programs: &'a [PathBuf], name: &str) -> Option<&'a Path> {
    programs.iter().map(PathBuf::as_path).find(|p| p.file_name().is_some_and(|n| n == name))
}

/// By peer and batch, in instructions per NOP.
type Counts = BTreeMap<(&'static str, u32), f64>;

/// What is counted: each peer that there is, with each batch.
fn runs(programs: &[PathBuf]) -> impl Iterator<Item = (&'static Peer, u32)> {
    let there = PEERS.iter().filter(|peer| path(programs, peer.program).is_some());
    there.flat_map(|peer| BATCHES.map(|batch| (peer, batch)))
}

/// Counts user space by callgrind, on this machine; nothing where there is no valgrind.
fn user(programs: &[PathBuf]) -> Option<Counts> {
    let mut counts = Counts::new();
    for (peer, batch) in runs(programs) {
        let collected = |ops: u64| {
            let mut valgrind = Command::new("valgrind");
            valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
            valgrind.arg(path(programs, peer.program)?).args(peer.arguments.split(' '));
            let out =
                valgrind.args([format!("batch={batch}"), format!("ops={ops}")]).output().ok()?;
            let text = String::from_utf8_lossy(&out.stderr).into_owned();
            let (_, after) = text.split_once("Collected : ")?;
            after.split_whitespace().next()?.parse::<f64>().ok()
        };
        let (Some(few), Some(many)) = (collected(FEW), collected(MANY)) else {
            // A mode that this machine's kernel has not; or no valgrind at all.
            continue;
        };
        counts.insert((peer.name, batch), (many - few) / (MANY - FEW) as f64);
    }
    if counts.is_empty() {
        let reason = "no valgrind to count user space with: apt-get install valgrind";
        skips::step("kernels --instructions: user space", reason);
        return None;
    }
    Some(counts)
}

/// Counts on one kernel, user space and kernel together.
fn count(kernel: &Kernel, busybox: &[u8], programs: &[PathBuf]) -> Result<Counts, String> {
    println!("kernels --instructions: {}", kernel.package);
    let mut initial = machine::initial(busybox, include_str!("count.sh"));
    initial.directory("programs");
    for program in programs {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let content = std::fs::read(program).map_err(|e| e.to_string())?;
        initial.program(&format!("programs/{name}"), &content);
    }
    let mut work = String::new();
    for turns in LOOP_TURNS {
        work += &format!("{LOOP}/0/{turns} {LOOP} ops={turns}\n");
    }
    for (peer, batch) in runs(programs) {
        for ops in [FEW, MANY] {
            let Peer { name, program, arguments } = peer;
            work +=
                &format!("{name}/{batch}/{ops} {program} {arguments} batch={batch} ops={ops}\n");
        }
    }
    initial.program("work", work.as_bytes());
    let (text, end) =
        machine::boot(kernel, Start::Memory(initial), Clock::Instructions, MACHINE_LIMIT)?;
    if end != End::Passed || !text.contains("== done") {
        return Err(format!("the machine did not come to its end: {end:?}"));
    }
    let times = times_ns(&text);
    let checked = checked(&times)?;
    let slope = |(peer, batch): (&'static Peer, u32)| {
        let at = |ops| times.get(&format!("{}/{batch}/{ops}", peer.name));
        // A peer that asks for what this kernel has not ended with an error.
        let counted = (at(MANY)? - at(FEW)?) / (MANY - FEW) as f64 / checked;
        Some(((peer.name, batch), counted))
    };
    Ok(runs(programs).filter_map(slope).collect())
}

/// The least time of each named line of the console.
fn times_ns(text: &str) -> BTreeMap<String, f64> {
    let mut times = BTreeMap::new();
    for line in text.lines().filter_map(|l| l.strip_prefix("== ")) {
        let Some((name, rest)) = line.split_once(' ') else { continue };
        let Some((_, after)) = rest.split_once("secs=") else { continue };
        let digits = after.split(' ').next().unwrap_or_default();
        if let Ok(secs) = digits.parse::<f64>() {
            let least: &mut f64 = times.entry(name.to_owned()).or_insert(f64::INFINITY);
            *least = least.min(secs * 1e9);
        }
    }
    times
}

/// How many nanoseconds pass per instruction by the loop of known length: one, and a little for the
/// interrupts; else this is no count of instructions.
fn checked(times: &BTreeMap<String, f64>) -> Result<f64, String> {
    let at = |turns| times.get(&format!("{LOOP}/0/{turns}")).copied();
    let [few, many] = LOOP_TURNS;
    let (short, long) = at(few).zip(at(many)).ok_or("the loop did not run")?;
    let each = (long - short) / (many - few) as f64 / LOOP_INSTRUCTIONS;
    println!("a loop of {LOOP_INSTRUCTIONS} instructions: {each:.4} ns per instruction");
    if (1.0..1.0 + INTERRUPTS_MAX).contains(&(each + 1e-4)) {
        Ok(each)
    } else {
        Err(format!("{each} ns per instruction: the emulator's clock counts something else"))
    }
}

/// Prints what was counted on one kernel.
fn table(kernel: &str, totals: &Counts, user: Option<&Counts>) {
    println!("\n### NOPs on Linux {kernel}, instructions in the kernel per NOP");
    let batches = BATCHES.map(|b| format!("batch {b}")).join(" | ");
    println!(
        "| | {batches} | per enter | per NOP | user, batch 1 and 32 |\n|---|---|---|---|---|---|---|---|"
    );
    for peer in PEERS {
        let at = |counts: &Counts, batch| counts.get(&(peer.name, batch)).copied();
        let in_user = |batch| user.and_then(|counts| at(counts, batch));
        let in_kernel = BATCHES.map(|b| Some(at(totals, b)? - in_user(b)?));
        let [Some(a), Some(b), Some(c), Some(d)] = in_kernel else { continue };
        let (enter, nop) = fit(&[a, b, c, d]);
        let cells = [a, b, c, d].map(|n| format!("{n:.1}")).join(" | ");
        let users = [1, 32].map(|b| format!("{:.1}", in_user(b).unwrap_or(f64::NAN))).join(", ");
        println!("| {} | {cells} | {enter:.0} | {nop:.1} | {users} |", peer.name);
    }
}

/// The line `per enter / batch + per NOP` nearest to the counts of each batch, by least squares.
fn fit(counts: &[f64; 4]) -> (f64, f64) {
    let x = BATCHES.map(|batch| 1.0 / f64::from(batch));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (x_mean, y_mean) = (mean(&x), mean(counts));
    let together: f64 = x.iter().zip(counts).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let alone: f64 = x.iter().map(|x| (x - x_mean).powi(2)).sum();
    let enter = together / alone;
    (enter, y_mean - enter * x_mean)
}

#[cfg(test)]
mod tests {
    use super::{BATCHES, LOOP_TURNS, checked, fit, times_ns};

    #[test]
    fn the_least_time_of_each_line_counts() {
        let text = "== a/1/2 ops=2 secs=0.000003 ops_per_s=1\nnoise\n== a/1/2 ops=2 secs=0.000002 \n\
                    == b/1/2 no such mode\n";
        let times = times_ns(text);
        assert_eq!(times.len(), 1);
        assert!((times["a/1/2"] - 2000.0).abs() < 1e-6);
    }

    #[test]
    fn a_line_is_found_again() {
        let (enter, nop) = fit(&BATCHES.map(|b| 600.0 / f64::from(b) + 301.0));
        assert!((enter - 600.0).abs() < 1e-6 && (nop - 301.0).abs() < 1e-6);
    }

    #[test]
    fn a_clock_of_something_else_is_refused() {
        let of = |each: f64| {
            let line = |turns: u64| {
                format!("== known-loop/0/{turns} secs={:.9} \n", turns as f64 * 2e-9 * each)
            };
            checked(&times_ns(&LOOP_TURNS.map(line).concat()))
        };
        assert!(of(1.003).is_ok() && of(0.5).is_err() && of(1.1).is_err());
    }
}

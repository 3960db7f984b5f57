//! The machine whose clock counts instructions: what it runs, and what its console says of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::super::super::End;
use super::super::disk;
use super::super::machine::{self, Clock, Kernel, Plugin};
use super::case::{Case, Counts};
use super::programs::Programs;

/// The loop that the way of counting is checked with: two instructions a turn.
const LOOP: &str = "known-loop";
const LOOP_TURNS: [u64; 2] = [10_000_000, 50_000_000];
const LOOP_INSTRUCTIONS: f64 = 2.0;

/// What the loop may be off by: the timer's interrupts.
const INTERRUPTS_MAX: f64 = 0.02;

/// What the plugin may be off by: a block that is interrupted is counted once more.
const PLUGIN_ERROR_MAX: f64 = 0.002;

const MACHINE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How long the file is that is read: it fits into the other machine's memory many times.
const DATA_BYTES: usize = 32 << 20;

/// Counts on one kernel.
pub fn count(
    kernel: &Kernel,
    busybox: &[u8],
    programs: &Programs,
    plugin: &Path,
    cases: &[Case],
) -> Result<Counts, String> {
    println!("{}: {}", super::NAME, kernel.package);
    let script = include_str!("../count.sh");
    let libraries = programs.libraries()?;
    let disk = disk::image("instructions", |folder| {
        disk::begin(folder, script, busybox)?;
        std::fs::create_dir(folder.join("programs"))?;
        for program in programs.all() {
            let name = program.file_name().unwrap_or_default();
            std::fs::copy(program, folder.join("programs").join(name))?;
        }
        for library in &libraries {
            let to = disk::inside(folder, library);
            std::fs::create_dir_all(to.parent().unwrap_or(folder))?;
            std::fs::copy(library, to)?;
        }
        std::fs::write(folder.join("data"), vec![7; DATA_BYTES])?;
        std::fs::write(folder.join("work"), work(cases))
    })?;
    let log = machine::folder().join("marks.log");
    let clock = Clock::Instructions(Plugin { file: plugin, log: &log });
    let (text, end) = machine::boot(kernel, &disk, clock, MACHINE_LIMIT)?;
    if end != End::Passed || !text.contains("== done") {
        return Err(format!("the machine did not come to its end: {end:?}"));
    }
    let marks = std::fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let runs = Runs::read(&text, &marks)?;
    let checked = runs.checked()?;
    let slope = |of: &BTreeMap<String, f64>, each: f64| {
        let of_case = |case: &Case| {
            // A program that asks for what this kernel has not ended with an error.
            let [few, many] = case.lengths.map(|ops| of.get(&case.run(ops)));
            Some((case.name.clone(), (many? - few?) / case.difference() / each))
        };
        cases.iter().filter_map(of_case).collect()
    };
    Ok(Counts {
        total: slope(&runs.least_ns, checked),
        user: slope(&runs.least_user, 1.0),
        executed: slope(&runs.least_kernel, 1.0),
    })
}

/// What the machine runs: a line for each run.
fn work(cases: &[Case]) -> String {
    let known = LOOP_TURNS.map(|turns| format!("{LOOP}/{turns} {LOOP} ops={turns}\n"));
    let lines = cases.iter().flat_map(|case| case.lengths.map(|ops| case.line(ops)));
    known.into_iter().chain(lines).collect()
}

/// What is said of the runs, by their names.
#[derive(Default)]
struct Runs {
    /// The least time of each.
    least_ns: BTreeMap<String, f64>,
    /// The least that each executed in user space, its start included.
    least_user: BTreeMap<String, f64>,
    /// The same of the kernel.
    least_kernel: BTreeMap<String, f64>,
}

impl Runs {
    /// From the console, and from the log with two marks for each of its lines: before and after.
    fn read(text: &str, marks: &str) -> Result<Self, String> {
        let counted = |line: &str| Some([number(line, "user")?, number(line, "kernel")?]);
        let counted: Vec<[f64; 2]> = marks.lines().filter_map(counted).collect();
        let mut spans = counted.chunks(2).map(|span| {
            let (before, after) = (span[0], span[span.len() - 1]);
            [after[0] - before[0], after[1] - before[1]]
        });
        let mut runs = Self::default();
        for line in text.lines().filter_map(|l| l.strip_prefix("== ")) {
            let Some((name, rest)) = line.split_once(' ') else { continue };
            let span = spans.next().ok_or("the plugin logged too few marks")?;
            // Else the program ended with an error.
            let Some(secs) = number(rest, "secs") else { continue };
            let least = |of: &mut BTreeMap<String, f64>, count: f64| {
                let least = of.entry(name.to_owned()).or_insert(f64::INFINITY);
                *least = least.min(count);
            };
            least(&mut runs.least_ns, secs * 1e9);
            least(&mut runs.least_user, span[0]);
            least(&mut runs.least_kernel, span[1]);
        }
        if spans.next().is_some() {
            Err("the plugin logged too many marks".to_owned())
        } else {
            Ok(runs)
        }
    }

    /// How many nanoseconds pass per instruction by the loop of known length: one, and a little for
    /// the interrupts; else this is no count of instructions.
    fn checked(&self) -> Result<f64, String> {
        let each = |of: &BTreeMap<String, f64>| {
            let [few, many] = LOOP_TURNS.map(|turns| of.get(&format!("{LOOP}/{turns}")).copied());
            let (short, long) = few.zip(many).ok_or("the loop did not run")?;
            let turns = (LOOP_TURNS[1] - LOOP_TURNS[0]) as f64;
            Ok::<_, String>((long - short) / turns / LOOP_INSTRUCTIONS)
        };
        let (ns, counted) = (each(&self.least_ns)?, each(&self.least_user)?);
        println!(
            "a loop of {LOOP_INSTRUCTIONS} instructions: {ns:.4} ns per instruction, counted \
             {counted:.4} times by the plugin"
        );
        if !(1.0..1.0 + INTERRUPTS_MAX).contains(&(ns + 1e-4)) {
            return Err(format!(
                "{ns} ns per instruction: the emulator's clock counts other things"
            ));
        }
        if (counted - 1.0).abs() > PLUGIN_ERROR_MAX {
            return Err(format!("the plugin counts an instruction {counted} times"));
        }
        Ok(ns)
    }
}

/// The number of `key` in a line of `key=value`.
fn number(line: &str, key: &str) -> Option<f64> {
    let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(k, _)| *k == key).find_map(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{LOOP_TURNS, Runs};

    #[test]
    fn the_least_of_each_line_counts() {
        let text = "== a/1/2 ops=2 secs=0.000003 ops_per_s=1\nnoise\n\
                    == a/1/2 ops=2 secs=0.000002 \n== b/1/2 no such mode\n== done\n";
        let marks = "mark user=10 kernel=1\nmark user=17 kernel=2\nmark user=20 kernel=3\n\
                     mark user=25 kernel=3\nmark user=30 kernel=3\nmark user=31 kernel=3\n";
        let runs = Runs::read(text, marks).unwrap();
        assert!(runs.least_ns.len() == 1 && runs.least_user.len() == 1);
        assert!((runs.least_ns["a/1/2"] - 2000.0).abs() < 1e-6);
        assert_eq!((runs.least_user["a/1/2"], runs.least_kernel["a/1/2"]), (5.0, 0.0));
    }

    #[test]
    fn marks_that_do_not_fit_are_refused() {
        let of = |count: usize| Runs::read("== a x\n", &"mark user=1 kernel=1\n".repeat(count));
        assert!(of(2).is_ok() && of(0).is_err() && of(4).is_err());
    }

    #[test]
    fn a_clock_of_something_else_is_refused() {
        let of = |each: f64, counted: f64| {
            let name = |turns: u64| format!("known-loop/{turns}");
            let times = |by: f64| LOOP_TURNS.map(|t| (name(t), t as f64 * 2.0 * by)).into();
            Runs { least_ns: times(each), least_user: times(counted), ..Runs::default() }.checked()
        };
        assert!(of(1.003, 1.0).is_ok() && of(0.5, 1.0).is_err() && of(1.1, 1.0).is_err());
        assert!(of(1.003, 1.01).is_err());
    }
}

//! `cargo xtask kernels --instructions`: the instructions that work costs, the kernel's included.
//!
//! Where no counter can be read, an emulated processor counts: qemu with `-icount shift=0` lets the
//! guest's time advance by one nanosecond per instruction executed, so a time measured in the guest
//! is a count, of user space and kernel together, and of all threads: it has one processor. That it
//! is one is checked first, by a loop of known length; what the loop costs too much is the timer's
//! interrupt, and everything is divided by it. The part of user space is counted by a plugin in the
//! emulator (bench/counter), which knows both by their addresses, and taken off: what is left is
//! the kernel's. The processor emulated is one that needs retpolines and safe returns, as most
//! that are in use.
//!
//! Each number is a slope between a short run and a long one, so that set-up cancels out, and the
//! least of three runs. What is counted: NOPs (fitted over the batches is `per enter + per NOP`),
//! cached reads, direct ones, wakes across threads, requests over TCP. `COUNT="reads wakes"` counts
//! those alone.

mod case;
mod direct;
mod guest;
mod nops;
mod programs;
mod reads;
mod requests;
mod wakes;

use std::process::ExitCode;

use super::super::code;
use super::{SERIES, chosen, machine};
use crate::skips;
use case::{Case, Counts};
use programs::Programs;

/// What is counted, by the name that it is asked for with.
struct Table {
    name: &'static str,
    cases: fn() -> Vec<Case>,
    print: fn(&str, &Counts),
}

const TABLES: &[Table] = &[
    Table { name: "nops", cases: nops::cases, print: nops::print },
    Table { name: "reads", cases: reads::cases, print: reads::print },
    Table { name: "direct", cases: direct::cases, print: direct::print },
    Table { name: "wakes", cases: wakes::cases, print: wakes::print },
    Table { name: "requests", cases: requests::cases, print: requests::print },
];

const NAME: &str = "kernels --instructions";

/// Counts on every kernel that can be had, and prints the tables of each.
pub fn run() -> ExitCode {
    if let Some(reason) = machine::missing() {
        return skips::step(NAME, reason);
    }
    let busybox = match machine::busybox() {
        Ok(busybox) => busybox,
        Err(why) => return skips::step(NAME, &why),
    };
    let wanted = std::env::var("COUNT").unwrap_or_default();
    let tables: Vec<&Table> = TABLES.iter().filter(|t| is_wanted(t.name, &wanted)).collect();
    code(!tables.is_empty() && count(&tables, &busybox).unwrap_or_else(failed))
}

/// Whether the table `name` is one of `wanted`: all are, unless some are named.
fn is_wanted(name: &str, wanted: &str) -> bool {
    wanted.is_empty() || wanted.split_whitespace().any(|one| one == name)
}

fn failed(why: String) -> bool {
    eprintln!("{NAME}: {why}");
    false
}

/// Counts `tables` on every kernel: whether all went well.
fn count(tables: &[&Table], busybox: &[u8]) -> Result<bool, String> {
    let mut cases: Vec<Case> = tables.iter().flat_map(|table| (table.cases)()).collect();
    let programs = Programs::build(|name| cases.iter().any(|case| case.program == name))?;
    let plugin = programs::plugin()?;
    cases.retain(|case| programs.path(case.program).is_some());
    let mut good = true;
    for series in SERIES.iter().filter(|s| chosen(s)) {
        let counted = machine::kernel(series)
            .and_then(|kernel| guest::count(&kernel, busybox, &programs, &plugin, &cases));
        match counted {
            Ok(counts) => tables.iter().for_each(|table| (table.print)(series, &counts)),
            Err(why) => good = failed(format!("{series}: {why}")),
        }
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::{TABLES, is_wanted};

    #[test]
    fn no_two_cases_have_one_name() {
        let cases = TABLES.iter().flat_map(|table| (table.cases)());
        let mut names: Vec<String> = cases.map(|case| case.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert!(names.len() == count && names.iter().all(|n| !n.contains(' ')), "{names:?}");
    }

    #[test]
    fn all_is_counted_unless_some_is_named() {
        assert!(is_wanted("reads", "") && is_wanted("reads", "nops reads"));
        assert!(!is_wanted("reads", "wakes"));
    }
}

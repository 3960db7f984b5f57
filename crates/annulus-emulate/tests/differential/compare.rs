//! What must be the same on both kernels.
//!
//! **The rule.** io_uring promises the order of completions of one entry, and nothing between
//! entries that are not linked. So of each step the completions are compared as a bag: each with
//! its `user_data`, result and flags. What of one entry is told in several completions is told in
//! the same order; messages with one name are of several entries, and have none. Beside them: how
//! many entries each submit took, what outside events answered, every byte of the entries'
//! buffers, of registered ones and of groups, the files' contents, what is left in pipes and
//! sockets, and how many descriptors are open when all is over.
//!
//! **What is left out of it.** Descriptors that are made have numbers of their own on either side.
//! How many changes a poll that goes on reports together, and which bits a report has: Linux tells
//! what the waker said, and not what is so. Of each step it is compared whether there was a report.
//!
//! **What is not asked,** since io_uring leaves open what comes of it (`generate` keeps to it):
//!
//! 1. Who of several gets something: the bytes of one pipe or socket, the connections of one
//!    listener, the buffers of one group. While one chain may wait for a thing no other uses it.
//! 2. What threads of the kernel do, beside what else is done in the same submit to the same thing.
//!    Threads do what files, `ASYNC`, drains and shutdowns ask for.
//! 3. How far a thread is when it is cancelled, counted or waited for. One of the host accepts what
//!    comes to a listener that waits: of a step with several submits the next comes when both
//!    kernels are as far (`run`).
//! 4. Which one of several is cancelled, or changed, where one is meant.
//! 5. Whether what has come, and goes within the same step, was seen by a poll; or which of several
//!    that come.
//! 6. How often a timer tells at a short interval; which of two times is over first, of which one
//!    counts completions too: the other ends its count.
//! 7. How many buffers a bundle without a length takes ahead: Linux takes as many as what a message
//!    before it has left room for, and ends with the last of its group. Nor what a bundle receives
//!    that waits for all of its length, behind a part of it: Linux does not take the buffers that
//!    the rest fills, and receives over it what is behind.
//! 8. Who of several is told before the queue is full: a multishot goes on, or ends, by that. Linux
//!    tells of a read or write that fails behind what became ready meanwhile. Multishots are asked
//!    for where there is room; how they end without any, by cases of their own.
//! 9. How many links of a chain one enter goes through. Where the queue is short, chains go on as
//!    far as they can before what they tell is taken (`side`).

use core::cmp::Ordering;

use annulus_emulate::abi::{Cqe, CqeFlags};

use crate::program::MESSAGES;

/// The result of a report of a poll.
const REPORT: i32 = i32::MAX;

/// A completion, as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub user_data: u64,
    pub res: i32,
    pub flags: u32,
}

impl From<Cqe> for Told {
    fn from(cqe: Cqe) -> Self {
        Self { user_data: cqe.user_data, res: cqe.res, flags: cqe.flags.bits() }
    }
}

impl Told {
    pub fn goes_on(&self) -> bool {
        self.flags & CqeFlags::MORE.bits() != 0
    }

    /// A report of a poll that goes on, as it is compared: its last, too.
    pub fn as_report(self) -> Self {
        if self.goes_on() || self.res > 0 { Self { res: REPORT, ..self } } else { self }
    }

    pub fn is_report(self) -> bool {
        self.res == REPORT
    }
}

/// What a step came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was taken, or the event's answer.
    pub answer: i64,
    pub told: Vec<Told>,
}

impl Outcome {
    /// As a bag, but for the order of those of one entry.
    fn sorted(&self) -> Vec<Told> {
        let mut told = self.told.clone();
        let name = |told: &Told| told.user_data;
        told.sort_by(|one, other| {
            let is_message = MESSAGES.contains(&one.user_data);
            name(one).cmp(&name(other)).then_with(|| match is_message {
                true => one.cmp(other),
                false => Ordering::Equal,
            })
        });
        told
    }

    pub fn agrees(&self, other: &Self) -> bool {
        self.answer == other.answer && self.sorted() == other.sorted()
    }
}

/// What a world was like at the end: each part with its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains(pub Vec<(String, Vec<u8>)>);

/// A difference.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The step, or none: only the end differs.
    pub step: Option<usize>,
    pub linux: Vec<Outcome>,
    pub host: Vec<Outcome>,
    pub note: String,
}

/// The first part that differs.
pub fn remains(linux: &Remains, host: &Remains) -> Option<String> {
    let pairs = linux.0.iter().zip(&host.0);
    for ((name, linux), (_, host)) in pairs {
        if linux != host {
            let at = linux.iter().zip(host).position(|(a, b)| a != b);
            let byte = |of: &Vec<u8>| at.map(|at| of[at]);
            return Some(format!(
                "{name}, apart: {} bytes on linux, {} on host, first at {at:?}: {:?}, {:?}",
                linux.len(),
                host.len(),
                byte(linux),
                byte(host),
            ));
        }
    }
    None
}

impl core::fmt::Display for Divergence {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (n, (linux, host)) in self.linux.iter().zip(&self.host).enumerate() {
            let mark = if linux.agrees(host) { ' ' } else { '*' };
            writeln!(
                f,
                "{mark} step {n}: answers {} (linux), {} (host)",
                linux.answer, host.answer
            )?;
            for (name, outcome) in [("linux", linux), ("host ", host)] {
                let told = outcome.told.iter();
                let told = told.map(|t| format!("{}:{}/{:x}", t.user_data, t.res, t.flags));
                writeln!(f, "      {name}  {}", told.collect::<Vec<_>>().join("  "))?;
            }
        }
        write!(f, "  {}", self.note)
    }
}

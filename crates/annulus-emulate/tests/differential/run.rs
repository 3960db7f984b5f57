//! Running a program on both kernels, side by side: a step on one, the same on the other, then a
//! wait until nothing goes on in either.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use annulus_emulate::abi::{CancelFlags, CqeFlags, Op, SetupFlags, Sqe, SqeFlags};
use annulus_emulate::{Builder, KernelChoice, LocalRing};

use crate::compare::{Divergence, Outcome, Told, remains};
use crate::program::{Entry, NEW_NAMES, Program, Step};
use crate::world::{TempDir, World};

/// Entries of a ring: more than a step has.
const ENTRIES: u32 = 64;
/// How often in a row nothing came: Linux goes one entry of a silent chain further each time.
const QUIET_COUNT: u32 = 6;
/// The `user_data` of the cancels that end a program.
const LAST: u64 = 9999;

/// How long one waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For something that is missing on one side.
    pub missing: Duration,
    /// For what goes on by itself, when nothing is missing.
    pub hold: Duration,
}

impl Patience {
    pub const SHORT: Self =
        Self { missing: Duration::from_millis(100), hold: Duration::from_micros(300) };
    pub const LONG: Self =
        Self { missing: Duration::from_millis(400), hold: Duration::from_millis(15) };
}

/// One of the two kernels, with its world.
struct Side {
    choice: KernelChoice,
    world: World,
    ring: Option<LocalRing>,
    outcomes: Vec<Outcome>,
    /// The polls that go on: of those not every report is compared.
    polls: HashSet<u64>,
}

impl Side {
    fn begin(&mut self, program: &Program, places: usize) {
        self.world.reset(places);
        let mut builder = Builder::new().entries(ENTRIES).kernel(self.choice);
        if !program.submit_all {
            builder = builder.without(SetupFlags::SUBMIT_ALL);
        }
        self.ring = Some(builder.build_local().expect("a ring"));
        self.outcomes.clear();
        self.polls = NEW_NAMES.collect();
    }

    fn ring(&mut self) -> &mut LocalRing {
        self.ring.as_mut().expect("between begin and end")
    }

    fn step(&mut self, step: &Step) {
        let answer = match step {
            Step::Happen(event) => self.world.happen(*event),
            Step::Submit(entries) => {
                self.world.begin_step(entries);
                for entry in entries {
                    if entry.op == Op::POLL_ADD {
                        self.polls.insert(entry.user_data);
                    }
                    let sqe = self.world.sqe(entry);
                    self.push(sqe);
                }
                self.submit()
            }
        };
        self.outcomes.push(Outcome { answer, told: Vec::new() });
    }

    fn push(&mut self, sqe: Sqe) {
        // SAFETY: what entries point to is the world's, which lives longer than the ring, and which
        // keeps it until all requests were cancelled.
        unsafe { self.ring().push(sqe) }.expect("room");
    }

    fn submit(&mut self) -> i64 {
        match self.ring().submit() {
            Ok(count) => i64::from(count),
            Err(error) => -i64::from(error.errno().map_or(1, |errno| errno.raw())),
        }
    }

    /// Submits again: the answers of a step are the digits of one.
    fn submit_rest(&mut self) {
        let answer = self.submit();
        let outcome = self.outcomes.last_mut().expect("a step");
        outcome.answer = outcome.answer * 100 + answer;
    }

    /// Ends everything that is under way.
    fn cancel_all(&mut self) {
        let flags = CancelFlags::ANY.bits();
        self.push(Sqe {
            opcode: Op::ASYNC_CANCEL,
            rw_flags: flags,
            user_data: LAST,
            ..Sqe::default()
        });
        let answer = self.submit();
        self.outcomes.push(Outcome { answer, told: Vec::new() });
    }

    /// Takes what was told. Whether there was anything.
    fn collect(&mut self) -> bool {
        let ring = self.ring.as_mut().expect("between begin and end");
        ring.parts().2.get_events().expect("a ring");
        let told: Vec<Told> = ring.completions().expect("a ring").map(Told::from).collect();
        let outcome = self.outcomes.last_mut().expect("a step");
        for mut told in told.iter().copied() {
            if self.polls.contains(&told.user_data) {
                told = told.as_report();
            }
            if !(told.is_report() && outcome.told.contains(&told)) {
                outcome.told.push(told);
            }
        }
        !told.is_empty()
    }

    fn told(&self) -> &[Told] {
        &self.outcomes.last().expect("a step").told
    }
}

/// Both kernels, for one program after the other.
pub struct Both {
    linux: Side,
    host: Side,
    _directory: TempDir,
}

impl Both {
    pub fn new(name: &str) -> Self {
        let directory = TempDir::new(name);
        let side = |choice, base| Side {
            choice,
            world: World::new(&directory, base),
            ring: None,
            outcomes: Vec::new(),
            polls: HashSet::new(),
        };
        let (linux, host) = (side(KernelChoice::Linux, 700), side(KernelChoice::Host, 800));
        Self { linux, host, _directory: directory }
    }

    /// Runs it: what differs, if anything.
    pub fn run(&mut self, program: &Program, patience: Patience) -> Option<Divergence> {
        let entries = program.steps.iter().filter_map(|step| match step {
            Step::Submit(entries) => Some(entries),
            Step::Happen(_) => None,
        });
        let places = entries.flatten().map(|entry| entry.place + 1).max().unwrap_or(0);
        self.linux.begin(program, places);
        self.host.begin(program, places);
        let mut open = Open::default();
        let mut differs = None;
        for (n, step) in program.steps.iter().enumerate() {
            let waits_ms = open.begin(step);
            self.linux.step(step);
            self.host.step(step);
            let mut agrees = self.settle(&mut open, patience, waits_ms);
            // What a refused entry kept from being taken.
            while agrees && self.linux.ring().sq_len() > 0 {
                self.linux.submit_rest();
                self.host.submit_rest();
                agrees = self.settle(&mut open, patience, waits_ms);
            }
            if !agrees {
                differs = Some(n);
                break;
            }
        }
        let last = program.steps.len();
        let rounds = if program.drains() { 0 } else { 3 };
        while differs.is_none() && self.linux.outcomes.len() < last + rounds {
            self.linux.cancel_all();
            self.host.cancel_all();
            if !self.settle(&mut open, patience, 0) {
                differs = Some(self.linux.outcomes.len() - 1);
            }
        }
        let is_clean = differs.is_none();
        if !is_clean {
            for side in [&mut self.linux, &mut self.host] {
                side.cancel_all();
                side.collect();
            }
        }
        let ends = [&mut self.linux, &mut self.host].map(|side| {
            drop(side.ring.take());
            side.world.end(places, program.drains())
        });
        let mut note = String::new();
        if is_clean {
            note = remains(&ends[0], &ends[1])?;
        }
        let (linux, host) = (self.linux.outcomes.clone(), self.host.outcomes.clone());
        Some(Divergence { step: differs, linux, host, note })
    }

    /// Waits until nothing goes on. Whether both told the same.
    fn settle(&mut self, open: &mut Open, patience: Patience, waits_ms: u64) -> bool {
        let begun = Instant::now();
        let (mut quiet_since, mut quiet_count) = (begun, 0);
        loop {
            let came = self.linux.collect() | self.host.collect();
            let now = Instant::now();
            quiet_count += 1;
            if came {
                (quiet_since, quiet_count) = (now, 0);
            }
            let agrees = self.linux.told().len() == self.host.told().len();
            let quiet = now - quiet_since;
            if agrees && quiet_count >= QUIET_COUNT {
                let waited = now - begun >= Duration::from_millis(waits_ms + waits_ms / 2);
                let lingers = open.lingers(self.linux.told());
                if waited && (!lingers || quiet >= patience.hold) {
                    break;
                }
            }
            // One that tells without end is a difference as well.
            if quiet > patience.missing || now - begun > 20 * patience.missing {
                break;
            }
            if quiet > Duration::from_micros(100) {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        open.end(self.linux.told());
        let (linux, host) = (self.linux.outcomes.last(), self.host.outcomes.last());
        linux.zip(host).is_some_and(|(linux, host)| linux.agrees(host))
    }
}

/// The entries that have not told their last.
#[derive(Default)]
struct Open {
    entries: HashMap<u64, Entry>,
    /// There was a drain: what waits for it is handed to threads.
    drained: bool,
}

impl Open {
    /// How long times in a step are, in milliseconds.
    fn begin(&mut self, step: &Step) -> u64 {
        let Step::Submit(entries) = step else { return 0 };
        self.drained |= entries.iter().any(|entry| entry.flags.contains(SqeFlags::IO_DRAIN));
        self.entries.extend(entries.iter().map(|entry| (entry.user_data, entry.clone())));
        entries.iter().map(Entry::waits_ms).max().unwrap_or(0)
    }

    fn lingers(&self, told: &[Told]) -> bool {
        let ended = |user_data: &u64| told.iter().any(|told| told.user_data == *user_data);
        self.entries
            .iter()
            .any(|(user_data, entry)| (self.drained || entry.lingers()) && !ended(user_data))
    }

    fn end(&mut self, told: &[Told]) {
        for told in told {
            if told.flags & CqeFlags::MORE.bits() == 0 {
                self.entries.remove(&told.user_data);
            }
        }
    }
}

//! Running a program on both kernels, side by side: a step on one, the same on the other, then a
//! wait until nothing goes on in either.

use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use annulus_emulate::KernelChoice;
use annulus_emulate::abi::SqeFlags;

use crate::compare::{Divergence, Told, remains};
use crate::program::{Entry, Program, SHORT_MS, SLOTS, Step};
use crate::side::Side;
use crate::world::TempDir;

/// How often in a row nothing came: Linux goes one entry of a silent chain further each time.
const QUIET_COUNT: u32 = 6;
/// As often it tries what an eventfd is to do (`APOLL_MAX_RETRY`), before a thread does it.
const RETRY_COUNT: u32 = 132;
/// How often what is under way is cancelled at the end: what waited for it begins then.
const CANCELS: u32 = 40;

/// How long one waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For something that is missing on one side.
    pub missing: Duration,
    /// For what goes on by itself, when nothing is missing.
    pub hold: Duration,
    /// For what may end before long, and may tell nothing of it.
    pub silence: Duration,
}

impl Patience {
    pub const SHORT: Self = Self {
        missing: Duration::from_millis(100),
        hold: Duration::from_micros(300),
        silence: Duration::from_micros(300),
    };
    pub const LONG: Self = Self {
        missing: Duration::from_millis(1000),
        hold: Duration::from_millis(40),
        silence: Duration::from_millis(400),
    };
    /// On a machine that has no time for threads, where all before has differed.
    pub const LAST: Self = Self {
        missing: Duration::from_millis(2000),
        hold: Duration::from_millis(500),
        silence: Duration::from_millis(1000),
    };
    pub const SHRINKING: Self = Self {
        missing: Duration::from_millis(60),
        hold: Duration::from_millis(6),
        silence: Duration::from_millis(12),
    };
}

/// How many numbers one side has: one is never open.
const SIDE: RawFd = SLOTS + 1;

/// Both kernels, for one program after the other.
pub struct Both {
    linux: Side,
    host: Side,
}

impl Both {
    /// How many numbers of descriptors they have, from their base on.
    pub const NUMBERS: RawFd = 2 * SIDE;

    pub fn new(directory: &TempDir, base: RawFd) -> Self {
        Self {
            linux: Side::new(KernelChoice::Linux, directory, base),
            host: Side::new(KernelChoice::Host, directory, base + SIDE),
        }
    }

    /// Runs it: what differs, if anything.
    pub fn run(&mut self, program: &Program, patience: Patience) -> Option<Divergence> {
        let places = program.entries().map(|entry| entry.place + 1).max().unwrap_or(0);
        self.linux.begin(program, places);
        self.host.begin(program, places);
        let mut open = Open::default();
        let mut differs = None;
        for (n, step) in program.steps.iter().enumerate() {
            let waits_ms = open.begin(step);
            self.step(step, patience);
            if !self.see_step(&mut open, patience, waits_ms) {
                differs = Some(n);
                break;
            }
        }
        let is_clean = differs.is_none() && self.finish(&mut open, patience);
        let ends = [self.linux.end(!is_clean), self.host.end(!is_clean)];
        let mut note = String::new();
        if is_clean {
            note = remains(&ends[0], &ends[1])?;
        }
        let (linux, host) = (self.linux.outcomes.clone(), self.host.outcomes.clone());
        Some(Divergence { step: differs, linux, host, note })
    }

    /// Has both do a step: in as many submits as their queues have room for.
    fn step(&mut self, step: &Step, patience: Patience) {
        self.linux.begin_step(step);
        self.host.begin_step(step);
        let Step::Submit(entries) = step else { return };
        while self.linux.submit_next(entries) | self.host.submit_next(entries) {
            self.go_on(patience);
        }
    }

    /// Lets go on what was submitted, until both are as far: a thread of the host may still accept
    /// what Linux has accepted, and what comes next may count what is told.
    fn go_on(&mut self, patience: Patience) {
        let begun = Instant::now();
        while self.linux.go_on() != self.host.go_on() && begun.elapsed() < patience.missing {
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// Waits for what comes of a step. Whether both told the same.
    fn see_step(&mut self, open: &mut Open, patience: Patience, waits_ms: u64) -> bool {
        let mut agrees = self.settle(open, patience, waits_ms);
        while agrees && self.linux.has_rest() {
            self.linux.submit_rest();
            self.host.submit_rest();
            agrees = self.settle(open, patience, waits_ms);
        }
        agrees
    }

    /// Ends what is under way, round by round. Whether both told the same.
    fn finish(&mut self, open: &mut Open, patience: Patience) -> bool {
        for _ in 0..CANCELS {
            let any = self.linux.cancel_all() | self.host.cancel_all();
            if !self.settle(open, patience, 0) {
                return false;
            }
            if !any {
                break;
            }
        }
        self.linux.drop_table();
        self.host.drop_table();
        self.settle(open, patience, 0)
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
            if quiet_count >= QUIET_COUNT {
                let waited = now - begun >= Duration::from_millis(waits_ms + waits_ms / 2);
                let (mut hold, count) = open.hold(self.linux.told(), patience);
                if !agrees {
                    hold = patience.missing;
                }
                if waited && quiet >= hold && quiet_count >= count {
                    break;
                }
            }
            // One that tells without end is a difference as well.
            if now - begun > 20 * patience.missing {
                break;
            }
            if quiet > Duration::from_micros(50) {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        open.end(self.linux.told());
        if patience.silence > patience.hold {
            open.end_waited();
        }
        let (linux, host) = (self.linux.outcomes.last(), self.host.outcomes.last());
        linux.zip(host).is_some_and(|(linux, host)| linux.agrees(host))
    }
}

/// The entries that have not told their last.
#[derive(Default)]
struct Open {
    entries: HashMap<u64, Entry>,
    /// Those that others are linked behind, by their followers.
    before: HashMap<u64, u64>,
    /// Those of which nothing may be told: of them, or of those before them.
    silent: HashSet<u64>,
    /// There was a drain: what waits for it is handed to threads.
    drained: bool,
}

impl Open {
    /// How long times in a step are, in milliseconds.
    fn begin(&mut self, step: &Step) -> u64 {
        let Step::Submit(entries) = step else { return 0 };
        self.drained |= entries.iter().any(|entry| entry.has(SqeFlags::IO_DRAIN));
        self.entries.extend(entries.iter().map(|entry| (entry.user_data, entry.clone())));
        let skips = |entry: &&Entry| entry.has(SqeFlags::CQE_SKIP_SUCCESS);
        self.silent.extend(entries.iter().filter(skips).map(|entry| entry.user_data));
        for pair in entries.windows(2).filter(|pair| pair[0].links()) {
            self.before.insert(pair[1].user_data, pair[0].user_data);
            if self.silent.contains(&pair[0].user_data) {
                self.silent.insert(pair[1].user_data);
            }
        }
        entries.iter().map(Entry::waits_ms).max().unwrap_or(0)
    }

    /// Whether it is told of before long, whatever happens outside.
    fn ends(&self, entry: &Entry) -> bool {
        let before = self.before.get(&entry.user_data).and_then(|before| self.entries.get(before));
        entry.ends_alone() && !self.drained && before.is_none_or(|before| self.ends(before))
    }

    /// How long, and how often in a row, nothing comes if nothing is to come.
    fn hold(&self, told: &[Told], patience: Patience) -> (Duration, u32) {
        let ended = |entry: &Entry| {
            told.iter().any(|told| told.user_data == entry.user_data && !told.goes_on())
        };
        let (mut hold, mut count) = (Duration::ZERO, 0);
        for entry in self.entries.values().filter(|entry| !ended(entry)) {
            if self.drained || entry.lingers() {
                hold = hold.max(patience.hold);
            }
            if self.ends(entry) && !self.silent.contains(&entry.user_data) {
                hold = hold.max(patience.missing);
            } else if self.may_end(entry) {
                hold = hold.max(patience.silence);
            }
            if entry.waits_ms() > 0 {
                // Its time begins when what is before it ends.
                hold = hold.max(Duration::from_millis(2 * SHORT_MS));
            }
            if entry.uses_counter() {
                (hold, count) = (hold.max(patience.hold), RETRY_COUNT);
            }
        }
        (hold, count)
    }

    fn end(&mut self, told: &[Told]) {
        for told in told.iter().filter(|told| !told.goes_on()) {
            self.entries.remove(&told.user_data);
        }
    }

    /// Whether it may end before long, and be told of or not: what a slot of the table has in it
    /// may be a file.
    fn may_end(&self, entry: &Entry) -> bool {
        entry.has(SqeFlags::FIXED_FILE) || self.ends(entry)
    }

    /// Those that nothing was told of were waited for.
    fn end_waited(&mut self) {
        let is_silent = |entry: &Entry| self.silent.contains(&entry.user_data);
        let is_over = |entry: &&Entry| {
            entry.has(SqeFlags::FIXED_FILE) || is_silent(entry) && self.ends(entry)
        };
        let over = self.entries.values().filter(is_over).map(|entry| entry.user_data);
        for user_data in over.collect::<Vec<_>>() {
            self.entries.remove(&user_data);
        }
    }
}

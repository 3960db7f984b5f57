//! One of the two kernels, with its world and its ring.

use std::collections::HashSet;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use annulus_emulate::abi::{Op, SetupFlags, Sqe, SqeFlags};
use annulus_emulate::{Builder, KernelChoice, LocalRing};

use crate::compare::{Outcome, Remains, Told};
use crate::program::{Entry, Event, NEW_NAMES, Program, Setting, Step};
use crate::world::{DESCRIPTOR, TempDir, World};

/// Entries of a ring: more than a step has.
const ENTRIES: u32 = 64;

/// More than a chain has entries: Linux goes one further each time.
const ROUNDS: u32 = 12;
const LINKS: SqeFlags = SqeFlags::IO_LINK.union(SqeFlags::IO_HARDLINK);

/// See above.
pub struct Side {
    choice: KernelChoice,
    world: World,
    ring: Option<LocalRing>,
    setting: Setting,
    pub outcomes: Vec<Outcome>,
    /// The polls that go on: of those not every report is compared.
    polls: HashSet<u64>,
    /// What answers with a descriptor.
    makers: HashSet<u64>,
    /// How many entries of a step were pushed.
    pushed: usize,
    stuck: bool,
}

impl Side {
    pub fn new(choice: KernelChoice, directory: &TempDir, base: RawFd) -> Self {
        Self {
            choice,
            world: World::new(directory, base),
            ring: None,
            setting: Setting::default(),
            outcomes: Vec::new(),
            polls: HashSet::new(),
            makers: HashSet::new(),
            pushed: 0,
            stuck: false,
        }
    }

    pub fn begin(&mut self, program: &Program, places: usize) {
        self.setting = program.setting.clone();
        self.world.reset(program, places);
        let mut builder = Builder::new().entries(ENTRIES).kernel(self.choice);
        if !self.setting.submit_all {
            builder = builder.without(SetupFlags::SUBMIT_ALL);
        }
        if self.setting.cq_entries > 0 {
            // No fewer than entries: only these are less.
            builder = builder.entries(self.setting.cq_entries).cq_entries(self.setting.cq_entries);
        }
        let mut ring = builder.build_local().expect("a ring");
        self.world.set_up(&mut ring, &self.setting);
        self.ring = Some(ring);
        self.outcomes.clear();
        self.makers.clear();
        self.polls = NEW_NAMES.collect();
        self.stuck = false;
    }

    fn ring(&mut self) -> &mut LocalRing {
        self.ring.as_mut().expect("between begin and end")
    }

    /// Begins a step: an event happens; what is submitted is by [`submit_next`](Self::submit_next).
    pub fn begin_step(&mut self, step: &Step) {
        let answer = match step {
            Step::Happen(event) => self.happen(event),
            Step::Submit(entries) => {
                self.world.memory.begin_step(entries.len());
                self.pushed = 0;
                0
            }
        };
        self.outcomes.push(Outcome { answer, told: Vec::new() });
    }

    /// Submits what there is room for of a step's entries: no chain goes on behind a submit, since
    /// threads would do it. Whether there are more.
    pub fn submit_next(&mut self, entries: &[Entry]) -> bool {
        let number = self.ring().raw_fd();
        while let Some(entry) = entries.get(self.pushed) {
            let begins = self.pushed == 0 || !entries[self.pushed - 1].flags.intersects(LINKS);
            if begins && self.ring().sq_space_left() < chain_len(&entries[self.pushed..]) {
                break;
            }
            if entry.op == Op::POLL_ADD && entry.len > 0 {
                self.polls.insert(entry.user_data);
            }
            if entry.makes_descriptor() {
                self.makers.insert(entry.user_data);
            }
            let sqe = self.world.sqe(entry, number);
            self.push(sqe);
            self.pushed += 1;
        }
        self.submit_rest();
        self.pushed < entries.len()
    }

    fn happen(&mut self, event: &Event) -> i64 {
        let world = &mut self.world;
        match event {
            Event::Write { slot, bytes } => world.write(*slot, *bytes),
            Event::Read { slot, bytes } => world.take(*slot, *bytes),
            Event::Close { slot } => world.close(*slot),
            Event::ShutDown { slot } => world.shut_down(*slot),
            Event::Connect { slot } => world.connect(*slot),
            Event::Accept { slot } => world.accept(*slot),
            other => {
                let ring = self.ring.as_mut().expect("between begin and end");
                world.change(ring, other, &self.setting)
            }
        }
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

    /// Lets chains go on before more is submitted, and takes nothing of what is told: how much is
    /// there then.
    pub fn go_on(&mut self) -> u32 {
        for _ in 0..ROUNDS {
            self.ring().parts().2.get_events().expect("a ring");
        }
        self.ring().cq_len()
    }

    /// Whether a refused entry has kept others from being taken.
    pub fn has_rest(&mut self) -> bool {
        self.ring().sq_len() > 0
    }

    /// Submits again.
    pub fn submit_rest(&mut self) {
        let answer = self.submit();
        let outcome = self.outcomes.last_mut().expect("a step");
        outcome.answer = and_then(outcome.answer, answer);
    }

    /// Ends everything that is under way: whether there was anything.
    pub fn cancel_all(&mut self) -> bool {
        let answer = World::cancel_all(self.ring());
        self.outcomes.push(Outcome { answer, told: Vec::new() });
        answer >= 0
    }

    /// Gives up what the ring has of files.
    pub fn drop_table(&mut self) {
        let answer = World::drop_table(self.ring());
        self.outcomes.push(Outcome { answer, told: Vec::new() });
    }

    /// Takes what was told. Whether there was anything. Where there is little room, how much is
    /// left of it when chains go on is not for their pace to say.
    pub fn collect(&mut self) -> bool {
        if self.setting.cq_entries > 0 {
            self.go_on();
        }
        let ring = self.ring.as_mut().expect("between begin and end");
        ring.parts().2.get_events().expect("a ring");
        let told: Vec<Told> = ring.completions().expect("a ring").map(Told::from).collect();
        let outcome = self.outcomes.last_mut().expect("a step");
        for mut told in told.iter().copied() {
            if self.polls.contains(&told.user_data) {
                told = told.as_report();
            }
            if told.res >= 0 && self.makers.contains(&told.user_data) {
                // SAFETY: the ring has made it for this program, which nobody else is.
                self.world.keep(unsafe { OwnedFd::from_raw_fd(told.res) });
                told.res = DESCRIPTOR;
            }
            if !(told.is_report() && outcome.told.contains(&told)) {
                outcome.told.push(told);
            }
        }
        !told.is_empty()
    }

    pub fn told(&self) -> &[Told] {
        &self.outcomes.last().expect("a step").told
    }

    /// What is left when all is over; not all of it where requests are `stuck`.
    pub fn end(&mut self, stuck: bool) -> Remains {
        let remains = self.world.end(stuck);
        drop(self.ring.take());
        remains
    }
}

/// Several answers of a step as one: its digits.
fn and_then(first: i64, second: i64) -> i64 {
    first.wrapping_mul(100).wrapping_add(second)
}

/// How many entries the first chain has.
fn chain_len(entries: &[Entry]) -> u32 {
    let linked = entries.iter().take_while(|entry| entry.flags.intersects(LINKS)).count();
    (linked + 1).min(entries.len()) as u32
}

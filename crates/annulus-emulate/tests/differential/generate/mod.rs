//! Random programs, each of one seed.
//!
//! What io_uring leaves open is not asked: which that is, `compare` says. Here that means: what a
//! chain uses is claimed for it, until it is certainly over, and what threads do, for them alone
//! (`claims`); and what looks at others (polls, cancels, closes, changes) begins a chain, or is in
//! the only one of its step, and is in no step with threads.

mod buffers;
mod claims;
mod look;
mod open;
mod outside;
mod random;
mod transfer;

use annulus_emulate::abi::{Op, SqeFlags};

use crate::program::{
    Entry, FILES, Fd, INTERNET, LOCAL, PIPE_READ, PIPE_WRITE, Program, SLOTS, Setting, Step, TABLE,
};
use claims::{Claims, Thing, User, Way};
use random::Random;

/// What a program is about: each has some of them.
#[derive(Clone, Copy, Debug, Default)]
struct Themes {
    /// Regular files.
    files: bool,
    /// Pipes, sockets and an eventfd.
    pipes: bool,
    sockets: bool,
    datagrams: bool,
    /// Listeners, of either family.
    local: bool,
    internet: bool,
    /// The listeners are not non-blocking: threads of the host accept.
    waiting: bool,
    /// The tables of files and buffers, and groups of buffers.
    table: bool,
    fixed: bool,
    groups: bool,
    /// Others are looked at.
    polls: bool,
    cancels: bool,
    times: bool,
    /// Completions are counted: nothing is done by threads.
    counts: bool,
    /// Threads are asked for.
    threads: bool,
    drains: bool,
    messages: bool,
}

impl Themes {
    fn new(random: &mut Random) -> Self {
        let counts = random.chance(15);
        Self {
            files: !counts && random.chance(35),
            pipes: random.chance(50),
            sockets: random.chance(50),
            datagrams: random.chance(15),
            local: random.chance(25),
            internet: random.chance(8),
            waiting: random.chance(40),
            table: random.chance(40),
            fixed: random.chance(25),
            groups: random.chance(35),
            polls: random.chance(40),
            cancels: random.chance(40),
            times: counts || random.chance(50),
            counts,
            threads: !counts && random.chance(20),
            drains: !counts && random.chance(15),
            messages: random.chance(20),
        }
    }
}

/// Whom a cancel or a change may mean.
#[derive(Clone, Copy, Debug)]
struct Past {
    user_data: u64,
    op: Op,
    fd: Fd,
    is_fixed: bool,
}

struct Generator {
    random: Random,
    themes: Themes,
    setting: Setting,
    place: usize,
    chain: u32,
    claims: Claims,
    /// What may be in each slot of the table, and in each file that is not there any more.
    table: Vec<Vec<Thing>>,
    /// How much was written to each file that holds only so much.
    written: [u32; SLOTS as usize],
    /// What is next may wait for others, for one before it in its chain may.
    waits: bool,
    /// It is in no order with other chains, for a thread has done what is before it.
    threaded: bool,
    /// There was a drain: what comes next may be handed to threads for it.
    drained: bool,
    /// This step has threads; it has what looks at others.
    has_threads: bool,
    has_looks: bool,
    /// The entry begins a chain, or is of the only one of its step.
    is_first: bool,
    is_only: bool,
    /// The timeouts that go on: how often they tell at a short interval is open.
    repeating: Vec<u64>,
    /// All entries so far: what cancels are for.
    past: Vec<Past>,
}

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let mut themes = Themes::new(&mut random);
    let mut setting = setting(&mut random, themes);
    // A step is several submits then: how far threads are between those is open.
    themes.drains &= setting.cq_entries == 0;
    let has_room = setting.cq_entries != 2;
    (themes.files, themes.threads) = (themes.files && has_room, themes.threads && has_room);
    if themes.waiting && !has_room {
        setting.nonblocking.extend([LOCAL, INTERNET]);
    }
    (themes.waiting, themes.messages) = (themes.waiting && has_room, themes.messages && has_room);
    let table = setting.table.iter().map(|fd| fd.slot().into_iter().collect()).collect();
    let count = 1 + random.below(7);
    let mut generator = Generator {
        random,
        themes,
        setting,
        place: 0,
        chain: 0,
        claims: Claims::default(),
        table,
        written: [0; SLOTS as usize],
        waits: false,
        threaded: false,
        drained: false,
        has_threads: false,
        has_looks: false,
        is_first: false,
        is_only: false,
        repeating: Vec::new(),
        past: Vec::new(),
    };
    let mut steps = Vec::new();
    for n in 0..count {
        generator.claims.begin_step(generator.drained);
        let happens = n > 0 && generator.random.chance(50);
        let event = if happens { generator.event() } else { None };
        steps.push(match event {
            Some(event) => Step::Happen(event),
            None => Step::Submit(generator.entries()),
        });
    }
    Program { setting: generator.setting, steps }
}

fn setting(random: &mut Random, themes: Themes) -> Setting {
    let mut setting = Setting {
        submit_all: random.chance(30),
        cq_entries: if random.chance(8) { random.pick(&[2, 4, 8]) } else { 0 },
        tagged: random.chance(40),
        buffers: themes.fixed,
        groups: themes.groups && random.chance(85),
        filled: random.pick(&[0, 2, 4, 8]),
        ..Setting::default()
    };
    if themes.table && random.chance(92) {
        setting.table = (0..TABLE).map(|_| Generator::file_for(random, themes)).collect();
    }
    let blocking = [8, 9, 10, 11, 4, 5, 16, 17, 19];
    if themes.local && !themes.waiting {
        setting.nonblocking.push(LOCAL);
    }
    if themes.internet && !themes.waiting {
        setting.nonblocking.push(INTERNET);
    }
    if random.chance(15) {
        setting.nonblocking.extend((0..2).map(|_| random.pick(&blocking)));
    }
    setting
}

impl Generator {
    /// A file to be in the table, or none.
    fn file_for(random: &mut Random, themes: Themes) -> Fd {
        if random.chance(30) {
            return Fd::NONE;
        }
        let mut slots = Vec::new();
        let kinds = [
            (themes.files, 0..FILES),
            (themes.pipes, PIPE_READ..8),
            (themes.sockets, 8..12),
            (themes.datagrams, 12..14),
            (themes.pipes, 14..15),
            (themes.local, 15..18),
            (themes.internet, 18..21),
        ];
        for (_, kind) in kinds.into_iter().filter(|(is_there, _)| *is_there) {
            slots.extend(kind);
        }
        if slots.is_empty() { Fd::Slot(PIPE_WRITE) } else { Fd::Slot(random.pick(&slots)) }
    }

    fn entries(&mut self) -> Vec<Entry> {
        (self.has_threads, self.has_looks) = (false, false);
        let mut entries = Vec::new();
        let chains = 1 + self.random.below(4);
        for _ in 0..chains {
            self.chain += 1;
            (self.waits, self.threaded) = (self.drained, self.drained);
            // Chains fit into the queue, with a link timeout behind each of them but the last.
            let most = match self.setting.cq_entries {
                0 => 4,
                entries => u64::from(entries - 1) / 2,
            };
            let links = most > 0 && self.random.chance(50);
            let chained = if links { 1 + self.random.below(most) } else { 0 };
            self.is_only = chains == 1;
            for n in 0..=chained {
                self.is_first = n == 0;
                let mut entry = self.entry();
                self.flags(&mut entry);
                if n < chained {
                    let hard = self.random.chance(30);
                    entry.flags |= if hard { SqeFlags::IO_HARDLINK } else { SqeFlags::IO_LINK };
                }
                let is_refused = entry.fd == Fd::Slot(SLOTS);
                self.remember(&entry);
                entries.push(entry);
                if n < chained && !is_refused && self.random.chance(10) {
                    let mut limit = self.link_timeout();
                    let is_last = self.random.chance(30);
                    if !is_last {
                        limit.flags |= SqeFlags::IO_LINK;
                    }
                    self.remember(&limit);
                    entries.push(limit);
                    if is_last {
                        break;
                    }
                }
            }
        }
        entries
    }

    fn remember(&mut self, entry: &Entry) {
        let is_fixed = entry.has(SqeFlags::FIXED_FILE);
        let Entry { user_data, op, fd, .. } = *entry;
        self.past.push(Past { user_data, op, fd, is_fixed });
    }

    fn new_entry(&mut self, op: Op) -> Entry {
        self.place += 1;
        Entry::new(op, self.place - 1)
    }

    fn flags(&mut self, entry: &mut Entry) {
        let drain = if self.is_first { 15 } else { 4 };
        if self.themes.drains && !self.has_looks && self.random.chance(drain) {
            entry.flags |= SqeFlags::IO_DRAIN;
            (self.drained, self.has_threads) = (true, true);
            (self.waits, self.threaded) = (true, true);
        }
        // Of a descriptor one is told: it is to be closed.
        if self.random.chance(8) && !entry.makes_descriptor() {
            entry.flags |= SqeFlags::CQE_SKIP_SUCCESS;
        }
    }

    /// Whether what comes next is asked to be done by a thread.
    fn wants_thread(&mut self) -> bool {
        self.themes.threads && !self.has_looks && self.random.chance(20)
    }

    /// Whether something may come that looks at others.
    fn may_look(&self) -> bool {
        // What is before it in its chain ends within the step, or is no file's.
        let is_now = !self.waits || self.claims.is_unused();
        let is_certain = self.is_first || self.is_only && is_now;
        is_certain && !self.drained && !self.has_threads && !self.threaded
    }

    /// Takes note of something that looks at others, if it may come.
    fn looks(&mut self) -> bool {
        let may = self.may_look();
        self.has_looks |= may;
        may
    }

    /// Takes note that threads do something, if they may.
    fn uses_threads(&mut self) -> bool {
        let may = !self.has_looks && !self.themes.counts;
        self.has_threads |= may;
        self.threaded |= may;
        may
    }

    /// Whether there may be multishots. Where there is little room they end without any, and how
    /// much is left is said by what others told before, in whatever order.
    fn may_repeat(&mut self, percent: u64) -> bool {
        self.setting.cq_entries == 0 && self.random.chance(percent)
    }

    /// Whether there are files of any kind.
    fn moves(&self) -> bool {
        let Themes { files, pipes, sockets, datagrams, local, internet, .. } = self.themes;
        files || pipes || sockets || datagrams || local || internet
    }

    fn entry(&mut self) -> Entry {
        let Themes { local, internet, .. } = self.themes;
        let moves = self.moves();
        let Themes { table, groups, polls, cancels, times, messages, .. } = self.themes;
        let if_any = |weight: u64, any: bool| if any { weight } else { 0 };
        type Make = fn(&mut Generator) -> Option<Entry>;
        let kinds: [(u64, Make); 14] = [
            (8, |g| Some(g.nop())),
            (if_any(28, moves), Self::read),
            (if_any(28, moves), Self::write),
            (if_any(10, times), |g| Some(g.timeout())),
            (if_any(8, times), Self::timeout_remove),
            (if_any(14, polls), Self::poll),
            (if_any(6, polls), Self::poll_remove),
            (if_any(10, cancels), Self::cancel),
            (if_any(6, moves), Self::close),
            (if_any(14, table), Self::change_table),
            (if_any(24, local || internet), Self::connection),
            (if_any(10, groups), |g| Some(g.provide())),
            (if_any(10, messages), |g| Some(g.message())),
            (3, Self::bad),
        ];
        let make = self.random.weighted(&kinds);
        make(self).unwrap_or_else(|| self.nop())
    }

    fn nop(&mut self) -> Entry {
        let mut entry = self.new_entry(Op::NOP);
        if self.random.chance(30) {
            entry.rw_flags = 1;
            entry.len = self.random.pick(&[-5_i32, -125, 0, 7]) as u32;
        }
        if self.random.chance(10) {
            // A file, of the table or not; or a buffer.
            let by_table = self.themes.table && self.random.chance(30) && self.claim_table();
            entry.rw_flags |= if by_table { 6 } else { self.random.pick(&[2, 2, 8]) };
            entry.fd = if entry.rw_flags & 4 > 0 {
                Fd::Number(self.random.below(u64::from(TABLE) + 2) as i32)
            } else {
                Fd::Slot(self.random.pick(&[PIPE_READ, SLOTS]))
            };
            entry.buf_index = self.random.below(4) as u16;
        }
        entry
    }

    /// What a slot of the table may have in it.
    fn in_slot(&self, slot: u32) -> &[Thing] {
        self.table.get(slot as usize).map_or(&[], Vec::as_slice)
    }

    /// Something may be put into a slot of the table: into any, if it is picked.
    fn put(&mut self, slot: Option<u32>, thing: Thing) {
        for (n, things) in (0..).zip(&mut self.table) {
            if slot.is_none_or(|slot| slot == n) && !things.contains(&thing) {
                things.push(thing);
            }
        }
    }

    /// One of these files, for one that the table may have: how it is named.
    fn name_file(&mut self, thing: Thing) -> (Fd, SqeFlags, Vec<Thing>) {
        let slots: Vec<u32> =
            (0..TABLE).filter(|slot| self.in_slot(*slot).contains(&thing)).collect();
        let is_made = thing >= SLOTS;
        if slots.is_empty() || !is_made && self.random.chance(60) {
            let fd = if is_made { Fd::Slot(SLOTS) } else { Fd::Slot(thing) };
            return (fd, SqeFlags::empty(), vec![thing]);
        }
        let slot = self.random.pick(&slots);
        (Fd::Number(slot as i32), SqeFlags::FIXED_FILE, self.in_slot(slot).to_vec())
    }

    /// Whether an entry may name its file so: a thread finds what is in a slot of the table when it
    /// begins, and nobody changes that beside it.
    fn may_name(&mut self, fixed: SqeFlags) -> bool {
        !self.threaded || !fixed.contains(SqeFlags::FIXED_FILE) || self.claim_table()
    }

    /// Claims what an entry uses; `waits` says whether it may wait for others.
    fn claim(&mut self, things: &[Thing], way: Way, waits: bool) -> bool {
        let user = self.user();
        if !self.claims.claim(things, way, waits || self.waits, user) {
            return false;
        }
        self.waits |= waits;
        true
    }

    /// Who uses what comes next.
    fn user(&self) -> User {
        let (chain, threaded, is_first) = (self.chain, self.threaded, self.is_first);
        User { chain, threaded, is_first, waited: self.waits }
    }
}

//! Who uses what: so that no two use one thing where it is left open who gets it (see `compare`).

use std::collections::{HashMap, HashSet};

use crate::program::{COUNTER, DIRECTORY, FILES, INTERNET, LOCAL, PIPE_READ};

/// What may be used: a file of the world by its number; others by those that follow.
pub type Thing = i32;

/// What was made for a slot of the table, by kind.
pub const MADE_SOCKET: Thing = 100;
pub const MADE_READ: Thing = 110;
pub const MADE_WRITE: Thing = 120;
/// What was accepted, of either listener.
pub const ACCEPTED: Thing = 130;
pub const ACCEPTED_FAR: Thing = 140;
/// The groups of buffers, the table of files, the registered buffers.
pub const GROUPS: Thing = 200;
pub const TABLE: Thing = 300;
pub const FIXED: Thing = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    Read,
    Write,
    Poll,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    chain: u32,
    /// Beyond the step: its end is not certain.
    lasts: bool,
    /// It is used several times.
    is_often: bool,
    /// It is used when something else has come.
    is_behind: bool,
}

/// What else is used at once with something: one thing's other end.
fn surroundings(thing: Thing) -> Thing {
    match thing {
        _ if (PIPE_READ..COUNTER).contains(&thing) => thing & !1,
        _ if (LOCAL..INTERNET).contains(&thing) => LOCAL,
        _ if (INTERNET..DIRECTORY).contains(&thing) => INTERNET,
        MADE_WRITE => MADE_READ,
        ACCEPTED => LOCAL,
        ACCEPTED_FAR => INTERNET,
        _ => thing,
    }
}

/// Of a file, who reads sees what others write.
fn way_of(thing: Thing, way: Way) -> Way {
    if thing < FILES { Way::Write } else { way }
}

/// See above.
#[derive(Default)]
pub struct Claims {
    claims: HashMap<(Thing, Way), Claim>,
    /// Who used what in this step; and to move something.
    used: HashMap<Thing, Use>,
    moved: HashSet<(Thing, u32)>,
}

/// How something is used, with its other end.
#[derive(Clone, Copy, Debug)]
struct Use {
    /// By whom: 0 are several.
    chain: u32,
    by_thread: bool,
    /// One chain uses it several times.
    is_often: bool,
    /// One chain does not begin with it.
    is_late: bool,
}

/// Who uses something, and how.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub chain: u32,
    /// A thread does it, or has done what is before it.
    pub threaded: bool,
    /// It begins its chain.
    pub is_first: bool,
    /// What is before it in its chain may wait.
    pub waited: bool,
}

impl Claims {
    /// Begins a step. After a drain threads go on with those before.
    pub fn begin_step(&mut self, drained: bool) {
        self.claims.retain(|_, claim| claim.lasts);
        self.used.retain(|_, used| drained && used.by_thread);
        if !drained {
            self.moved.clear();
        }
    }

    /// Whether nobody may be waiting for it.
    pub fn is_free(&self, thing: Thing, way: Way) -> bool {
        !self.claims.contains_key(&(thing, way))
    }

    /// Whether nothing was used in this step.
    pub fn is_unused(&self) -> bool {
        self.used.is_empty()
    }

    /// Whether something has come in this step for a poll that may wait for it, or its other end.
    pub fn tells_polls(&self, thing: Thing) -> bool {
        let around = surroundings(thing);
        let is_here = |of: &Thing| surroundings(*of) == around;
        let is_polled = self.claims.keys().any(|(of, way)| *way == Way::Poll && is_here(of));
        is_polled && self.moved.iter().any(|(moved, _)| *moved == around)
    }

    /// Takes these, which the chain has claimed, for its alone in this step, if they are.
    pub fn is_alone(&mut self, things: &[Thing], chain: u32) -> bool {
        let around = |thing: &Thing| self.used.get(&surroundings(*thing));
        let is_alone = things.iter().filter_map(around).all(|used| used.chain == chain);
        for thing in things.iter().filter(|_| is_alone) {
            if let Some(used) = self.used.get_mut(&surroundings(*thing)) {
                used.by_thread = true;
            }
        }
        is_alone
    }

    fn may(&self, thing: Thing, way: Way, user: User) -> bool {
        let User { chain, threaded, is_first, waited } = user;
        let way = way_of(thing, way);
        let others: &[Way] = match way {
            Way::Poll => &[Way::Read, Way::Write],
            Way::Read => &[Way::Read, Way::Poll],
            Way::Write => &[Way::Write, Way::Poll],
        };
        let is_free =
            |way: &Way| self.claims.get(&(thing, *way)).is_none_or(|claim| claim.chain == chain);
        let around = surroundings(thing);
        // A chain goes on piece by piece: who else sees which of them is left open.
        let is_apart = |of: &Thing, by: u32| surroundings(*of) != around || by == chain;
        let bars = |(of, _): &(Thing, Way), claim: &Claim| {
            let is_open = claim.is_often || claim.is_behind && !is_first;
            is_open && !is_apart(of, claim.chain)
        };
        let is_barred = self.claims.iter().any(|(of, claim)| bars(of, claim));
        let Some(used) = self.used.get(&around) else {
            return !is_barred && others.iter().all(is_free);
        };
        let is_again = self.moved.contains(&(around, chain)) && way != Way::Poll;
        let is_own = || self.claims.iter().all(|((of, _), claim)| is_apart(of, claim.chain));
        let is_open = used.by_thread || threaded || used.is_often || used.is_late && waited;
        let fine = (used.chain == chain || !is_open) && (!is_again || is_own());
        fine && !is_barred && others.iter().all(is_free)
    }

    /// Claims all of `things`, if nobody else has one of them.
    pub fn claim(&mut self, things: &[Thing], way: Way, lasts: bool, user: User) -> bool {
        if !things.iter().all(|thing| self.may(*thing, way, user)) {
            return false;
        }
        let User { chain, threaded, is_first, waited } = user;
        for thing in things {
            let way = way_of(*thing, way);
            let around = surroundings(*thing);
            let is_often = way != Way::Poll && !self.moved.insert((around, chain));
            let new = Claim { chain, lasts, is_often, is_behind: waited };
            let claim = self.claims.entry((*thing, way)).or_insert(new);
            *claim = Claim {
                chain: if claim.chain == chain { chain } else { 0 },
                lasts: claim.lasts || lasts,
                is_often: claim.is_often || is_often,
                is_behind: claim.is_behind || waited,
            };
            let new = Use { chain, by_thread: threaded, is_often, is_late: !is_first };
            let used = self.used.entry(around).or_insert(new);
            *used = Use {
                chain: if used.chain == chain { chain } else { 0 },
                by_thread: used.by_thread || threaded,
                is_often: used.is_often || is_often,
                is_late: used.is_late || !is_first,
            };
        }
        true
    }
}

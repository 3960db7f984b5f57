//! [`Turns`]: who of the threads that wait leads, who follows, and whose bell is rung. The rules
//! alone: what is waited for, and what a bell is, is the caller's. See `wait` for why they suffice.

use std::sync::Arc;
use std::time::Duration;

/// What ends a follower's sleep, now or the next one.
pub(super) trait Bell {
    fn ring(&self);
}

/// A thread that leads.
#[derive(Debug)]
struct Leader<G> {
    goal: G,
    until: Option<Duration>,
    rung: bool,
}

/// A thread that follows.
#[derive(Debug)]
struct Follower<G, B> {
    goal: G,
    bell: Arc<B>,
    rung: bool,
}

/// See above. `G` is what a thread waits for.
#[derive(Debug)]
pub(super) struct Turns<G, B> {
    leader: Option<Leader<G>>,
    followers: Vec<Follower<G, B>>,
}

impl<G: Copy, B: Bell> Turns<G, B> {
    pub(super) fn new() -> Self {
        Self { leader: None, followers: Vec::new() }
    }

    /// Whether nobody leads, and nobody follows.
    pub(super) fn is_empty(&self) -> bool {
        self.leader.is_none() && self.followers.is_empty()
    }

    pub(super) fn is_led(&self) -> bool {
        self.leader.is_some()
    }

    /// This thread leads, and sleeps no longer than `until`.
    pub(super) fn lead(&mut self, goal: G, until: Option<Duration>) {
        self.leader = Some(Leader { goal, until, rung: false });
    }

    /// The leader has slept. Whether its bell was rung: then it is to be silenced.
    pub(super) fn has_led(&mut self) -> bool {
        self.leader.take().is_some_and(|leader| leader.rung)
    }

    /// This thread follows.
    pub(super) fn follow(&mut self, goal: G, bell: &Arc<B>) {
        self.followers.push(Follower { goal, bell: Arc::clone(bell), rung: false });
    }

    /// Who follows has slept. Whether its bell was rung: then it is to be silenced.
    pub(super) fn has_followed(&mut self, bell: &Arc<B>) -> bool {
        let place = self.followers.iter().position(|other| Arc::ptr_eq(&other.bell, bell));
        place.map(|place| self.followers.remove(place)).is_some_and(|own| own.rung)
    }

    /// Rings whose bell is to be rung, before the lock is released: the leader's by `ring_leader`.
    /// `due` is the next time that somebody has to be awake.
    pub(super) fn settle(
        &mut self,
        due: Option<Duration>,
        is_met: impl Fn(G) -> bool,
        ring_leader: impl FnOnce(),
    ) {
        if let Some(leader) = self.leader.as_mut().filter(|leader| !leader.rung) {
            let is_late = due.is_some_and(|due| leader.until.is_none_or(|until| due < until));
            let is_over = is_met(leader.goal) && cfg!(not(seeded_bug = "leader_sleeps_on"));
            if is_late || is_over {
                leader.rung = true;
                ring_leader();
            }
        }
        if self.followers.is_empty() {
            return;
        }
        for follower in self.followers.iter_mut().filter(|follower| !follower.rung) {
            if is_met(follower.goal) {
                follower.ring();
            }
        }
        let has_heir = self.is_led() || self.followers.iter().any(|follower| follower.rung);
        if !has_heir && cfg!(not(seeded_bug = "nobody_leads")) {
            self.followers[0].ring();
        }
    }
}

impl<G, B: Bell> Follower<G, B> {
    fn ring(&mut self) {
        self.rung = true;
        self.bell.ring();
    }
}

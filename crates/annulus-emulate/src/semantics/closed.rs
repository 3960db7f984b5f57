//! [`Closed`]: files that were closed, and are open a little longer.
//!
//! Linux has a closed file end by task work of the thread that let it go; chains go on by task work
//! as well. Whether what is linked behind a CLOSE finds its file open, or a listener there, is a
//! matter of which comes first:
//!
//! ```text
//! DEFER_TASKRUN  submit · files · round · files …            an enter that asks for no events
//!                submit · run · run · files · run · files …  one that does: it looks twice
//!                run · files · run · files …                 one that waits
//! SQPOLL         submit · round · files · round · files …    its thread looks once
//! others         round · round · files of the first …        what came last is first
//! ```
//!
//! A run is one round, or more: it goes on as long as there is something to do, and fewer had their
//! turn in it, requests and messages of the ring for itself, than completions are wanted. Without a
//! wait each round is a run.

use annulus_ring::abi::SetupFlags;

/// How many runs there are before files of a submit are let go, where events are asked for: the
/// submit itself, and two.
const RUNS: u32 = 3;

/// What of Linux closes files, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// The enters of the thread, when they were asked for events.
    Enters,
    /// The thread that takes entries.
    Polling,
    /// Whatever returns to the program: in the order of a stack.
    Returns,
}

/// See above.
#[derive(Debug)]
pub(super) struct Closed<F> {
    files: Vec<F>,
    /// How many of them were closed before this round.
    older: usize,
    pace: Pace,
    /// How many completions the thread wants that has entered, if it asked for events.
    want: Option<u32>,
    /// After how many runs they are let go.
    runs: u32,
    /// How many more have their turn in this run.
    left: u32,
}

impl<F> Closed<F> {
    pub(super) fn new(flags: SetupFlags) -> Self {
        let pace = if flags.contains(SetupFlags::DEFER_TASKRUN) {
            Pace::Enters
        } else if flags.contains(SetupFlags::SQPOLL) {
            Pace::Polling
        } else {
            Pace::Returns
        };
        Self { files: Vec::new(), older: 0, pace, want: None, runs: 1, left: 0 }
    }

    /// A thread enters: how many completions it wants, if it asks for events.
    #[inline]
    pub(super) fn ask(&mut self, want: Option<u32>) {
        self.want = if self.pace == Pace::Enters { want } else { None };
    }

    /// A submit has taken less than it was to take: it does not come to look for events.
    pub(super) fn comes_short(&mut self) {
        self.want = None;
    }

    /// A submit begins what it took.
    pub(super) fn begin_submit(&mut self) {
        self.left = 0;
        self.runs = match self.pace {
            Pace::Polling => 2,
            Pace::Enters if self.want.is_some() => RUNS,
            Pace::Enters | Pace::Returns => 1,
        };
    }

    /// Goes on behind what was done outside of a round, when so many completions are there.
    pub(super) fn begin_run(&mut self, ready: u32) {
        if self.pace == Pace::Returns {
            return self.let_go_older();
        }
        self.begin_next(ready);
        if self.left == 0 {
            self.let_go();
        }
    }

    /// A round is over, in which so many had their turn, and so many messages were sent to the ring
    /// itself; so many completions are there. How many of the messages have their turn in the next
    /// round: in a run that goes on they had it in this one.
    pub(super) fn end_round(&mut self, count: u32, messages: u32, ready: u32) -> u32 {
        if self.pace == Pace::Returns {
            self.let_go_older();
            return 0;
        }
        let (had, later) = if count < self.left { (messages, 0) } else { (0, messages) };
        self.left = self.left.saturating_sub(count + had);
        if self.left > 0 {
            return later;
        }
        self.runs -= 1;
        if self.runs > 0 {
            self.left = self.want.unwrap_or(0);
        } else {
            self.let_go();
            self.begin_next(ready);
        }
        later
    }

    fn begin_next(&mut self, ready: u32) {
        self.runs = 1;
        self.left = self.want.map_or(0, |want| want.saturating_sub(ready));
    }

    /// Whether what is closed now is open in the next round, as far as that is known.
    pub(super) fn outlives_round(&self) -> bool {
        self.pace == Pace::Returns || self.runs > 1 || self.left > 0
    }

    /// Has a file be open a little longer.
    pub(super) fn hold(&mut self, file: F) {
        self.files.push(file);
    }

    /// Lets go all of them.
    #[inline]
    pub(super) fn let_go(&mut self) {
        if !self.files.is_empty() {
            self.files.clear();
        }
        self.older = 0;
    }

    /// Lets go those that were closed before this round, which is over.
    fn let_go_older(&mut self) {
        self.files.drain(..self.older);
        self.older = self.files.len();
    }
}

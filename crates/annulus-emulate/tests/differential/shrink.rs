//! The smallest program that still differs: by leaving out steps and entries, then what is special
//! about an entry.

use annulus_emulate::abi::SqeFlags;

use crate::compare::Divergence;
use crate::program::{Fd, Program, Setting, Step};

/// How many smaller programs are tried.
const TRIES_MAX: usize = 400;

const LINKS: SqeFlags = SqeFlags::IO_LINK.union(SqeFlags::IO_HARDLINK);

/// A program that differs, and how.
struct Shrinking<F> {
    program: Program,
    found: Divergence,
    differs: F,
    tries: usize,
}

/// Shrinks `program`, of which `differs` finds a difference, until nothing can be left out.
pub fn shrink(
    program: Program,
    found: Divergence,
    differs: impl FnMut(&Program) -> Option<Divergence>,
) -> (Program, Divergence) {
    let mut shrinking = Shrinking { program, found, differs, tries: 0 };
    // Nothing behind the step that differs matters.
    if let Some(step) = shrinking.found.step {
        let mut less = shrinking.program.clone();
        less.steps.truncate(step + 1);
        shrinking.is_enough(less);
    }
    while shrinking.pass() {}
    (shrinking.program, shrinking.found)
}

impl<F: FnMut(&Program) -> Option<Divergence>> Shrinking<F> {
    /// Takes a smaller program if it still differs.
    fn is_enough(&mut self, mut less: Program) -> bool {
        self.tries += 1;
        end_chains(&mut less);
        if self.tries > TRIES_MAX || less == self.program {
            return false;
        }
        let Some(found) = (self.differs)(&less) else { return false };
        (self.program, self.found) = (less, found);
        true
    }

    /// Tries to leave out each part once, from the end. Whether any could be left out.
    fn pass(&mut self) -> bool {
        let mut any = false;
        for n in (0..self.program.steps.len()).rev() {
            let mut less = self.program.clone();
            less.steps.remove(n);
            if self.is_enough(less) {
                any = true;
                continue;
            }
            let Step::Submit(entries) = &self.program.steps[n] else { continue };
            for at in (0..entries.len()).rev() {
                any |= self.pass_entry(n, at);
            }
        }
        any | self.pass_setting()
    }

    /// Tries to have less from the beginning.
    fn pass_setting(&mut self) -> bool {
        let changes: [fn(&mut Setting); 8] = [
            |setting| setting.submit_all = false,
            |setting| setting.cq_entries = 0,
            |setting| setting.table.clear(),
            |setting| setting.table.iter_mut().for_each(|fd| *fd = Fd::NONE),
            |setting| setting.tagged = false,
            |setting| setting.buffers = false,
            |setting| setting.groups = false,
            |setting| setting.nonblocking.clear(),
        ];
        let mut any = false;
        for change in changes {
            let mut less = self.program.clone();
            change(&mut less.setting);
            any |= self.is_enough(less);
        }
        for at in 0..self.program.setting.table.len() {
            let mut less = self.program.clone();
            if let Some(fd) = less.setting.table.get_mut(at) {
                *fd = Fd::NONE;
            }
            any |= self.is_enough(less);
        }
        any
    }

    /// Tries to leave out an entry, or else its flags.
    fn pass_entry(&mut self, step: usize, at: usize) -> bool {
        let mut less = self.program.clone();
        let Step::Submit(entries) = &mut less.steps[step] else { return false };
        let flags = entries.remove(at).flags;
        if at > 0 && !flags.intersects(LINKS) {
            // It was the end of its chain.
            entries[at - 1].flags = entries[at - 1].flags.difference(LINKS);
        }
        if self.is_enough(less) {
            return true;
        }
        let mut any = false;
        for flag in SqeFlags::ALL.iter().map(|known| known.value) {
            // Without a link there are two chains, which may not use one thing; without a table its
            // slot is the number of a file, of this process.
            if !flags.contains(flag) || LINKS.contains(flag) || flag == SqeFlags::FIXED_FILE {
                continue;
            }
            let mut less = self.program.clone();
            if let Step::Submit(entries) = &mut less.steps[step] {
                entries[at].flags = entries[at].flags.difference(flag);
            }
            any |= self.is_enough(less);
        }
        any
    }
}

/// Ends the last chain of each step: one that goes on behind the submit's end is done by a thread,
/// and so ends otherwise when it is cancelled.
fn end_chains(program: &mut Program) {
    for step in &mut program.steps {
        let Step::Submit(entries) = step else { continue };
        if let Some(last) = entries.last_mut() {
            last.flags = last.flags.difference(LINKS);
        }
    }
}

//! What happens outside.

use annulus_emulate::abi::{CancelFlags, Op};

use super::claims::Way;
use super::{Generator, Past};
use crate::program::{
    BUFFERS, COUNTER, DATAGRAM, DIRECTORY, Event, Fd, INTERNET, LOCAL, PIECEWISE, PIPE_READ,
    PIPE_WRITE, RING, SLOTS, SMALL_READ, SMALL_WRITE, SOCKET, TABLE,
};

impl Generator {
    /// Something that fits what the program is about; none, if nothing does.
    pub(super) fn event(&mut self) -> Option<Event> {
        let themes = self.themes;
        let if_any = |weight: u64, any: bool| if any { weight } else { 0 };
        let moves = themes.pipes || themes.sockets || themes.datagrams;
        let connects = themes.local || themes.internet;
        type Make = fn(&mut Generator) -> Option<Event>;
        let kinds: [(u64, Make); 7] = [
            (if_any(40, moves || connects), Self::bytes),
            (if_any(25, connects), Self::connects),
            (if_any(12, moves || connects), Self::ends),
            (if_any(12, themes.table), Self::changes_table),
            (if_any(6, themes.fixed), Self::changes_buffers),
            (if_any(20, themes.groups), Self::changes_groups),
            (if_any(6, themes.cancels), Self::cancels),
        ];
        if kinds.iter().all(|(weight, _)| *weight == 0) {
            return None;
        }
        let make = self.random.weighted(&kinds);
        make(self)
    }

    /// A file that somebody else has, too.
    fn outside(&mut self) -> Option<i32> {
        let mut slots: Vec<i32> = Vec::new();
        if self.themes.pipes {
            slots.extend(PIPE_READ..SOCKET);
            slots.push(COUNTER);
        }
        if self.themes.sockets {
            slots.extend(SOCKET..DATAGRAM);
        }
        if self.themes.datagrams {
            slots.extend(DATAGRAM..COUNTER);
        }
        if self.themes.local {
            slots.extend(LOCAL + 1..INTERNET);
        }
        if self.themes.internet {
            slots.extend(INTERNET + 1..DIRECTORY);
        }
        if slots.is_empty() { None } else { Some(self.random.pick(&slots)) }
    }

    fn bytes(&mut self) -> Option<Event> {
        let slot = self.outside()?;
        let bytes = self.random.pick(&[1, 8, 50, 64, 100, 300, 4096]);
        let reads = match slot {
            PIPE_READ | SMALL_READ => true,
            PIPE_WRITE | SMALL_WRITE => false,
            _ => self.random.chance(40),
        };
        Some(match reads {
            true => Event::Read { slot, bytes },
            false => {
                self.written[slot as usize] += bytes;
                Event::Write { slot, bytes }
            }
        })
    }

    fn connects(&mut self) -> Option<Event> {
        let listener = if self.themes.local { LOCAL } else { INTERNET };
        let is_free = self.claims.is_free(listener, Way::Read);
        if is_free && self.random.chance(20) {
            return Some(Event::Accept { slot: listener });
        }
        // Not beside one that may be about to.
        if !self.claims.is_free(listener, Way::Write) {
            return None;
        }
        Some(Event::Connect { slot: listener + 1 + self.random.below(2) as i32 })
    }

    fn ends(&mut self) -> Option<Event> {
        let slot = self.outside()?;
        // Who waits is woken, and looks again: what it picks then is not there for the host.
        let is_free = self.claims.is_free(slot, Way::Read);
        let shuts = slot >= SOCKET && slot != COUNTER && is_free && self.random.chance(30);
        Some(if shuts { Event::ShutDown { slot } } else { Event::Close { slot } })
    }

    fn changes_table(&mut self) -> Option<Event> {
        let (random, themes) = (&mut self.random, self.themes);
        Some(match random.below(12) {
            0 => Event::DropTable,
            1 => {
                let files: Vec<Fd> = (0..TABLE).map(|_| Self::file_for(random, themes)).collect();
                self.table.resize(TABLE as usize, Vec::new());
                self.note(0, &files);
                Event::MakeTable { files }
            }
            2 => Event::PickIn { first: random.below(8) as u32, count: random.below(6) as u32 },
            _ => {
                let count = 1 + random.below(3);
                let first = random.below(u64::from(TABLE) + 1 - count) as u32;
                let files: Vec<Fd> = (0..count).map(|_| Self::file_for(random, themes)).collect();
                self.note(first, &files);
                Event::UpdateTable { first, files }
            }
        })
    }

    /// These files may be in the table from a slot on.
    fn note(&mut self, first: u32, files: &[Fd]) {
        for (n, fd) in (first..).zip(files) {
            if let Some(thing) = fd.slot().filter(|slot| *slot < SLOTS) {
                self.put(Some(n), thing);
            }
        }
    }

    fn changes_buffers(&mut self) -> Option<Event> {
        if self.random.chance(15) {
            return Some(Event::DropBuffers);
        }
        let index = self.random.below(u64::from(BUFFERS)) as u16;
        Some(Event::UpdateBuffer { index, is_there: self.random.chance(50) })
    }

    fn changes_groups(&mut self) -> Option<Event> {
        let group = self.random.pick(&[RING, PIECEWISE]);
        Some(match self.random.below(12) {
            0 => Event::DropGroup { group },
            1 => Event::MakeGroup { group },
            _ => Event::Refill { group, count: self.random.pick(&[1, 2, 8]) },
        })
    }

    fn cancels(&mut self) -> Option<Event> {
        if self.drained {
            return None;
        }
        let (flags, Past { user_data, op, fd, .. }) = self.criteria();
        let op = if flags.contains(CancelFlags::OP) { op } else { Op::NOP };
        let fd = if flags.contains(CancelFlags::FD) { fd } else { Fd::NONE };
        Some(Event::Cancel { flags, user_data, fd, op })
    }
}

//! [`Bar`]: how far it is, how fast, and how long it takes yet, for those who watch.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::out::Ui;
use crate::units;

/// How often it is drawn: terminals are slower than disks.
const EVERY: Duration = Duration::from_millis(100);
const CELLS: usize = 24;

/// A line on stderr, if anybody watches.
#[derive(Debug)]
pub struct Bar {
    watched: bool,
    columns: usize,
    began: Instant,
    drawn: Cell<Option<Instant>>,
    shown: Cell<bool>,
    /// Bytes and files in all.
    all: Cell<(u64, u64)>,
    done: Cell<(u64, u64)>,
}

impl Bar {
    pub fn new(ui: &Ui) -> Self {
        Self {
            watched: ui.watched,
            columns: ui.columns,
            began: Instant::now(),
            drawn: Cell::new(None),
            shown: Cell::new(false),
            all: Cell::new((0, 0)),
            done: Cell::new((0, 0)),
        }
    }

    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// There is so much more to copy.
    pub fn expect(&self, bytes: u64, files: u64) {
        let (b, f) = self.all.get();
        self.all.set((b + bytes, f + files));
    }

    /// So much more was copied.
    pub fn add(&self, bytes: u64, files: u64) {
        if !self.watched {
            return;
        }
        let (b, f) = self.done.get();
        self.done.set((b + bytes, f + files));
        if self.drawn.get().is_none_or(|at| at.elapsed() >= EVERY) {
            self.drawn.set(Some(Instant::now()));
            let line = line(self.done.get(), self.all.get(), self.began.elapsed());
            self.write(&format!("\r\x1b[K{}", fitting(&line, self.columns)));
            self.shown.set(true);
        }
    }

    /// Takes the line away, before something else is printed.
    pub fn clear(&self) {
        if self.shown.replace(false) {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = io::stderr();
        // Progress that cannot be shown is not missed.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

fn fitting(line: &str, columns: usize) -> String {
    line.chars().take(columns.saturating_sub(1)).collect()
}

/// `[####....] 1.2 GiB of 2 GiB, 3 of 7 files, 800 MiB/s, 2 s left`
fn line(done: (u64, u64), all: (u64, u64), elapsed: Duration) -> String {
    // Files that grow meanwhile are more than was expected.
    let all = (all.0.max(done.0), all.1.max(done.1));
    let seconds = elapsed.as_secs_f64().max(1e-3);
    // What costs time: the bytes, and each file as if it had some more.
    const FILE: u64 = 32 * 1024;
    let work = |(bytes, files): (u64, u64)| (bytes + files * FILE) as f64;
    let share = if work(all) > 0.0 { work(done) / work(all) } else { 1.0 };
    let full = (share * CELLS as f64) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(CELLS.saturating_sub(full)));
    let rate = units::size((done.0 as f64 / seconds) as u64);
    let left = if share > 0.0 {
        let left = Duration::from_secs_f64(seconds * (1.0 - share) / share);
        format!("{} left", units::duration(left))
    } else {
        "a while left".to_owned()
    };
    let (bytes, end) = (units::size(done.0), units::size(all.0));
    let files = if all.1 > 1 { format!(", {} of {} files", done.1, all.1) } else { String::new() };
    format!("[{bar}] {bytes} of {end}{files}, {rate}/s, {left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_how_fast_and_how_long() {
        let line = line((512 << 20, 0), (2 << 30, 1), Duration::from_secs(1));
        let expected = "[#####...................] 512 MiB of 2 GiB, 512 MiB/s, 3 s left";
        assert_eq!(line, expected);
    }

    #[test]
    fn nothing_to_do_and_too_much_done_are_no_trouble() {
        assert!(line((0, 0), (0, 0), Duration::ZERO).contains("0 ms left"));
        assert!(line((10, 3), (5, 2), Duration::from_secs(1)).contains("3 of 3 files"));
        assert!(line((0, 0), (5, 2), Duration::from_secs(1)).ends_with("a while left"));
        assert_eq!(fitting("abcdef", 4), "abc");
    }
}

//! One line on stderr that says how far it is, for those who watch.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::out::Ui;
use crate::units;

/// The line, if anybody watches.
#[derive(Debug)]
pub struct Progress {
    watched: bool,
    columns: usize,
    shown: Cell<bool>,
    began: Instant,
    steps: Cell<(u32, u32)>,
}

impl Progress {
    pub fn new(ui: &Ui) -> Self {
        Self {
            watched: ui.watched,
            columns: ui.columns,
            shown: Cell::new(false),
            began: Instant::now(),
            steps: Cell::new((0, 0)),
        }
    }

    /// How far the making of a file is.
    pub fn filling(&self, bytes: u64, end: u64) {
        // Every 8 MiB: terminals are slower than disks.
        if bytes.is_multiple_of(8 << 20) || bytes == end {
            self.show(&format!("writing a file: {} of {}", units::size(bytes), units::size(end)));
        }
    }

    /// There will be this many measurements.
    pub fn expect(&self, steps: u32) {
        self.steps.set((0, steps));
    }

    /// This many measurements will not be made after all.
    pub fn skip(&self, steps: u32) {
        let (done, all) = self.steps.get();
        self.steps.set((done + steps, all));
    }

    /// The next measurement begins. `each` is how long one takes.
    pub fn step(&self, what: &str, each: Duration) {
        const BAR: usize = 20;
        let (done, all) = self.steps.get();
        let left = units::duration(each * all.saturating_sub(done));
        let full = (BAR * done as usize).checked_div(all as usize).unwrap_or(0).min(BAR);
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR - full));
        self.show(&format!("[{bar}] {what}, {left} left"));
        self.steps.set((done + 1, all));
    }

    /// Takes the line away, before something else is printed.
    pub fn clear(&self) {
        if self.shown.replace(false) {
            self.write("\r\x1b[K");
        }
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn show(&self, text: &str) {
        if self.watched {
            let text: String = text.chars().take(self.columns.saturating_sub(1)).collect();
            self.write(&format!("\r\x1b[K{text}"));
            self.shown.set(true);
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = io::stderr();
        // Progress that cannot be shown is not missed.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

//! What is counted, and how it is told: `--metrics`, the status line, the last words.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A counter that one thread writes and any reads.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn get(&self) -> u64 {
        // Relaxed: a number and nothing else; pairs with the store in `set`.
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, value: u64) {
        // Relaxed: a number and nothing else; pairs with the load in `get`.
        self.0.store(value, Ordering::Relaxed);
    }

    /// For its one writer.
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
}

/// What a thread counts.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counts {
    /// Answers, by the hundreds of their status: 1xx to 5xx.
    pub answers: [Count; 5],
    /// Bytes of bodies that were answered, as far as they were promised.
    pub body_bytes: Count,
    /// Bytes of those that the kernel is to send out of files itself.
    pub file_bytes: Count,
    pub accepted: Count,
    pub open: Count,
    /// Connections that took too long.
    pub late: Count,
    /// Lines of the log that nobody took in time.
    pub lines_lost: Count,
}

/// All threads together.
#[derive(Debug)]
pub struct Totals {
    pub threads: Vec<Counts>,
    began: Instant,
}

impl Totals {
    pub fn new(threads: usize) -> Self {
        let counts = (0..threads).map(|_| Counts::default()).collect();
        Self { threads: counts, began: Instant::now() }
    }

    pub fn sum(&self, of: impl Fn(&Counts) -> &Count) -> u64 {
        self.threads.iter().map(|counts| of(counts).get()).sum()
    }

    pub fn answers(&self) -> u64 {
        (0..5).map(|class| self.sum(|counts| &counts.answers[class])).sum()
    }

    /// In the text form of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(2048);
        let mut family = |name: &str, kind: &str, help: &str, lines: &[(String, u64)]| {
            // A `String` takes all that is written to it.
            let _ = writeln!(text, "# HELP annulus_serve_{name} {help}");
            let _ = writeln!(text, "# TYPE annulus_serve_{name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(text, "annulus_serve_{name}{labels} {value}");
            }
        };
        let plain = |value| [(String::new(), value)];
        let by_class: Vec<_> = (0..5)
            .map(|class| {
                let label = format!("{{code=\"{}xx\"}}", class + 1);
                (label, self.sum(|counts| &counts.answers[class]))
            })
            .collect();
        family("requests_total", "counter", "Requests that were answered.", &by_class);
        let bytes = plain(self.sum(|counts| &counts.body_bytes));
        family("body_bytes_total", "counter", "Bytes of the bodies of answers.", &bytes);
        let bytes = plain(self.sum(|counts| &counts.file_bytes));
        family("sendfile_bytes_total", "counter", "Bytes of those by sendfile.", &bytes);
        let accepted = plain(self.sum(|counts| &counts.accepted));
        family("connections_total", "counter", "Connections that were accepted.", &accepted);
        let open = plain(self.sum(|counts| &counts.open));
        family("connections", "gauge", "Connections that are open.", &open);
        let late = plain(self.sum(|counts| &counts.late));
        family("timeouts_total", "counter", "Connections that took too long.", &late);
        let lost = plain(self.sum(|counts| &counts.lines_lost));
        family("log_lines_lost_total", "counter", "Lines of the log that were dropped.", &lost);
        let uptime = plain(self.began.elapsed().as_secs());
        family("uptime_seconds", "gauge", "How long it serves.", &uptime);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_are_summed() {
        let totals = Totals::new(2);
        totals.threads[0].answers[1].add(3);
        totals.threads[1].answers[1].add(4);
        totals.threads[1].answers[3].add(1);
        totals.threads[0].open.set(2);
        assert_eq!(totals.answers(), 8);
        let text = totals.text();
        assert!(text.contains("\nannulus_serve_requests_total{code=\"2xx\"} 7\n"), "{text}");
        assert!(text.contains("\nannulus_serve_connections 2\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(line.split(' ').count(), 2, "{line}");
        }
    }
}

//! Running the plan: workload by workload, round by round, engine by engine.

use std::time::Duration;

use annulus_emulate::KernelChoice;

use super::files::TestFiles;
use super::plan::{Cache, Cell, Engine, Rw, Settings, Time, Workload};
use super::progress::Progress;
use super::raw::{Counters, Driver, RingWork};
use super::report::{CellReport, Outcome};
use super::threads::Calls;
use super::window::{Sample, Span, measure};
use crate::failure::Failure;
use crate::signals::Signals;

/// What a run needs at hand.
pub struct Runner<'a> {
    pub settings: &'a Settings,
    pub files: &'a TestFiles,
    pub signals: &'a Signals,
    pub progress: &'a Progress,
    pub cpus: u32,
    pub count_instructions: bool,
}

/// What one measurement costs beyond what it measures: threads, a ring, the end of what is in
/// flight.
const OVERHEAD: Duration = Duration::from_millis(6);

/// How much longer than planned a workload may take before its last rounds are left out.
const PATIENCE: f64 = 1.12;

/// However little time there is, shorter rounds would measure the clock, longer ones bore.
const EACH_MIN: Duration = Duration::from_millis(20);
const EACH_MAX: Duration = Duration::from_millis(220);

impl Runner<'_> {
    /// The workloads that have a file to work on.
    fn feasible(&self) -> impl Iterator<Item = Workload> {
        let has_file = |cache: Cache| self.files.of(cache).is_ok();
        self.settings.workloads.iter().copied().filter(move |it| it.cache.is_none_or(has_file))
    }

    /// How long each engine runs in each round: what was asked for, or what fits.
    pub fn each(&self) -> Duration {
        match self.settings.time {
            Time::Each(time) => time,
            Time::Total(total) => {
                let per_round = self.settings.depths.len() * self.settings.engines.len();
                let weights: f64 = self.feasible().map(Workload::weight).sum();
                let count = weights * per_round as f64 * f64::from(self.settings.rounds);
                let left = total.saturating_sub(self.progress.elapsed());
                // A tenth of it warms up: see `Span`.
                let each = left.div_f64(count.max(1.0)).saturating_sub(OVERHEAD).div_f64(1.1);
                each.clamp(EACH_MIN, EACH_MAX)
            }
        }
    }

    /// How many measurements there will be.
    pub fn steps(&self) -> u32 {
        let per_round = self.settings.depths.len() * self.settings.engines.len();
        self.feasible().count() as u32 * per_round as u32 * self.settings.rounds
    }

    /// One workload: all rounds, or as many as fit into the time that is left.
    pub fn workload(
        &self,
        workload: Workload,
        each: Duration,
        share: f64,
    ) -> Result<Outcome, Failure> {
        let file = match workload.cache.map(|cache| self.files.of(cache)) {
            Some(Err(reason)) => return Ok(Outcome::skipped(workload, reason)),
            Some(Ok(file)) => Some(file),
            None => None,
        };
        if let Some(file) = file {
            // What was written before must not be written back now.
            file.file.sync_data().map_err(|error| Failure::new("fdatasync", error))?;
        }
        let began = self.progress.elapsed();
        let limit = match self.settings.time {
            Time::Each(_) => Duration::MAX,
            Time::Total(total) => total.saturating_sub(began).mul_f64(share * PATIENCE),
        };
        let cells = self.settings.cells(0);
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); cells.len()];
        for round in 0..self.settings.rounds {
            for cell in self.settings.cells(round) {
                self.announce(workload, cell, round, each);
                let sample = self.cell(workload, cell, each)?;
                if let Some(place) = cells.iter().position(|other| *other == cell) {
                    samples[place].push(sample);
                }
            }
            // The next round takes as long as those before did.
            let spent = self.progress.elapsed().saturating_sub(began);
            if spent + spent / (round + 1) > limit {
                let left = self.settings.rounds - round - 1;
                self.progress.skip(left * cells.len() as u32);
                break;
            }
        }
        let reports = cells.iter().zip(samples).filter_map(|(&cell, rounds)| {
            CellReport::new(cell, self.threads(workload, cell), rounds)
        });
        Ok(Outcome::new(workload, reports.collect()))
    }

    /// How long one measurement of `workload` takes.
    fn span(&self, workload: Workload, each: Duration) -> Span {
        Span::new(match self.settings.time {
            Time::Each(time) => time,
            Time::Total(_) => each.mul_f64(workload.weight()),
        })
    }

    fn announce(&self, workload: Workload, cell: Cell, round: u32, each: Duration) {
        let engine = match cell.engine {
            Engine::Uring => "ring",
            Engine::Host => "host kernel",
            Engine::Threads => "threads",
        };
        let (name, depth, rounds) = (workload.name(), cell.depth, self.settings.rounds);
        let what = format!("{name}, depth {depth}, {engine}, round {} of {rounds}", round + 1);
        let span = self.span(workload, each);
        self.progress.step(&what, span.warm + span.measure + OVERHEAD);
    }

    fn threads(&self, workload: Workload, cell: Cell) -> u32 {
        match cell.engine {
            Engine::Uring | Engine::Host => 1,
            Engine::Threads => workload.threads(cell.depth, self.cpus),
        }
    }

    /// One engine, once.
    fn cell(&self, workload: Workload, cell: Cell, each: Duration) -> Result<Sample, Failure> {
        let span = self.span(workload, each);
        let test_file = workload.cache.and_then(|cache| self.files.of(cache).ok());
        let file = test_file.map(|test_file| &test_file.file);
        let block_bytes = self.settings.block_bytes;
        let blocks = test_file.map_or(0, |test_file| test_file.bytes / u64::from(block_bytes));
        let rw = if file.is_some() { workload.rw } else { Rw::Nop };
        // Opened anew each time: counters count the threads that are made after them.
        let counters = self.count_instructions.then(Counters::open).and_then(Result::ok);
        let threads = self.threads(workload, cell);
        match cell.engine {
            Engine::Uring | Engine::Host => {
                let kernel = ring_kernel(cell.engine);
                // In user space nothing is pinned: there is nothing to save.
                let fixed_buffers =
                    workload.cache == Some(Cache::Direct) && kernel == KernelChoice::Linux;
                let work = RingWork { kernel, rw, file, blocks, block_bytes, fixed_buffers };
                let make = |_| Driver::new(cell.depth, work);
                measure(threads, span, self.signals, counters.as_ref(), make)
            }
            Engine::Threads => {
                let make = |index| Ok(Calls::new(index, rw, file, blocks, block_bytes));
                measure(threads, span, self.signals, counters.as_ref(), make)
            }
        }
    }
}

/// The kernel of an engine's ring: never the one that there happens to be, nor a shorter ring.
fn ring_kernel(engine: Engine) -> KernelChoice {
    if engine == Engine::Host { KernelChoice::Host } else { KernelChoice::Linux }
}

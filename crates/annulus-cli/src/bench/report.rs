//! The results, as `--json` prints them and as tables and plots are made of them.

use serde::Serialize;

use super::machine::Machine;
use super::plan::{Cell, Engine, Kernel, Workload};
use super::stats::{Comparison, Summary};
use super::window::Sample;

/// Everything: one JSON object.
#[derive(Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub annulus: &'static str,
    pub machine: Machine,
    pub settings: SettingsReport,
    pub io_uring: RingReport,
    /// Why there are no instruction counts, if there are none.
    pub instructions_missing: Option<String>,
    pub warnings: Vec<String>,
    pub workloads: Vec<Outcome>,
    /// How long all of it took.
    pub elapsed_ms: u64,
}

/// What was asked for, and what came of it.
#[derive(Debug, Serialize)]
pub struct SettingsReport {
    pub depths: Vec<u32>,
    pub engines: Vec<Engine>,
    /// Which kernel was asked for.
    pub kernel: Kernel,
    pub rounds: u32,
    /// How long an engine ran in a round.
    pub time_ms: u64,
    pub block_bytes: u32,
    pub cached_file_bytes: Option<u64>,
    pub direct_file_bytes: Option<u64>,
}

/// Whether io_uring could be used, and how it was.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RingReport {
    pub usable: bool,
    pub error: Option<String>,
    pub setup_flags: Option<String>,
    /// Whether the ring's own descriptor was registered.
    pub registered_descriptor: bool,
    /// Whether direct operations used registered buffers, if there were any.
    pub fixed_buffers: Option<bool>,
}

/// What came of one workload.
#[derive(Debug, Serialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub workload: Workload,
    /// Why it was not measured, if it was not.
    pub skipped: Option<String>,
    pub cells: Vec<CellReport>,
    /// The rings against threads, at each depth.
    pub comparisons: Vec<Against>,
}

/// One engine at one depth, with the numbers of each round.
#[derive(Debug, Serialize)]
pub struct CellReport {
    pub depth: u32,
    pub engine: Engine,
    pub threads: u32,
    pub ops_per_s: Summary,
    pub cpu_ns_per_op: Summary,
    pub calls_per_op: f64,
    pub instructions_per_op: Option<f64>,
    pub rounds: Vec<Sample>,
}

/// A ring against threads at one depth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Against {
    pub depth: u32,
    /// Which ring: Linux's, or the host's.
    pub engine: Engine,
    /// Operations per second: higher is better.
    pub ops: Comparison,
    /// CPU time per operation: lower is better.
    pub cpu: Comparison,
}

impl CellReport {
    /// The rounds of a cell, summed up; nothing if there are none.
    pub fn new(cell: Cell, threads: u32, rounds: Vec<Sample>) -> Option<Self> {
        let of = |value: fn(&Sample) -> f64| -> Vec<f64> { rounds.iter().map(value).collect() };
        let instructions: Option<Vec<f64>> =
            rounds.iter().map(Sample::instructions_per_op).collect();
        Some(Self {
            depth: cell.depth,
            engine: cell.engine,
            threads,
            ops_per_s: Summary::of(&of(Sample::ops_per_s))?,
            cpu_ns_per_op: Summary::of(&of(Sample::cpu_ns_per_op))?,
            calls_per_op: Summary::of(&of(Sample::calls_per_op))?.median,
            instructions_per_op: instructions.and_then(|all| Some(Summary::of(&all)?.median)),
            rounds,
        })
    }

    /// How many kernel threads served the ring at most.
    pub fn kernel_workers(&self) -> u32 {
        self.rounds.iter().map(|sample| sample.kernel_workers).max().unwrap_or(0)
    }
}

impl Outcome {
    /// A workload that could not be measured.
    pub fn skipped(workload: Workload, reason: &str) -> Self {
        let skipped = Some(reason.to_owned());
        Self { workload, skipped, cells: Vec::new(), comparisons: Vec::new() }
    }

    /// What the cells come to.
    pub fn new(workload: Workload, mut cells: Vec<CellReport>) -> Self {
        cells.sort_by_key(|cell| (cell.depth, cell.engine));
        let of = |depth: u32, engine: Engine| {
            cells.iter().find(move |cell| cell.depth == depth && cell.engine == engine)
        };
        let mut comparisons = Vec::new();
        for ring in cells.iter().filter(|cell| cell.engine != Engine::Threads) {
            if let Some(threads) = of(ring.depth, Engine::Threads)
                && let Some(ops) = Comparison::of(&ring.ops_per_s, &threads.ops_per_s)
                && let Some(cpu) = Comparison::of(&ring.cpu_ns_per_op, &threads.cpu_ns_per_op)
            {
                comparisons.push(Against { depth: ring.depth, engine: ring.engine, ops, cpu });
            }
        }
        Self { workload, skipped: None, cells, comparisons }
    }

    /// The comparison of `engine` with threads at `depth`.
    pub fn against(&self, depth: u32, engine: Engine) -> Option<&Against> {
        let is_it = |against: &&Against| against.depth == depth && against.engine == engine;
        self.comparisons.iter().find(is_it)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::bench::plan::WORKLOADS;
    use crate::bench::stats::Verdict;

    /// A cell whose rounds did `rates` operations per second, each taking `cpu_ns`.
    pub fn cell(depth: u32, engine: Engine, rates: &[u64], cpu_ns: u64) -> CellReport {
        let sample = |&ops: &u64| Sample {
            ops,
            wall_ns: 1_000_000_000,
            cpu_ns: ops * cpu_ns,
            calls: ops,
            instructions_user: None,
            instructions_kernel: None,
            kernel_workers: 0,
        };
        let threads = if engine == Engine::Threads { depth } else { 1 };
        CellReport::new(Cell { depth, engine }, threads, rates.iter().map(sample).collect())
            .unwrap()
    }

    /// Direct reads: alike at depth 1, the ring ahead at 32.
    pub fn outcome() -> Outcome {
        Outcome::new(
            WORKLOADS[2],
            vec![
                cell(32, Engine::Threads, &[40_000, 41_000, 42_000, 43_000, 44_000], 15_000),
                cell(32, Engine::Uring, &[80_000, 81_000, 82_000, 83_000, 84_000], 5_000),
                cell(1, Engine::Uring, &[9_000, 10_000, 10_100, 10_200, 10_300], 9_000),
                cell(1, Engine::Threads, &[9_100, 10_000, 10_200, 10_300, 10_400], 9_000),
            ],
        )
    }

    #[test]
    fn the_ring_is_compared_with_threads_at_each_depth() {
        let outcome = outcome();
        let depths: Vec<u32> = outcome.cells.iter().map(|cell| cell.depth).collect();
        assert_eq!(depths, [1, 1, 32, 32]);
        assert_eq!(outcome.against(1, Engine::Uring).unwrap().ops.verdict, Verdict::NoDifference);
        let deep = outcome.against(32, Engine::Uring).unwrap();
        assert_eq!((deep.ops.verdict, deep.cpu.verdict), (Verdict::Higher, Verdict::Lower));
        assert!((deep.ops.ratio - 82.0 / 42.0).abs() < 1e-9);
        assert_eq!(outcome.against(128, Engine::Uring), None);
        assert_eq!(outcome.against(32, Engine::Host), None);
    }

    #[test]
    fn one_engine_alone_is_compared_with_nothing() {
        let cells = vec![cell(1, Engine::Threads, &[1000; 5], 10)];
        assert!(Outcome::new(WORKLOADS[1], cells).comparisons.is_empty());
    }
}

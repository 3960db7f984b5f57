//! What is measured: which workloads, at which depths, by which engines, in which order.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// Who does the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// One thread and one io_uring
    Uring,
    /// One thread and one ring of the kernel in user space: what `--kernel` makes of `uring`
    #[value(skip)]
    Host,
    /// pread and pwrite on threads
    Threads,
}

impl Engine {
    /// What it is called where it is compared.
    pub fn subject(self) -> &'static str {
        match self {
            Self::Uring => "the ring",
            Self::Host => "the host kernel",
            Self::Threads => "the ordinary way",
        }
    }
}

/// Which kernel answers the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    /// What ANNULUS_KERNEL says; else Linux where it works, else host
    Auto,
    /// Linux's io_uring, or an error
    Linux,
    /// The kernel in user space: epoll and threads
    Host,
    /// Both, beside each other
    Both,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Rw {
    /// Nothing: the way into the kernel and back
    Nop,
    /// Random reads
    #[value(alias = "randread")]
    Read,
    /// Random writes
    #[value(alias = "randwrite")]
    Write,
}

/// Through the page cache, or past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    Cached,
    Direct,
}

/// One kind of work: everything in it is compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Workload {
    pub rw: Rw,
    /// Nothing for NOPs, which touch no file.
    pub cache: Option<Cache>,
}

impl Workload {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match (self.rw, self.cache) {
            (Rw::Nop, _) => "NOPs",
            (Rw::Read, Some(Cache::Direct)) => "random reads, direct",
            (Rw::Read, _) => "random reads, cached",
            (Rw::Write, Some(Cache::Direct)) => "random writes, direct",
            (Rw::Write, _) => "random writes, cached",
        }
    }

    /// How many threads the ordinary way uses at `depth`, given `cpus`.
    ///
    /// Past the page cache a thread sleeps in the device, so it takes one for each operation in
    /// flight; through it a thread computes, and more of them than processors only take turns.
    pub fn threads(self, depth: u32, cpus: u32) -> u32 {
        match (self.rw, self.cache) {
            (Rw::Nop, _) => 1,
            (_, Some(Cache::Direct)) => depth.min(THREADS_MAX),
            _ => depth.min(cpus),
        }
    }

    /// How long one measurement takes, of what a file's takes. NOPs are all alike: half is enough.
    pub fn weight(self) -> f64 {
        if self.rw == Rw::Nop { 0.5 } else { 1.0 }
    }
}

/// Thread pools for blocking calls rarely have more.
const THREADS_MAX: u32 = 512;

/// The order of things: reads before writes, so that nothing is being written back meanwhile.
pub const WORKLOADS: [Workload; 5] = [
    Workload { rw: Rw::Nop, cache: None },
    Workload { rw: Rw::Read, cache: Some(Cache::Cached) },
    Workload { rw: Rw::Read, cache: Some(Cache::Direct) },
    Workload { rw: Rw::Write, cache: Some(Cache::Direct) },
    Workload { rw: Rw::Write, cache: Some(Cache::Cached) },
];

/// One engine at one depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub depth: u32,
    pub engine: Engine,
}

/// What the user asked for, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub dir: PathBuf,
    pub workloads: Vec<Workload>,
    pub depths: Vec<u32>,
    pub engines: Vec<Engine>,
    pub kernel: Kernel,
    pub rounds: u32,
    pub time: Time,
    pub block_bytes: u32,
    pub file_bytes: u64,
    /// How long making one file may take before it is used as long as it is.
    pub file_time_max: Option<Duration>,
    pub svg: Option<PathBuf>,
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Each engine, in each round, this long.
    Each(Duration),
    /// Everything together at most this long.
    Total(Duration),
}

impl Settings {
    /// The cells of a workload in the order of one round: A B C, then C B A.
    pub fn cells(&self, round: u32) -> Vec<Cell> {
        let mut cells: Vec<Cell> = self
            .depths
            .iter()
            .flat_map(|&depth| self.engines.iter().map(move |&engine| Cell { depth, engine }))
            .collect();
        if round % 2 == 1 {
            cells.reverse();
        }
        cells
    }

    /// Whether a file of this kind is needed.
    pub fn needs(&self, cache: Cache) -> bool {
        self.workloads.iter().any(|workload| workload.cache == Some(cache))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            dir: PathBuf::new(),
            workloads: WORKLOADS.to_vec(),
            depths: vec![1, 32],
            engines: vec![Engine::Uring, Engine::Threads],
            kernel: Kernel::Auto,
            rounds: 2,
            time: Time::Total(Duration::from_secs(1)),
            block_bytes: 4096,
            file_bytes: 1 << 20,
            file_time_max: None,
            svg: None,
        }
    }

    #[test]
    fn rounds_go_there_and_back() {
        let there = settings().cells(0);
        let mut back = settings().cells(1);
        assert_eq!(there.len(), 4);
        assert_eq!(there[0], Cell { depth: 1, engine: Engine::Uring });
        assert_eq!(there[1], Cell { depth: 1, engine: Engine::Threads });
        back.reverse();
        assert_eq!(there, back);
        assert_eq!(settings().cells(2), there);
    }

    #[test]
    fn threads_are_as_many_as_help() {
        let [nop, cached, direct, ..] = WORKLOADS;
        assert_eq!(nop.threads(128, 8), 1);
        assert_eq!(cached.threads(128, 8), 8);
        assert_eq!(cached.threads(1, 8), 1);
        assert_eq!(direct.threads(128, 8), 128);
        assert_eq!(direct.threads(4096, 8), 512);
    }
}

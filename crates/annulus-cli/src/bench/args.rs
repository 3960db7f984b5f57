//! The options of `annulus bench`, and what they come to.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use super::plan::{Cache, Engine, Kernel, Rw, Settings, Time, WORKLOADS, Workload};
use crate::failure::Failure;
use crate::units::{parse_duration, parse_size};

/// Measure io_uring against the ordinary way.
///
/// Without arguments it takes at most 40 s: NOPs, then random 4 KiB reads and writes, through the
/// page cache and past it (O_DIRECT), 1, 32 and 128 at a time; through one ring on one thread, and
/// through pread and pwrite on threads. Nothing but files of its own is touched, and they have no
/// name: whatever happens, nothing is left behind.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    target: Option<Target>,
    /// Where the files are made [default: $TMPDIR, /var/tmp or /tmp]
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
Examples:
  annulus bench                              everything, in at most 40 s
  annulus bench --quick                      the same in 10 s, less sure
  annulus bench disk /data --rw read --direct --depth 1,8,64
  annulus bench --json | jq '.workloads[].comparisons'
  annulus bench --svg bench.svg

Exit codes: 0 done, 2 io_uring is not usable here (the ordinary way was measured alone),
3 failed, 64 wrong command line, 130 Ctrl-C.";

/// What to measure, if not everything.
#[derive(Debug, Subcommand)]
enum Target {
    /// Measure reads and writes in a directory of your choice
    Disk {
        /// A directory on the disk in question; files that are there are left alone
        path: PathBuf,
    },
}

/// What holds for `bench` and for `bench disk`.
#[derive(Debug, clap::Args)]
struct Options {
    /// Take about 10 s: shorter rounds, smaller files
    #[arg(long, global = true)]
    quick: bool,
    /// How long each engine runs in each round [default: what fits into 40 s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = time)]
    time: Option<Duration>,
    /// How many rounds; with fewer than 4 there is no verdict
    #[arg(long, global = true, value_name = "N", default_value = "5",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How many operations are in flight
    #[arg(long, global = true, value_name = "N,…", value_delimiter = ',',
          default_value = "1,32,128", value_parser = clap::value_parser!(u32).range(1..=4096))]
    depth: Vec<u32>,
    /// How many bytes an operation moves
    #[arg(long, global = true, value_name = "SIZE", default_value = "4k", value_parser = block)]
    bs: u32,
    /// How large a file is [default: 128M, and less if the disk is slow]
    #[arg(long, global = true, value_name = "SIZE", value_parser = file_size)]
    size: Option<u64>,
    /// Who does the operations
    #[arg(
        long,
        global = true,
        value_name = "ENGINE,…",
        value_delimiter = ',',
        value_enum,
        default_value = "uring,threads"
    )]
    engine: Vec<Engine>,
    /// Which kernel answers the ring
    #[arg(long, global = true, value_enum, default_value_t = Kernel::Auto)]
    kernel: Kernel,
    /// What is done [default: all; on `disk`: read,write]
    #[arg(long, global = true, value_name = "WHAT,…", value_delimiter = ',', value_enum)]
    rw: Vec<Rw>,
    /// Past the page cache only (O_DIRECT)
    #[arg(long, global = true)]
    direct: bool,
    /// Through the page cache only
    #[arg(long, global = true)]
    cached: bool,
    /// Also write the plots to a file
    #[arg(long, global = true, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// How long everything together may take, files included, with some room to the promised 40 s.
const TOTAL: Duration = Duration::from_secs(35);
/// The same for `--quick`.
const TOTAL_QUICK: Duration = Duration::from_secs(9);

/// The memory that operations in flight may need.
const BUFFERS_BYTES_MAX: u64 = 1 << 30;

/// The smallest file worth the name.
const FILE_BYTES_MIN: u64 = 64 << 10;

fn time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_millis(10) || time > Duration::from_secs(3600) {
        return Err("between 10ms and 1h".to_owned());
    }
    Ok(time)
}

fn block(text: &str) -> Result<u32, String> {
    let bytes = parse_size(text)?;
    if bytes == 0 || bytes % 512 != 0 || bytes > 64 << 20 {
        return Err("a multiple of 512 bytes, up to 64M".to_owned());
    }
    // 2^26 at most.
    Ok(bytes as u32)
}

fn file_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes < FILE_BYTES_MIN {
        return Err("at least 64k".to_owned());
    }
    Ok(bytes)
}

impl Args {
    /// What the options come to.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let options = &self.options;
        let disk = self.target.as_ref().map(|Target::Disk { path }| path.clone());
        if disk.is_some() && self.dir.is_some() {
            return Err(Failure::usage("command line", "--dir and disk PATH", "give one of them"));
        }
        let workloads = options.workloads(disk.is_some());
        if workloads.is_empty() {
            let cure = "leave out --direct and --cached, or ask for read or write";
            return Err(Failure::usage("command line", "nothing to measure", cure));
        }
        let settings = Settings {
            dir: disk.or_else(|| self.dir.clone()).unwrap_or_else(temp_dir),
            workloads,
            depths: sorted(&options.depth),
            engines: sorted(&options.engine),
            kernel: options.kernel,
            rounds: options.rounds,
            time: match options.time {
                Some(time) => Time::Each(time),
                None => Time::Total(if options.quick { TOTAL_QUICK } else { TOTAL }),
            },
            block_bytes: options.bs,
            file_bytes: options.size.unwrap_or(options.size_default()),
            file_time_max: options.size.is_none().then(|| options.file_time_max()),
            svg: options.svg.clone(),
        };
        check(&settings)?;
        Ok(settings)
    }
}

impl Options {
    fn workloads(&self, disk: bool) -> Vec<Workload> {
        WORKLOADS
            .into_iter()
            .filter(|workload| {
                if self.rw.is_empty() {
                    !disk || workload.rw != Rw::Nop
                } else {
                    self.rw.contains(&workload.rw)
                }
            })
            .filter(|workload| match workload.cache {
                Some(Cache::Direct) => self.direct || !self.cached,
                Some(Cache::Cached) => self.cached || !self.direct,
                None => !self.direct && !self.cached,
            })
            .collect()
    }

    fn size_default(&self) -> u64 {
        let usual: u64 = if self.quick { 32 << 20 } else { 128 << 20 };
        usual.max(u64::from(self.bs) * 64)
    }

    fn file_time_max(&self) -> Duration {
        Duration::from_millis(if self.quick { 700 } else { 2500 })
    }
}

/// What each option alone cannot know.
fn check(settings: &Settings) -> Result<(), Failure> {
    let block = u64::from(settings.block_bytes);
    if settings.file_bytes < block {
        return Err(Failure::usage(
            "--size",
            "smaller than one block",
            "raise --size or lower --bs",
        ));
    }
    let depth = settings.depths.last().copied().unwrap_or(1);
    if u64::from(depth) * block > BUFFERS_BYTES_MAX {
        let why = format!("{depth} blocks in flight need more than 1 GiB of memory");
        return Err(Failure::usage("--bs", why, "lower --bs or --depth"));
    }
    Ok(())
}

fn sorted<T: Copy + Ord>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

/// Where temporary files belong that should lie on a disk: /tmp is memory on many systems.
fn temp_dir() -> PathBuf {
    if let Some(dir) = env::var_os("TMPDIR").filter(|dir| !dir.is_empty()) {
        return dir.into();
    }
    let writable = |dir: &&Path| rustix::fs::access(*dir, rustix::fs::Access::WRITE_OK).is_ok();
    [Path::new("/var/tmp"), Path::new("/tmp")]
        .iter()
        .find(|dir| writable(dir))
        .map_or_else(env::temp_dir, |dir| dir.to_path_buf())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn settings(line: &str) -> Result<Settings, String> {
        let words = ["bench"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.args.settings().map_err(|failure| failure.to_string())
    }

    #[test]
    fn no_arguments_mean_everything() {
        let all = settings("").unwrap();
        assert_eq!(all.workloads, WORKLOADS);
        assert_eq!(all.depths, [1, 32, 128]);
        assert_eq!(all.engines, [Engine::Uring, Engine::Threads]);
        assert_eq!((all.rounds, all.block_bytes, all.file_bytes), (5, 4096, 128 << 20));
        assert_eq!(all.time, Time::Total(TOTAL));
    }

    #[test]
    fn a_disk_has_no_nops_and_takes_options_behind_it() {
        let disk = settings("disk /data --direct --depth 8,1,8 --time 50ms --rw randread").unwrap();
        assert_eq!(disk.dir, Path::new("/data"));
        assert_eq!(disk.depths, [1, 8]);
        assert_eq!(disk.time, Time::Each(Duration::from_millis(50)));
        let [only] = disk.workloads[..] else { panic!("one workload") };
        assert_eq!(only, Workload { rw: Rw::Read, cache: Some(Cache::Direct) });
        assert_eq!(settings("disk /data").unwrap().workloads.len(), 4);
        assert_eq!(settings("--direct --cached").unwrap().workloads.len(), 4);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--depth 0",
            "--depth 5000",
            "--depth 1,x",
            "--rounds 0",
            "--size 0",
            "--size 4k",
            "--bs 0",
            "--bs 1000",
            "--bs 1M --size 64k",
            "--bs 64M --depth 128",
            "--time 10",
            "--time 1ms",
            "--engine epoll",
            "--engine host",
            "--kernel windows",
            "--rw nop --direct",
            "--dir /a disk /b",
            "disk",
        ] {
            assert!(settings(line).is_err(), "{line}");
        }
    }
}

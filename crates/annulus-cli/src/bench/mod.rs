//! `annulus bench`: io_uring against the ordinary way, on this machine.
//!
//! What makes the numbers honest: both ways do the same work on the same file; they take turns
//! (A B C …, then C B A); medians are shown with their spread, and nothing is said about what lies
//! within it; what an operation costs the processor is shown beside what it yields; and the entries
//! that the kernel took are counted, so that it is known to be the ring that did the work.

mod args;
mod buffer;
mod files;
mod kernels;
mod machine;
mod plan;
mod plot;
mod progress;
#[allow(unsafe_code)] // The only place: see there.
mod raw;
mod report;
mod rng;
mod run;
mod stats;
mod svg;
mod table;
mod threads;
mod window;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use annulus_emulate::KernelChoice;

pub use args::Args;

use crate::failure::{Exit, Failure};
use crate::out::Ui;
use crate::signals::Signals;
use crate::units;
use files::{TestFile, TestFiles};
use kernels::Rings;
use machine::Machine;
use plan::{Cache, Engine, Settings, Workload};
use progress::Progress;
use raw::{Counters, Driver, RingWork};
use report::{Outcome, Report, RingReport, SettingsReport};
use run::Runner;

/// Measures, and prints what came of it.
pub fn run(args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    let mut settings = args.settings()?;
    let svg = settings.svg.take().map(SvgFile::open).transpose()?;
    let signals = Signals::watch()?;
    let progress = Progress::new(ui);
    let machine = Machine::look(&settings.dir);
    let Rings { report: mut ring, warning, exit } = kernels::choose(&mut settings)?;
    let files = TestFiles::make(&settings, &signals, &progress)?;
    if settings.engines.contains(&Engine::Uring)
        && let Ok(file) = files.of(Cache::Direct)
    {
        ring.fixed_buffers = Some(try_buffers(&settings, file)?);
    }
    let counters = Counters::open();
    let runner = Runner {
        settings: &settings,
        files: &files,
        signals: &signals,
        progress: &progress,
        cpus: machine.cpus,
        count_instructions: counters.is_ok(),
    };
    let each = runner.each();
    let mut report = Report {
        schema: 1,
        annulus: env!("CARGO_PKG_VERSION"),
        warnings: warnings(&machine, warning, &ring, &files),
        machine,
        settings: describe(&settings, &files, each),
        io_uring: ring,
        instructions_missing: counters.err(),
        workloads: Vec::new(),
        elapsed_ms: 0,
    };
    progress.clear();
    begin(ui, &report)?;
    report.workloads = measure_all(&runner, each, ui)?;
    report.elapsed_ms = progress.elapsed().as_millis() as u64;
    finish(ui, &report, svg)?;
    Ok(exit)
}

/// What the reader of the numbers should know.
fn warnings(
    machine: &Machine,
    kernel: Option<String>,
    ring: &RingReport,
    files: &TestFiles,
) -> Vec<String> {
    let mut warnings: Vec<String> = kernel.into_iter().collect();
    if ring.fixed_buffers == Some(false) {
        let text = "direct operations go without registered buffers: the limit of locked memory is \
                    too low for them (raise `ulimit -l`)";
        warnings.push(text.to_owned());
    }
    if machine.is_busy() {
        warnings.push(format!(
            "load average {:.2} on {} CPUs: others use this machine, so times are noisy, and many \
             threads get more turns than the ring's one (come back when it is quiet)",
            machine.load_average, machine.cpus
        ));
    }
    warnings.extend(too_large(files, machine));
    warnings
}

/// What comes before the tables, where there are tables; and the warnings in any case.
fn begin(ui: &Ui, report: &Report) -> Result<(), Failure> {
    if !ui.json {
        let (file, rounds) = header_lines(&report.settings);
        ui.line(&format!("{}\n", table::header(ui, report, &file, &rounds)))?;
    }
    report.warnings.iter().for_each(|warning| ui.warn(warning));
    Ok(())
}

/// All workloads, each printed when it is done.
fn measure_all(runner: &Runner<'_>, each: Duration, ui: &Ui) -> Result<Vec<Outcome>, Failure> {
    runner.progress.expect(runner.steps());
    let mut left: f64 = runner.settings.workloads.iter().copied().map(Workload::weight).sum();
    let mut outcomes = Vec::new();
    for &workload in &runner.settings.workloads {
        let outcome = runner.workload(workload, each, workload.weight() / left)?;
        left -= workload.weight();
        runner.progress.clear();
        if !ui.json {
            ui.line(&table::table(ui, &outcome, runner.settings.block_bytes))?;
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// What comes after the tables, or instead of them.
fn finish(ui: &Ui, report: &Report, svg: Option<SvgFile>) -> Result<(), Failure> {
    if ui.json {
        ui.object(report)?;
    } else {
        if !ui.quiet {
            ui.line(plot::plots(ui, &report.workloads).trim_end())?;
            ui.line(&plot::legend(ui))?;
            ui.line("")?;
        }
        let summary = table::summary(ui, report);
        if !summary.is_empty() {
            ui.line(summary.trim_end())?;
        }
    }
    if let Some(svg) = svg {
        svg.write(&svg::draw(report))?;
    }
    Ok(())
}

/// Whether the most buffers that will be needed can be registered.
fn try_buffers(settings: &Settings, file: &TestFile) -> Result<bool, Failure> {
    let work = RingWork {
        kernel: KernelChoice::Linux,
        rw: plan::Rw::Read,
        file: Some(&file.file),
        blocks: 1,
        block_bytes: settings.block_bytes,
        fixed_buffers: true,
    };
    let depth = settings.depths.last().copied().unwrap_or(1);
    Ok(Driver::new(depth, work)?.has_fixed_buffers())
}

/// A file that does not fit into memory is not cached, whatever the table says.
fn too_large(files: &TestFiles, machine: &Machine) -> Option<String> {
    let bytes = files.of(Cache::Cached).ok()?.bytes;
    (bytes > machine.memory_bytes / 2).then(|| {
        format!(
            "the file ({}) is larger than half of the memory: `cached` will not be (give a smaller \
             --size)",
            units::size(bytes)
        )
    })
}

fn describe(settings: &Settings, files: &TestFiles, each: Duration) -> SettingsReport {
    let bytes = |cache| files.of(cache).ok().map(|file| file.bytes);
    SettingsReport {
        depths: settings.depths.clone(),
        engines: settings.engines.clone(),
        kernel: settings.kernel,
        rounds: settings.rounds,
        time_ms: each.as_millis() as u64,
        block_bytes: settings.block_bytes,
        cached_file_bytes: bytes(Cache::Cached),
        direct_file_bytes: bytes(Cache::Direct),
    }
}

/// The files and the rounds, for the header.
fn header_lines(settings: &SettingsReport) -> (String, String) {
    let files = match (settings.cached_file_bytes, settings.direct_file_bytes) {
        (None, None) => String::new(),
        (Some(one), None) | (None, Some(one)) => units::size(one),
        (Some(one), Some(other)) if one == other => format!("2 x {}", units::size(one)),
        (Some(one), Some(other)) => {
            format!("{} cached, {} direct", units::size(one), units::size(other))
        }
    };
    let each = units::duration(Duration::from_millis(settings.time_ms));
    let rounds = format!("{} of {each} for each engine, taking turns", settings.rounds);
    (files, rounds)
}

/// The file of `--svg`, opened before anything is measured: a path that cannot be written should
/// not be found out 40 s later.
struct SvgFile {
    path: PathBuf,
    is_new: bool,
    is_written: bool,
}

impl SvgFile {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let is_new = !path.exists();
        let opened = File::options().write(true).create(true).truncate(false).open(&path);
        opened.map_err(|error| refused(&path, &error))?;
        Ok(Self { path, is_new, is_written: false })
    }

    fn write(mut self, svg: &str) -> Result<(), Failure> {
        fs::write(&self.path, svg).map_err(|error| refused(&self.path, &error))?;
        self.is_written = true;
        Ok(())
    }
}

impl Drop for SvgFile {
    fn drop(&mut self) {
        if self.is_new && !self.is_written {
            // Made here, and empty. If it cannot be removed it does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn refused(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(path.display().to_string(), error).cure("give --svg a file that you may write")
}

//! `annulus cp`: copies files and trees, by whatever costs the least.
//!
//! ```text
//! walk     from the command line to one file after the other      target, walk, dir
//! file     opened, copied, compared, named: --jobs at a time      file, output
//! content  by the first way that works                            content, reader
//! ```
//!
//! All of it is on one thread: what is in memory is done at once, and what has to wait is in the
//! ring of the runtime, where the next file does not wait for it.

mod args;
mod attributes;
mod bar;
mod content;
mod dir;
mod file;
mod output;
mod reader;
mod run;
mod target;
mod trouble;
mod walk;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use annulus_runtime::{JoinHandle, Runtime, runtime, spawn_local};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

pub use args::{ABOUT, Args, EXIT_CODES};

use crate::failure::{Exit, Failure};
use crate::out::Ui;
use crate::signals::Signals;
use crate::units;
use run::{Explained, Run, Totals};
use target::Target;
use trouble::{Outcome, Trouble};
use walk::Walker;

/// `--json`: the whole.
#[derive(Serialize)]
struct Object<'a> {
    schema: u32,
    annulus: &'static str,
    exit_code: u8,
    /// Which kernel answered the ring: `linux`, or `host`.
    kernel: &'static str,
    #[serde(flatten)]
    totals: Totals,
    elapsed_ns: u64,
    /// What was not copied.
    errors: &'a [Trouble],
    /// With `--explain`: what became of each file.
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<&'a [Explained]>,
}

/// Does what was asked for.
pub fn run(args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    let (to, sources) = args.paths.split_last().expect("two are required");
    if args.no_target_directory && sources.len() > 1 {
        let cure = "-T copies one file to one name";
        return Err(Failure::usage("command line", "several sources and -T", cure));
    }
    let signals = Signals::watch()?;
    let bell = signals.bell()?;
    raise_files();
    let ring = Runtime::builder().build().map_err(|error| {
        Failure::new("the ring", error).cure("`annulus probe` says what is in the way")
    })?;
    let run = Rc::new(Run::new(args, ui, signals));
    let begun = Target::find(&run, to, sources.len(), args.no_target_directory);
    match begun {
        Ok(target) => ring.block_on(copy(&run, sources.to_vec(), target, args.jobs, bell)),
        Err(trouble) => run.trouble(trouble),
    }
    run.bar.clear();
    let exit = if run.troubles.borrow().is_empty() { Exit::Done } else { Exit::Partial };
    if let Some(failure) = run.take_failure() {
        return Err(failure);
    }
    report(&run, exit, ring.kernel())?;
    Ok(exit)
}

/// Copies all, `jobs` files at a time, until that is done or a signal comes.
async fn copy(run: &Rc<Run>, sources: Vec<PathBuf>, target: Target, jobs: u16, bell: OwnedFd) {
    if run.bar.is_watched() {
        walk::count(run, &sources);
    }
    let walker = Rc::new(RefCell::new(Walker::new(run, &sources, target)));
    let work = || spawn_local(work(Rc::clone(run), Rc::clone(&walker)));
    let mut workers: Vec<_> = (0..jobs).map(|_| work()).collect();
    // What copies may wait for a FIFO, or for a server that is gone.
    let bell = runtime::File::new(bell);
    let mut bell = Some(bell.read(vec![0; 1]));
    poll_fn(|cx| {
        if let Some(ringing) = &mut bell
            && Pin::new(ringing).poll(cx).is_ready()
        {
            bell = None;
            if run.is_stopping() {
                workers.iter().for_each(JoinHandle::abort);
            }
        }
        workers.retain_mut(|worker| Pin::new(worker).poll(cx).is_pending());
        if workers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Copies one file after the other.
async fn work(run: Rc<Run>, walker: Rc<RefCell<Walker>>) {
    loop {
        let job = walker.borrow_mut().next();
        let Some(job) = job else { break };
        let done: Outcome = file::copy(&run, &job).await;
        if let Err(trouble) = done {
            run.trouble(trouble);
        }
    }
}

/// Each file under way has some descriptors, and each directory of the way to it.
fn raise_files() {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised is enough for most trees; if not, the error says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// What was done: as JSON, or as a line with `--verbose`.
fn report(run: &Run, exit: Exit, kernel: &'static str) -> Result<(), Failure> {
    let elapsed = run.bar.elapsed();
    let totals = *run.totals.borrow();
    if run.ui.json {
        let explained = run.explained.borrow();
        return run.ui.object(&Object {
            schema: 1,
            annulus: env!("CARGO_PKG_VERSION"),
            exit_code: exit.code(),
            kernel,
            totals,
            elapsed_ns: elapsed.as_nanos() as u64,
            errors: &run.troubles.borrow(),
            explained: run.how.explain.then_some(explained.as_slice()),
        });
    }
    if run.ui.verbose {
        let rate = totals.bytes as f64 / elapsed.as_secs_f64().max(1e-9);
        let line = format!(
            "{} files, {} directories, {} links: {} in {}, {}/s",
            totals.files,
            totals.directories,
            totals.symlinks,
            units::size(totals.bytes),
            units::duration(elapsed),
            units::size(rate as u64),
        );
        return run.ui.line(&line);
    }
    Ok(())
}

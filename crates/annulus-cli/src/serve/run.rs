//! From the command line to the exit code: listeners, threads, signals, the end.

use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use annulus::Runtime;
use annulus::hyper::Drained;
use annulus::signal::{SignalKind, signal};
use annulus::time::timeout;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::counts::Totals;
use super::log::Writer;
use super::thread::{Shared, serve};
use super::watch::Limits;
use super::{Args, Config, listen};
use crate::failure::{Exit, Failure};
use crate::out::Ui;
use crate::units;

/// What a runtime needs beyond the time to drain.
const GRACE: Duration = Duration::from_secs(2);

/// How often the status line is written.
const STATUS: Duration = Duration::from_secs(1);

/// What is served, and where: the line that says so, in `--json`.
#[derive(Serialize)]
struct Serving<'a> {
    schema: u32,
    dir: &'a Path,
    listen: SocketAddr,
    threads: usize,
}

/// Serves until a signal comes.
pub fn run(args: &Args, ui: &Ui) -> Result<Exit, Failure> {
    raise_descriptors();
    let threads = args.threads.map_or_else(processors, |threads| usize::from(threads.get()));
    let config = Arc::new(config(args, threads)?);
    let flags = watch_signals()?;
    let listeners = listen::listeners(args.listen, threads)?;
    let at = listeners[0].local_addr().map_err(|why| Failure::new("listen", why))?;
    let totals = Arc::new(Totals::new(threads));
    let log = match &args.log {
        Some(path) => Some(Writer::start(path).map_err(|why| {
            Failure::new(path.display().to_string(), why).cure("give --log= a file to append to")
        })?),
        None => None,
    };
    let shared = Arc::new(Shared {
        config: Arc::clone(&config),
        totals: Arc::clone(&totals),
        log: log.as_ref().map(Writer::blocks),
    });
    let failed = Arc::new(Mutex::new(None));
    let started = start(shared, listeners, Arc::clone(&failed))?;
    say(ui, &Serving { schema: 1, dir: &args.dir, listen: at, threads })?;
    wait(ui, &totals, &flags.came)?;
    // Release: nothing else; pairs with signal-hook's load in its handler.
    flags.is_ending.store(true, Ordering::Release);
    let ended = started.stop(config.drain + GRACE);
    if let Some(log) = log {
        log.end();
    }
    close(ui, ended.into_iter().flatten().flatten(), &totals);
    let why = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    match why {
        Some(why) => Err(Failure::new(args.dir.display().to_string(), why)),
        None => Ok(Exit::Done),
    }
}

/// As many descriptors as this process may have: a connection takes one.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised there are as many as before.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn config(args: &Args, threads: usize) -> Result<Config, Failure> {
    let name = args.dir.display().to_string();
    let failure = |why: io::Error| {
        let cure = match why.kind() {
            io::ErrorKind::NotFound => "give a directory that there is",
            io::ErrorKind::PermissionDenied => "run it as somebody who may read it",
            _ => "give a directory",
        };
        Failure::new(name.clone(), why).cure(cure)
    };
    let dir = args.dir.canonicalize().map_err(failure)?;
    // Also finds out whether it is a directory, and may be read.
    drop(std::fs::read_dir(&dir).map_err(failure)?);
    let limits = &args.limits;
    Ok(Config {
        dir,
        list: args.list,
        hidden: args.hidden,
        metrics: args.metrics.clone(),
        connections_max: limits.max_connections.get().div_ceil(threads),
        head_bytes: limits.header_size,
        limits: Limits {
            head: limits.header_timeout,
            answer: limits.body_timeout,
            idle: limits.idle_timeout,
        },
        drain: limits.drain,
    })
}

/// What signals do before anybody waits for them, and once the end has begun.
struct Flags {
    /// One has come.
    came: Arc<AtomicBool>,
    /// The next one ends the program at once.
    is_ending: Arc<AtomicBool>,
}

fn watch_signals() -> Result<Flags, Failure> {
    use signal_hook::flag::{register, register_conditional_shutdown};
    let flags = Flags { came: Arc::default(), is_ending: Arc::default() };
    for signal in [SIGINT, SIGTERM] {
        let exit = 128 + signal;
        register_conditional_shutdown(signal, exit, Arc::clone(&flags.is_ending))
            .and_then(|_| register(signal, Arc::clone(&flags.came)))
            .map_err(|why| Failure::new("signals", why))?;
    }
    Ok(flags)
}

type Started = annulus_runtime::runtime::Threads<io::Result<Drained>>;

fn start(
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    failed: Arc<Mutex<Option<io::Error>>>,
) -> Result<Started, Failure> {
    let count = listeners.len();
    let listeners = Mutex::new(listeners.into_iter().map(Some).collect::<Vec<_>>());
    let threads = Runtime::builder().threads(count).name("serve").pinned(false);
    let started = threads.start(move |index| {
        let listener = listeners.lock().ok().and_then(|mut all| all[index].take());
        let (shared, failed) = (Arc::clone(&shared), Arc::clone(&failed));
        async move {
            let listener = listener.ok_or(io::ErrorKind::NotFound)?;
            let served = serve(&shared, index, listener).await;
            if let Err(why) = &served
                && let Ok(mut first) = failed.lock()
            {
                first.get_or_insert(io::Error::new(why.kind(), why.to_string()));
                // All the others end, too: this is as if somebody had asked for it.
                let _ = signal_hook::low_level::raise(SIGTERM);
            }
            served
        }
    });
    started.map_err(|why| Failure::new("start", why).cure("`annulus probe` says what is missing"))
}

fn say(ui: &Ui, serving: &Serving<'_>) -> Result<(), Failure> {
    if ui.json {
        return ui.object(serving);
    }
    let Serving { dir, listen, threads, .. } = serving;
    let plural = if *threads == 1 { "" } else { "s" };
    ui.warn(&format!("serving {} at http://{listen}/ ({threads} thread{plural})", dir.display()));
    Ok(())
}

/// Waits for a signal, and shows what is done meanwhile to who watches.
fn wait(ui: &Ui, totals: &Totals, came: &AtomicBool) -> Result<(), Failure> {
    let waited = annulus::run(async {
        let (mut term, mut int) = (signal(SignalKind::TERMINATE)?, signal(SignalKind::INTERRUPT)?);
        // One that came before the listeners were there is not told them.
        // Acquire: nothing else; pairs with signal-hook's store in its handler.
        if came.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut either = async || {
            poll_fn(|cx| match term.poll_next(cx) {
                Poll::Pending => int.poll_next(cx),
                ready => ready,
            })
            .await
        };
        if !ui.watched {
            return either().await;
        }
        let mut before = totals.answers();
        loop {
            if let Ok(came) = timeout(STATUS, either()).await {
                status("");
                return came;
            }
            let now = totals.answers();
            let open = totals.sum(|counts| &counts.open);
            let bytes = units::size(totals.sum(|counts| &counts.body_bytes));
            status(&format!("{} requests/s, {now} so far, {bytes}, {open} open", now - before));
            before = now;
        }
    });
    let waited = waited.map_err(|why| Failure::new("start", why))?;
    waited.map_err(|why| Failure::new("signals", why))
}

/// One line on stderr, in the place of the one before.
fn status(text: &str) {
    // Nobody is left to tell if stderr is gone.
    let _ = write!(io::stderr(), "\r\x1b[K{text}");
}

/// The last words.
fn close(ui: &Ui, ended: impl Iterator<Item = Drained>, totals: &Totals) {
    let cut: usize = ended.map(|drained| drained.cut).sum();
    let (answers, lost) = (totals.answers(), totals.sum(|counts| &counts.lines_lost));
    let mut text = format!("ended; {answers} requests");
    if cut > 0 {
        text.push_str(&format!(", {cut} connections cut off"));
    }
    if lost > 0 {
        text.push_str(&format!(", {lost} lines of the log lost"));
    }
    if !ui.json {
        ui.warn(&text);
    }
}

//! How often the threads of an idle program wake: their voluntary context switches in `seconds=`
//! (10), by `/proc/self/task/*/status`. A thread that wakes and finds nothing to do sleeps again,
//! and that is one.
//!
//! `what=` is what idles, in use once and then left alone:
//!
//! - `tokio`: tokio's multi-thread runtime with 2 workers.
//! - `ring`: the same, and a thread that waits in a `LocalRing`'s `submit_and_wait(1)`.
//! - `engine`: tokio, and Annulus's engine, after 64 reads.
//! - `driven`: the same, where a future on tokio drives it.
//! - `ticking`: the same, and a tokio task that wakes every 100 ms. It is not idle: it shows that
//!   wake-ups are counted.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use annulus_bench::{Args, fail};
use annulus_ring::{Doorbell, LocalRing, Result, op};
use annulus_runtime::Engine;
use tokio::runtime::Runtime;

/// What start-up and first use leave behind is over by then.
const SETTLE: Duration = Duration::from_millis(500);
/// How often the task of `what=ticking` wakes.
const TICK: Duration = Duration::from_millis(100);
/// The user data of the doorbell's completions, and of the first NOP's.
const RUNG: u64 = 1;
const USED: u64 = 2;

fn main() {
    let args = Args::parse();
    args.only(&["what", "seconds"]);
    let seconds = args.count("seconds", 10, 3600);
    let what = args.text("what", "ring");
    if !["tokio", "ring", "engine", "driven", "ticking"].contains(&what.as_str()) {
        fail(&format!("what={what}: tokio, ring, engine, driven or ticking"));
    }
    let runtime = runtime();
    let ring = (what == "ring" || what == "ticking").then(Parked::start);
    let engine = (what == "engine" || what == "driven").then(|| {
        runtime
            .block_on(engine(what == "driven"))
            .unwrap_or_else(|why| fail(&format!("the engine: {why}")))
    });
    if what == "ticking" {
        runtime.spawn(async {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
            }
        });
    }
    std::thread::sleep(SETTLE);
    let (before, begin) = (threads(), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, took) = (threads(), begin.elapsed().as_secs_f64());
    let mut wakeups = 0;
    for (id, (name, switches)) in &after {
        let since = before.get(id).map_or(0, |(_, switches)| *switches);
        println!("thread={id} name={} wakeups={}", name.replace(' ', "_"), switches - since);
        wakeups += switches - since;
    }
    // A thread that ended woke for that; how often before is not known any more.
    for (id, (name, _)) in before.iter().filter(|(id, _)| !after.contains_key(id)) {
        println!("thread={id} name={} wakeups=1 ended=1", name.replace(' ', "_"));
        wakeups += 1;
    }
    println!("threads={} secs={took:.3} wakeups={wakeups}", after.len());
    drop(engine);
    if let Some(ring) = ring {
        ring.end();
    }
}

/// A runtime whose workers have run something.
fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|why| fail(&format!("tokio: {why}")));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..64).map(|_| tokio::spawn(tokio::task::yield_now())).collect();
        for task in tasks {
            task.await.unwrap_or_else(|why| fail(&why.to_string()));
        }
    });
    runtime
}

/// An engine that has read, at once and through its driver.
async fn engine(driven: bool) -> io::Result<Engine> {
    let engine = if driven {
        let (engine, drive) = Engine::builder().build_driven()?;
        tokio::spawn(drive);
        engine
    } else {
        Engine::new()?
    };
    let file = engine.file(File::open("/proc/self/exe")?);
    let mut buf = vec![0; 4096];
    for _ in 0..64 {
        (_, buf) = file.read_at(buf, 0).await?;
    }
    let (reader, mut writer) = io::pipe()?;
    let mut read = pin!(engine.file(reader).read(buf));
    // Nothing to read yet: from its first poll on the driver has it.
    let begun = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await;
    assert!(begun, "a read of an empty pipe is done");
    writer.write_all(&[1])?;
    read.await?;
    Ok(engine)
}

/// A thread that waits in the kernel for its ring's next completion.
struct Parked {
    bell: Arc<Doorbell>,
    thread: JoinHandle<()>,
}

impl Parked {
    fn start() -> Self {
        let bell = Doorbell::new().unwrap_or_else(|why| fail(&why.to_string()));
        let bell = Arc::new(bell);
        let work = {
            let bell = Arc::clone(&bell);
            move || wait(&bell).unwrap_or_else(|why| fail(&why.to_string()))
        };
        let thread = std::thread::Builder::new().name("parked-ring".into()).spawn(work);
        Self { bell, thread: thread.unwrap_or_else(|why| fail(&format!("a thread: {why}"))) }
    }

    fn end(self) {
        self.bell.ring();
        self.thread.join().expect("the ring's thread panicked");
    }
}

/// Does a NOP, then sleeps until the bell is rung.
fn wait(bell: &Doorbell) -> Result<()> {
    let mut ring = LocalRing::new(8)?;
    // SAFETY: the bell is kept by the caller, who outlives the ring.
    unsafe { ring.push(bell.entry().user_data(RUNG))? };
    // SAFETY: a NOP points to nothing.
    unsafe { ring.push(op::Nop::new().build().user_data(USED))? };
    loop {
        ring.submit_and_wait(1)?;
        if ring.completions()?.any(|cqe| cqe.user_data == RUNG) {
            return Ok(());
        }
    }
}

/// Each thread but this one: its name, and how often it went to sleep.
fn threads() -> BTreeMap<u32, (String, u64)> {
    let own = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    let of = |path: &Path| -> io::Result<(String, u64)> {
        let name = std::fs::read_to_string(path.join("comm"))?.trim().to_owned();
        let status = std::fs::read_to_string(path.join("status"))?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let count = line.and_then(|count| count.trim().parse().ok());
        Ok((name, count.ok_or_else(|| io::Error::other("no voluntary_ctxt_switches"))?))
    };
    let all = std::fs::read_dir("/proc/self/task");
    let all = all.unwrap_or_else(|why| fail(&format!("/proc/self/task: {why}")));
    let mut threads = BTreeMap::new();
    for entry in all.flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse() else { continue };
        if id != own
            && let Ok(found) = of(&entry.path())
        {
            threads.insert(id, found);
        }
    }
    threads
}

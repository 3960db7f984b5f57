//! Random 4 KiB reads from tasks on tokio's multi-thread runtime, `qd=` of them, `way=`:
//!
//! - `fs`: `tokio::fs::File`, a seek and a read; each task has its own, since the position is the
//!   file's. Not with `direct=1`: it reads into a buffer of its own, which is not aligned.
//! - `blocking`: a plain `pread` in `spawn_blocking`.
//! - `engine`: Annulus's engine, one for all tasks, with a thread of its own.
//! - `driven`: the same, driven by a future on the runtime.
//! - `none`: nothing is read: what this program takes itself.
//! - `woken`: nothing is read, but each task waits until another has woken it: what tokio takes
//!   too, where a read is handed to somebody who drives.
//!
//! `kernel=` (`environment`, `linux`, `host`) is who answers the engine. `workers=` (2) is the
//! number of tokio's threads. The run is `ops=` reads of all tasks together, or `seconds=` long.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use annulus_bench::{Args, BLOCK_BYTES, Block, Limit, Meter, Random, Share, Target, fail, pin};
use annulus_emulate::KernelChoice;
use annulus_runtime::Engine;
use annulus_runtime::buffer::AlignedBuf;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::runtime::{Builder, Runtime};

/// Deeper than that is no program.
const DEPTH_MAX: u64 = 4096;

fn main() {
    let args = Args::parse();
    args.only(&["file", "direct", "qd", "way", "workers", "kernel", "ops", "seconds", "core"]);
    pin(&args);
    let kernel = match args.text("kernel", "environment").as_str() {
        "environment" => KernelChoice::Environment,
        "linux" => KernelChoice::Linux,
        "host" => KernelChoice::Host,
        other => fail(&format!("kernel={other}: environment, linux or host")),
    };
    let run = Run {
        kernel,
        target: Arc::new(Target::of(&args)),
        limit: Limit::of(&args, 20_000),
        depth: args.count("qd", 32, DEPTH_MAX),
    };
    let workers = args.count("workers", 2, 1024) as usize;
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.unwrap_or_else(|why| fail(&format!("tokio: {why}")));
    let done = match args.text("way", "blocking").as_str() {
        "fs" => run.through::<TokioFs>(&runtime),
        "blocking" => run.through::<Blocking>(&runtime),
        "engine" => run.through::<ThroughEngine<Thread>>(&runtime),
        "driven" => run.through::<ThroughEngine<Driven>>(&runtime),
        "none" => run.through::<Nothing>(&runtime),
        "woken" => run.through::<Woken>(&runtime),
        other => fail(&format!("way={other}: fs, blocking, engine, driven, none or woken")),
    };
    if let Err(why) = done {
        fail(&why.to_string());
    }
}

/// A way to read, as one task has it.
trait Way: Sized + Send + 'static {
    /// What all tasks share.
    type Shared;

    /// Makes it, within the runtime.
    fn shared(target: &Target, kernel: KernelChoice) -> io::Result<Self::Shared>;

    /// Makes one task's part.
    fn task(shared: &Self::Shared, target: &Target) -> io::Result<Self>;

    /// Reads one block: how many bytes that gave.
    fn read(&mut self, offset: u64) -> impl Future<Output = io::Result<usize>> + Send;
}

struct Run {
    kernel: KernelChoice,
    target: Arc<Target>,
    limit: Limit,
    depth: u64,
}

impl Run {
    /// Runs it, and prints what it cost.
    fn through<W: Way>(&self, runtime: &Runtime) -> io::Result<()> {
        runtime.block_on(async {
            let shared = W::shared(&self.target, self.kernel)?;
            let ways: io::Result<Vec<W>> =
                (0..self.depth).map(|_| W::task(&shared, &self.target)).collect();
            let ways = ways?;
            let meter = Meter::start();
            self.limit.start();
            let mut tasks = Vec::with_capacity(ways.len());
            for (index, way) in (0..).zip(ways) {
                let share = self.limit.share(index, self.depth);
                let target = Arc::clone(&self.target);
                tasks.push(tokio::spawn(reads(way, share, Random::of(index), target)));
            }
            let mut done = 0;
            for task in tasks {
                done += task.await?;
            }
            meter.report(done);
            Ok(())
        })
    }
}

/// One task: a read after the other.
async fn reads<W: Way>(
    mut way: W,
    mut share: Share,
    mut random: Random,
    target: Arc<Target>,
) -> u64 {
    let mut done = 0;
    while share.take(1) != 0 {
        target.check(way.read(random.offset(target.blocks)).await);
        done += 1;
    }
    done
}

/// `tokio::fs::File`.
struct TokioFs {
    file: tokio::fs::File,
    bytes: Vec<u8>,
}

impl Way for TokioFs {
    type Shared = ();

    fn shared(target: &Target, _: KernelChoice) -> io::Result<()> {
        if target.direct {
            fail("way=fs: tokio::fs::File's own buffer is not aligned as direct=1 needs it");
        }
        Ok(())
    }

    fn task((): &(), target: &Target) -> io::Result<Self> {
        let file = tokio::fs::File::from_std(target.open());
        Ok(Self { file, bytes: vec![0; BLOCK_BYTES as usize] })
    }

    async fn read(&mut self, offset: u64) -> io::Result<usize> {
        self.file.seek(io::SeekFrom::Start(offset)).await?;
        self.file.read_exact(&mut self.bytes).await
    }
}

/// `pread` in `spawn_blocking`: the block goes there and comes back.
struct Blocking {
    file: Arc<File>,
    block: Option<Box<Block>>,
}

impl Way for Blocking {
    type Shared = Arc<File>;

    fn shared(target: &Target, _: KernelChoice) -> io::Result<Arc<File>> {
        Ok(Arc::new(target.open()))
    }

    fn task(file: &Arc<File>, _: &Target) -> io::Result<Self> {
        Ok(Self { file: Arc::clone(file), block: None })
    }

    async fn read(&mut self, offset: u64) -> io::Result<usize> {
        let file = Arc::clone(&self.file);
        let mut block = self.block.take().unwrap_or_else(Block::new);
        let read = move || (file.read_at(block.bytes(), offset), block);
        let (got, block) = tokio::task::spawn_blocking(read).await?;
        self.block = Some(block);
        got
    }
}

/// Who drives an engine.
trait Driver: Send + 'static {
    /// Makes one, within the runtime.
    fn engine(kernel: KernelChoice) -> io::Result<Engine>;
}

/// A thread of the engine's own.
struct Thread;

impl Driver for Thread {
    fn engine(kernel: KernelChoice) -> io::Result<Engine> {
        Engine::builder().kernel(kernel).build()
    }
}

/// A future on the runtime, which ends with the engine.
struct Driven;

impl Driver for Driven {
    fn engine(kernel: KernelChoice) -> io::Result<Engine> {
        let (engine, drive) = Engine::builder().kernel(kernel).build_driven()?;
        tokio::spawn(drive);
        Ok(engine)
    }
}

/// The engine: the buffer goes in and comes back.
struct ThroughEngine<D> {
    file: annulus_runtime::File,
    buf: Option<AlignedBuf>,
    driver: PhantomData<D>,
}

impl<D: Driver> Way for ThroughEngine<D> {
    type Shared = (Engine, annulus_runtime::File);

    fn shared(target: &Target, kernel: KernelChoice) -> io::Result<Self::Shared> {
        let engine = D::engine(kernel)?;
        let file = engine.file(target.open());
        Ok((engine, file))
    }

    fn task((_, file): &Self::Shared, _: &Target) -> io::Result<Self> {
        let buf = Some(AlignedBuf::zeroed(BLOCK_BYTES as usize));
        Ok(Self { file: file.clone(), buf, driver: PhantomData })
    }

    async fn read(&mut self, offset: u64) -> io::Result<usize> {
        let buf = self.buf.take().ok_or_else(|| io::Error::other("the last read failed"))?;
        let (count, buf) = self.file.read_at(buf, offset).await?;
        self.buf = Some(buf);
        Ok(count)
    }
}

/// Nothing at all.
struct Nothing;

impl Way for Nothing {
    type Shared = ();

    fn shared(_: &Target, _: KernelChoice) -> io::Result<()> {
        Ok(())
    }

    fn task((): &(), _: &Target) -> io::Result<Self> {
        Ok(Self)
    }

    async fn read(&mut self, offset: u64) -> io::Result<usize> {
        std::hint::black_box(offset);
        Ok(BLOCK_BYTES as usize)
    }
}

/// Who waits, and the task that wakes them, while that has nobody to wake.
#[derive(Default)]
struct Waiting {
    tasks: Vec<Waker>,
    driver: Option<Waker>,
}

impl Waiting {
    /// Wakes all who wait: the driver's whole work, whose next turn comes after theirs.
    fn wake_all(this: &Mutex<Self>, woken: &mut Vec<Waker>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = this.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.tasks.is_empty() {
            waiting.driver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        std::mem::swap(&mut waiting.tasks, woken);
        drop(waiting);
        woken.drain(..).for_each(Waker::wake);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A task that waits for the driver, which does nothing but wake it.
struct Woken(Arc<Mutex<Waiting>>);

impl Way for Woken {
    type Shared = Arc<Mutex<Waiting>>;

    fn shared(_: &Target, _: KernelChoice) -> io::Result<Self::Shared> {
        let shared = Self::Shared::default();
        let (driven, mut woken) = (Arc::clone(&shared), Vec::new());
        tokio::spawn(poll_fn(move |cx| Waiting::wake_all(&driven, &mut woken, cx)));
        Ok(shared)
    }

    fn task(shared: &Self::Shared, _: &Target) -> io::Result<Self> {
        Ok(Self(Arc::clone(shared)))
    }

    async fn read(&mut self, offset: u64) -> io::Result<usize> {
        std::hint::black_box(offset);
        let mut waits = false;
        poll_fn(|cx| {
            if waits {
                return Poll::Ready(());
            }
            waits = true;
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.tasks.push(cx.waker().clone());
            if let Some(driver) = waiting.driver.take() {
                driver.wake();
            }
            Poll::Pending
        })
        .await;
        Ok(BLOCK_BYTES as usize)
    }
}

//! What other threads do to one executor: each body runs under loom, under Miri and on real
//! threads.
//!
//! In each what is dropped is counted, a wake-up that is lost is a hang, and at the end nothing of
//! the executor is left.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::executor::{JoinHandle, Remote};
use super::owner::{Owner, Wakes, output};
use super::probe::{Count, Kept, Said, Thread, Waits};
use super::runtime::{RemoteHandle, handle};
use super::threads::{JoinHandle as Joins, spawn};

/// Every body, by name.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("wakes_of_two_threads", wakes_of_two_threads),
    ("wakes_of_two_tasks", wakes_of_two_tasks),
    ("wakes_of_one_thread", wakes_of_one_thread),
    ("wakes_that_come_early", wakes_that_come_early),
    ("wakes_of_the_root", wakes_of_the_root),
    ("work_beside_a_sleep", work_beside_a_sleep),
    ("work_of_two_threads", work_of_two_threads),
    ("work_and_a_wake", work_and_a_wake),
    ("wake_beside_a_close", wake_beside_a_close),
    ("work_beside_a_close", work_beside_a_close),
    ("wakers_made_at_once", wakers_made_at_once),
    ("waker_that_outlives_its_task", waker_that_outlives_its_task),
    ("waker_that_outlives_its_executor", waker_that_outlives_its_executor),
    ("join_handle_of_a_woken_task", join_handle_of_a_woken_task),
    ("handle_of_a_thread_that_blocks", handle_of_a_thread_that_blocks),
    ("handle_dropped_meanwhile", handle_dropped_meanwhile),
    ("handle_aborted_meanwhile", handle_aborted_meanwhile),
    ("handle_of_a_panic", handle_of_a_panic),
    ("handle_at_the_end", handle_at_the_end),
    ("handle_polled_by_two", handle_polled_by_two),
];

/// A task that was polled once, and waits to be woken by another thread.
struct Waiting {
    handle: JoinHandle<()>,
    waker: Waker,
    polled: Count,
    dropped: Count,
}

impl Waiting {
    /// A task that is over when each of `said` is at `step`.
    fn for_all(owner: &Owner, said: &[&Arc<Said>], step: u32) -> Self {
        let (future, kept, polled, dropped) = waits(said, step);
        let handle = owner.executor.spawn(future);
        owner.run_once();
        let waker = kept.borrow_mut().take().expect("it was polled");
        Self { handle, waker, polled, dropped }
    }

    /// The task is over, and was polled at most so often.
    fn ended(self, polls: u32) {
        output(self.handle).expect("it ended by itself");
        assert_eq!(self.dropped.get(), 1);
        assert!(self.polled.get() <= polls, "polled {} times", self.polled.get());
    }
}

/// A future, where it leaves its waker, and what counts its polls and its end.
fn waits(said: &[&Arc<Said>], step: u32) -> (Waits, Kept, Count, Count) {
    let (kept, polled, dropped) = (Kept::default(), Count::default(), Count::default());
    let future = Waits {
        kept: Some(Rc::clone(&kept)),
        said: said.iter().map(|said| Arc::clone(said)).collect(),
        step,
        polled: polled.clone(),
        token: dropped.token(),
    };
    (future, kept, polled, dropped)
}

/// A thread that says something, and wakes.
fn says(said: &Arc<Said>, waker: &Waker) -> Joins<()> {
    let (said, waker) = (Arc::clone(said), waker.clone());
    spawn(move || {
        said.say(1);
        waker.wake();
    })
}

fn join(threads: impl IntoIterator<Item = Joins<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// The second finds it queued, perhaps: then it is polled behind both.
fn wakes_of_two_threads() {
    let (owner, first, second) = (Owner::new(Wakes::ByBell), Said::new(), Said::new());
    let Waiting { handle, waker, polled, dropped } =
        Waiting::for_all(&owner, &[&first, &second], 1);
    let threads = [says(&first, &waker), says(&second, &waker)];
    drop(waker);
    owner.run();
    join(threads);
    output(handle).expect("it ended by itself");
    assert_eq!(dropped.get(), 1);
    assert!((2..=3).contains(&polled.get()), "polled {} times", polled.get());
    owner.settle_woken();
}

/// Each is woken by its own thread: they meet in the list.
fn wakes_of_two_tasks() {
    let (owner, first, second) = (Owner::new(Wakes::ByBell), Said::new(), Said::new());
    let tasks = [&first, &second].map(|said| Waiting::for_all(&owner, &[said], 1));
    let threads = [says(&first, &tasks[0].waker), says(&second, &tasks[1].waker)];
    owner.run();
    join(threads);
    tasks.into_iter().for_each(|task| task.ended(2));
    owner.settle_woken();
}

/// The second may come while the task runs that the first woke.
fn wakes_of_one_thread() {
    let (owner, said) = (Owner::new(Wakes::ByBell), Said::new());
    let task = Waiting::for_all(&owner, &[&said], 2);
    let waker = task.waker.clone();
    let thread = spawn(move || {
        said.say(1);
        waker.wake_by_ref();
        said.say(2);
        waker.wake();
    });
    owner.run();
    join([thread]);
    task.ended(3);
    owner.settle_woken();
}

/// The executor is awake, and said to sleep still, when it is woken.
fn wakes_that_come_early() {
    let (owner, said) = (Owner::new(Wakes::Early(2)), Said::new());
    let task = Waiting::for_all(&owner, &[&said], 1);
    let waker = task.waker.clone();
    let remote = Arc::clone(owner.remote());
    let done = Count::default();
    let token = done.token();
    let thread = spawn(move || {
        assert!(remote.submit(Box::new(|_| drop(token))).is_ok(), "it is open");
        said.say(1);
        waker.wake();
    });
    owner.run_until(|| owner.executor.tasks_count() == 0 && done.get() == 1);
    join([thread]);
    task.ended(2);
    owner.settle();
}

/// What a runtime runs that blocks on a future.
fn wakes_of_the_root() {
    let (owner, said) = (Owner::new(Wakes::ByBell), Said::new());
    let (mut future, kept, _, dropped) = waits(&[&said], 1);
    let mut thread = None;
    let is_over = Count::default();
    let root = || {
        let polled = owner.executor.with_root(|cx| Pin::new(&mut future).poll(cx));
        if polled.is_ready() {
            is_over.add();
        } else if let Some(waker) = kept.borrow_mut().take() {
            thread = Some(says(&said, &waker));
        }
    };
    owner.executor.wake_root();
    owner.run_with(root, || is_over.get() == 1);
    join(thread);
    drop(future);
    assert_eq!(dropped.get(), 1);
    owner.settle_woken();
}

/// A thread that has the executor do something. Whether it will.
fn submits(remote: &Arc<Remote>, done: &Count, dropped: &Count) -> Joins<bool> {
    let (remote, done, token) = (Arc::clone(remote), done.clone(), dropped.token());
    spawn(move || {
        let work = move |_: &_| {
            done.add();
            drop(token);
        };
        remote.submit(Box::new(work)).is_ok()
    })
}

fn work_beside_a_sleep() {
    let (owner, done, dropped) = (Owner::new(Wakes::ByBell), Count::default(), Count::default());
    let thread = submits(owner.remote(), &done, &dropped);
    owner.run_until(|| done.get() == 1);
    assert!(thread.join().unwrap(), "it is open");
    assert_eq!(dropped.get(), 1);
    owner.settle();
}

fn work_of_two_threads() {
    let (owner, done, dropped) = (Owner::new(Wakes::Early(1)), Count::default(), Count::default());
    let threads = [(); 2].map(|()| submits(owner.remote(), &done, &dropped));
    owner.run_until(|| done.get() == 2);
    assert!(threads.map(|thread| thread.join().unwrap()).iter().all(|done| *done), "it is open");
    assert_eq!(dropped.get(), 2);
    owner.settle();
}

/// One word tells of both.
fn work_and_a_wake() {
    let (owner, said) = (Owner::new(Wakes::ByBell), Said::new());
    let (done, dropped) = (Count::default(), Count::default());
    let task = Waiting::for_all(&owner, &[&said], 1);
    let wakes = says(&said, &task.waker);
    let submits = submits(owner.remote(), &done, &dropped);
    owner.run_until(|| owner.executor.tasks_count() == 0 && done.get() == 1);
    join([wakes]);
    assert!(submits.join().unwrap(), "it is open");
    assert_eq!(dropped.get(), 1);
    task.ended(2);
    owner.settle();
}

/// A waker that comes too late is dropped, one that came before as well.
fn wake_beside_a_close() {
    let (owner, said) = (Owner::new(Wakes::ByBell), Said::new());
    let Waiting { handle, waker, dropped, .. } = Waiting::for_all(&owner, &[&said], 1);
    let thread = says(&said, &waker);
    owner.executor.close();
    // Nobody opens it again.
    owner.run_once();
    assert!(output(handle).is_err_and(|error| error.is_cancelled()));
    assert_eq!(dropped.get(), 1);
    waker.wake();
    join([thread]);
    assert_eq!(Arc::strong_count(owner.remote()), 1, "a waker is in the list");
    owner.settle();
}

/// What was taken is done or dropped, what comes later is given back.
fn work_beside_a_close() {
    let (owner, done, dropped) = (Owner::new(Wakes::ByBell), Count::default(), Count::default());
    let thread = submits(owner.remote(), &done, &dropped);
    owner.run_once();
    owner.executor.close();
    let (ran, was_taken) = (done.get(), thread.join().unwrap());
    assert_eq!(done.get(), ran, "nothing is done after the end");
    assert!(was_taken || ran == 0);
    assert_eq!(dropped.get(), 1);
    let refused = submits(owner.remote(), &done, &dropped);
    assert!(!refused.join().unwrap(), "it is closed");
    assert_eq!((done.get(), dropped.get()), (ran, 2));
    owner.settle();
}

/// Lends its waker to two threads in its first poll.
struct Lends {
    said: [Arc<Said>; 2],
    wakes_later: Option<Joins<()>>,
    is_lent: bool,
}

impl Future for Lends {
    type Output = Option<Joins<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.said.iter().all(|said| said.get() == 1) {
            return Poll::Ready(self.wakes_later.take());
        }
        if std::mem::replace(&mut self.is_lent, true) {
            return Poll::Pending;
        }
        // SAFETY: the threads that use it are joined before this returns.
        let waker: &'static Waker = unsafe { &*std::ptr::from_ref(cx.waker()) };
        let cloned = spawn(move || waker.clone());
        let [now, later] = self.said.clone();
        let wakes = spawn(move || {
            now.say(1);
            waker.wake_by_ref();
        });
        let cloned = cloned.join().unwrap();
        wakes.join().unwrap();
        self.wakes_later = Some(says(&later, &cloned));
        Poll::Pending
    }
}

/// Both are the same waker, and none is made in vain.
fn wakers_made_at_once() {
    let owner = Owner::new(Wakes::ByBell);
    let said = [Said::new(), Said::new()];
    let future = Lends { said, wakes_later: None, is_lent: false };
    let handle = owner.executor.spawn(future);
    owner.run();
    join(output(handle).expect("it ended by itself"));
    owner.settle_woken();
}

/// It wakes nobody: not who has the memory of the task by then, either.
fn waker_that_outlives_its_task() {
    let (owner, said, never) = (Owner::new(Wakes::ByBell), Said::new(), Said::new());
    let first = Waiting::for_all(&owner, &[&said], 1);
    said.say(1);
    let thread = says(&said, &first.waker);
    // From outside of the executor, and so as from another thread.
    first.waker.wake_by_ref();
    owner.run();
    first.ended(2);
    let second = Waiting::for_all(&owner, &[&never], 1);
    join([thread]);
    // What is in the list is taken, and then polled.
    owner.run_once();
    owner.run_once();
    assert_eq!(second.polled.get(), 1, "nobody woke it");
    assert_eq!(second.dropped.get(), 0);
    drop(second);
    owner.settle();
}

/// The executor is gone while its task is woken, twice.
fn waker_that_outlives_its_executor() {
    let (owner, said) = (Owner::new(Wakes::ByBell), Said::new());
    let Waiting { handle, waker, dropped, .. } = Waiting::for_all(&owner, &[&said], 1);
    let remote = Arc::downgrade(owner.remote());
    let thread = spawn(move || {
        waker.wake_by_ref();
        waker.wake();
    });
    drop((handle, owner));
    assert_eq!(dropped.get(), 1);
    join([thread]);
    assert_eq!(remote.strong_count(), 0, "a waker is left");
}

/// The root waits for the task, as who blocks on a handle does.
fn join_handle_of_a_woken_task() {
    let (owner, said) = (Owner::new(Wakes::ByBell), Said::new());
    let Waiting { mut handle, waker, dropped, .. } = Waiting::for_all(&owner, &[&said], 1);
    let thread = says(&said, &waker);
    drop(waker);
    let is_over = Count::default();
    let root = || match owner.executor.with_root(|cx| Pin::new(&mut handle).poll(cx)) {
        Poll::Ready(output) => {
            output.expect("it ended by itself");
            is_over.add();
        }
        Poll::Pending => assert_eq!(is_over.get(), 0),
    };
    owner.executor.wake_root();
    owner.run_with(root, || is_over.get() == 1);
    join([thread]);
    drop(handle);
    assert_eq!(dropped.get(), 1);
    owner.settle_woken();
}

/// What another thread has the executor run: its output is dropped with `dropped` counted.
fn run_there<F>(owner: &Owner, dropped: &Count, f: F) -> Joins<()>
where
    F: FnOnce(Spawns) + Send + 'static,
{
    let spawns = Spawns { handle: handle(owner.remote()), dropped: dropped.clone() };
    spawn(move || f(spawns))
}

/// A thread's way to spawn what is counted.
struct Spawns {
    handle: super::runtime::Handle,
    dropped: Count,
}

/// What a task gives that counts.
const OUTPUT: u32 = 7;

impl Spawns {
    /// A task that is over at once.
    fn ready(&self) -> RemoteHandle<u32> {
        let token = self.dropped.token();
        self.handle.spawn(move || async move {
            drop(token);
            OUTPUT
        })
    }

    /// A task that is never over.
    fn pending(&self) -> RemoteHandle<()> {
        let token = self.dropped.token();
        self.handle.spawn(move || async move {
            let _kept = token;
            std::future::pending().await
        })
    }
}

fn handle_of_a_thread_that_blocks() {
    let (owner, dropped) = (Owner::new(Wakes::ByBell), Count::default());
    let thread = run_there(&owner, &dropped, |spawns| {
        let token = spawns.dropped.token();
        let output = spawns.handle.block_on(move || async move {
            drop(token);
            OUTPUT
        });
        assert_eq!(output.expect("it ended by itself"), OUTPUT);
    });
    owner.run_until(|| dropped.get() == 1 && owner.executor.tasks_count() == 0);
    join([thread]);
    owner.settle();
}

/// The output is somebody's, and dropped once.
fn handle_dropped_meanwhile() {
    let (owner, dropped) = (Owner::new(Wakes::ByBell), Count::default());
    let ended = Count::default();
    let ends = ended.clone();
    let thread = run_there(&owner, &dropped, move |spawns| {
        let token = spawns.dropped.token();
        let mut task = spawns.handle.spawn(move || async move {
            ends.add();
            token
        });
        let thread = Thread::new();
        let polled = thread.poll(&mut task);
        drop(task);
        drop(polled);
        assert!(Arc::strong_count(&thread) <= 2, "whoever finishes it has the waker, at most");
    });
    owner.run_until(|| ended.get() == 1 && owner.executor.tasks_count() == 0);
    join([thread]);
    owner.settle();
    assert_eq!(dropped.get(), 1);
}

/// The future is dropped where it ran, if it did.
fn handle_aborted_meanwhile() {
    let (owner, dropped) = (Owner::new(Wakes::ByBell), Count::default());
    let thread = run_there(&owner, &dropped, |spawns| {
        let mut task = spawns.pending();
        task.abort();
        let ended = Thread::new().finish(&mut task);
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    });
    owner.run_until(|| dropped.get() == 1 && owner.executor.tasks_count() == 0);
    join([thread]);
    owner.settle();
}

fn handle_of_a_panic() {
    let (owner, dropped) = (Owner::new(Wakes::ByBell), Count::default());
    let thread = run_there(&owner, &dropped, |spawns| {
        let token = spawns.dropped.token();
        let mut task = spawns.handle.spawn(move || async move {
            let _dropped = token;
            // Past the panic hook, which would print.
            resume_unwind(Box::new(OUTPUT))
        });
        let ended: Result<(), _> = Thread::new().finish(&mut task);
        let what = ended.expect_err("it panicked").try_into_panic().expect("it panicked");
        assert_eq!(what.downcast_ref(), Some(&OUTPUT));
    });
    owner.run_until(|| dropped.get() == 1 && owner.executor.tasks_count() == 0);
    join([thread]);
    owner.settle();
}

/// What never ran says so.
fn handle_at_the_end() {
    let (owner, dropped) = (Owner::new(Wakes::ByBell), Count::default());
    let thread =
        run_there(&owner, &dropped, |spawns| match Thread::new().finish(&mut spawns.ready()) {
            Ok(output) => assert_eq!(output, OUTPUT),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        });
    // What came is taken and polled, if something did.
    owner.run_once();
    owner.run_once();
    owner.executor.close();
    join([thread]);
    assert_eq!(dropped.get(), 1);
    owner.settle();
}

/// Two tasks of the thread poll in turn: who did last is woken.
fn handle_polled_by_two() {
    let (owner, dropped) = (Owner::new(Wakes::ByBell), Count::default());
    let first = Thread::new();
    let polls = Arc::clone(&first);
    let thread = run_there(&owner, &dropped, move |spawns| {
        let (first, last, mut task) = (polls, Thread::new(), spawns.ready());
        let output = match first.poll(&mut task) {
            Poll::Ready(output) => output,
            Poll::Pending => last.finish(&mut task),
        };
        assert_eq!(output.expect("it ended by itself"), OUTPUT);
    });
    owner.run_until(|| dropped.get() == 1 && owner.executor.tasks_count() == 0);
    join([thread]);
    assert_eq!(Arc::strong_count(&first), 1, "a waker is left");
    owner.settle();
}

//! Children that nobody waits for any more. A thread waits for all of them, so that none stays a
//! zombie, and ends when there are none.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::host::sys::{self, interrupt};

/// How often a child is looked at that there is no descriptor for.
const LOOK_EACH_MS: i32 = 50;

struct State {
    /// Those that the thread has not seen yet.
    arrived: Vec<Child>,
    /// What wakes it.
    bell: Option<OwnedFd>,
    has_thread: bool,
    /// The process that all this is of: a forked child has neither the thread nor the children.
    process: u32,
}

static STATE: Mutex<State> =
    Mutex::new(State { arrived: Vec::new(), bell: None, has_thread: false, process: 0 });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes charge of a child that nobody waits for: when it ends it is waited for, and is no zombie.
/// Where it has ended already that is done at once.
///
/// A thread does so, by the children's descriptors, which it polls; it is there as long as there
/// are such children. Where there can be no thread, they are looked at with the next one.
///
/// ```
/// use std::process::{Command, Stdio};
/// let child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
/// let path = format!("/proc/{}", child.id());
/// annulus_emulate::adopt_child(child); // its input ends, and so does it
/// while std::fs::exists(&path)? {
///     std::thread::yield_now();
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn adopt_child(mut child: Child) {
    // What keeps it from its end is not kept by who does not want it any more.
    drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
    if !is_running(&mut child) {
        return;
    }
    let mut state = state();
    let process = std::process::id();
    if state.process != process {
        *state = State { arrived: Vec::new(), bell: None, has_thread: false, process };
    }
    state.arrived.push(child);
    if state.bell.is_none() {
        state.bell = sys::eventfd().ok();
    }
    if state.has_thread {
        if let Some(bell) = &state.bell {
            sys::signal(bell.as_raw_fd());
        }
        return;
    }
    state.has_thread = start();
    if !state.has_thread {
        state.arrived.retain_mut(is_running);
    }
}

/// Starts the thread. It gets no signals: the program's are for the program's threads.
fn start() -> bool {
    let mask = interrupt::block_signals();
    let thread = std::thread::Builder::new().name("annulus-orphans".to_owned());
    let started = thread.spawn(wait_for_all);
    interrupt::restore_signals(&mask);
    started.is_ok()
}

/// Whether it is. One that has ended is no zombie then.
fn is_running(child: &mut Child) -> bool {
    // An error says that there is no such child: somebody else has waited for it.
    matches!(child.try_wait(), Ok(None))
}

/// The thread.
fn wait_for_all() {
    let mut children: Vec<(Child, Option<OwnedFd>)> = Vec::new();
    let mut files = Vec::new();
    loop {
        let mut state = state();
        let arrived = core::mem::take(&mut state.arrived);
        let bell = state.bell.as_ref().map(AsRawFd::as_raw_fd);
        if arrived.is_empty() && children.is_empty() {
            state.has_thread = false;
            return;
        }
        drop(state);
        children.extend(arrived.into_iter().map(|child| {
            let file = sys::wait::pidfd(child.id()).ok();
            (child, file)
        }));
        children.retain_mut(|(child, _)| is_running(child));
        if children.is_empty() {
            continue;
        }
        let all_have_files = children.iter().all(|(_, file)| file.is_some());
        let limit = if all_have_files && bell.is_some() { -1 } else { LOOK_EACH_MS };
        files.clear();
        files.extend(children.iter().filter_map(|(_, file)| Some(file.as_ref()?.as_raw_fd())));
        files.extend(bell);
        sys::wait::poll_all(&files, limit);
        if let Some(bell) = bell {
            sys::drain(bell);
        }
    }
}

//! Futexes in memory that is mapped more than once, here and in another process: a child of this,
//! which makes a ring too, as the name of the file says.

mod common;

use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use annulus_runtime::buffer::{BackingMemory, InvalidRegion, MemRegion};
use annulus_runtime::runtime::futex::{FutexWait, FutexWake, FutexWord, MappedWord};
use annulus_runtime::time::sleep;
use annulus_runtime::{run, spawn_local, submit};
use common::{LIMIT, limit, skip};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

const BYTES: usize = 4096;

/// A page of a file, mapped to be shared.
struct Page(NonNull<u8>);

impl Page {
    fn of(file: BorrowedFd<'_>) -> Self {
        let (access, kind) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let start = unsafe { mmap(std::ptr::null_mut(), BYTES, access, kind, file, 0) };
        Self(NonNull::new(start.expect("it is mapped").cast()).expect("not at 0"))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping of `of`, which nobody uses any more.
        unsafe { munmap(self.0.as_ptr().cast(), BYTES) }.expect("it was mapped");
    }
}

// SAFETY: the mapping is not bound to a thread.
unsafe impl Send for Page {}

// SAFETY: its bytes are used as atomics alone.
unsafe impl Sync for Page {}

// SAFETY: the bytes stay mapped until this is dropped, and are used as atomics alone.
unsafe impl BackingMemory for Page {
    fn pieces(
        &self,
        region: MemRegion,
        piece: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<(), InvalidRegion> {
        if region.end().is_none_or(|end| end > BYTES as u64) {
            return Err(InvalidRegion::new(region));
        }
        // SAFETY: within the page, as was checked.
        piece(unsafe { self.0.add(region.offset as usize) }, region.len);
        Ok(())
    }
}

/// Adds one, and wakes who waits.
async fn step(word: &MappedWord<Page>) {
    // Release: pairs with the acquire of `reached`.
    word.word().fetch_add(1, Ordering::Release);
    submit(FutexWake::new(word.clone(), u32::MAX)).await.expect("it is a word");
}

/// Waits until the word is `wanted`.
async fn reached(word: &MappedWord<Page>, wanted: u32) {
    loop {
        // Acquire: pairs with the release of `step`.
        let now = word.word().load(Ordering::Acquire);
        if now == wanted {
            return;
        }
        submit(FutexWait::new(word.clone(), now)).await.expect("it is a word");
    }
}

/// Whether the ring has futexes: since Linux 6.7.
async fn has_futexes(name: &str, word: &MappedWord<Page>) -> bool {
    let tried = submit(FutexWake::new(word.clone(), 1)).await;
    if tried.is_err() {
        skip(name, "Linux 6.7");
    }
    tried.is_ok()
}

#[test]
fn a_word_is_the_same_wherever_it_is_mapped() {
    const NAME: &str = "a_word_is_the_same_wherever_it_is_mapped";
    limit(LIMIT, || {
        let file = rustix::fs::memfd_create("futex", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&file, BYTES as u64).unwrap();
        let page = || Arc::new(Page::of(file.as_fd()));
        let (one, other) =
            (MappedWord::new(page(), 64).unwrap(), MappedWord::new(page(), 64).unwrap());
        run(async {
            if !has_futexes(NAME, &one).await {
                return;
            }
            let (waits, wakes) = (one.clone(), other.clone());
            let waiter = spawn_local(async move {
                assert!(submit(FutexWait::new(waits, 0)).await.unwrap(), "it was woken");
            });
            // By the other address, as often as it takes until somebody waits.
            while submit(FutexWake::new(wakes.clone(), 1)).await.unwrap() == 0 {
                sleep(Duration::from_micros(200)).await;
            }
            waiter.await.unwrap();
        })
        .unwrap();
    });
}

/// Says that this process is the other one, and which file is shared.
const FILE: &str = "ANNULUS_TEST_FUTEX";

#[test]
fn two_processes_take_turns() {
    const NAME: &str = "two_processes_take_turns";
    const TURNS: u32 = 200;
    limit(LIMIT, || {
        let is_other = std::env::var_os(FILE);
        let path = is_other.clone().map_or_else(
            || std::env::temp_dir().join(format!("annulus-futex-{}", std::process::id())),
            Into::into,
        );
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create(is_other.is_none()).open(&path).unwrap();
        file.set_len(BYTES as u64).unwrap();
        let word = MappedWord::new(Arc::new(Page::of(file.as_fd())), 4).unwrap();
        run(async {
            if is_other.is_some() {
                for turn in 0..TURNS {
                    reached(&word, 2 * turn + 1).await;
                    step(&word).await;
                }
                return;
            }
            if !has_futexes(NAME, &word).await {
                return;
            }
            let mut other = std::process::Command::new(std::env::current_exe().unwrap());
            other.args([NAME, "--exact"]).env(FILE, &path).stdout(std::process::Stdio::null());
            let mut other = other.spawn().unwrap();
            for turn in 0..TURNS {
                step(&word).await;
                reached(&word, 2 * turn + 2).await;
            }
            assert!(other.wait().unwrap().success());
        })
        .unwrap();
        if is_other.is_none() {
            std::fs::remove_file(&path).unwrap();
        }
    });
}

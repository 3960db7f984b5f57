//! A storm of signals on all threads, whose handler has no `SA_RESTART`: no operation fails of it,
//! and nothing is lost.

mod common;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use annulus_runtime::buffer::AlignedBuf;
use common::child::Child;
use common::engines::{Kind, Rig, shipped_pipe};
use common::files::{TempFile, first_difference};
use common::{LIMIT, process};
use futures::executor::block_on;

static CAUGHT: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    // Pairs with nothing: a count.
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}

/// Installs the handler.
fn handle() {
    // SAFETY: all zeros are a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the action lives during the call, and its handler does what a handler may.
    let done = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

/// Signals all threads but this one and the first, the harness's, until told to stop.
fn storm(stop: &AtomicBool) {
    let (own, process) = (process::this_thread(), std::process::id());
    // Pairs with nothing: a sign to end.
    while !stop.load(Ordering::Relaxed) {
        for (tid, _) in process::threads() {
            if tid != own && tid != process {
                // SAFETY: no pointer; a thread that is gone is an error.
                unsafe { libc::syscall(libc::SYS_tgkill, process, tid, libc::SIGUSR1) };
            }
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Writes what a pipe has room for, whatever signals come.
fn work(rig: &Rig, file: &TempFile, direct: Option<&std::fs::File>) {
    std::thread::scope(|scope| {
        let (reader, mut writer) = shipped_pipe();
        let pipe = rig.file(reader);
        scope.spawn(move || {
            for n in 0..5_000_u32 {
                // `write_all` goes on after `EINTR`.
                writer.write_all(&n.to_le_bytes()).expect("the reader is there");
            }
        });
        scope.spawn(move || {
            let mut buf = vec![0; 4];
            for n in 0..5_000_u32 {
                let result = block_on(pipe.read(buf));
                let (count, bytes) = result.expect("no signal ends it");
                assert_eq!((count, &bytes[..]), (4, &n.to_le_bytes()[..]));
                buf = bytes;
            }
        });
        let cached = rig.file(file.open());
        let disk = direct.map(|direct| rig.file(direct.try_clone().expect("a descriptor")));
        scope.spawn(move || {
            let mut buf = AlignedBuf::zeroed(4096);
            for n in 0..2_000 {
                let offset = n % 16 * 4096;
                if n % 64 == 0 {
                    file.evict();
                }
                let source = if n % 2 == 0 { Some(&cached) } else { disk.as_ref() };
                let Some(source) = source else { continue };
                let result = block_on(source.read_exact_at(buf, offset));
                buf = result.expect("no signal ends it").1;
                assert_eq!(first_difference(offset, &buf), None);
            }
        });
        let (reader, kept) = shipped_pipe();
        let never = rig.file(reader);
        scope.spawn(move || {
            // Each is ended by its deadline, and by nothing else.
            for _ in 0..200 {
                let read = never.read(vec![0; 8]).deadline(Duration::from_millis(2));
                let error = block_on(read).expect_err("nobody writes");
                assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
            }
            drop(kept);
        });
    });
}

#[test]
fn no_operation_fails_of_a_signal() {
    let name = "no_operation_fails_of_a_signal";
    let file = TempFile::patterned(64 << 10);
    let direct = file.direct(name);
    for kind in Kind::ALL {
        let arg = format!("{kind:?}");
        let body = |chosen: &str| {
            if chosen != arg {
                return;
            }
            handle();
            let rig = kind.rig(|builder| builder.entries(8));
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| storm(&stop));
                work(&rig, &file, direct.as_ref());
                // Pairs with nothing: as above.
                stop.store(true, Ordering::Relaxed);
            });
            // Pairs with nothing: a count.
            let caught = CAUGHT.load(Ordering::Relaxed);
            eprintln!("{caught} signals caught");
            assert!(caught > 1_000, "{caught} signals are no storm");
            rig.close();
        };
        if let Some(outcome) = Child::of(name).arg(&arg).limit(4 * LIMIT).run(body) {
            eprintln!("{}", outcome.stderr);
            outcome.success();
        }
    }
}

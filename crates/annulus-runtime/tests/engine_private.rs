//! What io_uring has no operation for, on each kind of engine: how it is done, how it fails, and
//! how it ends. On Linux it goes by the ring in user space beside the engine's own.

mod common;
mod files;

use std::io::{Read, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use annulus_ring::Errno;
use annulus_runtime::engine::{DirEntries, Times};
use annulus_runtime::{Engine, File};
use common::engines::{self, begin, ship};
use common::full::{LONG, fill};
use common::{LIMIT, limit};
use files::TempDir;
use futures::executor::block_on;
use futures::future::join_all;

/// A file that is long, a socket that is full, and the other end.
fn endless(dir: &TempDir, engine: &Engine) -> (File, File, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    let file = dir.file("long", b"");
    fill(&there, &file);
    (engine.file(file), engine.file(there), here)
}

#[test]
fn files_are_copied_shared_and_searched_for_holes() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let dir = TempDir::new();
                let engine = rig.engine().clone();
                let from = dir.file("from", b"");
                from.write_all_at(&[7; 8192], 1 << 20).unwrap();
                let (from, to) = (engine.file(from), engine.file(dir.file("to", b"")));
                let data = block_on(from.seek_data(0)).unwrap();
                assert_eq!(data, Some(1 << 20));
                let end = block_on(from.seek_hole(1 << 20)).unwrap();
                assert_eq!(end, Some((1 << 20) + 8192));
                assert_eq!(block_on(from.seek_data(2 << 20)).unwrap(), None);
                assert_eq!(block_on(from.seek(SeekFrom::End(-1))).unwrap(), (1 << 20) + 8191);
                let copied = block_on(from.copy_to(1 << 20, &to, 5, u64::MAX)).unwrap();
                assert_eq!(copied, 8192);
                let text = std::fs::read(dir.path("to")).unwrap();
                assert!(text.len() == 8197 && text[5..].iter().all(|byte| *byte == 7));
                assert_eq!(block_on(from.copy_to(2 << 20, &to, 0, 9)).unwrap(), 0);
                match block_on(to.reflink_from(&from)) {
                    Ok(()) => assert_eq!(block_on(to.metadata()).unwrap().len(), 1056768),
                    Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
                }
                let part = block_on(to.reflink_range_from(0, &from, 1 << 20, 4096));
                assert!(part.is_ok_and(|()| true) || part.unwrap_err().errno().is_some());
            },
        );
    });
}

#[test]
fn what_fails_says_why() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let dir = TempDir::new();
                let engine = rig.engine().clone();
                let file = engine.file(dir.file("file", b"0123456789"));
                let written = std::fs::File::create(dir.path("written")).unwrap();
                let written = engine.file(written);
                let errno = |result: Result<u64, annulus_runtime::Error>| {
                    result.expect_err("it cannot be").errno().expect("the kernel's")
                };
                let unreadable = block_on(written.copy_to(0, &file, 0, 9));
                assert_eq!(errno(unreadable), Errno::EBADF);
                let overlap = block_on(file.copy_to(0, &file, 5, 9));
                assert_eq!(errno(overlap), Errno::EINVAL);
                let version = std::fs::File::open("/proc/version").unwrap();
                let across = block_on(engine.file(version).copy_to(0, &written, 0, 9));
                let none = [Errno::EXDEV, Errno::EINVAL];
                assert!(none.contains(&errno(across)), "files of the kernel's own cannot");
                let socket = engine.file(UnixStream::pair().unwrap().0);
                assert_eq!(errno(block_on(socket.seek(SeekFrom::Start(0)))), Errno::ESPIPE);
                let gone = block_on(file.send_to(0, &socket, 9));
                assert_eq!(errno(gone), Errno::EPIPE);
                let none = block_on(engine.set_permissions(dir.path("none"), 0o600));
                assert_eq!(none.unwrap_err().errno(), Some(Errno::ENOENT));
                let below = block_on(engine.read_link(dir.path("file/below")));
                assert_eq!(below.unwrap_err().errno(), Some(Errno::ENOTDIR));
                let zero = block_on(engine.set_times("a\0b", Times::new().modified_now()));
                assert_eq!(zero.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
                let no_dir = annulus_runtime::engine::Dir::new(file.clone());
                let listed = block_on(no_dir.list(DirEntries::with_capacity(4096)));
                assert_eq!(listed.unwrap_err().errno(), Some(Errno::ENOTDIR));
                assert!(block_on(file.socket_name()).is_err());
                let none = block_on(engine.pidfd_open(0)).unwrap_err();
                assert_eq!(none.errno(), Some(Errno::EINVAL));
                assert!(block_on(engine.resolve("", 1)).unwrap_err().is_not_found());
            },
        );
    });
}

#[test]
fn inodes_links_and_directories() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let dir = TempDir::new();
                let engine = rig.engine().clone();
                let std = dir.file("file-0", b"");
                let file = engine.file(std.try_clone().unwrap());
                block_on(file.set_permissions(0o604)).unwrap();
                assert_eq!(std.metadata().unwrap().mode() & 0o777, 0o604);
                let (old, new) = (std::time::UNIX_EPOCH, Times::new());
                block_on(file.set_times(new.modified(old).accessed(old))).unwrap();
                assert_eq!(std.metadata().unwrap().modified().unwrap(), old);
                block_on(engine.set_times(dir.path("file-0"), new.modified_now())).unwrap();
                assert!(std.metadata().unwrap().modified().unwrap() > old);
                assert_eq!(std.metadata().unwrap().accessed().unwrap(), old);
                let long = "x".repeat(3000);
                std::os::unix::fs::symlink(&long, dir.path("link")).unwrap();
                let target = block_on(engine.read_link(dir.path("link"))).unwrap();
                assert_eq!(target.as_os_str().len(), 3000, "it asks again with more room");
                let omitted = engine.set_symlink_times(dir.path("link"), new.modified(old));
                block_on(omitted).unwrap();
                let link = std::fs::symlink_metadata(dir.path("link")).unwrap();
                assert_eq!(link.modified().unwrap(), old);
                block_on(engine.set_symlink_owner(dir.path("link"), None, None)).unwrap();
                block_on(file.set_owner(None, None)).unwrap();

                (1..1000).for_each(|n| drop(dir.file(&format!("file-{n}"), b"")));
                let folder = block_on(engine.open_dir(dir.path(""))).unwrap();
                let mut found = std::collections::BTreeSet::new();
                let mut entries = DirEntries::with_capacity(1024);
                loop {
                    entries = block_on(folder.list(entries)).unwrap();
                    if entries.is_end() {
                        break;
                    }
                    found.extend(entries.iter().map(|entry| entry.name().to_owned()));
                }
                assert_eq!(found.len(), 1001);
                block_on(folder.file().seek(SeekFrom::Start(0))).unwrap();
                let again = block_on(folder.list(DirEntries::new())).unwrap();
                assert!(!again.is_end(), "from the start");
            },
        );
    });
}

#[test]
fn a_cancel_or_a_deadline_ends_what_waits_for_a_peer() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let dir = TempDir::new();
                let (file, socket, _peer) = endless(&dir, rig.engine());
                let late = file.send_to(0, &socket, 9).deadline(Duration::from_millis(20));
                assert!(block_on(late).unwrap_err().is_timeout());
                let mut cancelled = begin(file.send_to(0, &socket, 9));
                cancelled.cancel();
                assert!(block_on(cancelled).unwrap_err().is_cancelled());
            },
        );
    });
}

#[test]
fn what_is_dropped_lets_go_of_its_files() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let dir = TempDir::new();
                let (file, socket, mut peer) = endless(&dir, rig.engine());
                let sends: Vec<_> = (0..8).map(|_| begin(file.send_to(0, &socket, LONG))).collect();
                drop((sends, file, socket));
                // The end comes when the last of them has let go of the socket.
                let mut sent = Vec::new();
                peer.read_to_end(&mut sent).unwrap();
                assert!((sent.len() as u64) < 9 * LONG);
                // Nobody knows of descriptors that nobody waits for.
                for _ in 0..100 {
                    drop(ship(rig.engine().pidfd_open(std::process::id())));
                }
            },
        );
    });
}

#[test]
fn many_at_once_from_many_threads() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder.entries(8).in_flight_max(16),
            |rig| {
                let dir = TempDir::new();
                let engine = rig.engine().clone();
                let threads: Vec<_> = (0..4)
                    .map(|n| {
                        let content = vec![n as u8; 20_000];
                        let from = engine.file(dir.file(&format!("from-{n}"), &content));
                        let to = engine.file(dir.file(&format!("to-{n}"), b""));
                        std::thread::spawn(move || {
                            let parts = (0..100).map(|n| from.copy_to(n * 200, &to, n * 200, 200));
                            block_on(join_all(parts))
                        })
                    })
                    .collect();
                for (n, thread) in threads.into_iter().enumerate() {
                    let copied = thread.join().unwrap();
                    assert!(copied.into_iter().all(|copied| copied == Ok(200)));
                    let there = std::fs::read(dir.path(&format!("to-{n}"))).unwrap();
                    assert_eq!(there, vec![n as u8; 20_000]);
                }
            },
        );
    });
}

#[test]
fn a_chain_cannot_have_them() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let dir = TempDir::new();
                let file = rig.engine().file(dir.file("file", b""));
                let chain = file.write_all_at(&b"x"[..], 0).then(file.set_permissions(0o600));
                let (write, set) = block_on(chain);
                assert!(write.is_err_and(|error| error.errno() == Some(Errno::ECANCELED)));
                assert_eq!(set.unwrap_err().errno(), Some(Errno::EINVAL));
                let chain = file.set_permissions(0o600).then(file.write_all_at(&b"x"[..], 0));
                let (set, write) = block_on(chain);
                assert_eq!(set.unwrap_err().errno(), Some(Errno::EINVAL));
                assert!(write.is_err_and(|error| error.errno() == Some(Errno::ECANCELED)));
                assert_eq!(block_on(file.metadata()).unwrap().len(), 0);
            },
        );
    });
}

#[test]
fn the_end_of_an_engine_ends_them() {
    limit(LIMIT, || {
        for kind in engines::Kind::ALL {
            let dir = TempDir::new();
            let rig = kind.rig(|builder| builder);
            let (file, socket, _peer) = endless(&dir, rig.engine());
            let send = begin(file.send_to(0, &socket, LONG));
            rig.engine().shutdown(Duration::ZERO);
            assert!(block_on(send).unwrap_err().is_closed());
            let late = block_on(file.set_permissions(0o600)).unwrap_err();
            assert!(late.is_closed());
            rig.close();
        }
    });
}

#[test]
fn names_resolve_and_processes_are_signalled() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let engine = rig.engine().clone();
                let local = block_on(engine.resolve("localhost", 7)).unwrap();
                assert!(local.iter().any(|addr| addr.ip().is_loopback() && addr.port() == 7));
                let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
                let pidfd = block_on(engine.pidfd_open(child.id())).unwrap();
                let pidfd = engine.file(pidfd);
                block_on(pidfd.send_signal(9)).unwrap();
                block_on(pidfd.readable()).unwrap();
                child.wait().unwrap();
                let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
                let expected = listener.local_addr().unwrap();
                let found = block_on(engine.file(listener).socket_name()).unwrap();
                assert_eq!(found.and_then(|addr| addr.to_socket_addr()), Some(expected));
            },
        );
    });
}

#[test]
fn a_lock_that_nobody_waits_for_is_nobodys() {
    limit(LIMIT, || {
        engines::each(
            |builder| builder,
            |rig| {
                let dir = TempDir::new();
                let engine = rig.engine().clone();
                let open = |name| engine.file(dir.file(name, b""));
                let (one, other, third) = (open("a"), open("a"), open("a"));
                block_on(one.lock()).unwrap();
                assert!(!block_on(other.try_lock_shared()).unwrap());
                let late = block_on(other.lock().deadline(Duration::from_millis(10)));
                assert!(late.unwrap_err().is_timeout());
                // More that wait than there are threads for what ends by itself.
                let waiting: Vec<_> = (0..20).map(|_| begin(other.lock_shared())).collect();
                assert_eq!(block_on(third.copy_to(0, &third, 5, 0)).unwrap(), 0, "it goes on");
                drop(waiting);
                block_on(one.unlock()).unwrap();
                // They were dropped: whichever got it has given it up again.
                block_on(third.lock()).unwrap();
                block_on(third.unlock()).unwrap();
                assert!(block_on(other.try_lock()).unwrap());
            },
        );
    });
}

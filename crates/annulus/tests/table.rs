//! The table: what runtimes on io_uring offer, row by row, and what is ours for it. Each way is
//! gone in its smallest form, on the kernel that this runs on; a row without one, or without the
//! reason why there is none, fails. `--nocapture` prints it.

mod common;

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annulus::fs::{self, Advice, Dir, File, RecvPool, RwFlags, SetXattr};
use annulus::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use annulus::process::Command;
use annulus::signal::{SignalKind, signal};
use annulus::sync::futex::Futex;
use annulus::{Errno, Runtime, fixed_pool, time};
use annulus_ring::abi::Madvice;
use annulus_ring::op;
use annulus_runtime::runtime::Event;
use common::tree::Tree;
use common::{LIMIT, limit};

/// What is done with files.
const FILES: &[&str] = &[
    "open",
    "close by ring",
    "read / write at offset",
    "readv / writev",
    "read/write with ring-registered buffer",
    "fsync / fdatasync",
    "fallocate",
    "ftruncate",
    "statx",
    "rename",
    "unlink / rmdir",
    "link",
    "symlink",
    "mkdir",
    "splice",
    "tee",
    "sync_file_range",
    "xattr (get/set/f*)",
    "fadvise / madvise",
    "pipe by ring",
    "copy_file_range",
    "RWF_DONTCACHE",
    "READ_MULTISHOT",
    "uring_cmd",
];

/// What is done with sockets.
const SOCKETS: &[&str] = &[
    "TCP / UDP / Unix",
    "socket() by ring",
    "bind / listen by ring",
    "accept",
    "accept multishot",
    "connect",
    "shutdown",
    "recv / send",
    "recvmsg / sendmsg",
    "recv multishot + provided buffer ring",
    "send_zc / sendmsg_zc",
    "bundles / incremental buffers / recv_zc",
    "direct descriptors",
    "accepted fd CLOEXEC",
    "TLS / WS / QUIC in tree",
];

/// Whatever else is waited for.
const EVENTS: &[&str] = &[
    "timers",
    "per-op deadline",
    "process wait",
    "futex ops",
    "signals",
    "eventfd / event object",
];

type Way = Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// What is ours.
enum Ours {
    /// By the ring.
    Ring(Way),
    /// Otherwise, and why.
    Beside(Way, &'static str),
    /// Nothing, and why.
    Nothing(&'static str),
}

fn ring(way: impl Future<Output = io::Result<()>> + 'static) -> Option<Ours> {
    Some(Ours::Ring(Box::pin(way)))
}

fn beside(way: impl Future<Output = io::Result<()>> + 'static, why: &'static str) -> Option<Ours> {
    Some(Ours::Beside(Box::pin(way), why))
}

/// Goes each row's way, on a runtime of its own.
fn check(rows: &[&str], ours: impl Fn(&str, &Rc<Tree>) -> Option<Ours>) {
    for row in rows {
        limit(LIMIT, || {
            let tree = Rc::new(Tree::new());
            let Some(ours) = ours(row, &tree) else { panic!("{row}: nobody says what is ours") };
            let (way, said) = match ours {
                Ours::Ring(way) => (way, String::from("by the ring")),
                Ours::Beside(way, why) => (way, format!("beside the ring: {why}")),
                Ours::Nothing(why) => return println!("{row}: not offered: {why}"),
            };
            let builder = Runtime::builder().fixed_files(4).fixed_buffers(4, 4096);
            let gone = builder.build().expect("a runtime").block_on(way);
            gone.unwrap_or_else(|error| panic!("{row}: {error}"));
            println!("{row}: {said}");
        });
    }
}

#[test]
fn each_row_of_files_is_there() {
    check(FILES, |row, tree| {
        let tree = Rc::clone(tree);
        match row {
            "open" => ring(async move { File::open(ten(&tree)).await.map(drop).map_err(from) }),
            "close by ring" => beside(
                async move { File::open(ten(&tree)).await?.close().await },
                "at once: what waits, a server's file, has a thread",
            ),
            "read / write at offset" => ring(at_offsets(tree)),
            "readv / writev" => ring(vectored(tree)),
            "read/write with ring-registered buffer" => ring(registered(tree)),
            "fsync / fdatasync" => ring(synced(tree)),
            "fallocate" => ring(allocated(tree)),
            "ftruncate" => ring(async move {
                let file = File::options().write(true).open(ten(&tree)).await?;
                file.set_len(4).await?;
                same(file.metadata().await?.len(), 4)
            }),
            "statx" => ring(async move { same(fs::metadata(ten(&tree)).await?.len(), 10) }),
            "rename" | "unlink / rmdir" | "link" | "symlink" | "mkdir" => ring(names(tree)),
            "splice" | "tee" | "pipe by ring" => ring(piped(tree)),
            "sync_file_range" => ring(async move {
                let file = File::options().write(true).open(ten(&tree)).await?;
                file.sync_range(0, 10).await?;
                Ok(file.start_write_back(0, 10).await?)
            }),
            "xattr (get/set/f*)" => ring(attributes(tree)),
            // madvise: memory is no file, and `op::Madvise` is there for a ring of one's own.
            "fadvise / madvise" => ring(async move {
                let _ = op::Madvise::new(core::ptr::null_mut(), 0, Madvice::NORMAL);
                Ok(File::open(ten(&tree)).await?.advise(0, 0, Advice::WillNeed).await?)
            }),
            "copy_file_range" => beside(copied(tree), "io_uring has no such operation: a thread"),
            "RWF_DONTCACHE" => ring(uncached(tree)),
            "READ_MULTISHOT" => ring(many_reads()),
            "uring_cmd" => {
                let _ = op::UringCmd::new(-1, 0, [0; 16]);
                Some(Ours::Nothing("a device's commands are its own: op::UringCmd, by who has it"))
            }
            _ => None,
        }
    });
}

#[test]
fn each_row_of_sockets_is_there() {
    check(SOCKETS, |row, tree| {
        let tree = Rc::clone(tree);
        match row {
            "TCP / UDP / Unix" => ring(each_kind(tree)),
            "socket() by ring" | "bind / listen by ring" => beside(
                async { TcpListener::bind("127.0.0.1:0").await.map(drop) },
                "the same entries at once: they wait for nothing",
            ),
            "accept" | "connect" | "recv / send" => ring(async {
                let (mut here, mut there) = pair().await?;
                there.write_all("ring").await?;
                let (_, buf) = here.read_exact(vec![0; 4]).await?;
                same(&buf[..], &b"ring"[..])
            }),
            "accept multishot" => ring(incoming()),
            "shutdown" => beside(
                async {
                    let (mut here, there) = pair().await?;
                    there.shutdown(Shutdown::Write)?;
                    same(here.read(vec![0; 4]).await?.0, 0)
                },
                "the same entry at once: it waits for nothing",
            ),
            "recvmsg / sendmsg" => ring(messages()),
            "recv multishot + provided buffer ring" => ring(pooled()),
            "bundles / incremental buffers / recv_zc" => ring(pooled()),
            "direct descriptors" => ring(registered(tree)),
            "accepted fd CLOEXEC" => ring(closed_on_exec()),
            "send_zc / sendmsg_zc" => ring(without_copies()),
            "TLS / WS / QUIC in tree" => ring(tls()),
            _ => None,
        }
    });
}

#[test]
fn each_row_of_events_is_there() {
    check(EVENTS, |row, _| match row {
        "timers" => ring(async {
            time::sleep(Duration::from_millis(1)).await;
            time::interval(Duration::from_millis(1)).tick().await;
            Ok(())
        }),
        "per-op deadline" => ring(async {
            let (reader, _writer) = fs::pipe().await?;
            let read = reader.read(vec![0; 1]).deadline(Duration::from_millis(1));
            assert!(read.await.unwrap_err().is_timeout());
            Ok(())
        }),
        "process wait" => {
            ring(async { same(Command::new("true").spawn().await?.wait().await?.success(), true) })
        }
        "futex ops" => ring(async {
            let word = Arc::new(AtomicU32::new(1));
            match Futex::new(Arc::clone(&word)).wake(1).await {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()), // Linux 6.7
                Err(error) => Err(error),
                Ok(woken) => {
                    // It is not 0 any more.
                    let waited = Futex::new(Arc::clone(&word)).wait(0).await?;
                    same((woken, waited, word.load(Ordering::Relaxed)), (0, false, 1))
                }
            }
        }),
        "signals" => ring(async {
            let mut signals = signal(SignalKind::USER_DEFINED2)?;
            let pid = std::process::id().to_string();
            Command::new("kill").args(["-USR2", &pid]).status().await?;
            signals.next().await
        }),
        "eventfd / event object" => ring(async {
            let mut event = Event::new()?;
            event.add(5)?;
            same(event.next().await?, 5)
        }),
        _ => None,
    });
}

fn from(error: fs::PathError) -> io::Error {
    error.into()
}

/// Ends the test where the two are not the same.
#[track_caller]
fn same<T: PartialEq + std::fmt::Debug>(ours: T, expected: T) -> io::Result<()> {
    assert_eq!(ours, expected);
    Ok(())
}

/// A file of ten bytes.
fn ten(tree: &Tree) -> PathBuf {
    tree.file("file", "0123456789")
}

async fn at_offsets(tree: Rc<Tree>) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(ten(&tree)).await?;
    file.write_at("ab", 4).await?;
    same(&file.read_at(vec![0; 4], 3).await?.1[..], &b"3ab6"[..])
}

async fn vectored(tree: Rc<Tree>) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(ten(&tree)).await?;
    file.write_vectored_at([&b"a"[..], &b"bc"[..]], 0).await?;
    let (n, [one, two]) = file.read_vectored_at([vec![0; 2], vec![0; 2]], 0).await?;
    same((n, &one[..], &two[..]), (4, &b"ab"[..], &b"c3"[..]))
}

/// A registered file, and a registered buffer.
async fn registered(tree: Rc<Tree>) -> io::Result<()> {
    let file = File::options().read(true).registered(true).open(ten(&tree)).await?;
    let buf = fixed_pool().expect("it was asked for").try_take().expect("one is free");
    let (n, buf) = file.read_at(buf, 0).await?;
    same((n, &buf[..n]), (10, &b"0123456789"[..]))
}

async fn synced(tree: Rc<Tree>) -> io::Result<()> {
    let file = File::options().write(true).open(ten(&tree)).await?;
    file.sync_data().await?;
    Ok(file.sync_all().await?)
}

async fn allocated(tree: Rc<Tree>) -> io::Result<()> {
    let file = File::options().write(true).open(ten(&tree)).await?;
    match file.allocate(0, 8192).await {
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => {
            file.punch_hole(0, 4096).await?;
            same(file.metadata().await?.len(), 8192)
        }
    }
}

async fn names(tree: Rc<Tree>) -> io::Result<()> {
    let file = ten(&tree);
    fs::rename(&file, tree.at("renamed")).await?;
    fs::hard_link(tree.at("renamed"), &file).await?;
    fs::symlink("file", tree.at("link")).await?;
    same(fs::read(tree.at("link")).await?.len(), 10)?;
    fs::create_dir(tree.at("dir")).await?;
    let dir = Dir::open(tree.path()).await?;
    dir.rename("renamed", &dir, "dir/renamed").await?;
    dir.remove_file("dir/renamed").await?;
    Ok(fs::remove_dir(tree.at("dir")).await?)
}

async fn piped(tree: Rc<Tree>) -> io::Result<()> {
    let ((reader, writer), (copies, copied)) = (fs::pipe().await?, fs::pipe().await?);
    let file = File::open(ten(&tree)).await?;
    same(file.splice(Some(0), &writer, None, 10).await?, 10)?;
    same(reader.tee(&copied, 10).await?, 10)?;
    same(&copies.read_exact(vec![0; 10]).await?.1[..], &b"0123456789"[..])?;
    same(reader.read_exact(vec![0; 10]).await?.1[9], b'9')
}

async fn many_reads() -> io::Result<()> {
    let (reader, writer) = fs::pipe().await?;
    let mut reads = reader.read_many(&RecvPool::new()?);
    for text in ["one", "two"] {
        writer.write_all(text).await?;
        same(&reads.next().await?.expect("not the end")[..], text.as_bytes())?;
    }
    Ok(())
}

async fn attributes(tree: Rc<Tree>) -> io::Result<()> {
    let path = ten(&tree);
    match fs::set_xattr(&path, "user.a", "1", SetXattr::Always).await {
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => return Ok(()),
        set => set?,
    }
    let file = File::open(&path).await?;
    file.set_xattr("user.b", "2", SetXattr::New).await?;
    same(fs::get_xattr(&path, "user.b").await?, Some(b"2".to_vec()))?;
    same(file.get_xattr("user.a").await?, Some(b"1".to_vec()))
}

async fn copied(tree: Rc<Tree>) -> io::Result<()> {
    let from = File::open(ten(&tree)).await?;
    let to = File::create(tree.at("copy")).await?;
    same(from.copy_to(0, &to, 0, 10).await?, 10)?;
    same(fs::copy(tree.at("file"), tree.at("other")).await?, 10)
}

async fn uncached(tree: Rc<Tree>) -> io::Result<()> {
    let file = File::open(ten(&tree)).await?;
    match file.read_at_with(vec![0; 10], 0, RwFlags::DONTCACHE).await {
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => Ok(()), // Linux 6.14
        read => same(read?.0, 10),
    }
}

/// Two ends of a connection.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    let there = TcpStream::connect(listener.local_addr()?).await?;
    Ok((listener.accept().await?.0, there))
}

async fn each_kind(tree: Rc<Tree>) -> io::Result<()> {
    pair().await?;
    let (mut here, there) =
        (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("[::1]:0").await);
    drop(there); // a machine may have no IPv6
    let other = UdpSocket::bind("127.0.0.1:0").await?;
    other.send_to("ring", here.local_addr()?).await?;
    same(here.recv_from(vec![0; 16]).await?.0.0, 4)?;
    let mut listener = UnixListener::bind(tree.at("socket")).await?;
    let mut there = UnixStream::connect(tree.at("socket")).await?;
    let mut here = listener.accept().await?.0;
    there.write_all("ring").await?;
    same(here.read(vec![0; 16]).await?.0, 4)?;
    let (mut here, there) = UnixDatagram::pair()?;
    there.send("ring").await?;
    same(here.recv(vec![0; 16]).await?.0, 4)
}

async fn incoming() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let to = listener.local_addr()?;
    let mut incoming = listener.incoming();
    for _ in 0..3 {
        let there = TcpStream::connect(to).await?;
        same(incoming.next().await?.peer_addr()?, there.local_addr()?)?;
    }
    Ok(())
}

async fn messages() -> io::Result<()> {
    let (mut here, mut there) = UnixStream::pair()?;
    there.send_with_fds("x", &[std::io::stdin()]).await?;
    let ((n, message), _) = here.recv_with_fds(vec![0; 16], 1).await?;
    same((n, message.descriptors().len()), (1, 1))
}

async fn without_copies() -> io::Result<()> {
    let (mut here, mut there) = pair().await?;
    let (sent, buf) = there.send_zc("ring").await?;
    same((sent.bytes(), buf), (4, "ring"))?;
    let (sent, _) = there.send_zc_vectored([&b"one "[..], &b"more"[..]]).await?;
    same(sent.bytes(), 8)?;
    same(&here.read_exact(vec![0; 12]).await?.1[..], &b"ringone more"[..])
}

/// In pieces of buffers where the kernel has that (Linux 6.12), which spares what bundles are for.
/// A queue to receive from without copying (`op::RecvZc`) needs a device that splits headers off:
/// it is the ring's.
async fn pooled() -> io::Result<()> {
    let (mut here, mut there) = pair().await?;
    here.receive_from(&RecvPool::new()?);
    for text in ["one", "two"] {
        there.write_all(text).await?;
        let came = here.receive().await?.expect("not the end");
        same((&came[..], came.is_of_pool()), (text.as_bytes(), true))?;
    }
    // The same with messages: RECVMSG.
    let mut here = UdpSocket::bind("127.0.0.1:0").await?;
    let there = UdpSocket::bind("127.0.0.1:0").await?;
    here.receive_from(&RecvPool::of_datagrams(8, 1500)?)?;
    for text in ["one", "two"] {
        there.send_to(text, here.local_addr()?).await?;
        same(&here.receive().await?[..], text.as_bytes())?;
    }
    Ok(())
}

async fn closed_on_exec() -> io::Result<()> {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let (here, _there) = pair().await?;
    let info = format!("/proc/self/fdinfo/{}", here.as_fd().as_raw_fd());
    let info = fs::read_to_string(info).await?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags");
    same(u32::from_str_radix(flags.trim(), 8).expect("octal") & O_CLOEXEC, O_CLOEXEC)
}

/// TLS by the feature `rustls`. WebSocket and QUIC are protocols above a connection or a datagram,
/// with crates of their own, which `polled` gives connections to.
async fn tls() -> io::Result<()> {
    #[cfg(feature = "rustls")]
    let _ = annulus::tls::Acceptor::new;
    let (mut here, there) = pair().await?;
    let mut there = annulus::polled::Polled::new(there);
    let _ = (&mut here, &mut there);
    Ok(())
}

//! `mem::forget` of the future of every operation: nothing that the kernel may write to is freed,
//! and nobody waits for ever. What is forgotten is never given back: that alone is lost.
//!
//! That the kernel writes to no freed memory is `detector_runtime`'s; here each operation's buffer
//! says when it is dropped.

mod common;
mod sockets;

use std::future::Future;
use std::mem::forget;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use annulus_ring::abi::{FallocateMode, PollEvents};
use annulus_runtime::buffer::{
    BackingMemory, InvalidRegion, IoBuf, IoBufMut, MemRegion, SharedMemory,
};
use annulus_runtime::engine::Advice;
use annulus_runtime::runtime::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use annulus_runtime::runtime::{Event, File, engine, ops, stopped};
use annulus_runtime::time::{interval, sleep, timeout};
use annulus_runtime::{LocalOp, Runtime, spawn_blocking, spawn_local};
use common::files::TempFile;
use common::{LIMIT, limit};
use sockets::{listener, pair, turn};

/// How many buffers were dropped.
static DROPS: AtomicU32 = AtomicU32::new(0);

/// A buffer that tells of its drop.
struct Told(Vec<u8>);

impl Told {
    fn new() -> Self {
        Self(vec![7; 64])
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // Relaxed: pairs with nothing: the count of one thread.
        DROPS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: the memory is the vector's, whose promises these are.
unsafe impl IoBuf for Told {
    fn stable_ptr(&self) -> *const u8 {
        self.0.stable_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.bytes_init()
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Told {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.0.stable_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.0.bytes_total()
    }

    unsafe fn set_init(&mut self, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.set_init(count) };
    }
}

/// Guest memory that tells of its drop.
struct ToldMemory {
    memory: SharedMemory,
    _told: Told,
}

// SAFETY: the memory is the one in it, whose promises these are.
unsafe impl BackingMemory for ToldMemory {
    fn pieces(
        &self,
        region: MemRegion,
        piece: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<(), InvalidRegion> {
        self.memory.pieces(region, piece)
    }
}

/// Begins something, and forgets it. Whether it is under way.
fn begin(future: impl Future) -> bool {
    let mut future = Box::pin(future);
    let waits = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    forget(future);
    waits
}

/// The operations of a file that wait: on a pipe without bytes, and one without room.
fn forget_what_waits(empty: &File, full: &File) {
    let regions = [MemRegion { offset: 0, len: 64 }];
    let memory = || ToldMemory { memory: SharedMemory::new(4096), _told: Told::new() };
    assert!(begin(empty.read(Told::new())));
    assert!(begin(empty.read(Told::new()).deadline(Duration::from_secs(3600))));
    assert!(begin(empty.read_vectored([Told::new(), Told::new()])));
    assert!(begin(empty.read_mem(memory(), &regions).expect("it lies in it")));
    assert!(begin(full.write(Told::new())));
    assert!(begin(full.write_vectored([Told::new(), Told::new()])));
    assert!(begin(full.write_mem(memory(), &regions).expect("it lies in it")));
    assert!(begin(empty.poll(PollEvents::IN)));
    assert!(begin(empty.readable()));
    assert!(begin(full.writable()));
}

/// Those of a file of some bytes, which end by themselves.
fn forget_what_ends(file: &File) {
    let regions = [MemRegion { offset: 0, len: 64 }];
    let memory = || ToldMemory { memory: SharedMemory::new(4096), _told: Told::new() };
    begin(file.read_at(Told::new(), 0));
    begin(file.read_exact_at(Told::new(), 0));
    begin(file.read_vectored_at([Told::new(), Told::new()], 0));
    begin(file.read_vectored_exact_at([Told::new(), Told::new()], 0));
    begin(file.read_mem_at(memory(), &regions, 0).expect("it lies in it"));
    begin(file.write_at(Told::new(), 0));
    begin(file.write_all_at(Told::new(), 0));
    begin(file.write_vectored_at([Told::new(), Told::new()], 0));
    begin(file.write_vectored_all_at([Told::new(), Told::new()], 0));
    begin(file.write_mem_at(memory(), &regions, 0).expect("it lies in it"));
    begin(file.sync_all());
    begin(file.sync_data());
    begin(file.sync_range(0, 64));
    begin(file.start_write_back(0, 64));
    begin(file.allocate(0, 8192));
    begin(file.punch_hole(4096, 4096));
    begin(file.zero_range(4096, 4096));
    begin(file.fallocate(FallocateMode::KEEP_SIZE, 0, 8192));
    begin(file.collapse_range(4096, 4096));
    begin(file.insert_range(4096, 4096));
    begin(file.truncate(8192));
    begin(file.advise(0, 4096, Advice::Random));
    begin(file.metadata());
    begin(file.clone().close());
}

/// Those of sockets, of time, of tasks, and of everything else that has a future.
async fn forget_others() {
    let (std, addr) = listener();
    let mut accepts = TcpListener::from_std(std);
    assert!(begin(accepts.accept()));
    let (here, _there) = pair();
    let mut stream = TcpStream::from_std(here);
    assert!(begin(stream.read(vec![0; 64])));
    assert!(begin(stream.write_all(vec![0; 32 << 20])));
    assert!(begin(stream.settle()));
    begin(TcpStream::connect(addr));
    begin(TcpStream::connect((Ipv4Addr::LOCALHOST, 1)));
    begin(TcpStream::connect([addr, addr]));
    begin(TcpStream::connect(("localhost", addr.port())));
    begin(TcpStream::connect_timeout(addr, Duration::from_secs(9)));
    begin(TcpListener::bind("127.0.0.1:0"));
    forget((accepts, stream));
    forget_messages().await;
    assert!(begin(Event::new().expect("an event").next_once()));
    assert!(begin(sleep(Duration::from_secs(3600))));
    assert!(begin(timeout(Duration::from_secs(3600), stopped())));
    let mut hours = interval(Duration::from_secs(3600));
    assert_eq!(hours.tick().await, 1);
    assert!(begin(hours.tick()));
    assert!(begin(spawn_local(std::future::pending::<()>())));
    begin(spawn_blocking(|| {}));
    begin(File::open("Cargo.toml"));
    begin(LocalOp::of(engine().metadata("Cargo.toml")));
    begin(engine().open("Cargo.toml"));
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    begin(engine().file(reader).read(vec![0; 8]));
}

/// Those of datagrams, of Unix sockets, and of messages in several buffers.
async fn forget_messages() {
    let (mut here, mut there) = UnixStream::pair().expect("a pair");
    assert!(begin(here.read_exact(vec![0; 64])));
    assert!(begin(here.settle()));
    assert!(begin(there.read_vectored([vec![0; 64], vec![0; 64]])));
    begin(there.write_vectored_all([vec![0; 32 << 20]]));
    begin(here.send_with_fds("x", &[&there]));
    let (mut reads, writes) = there.into_split();
    begin(reads.recv_with_fds(vec![0; 64], 4));
    begin(reads.peek(vec![0; 64]));
    let (mut datagrams, other) = UnixDatagram::pair().expect("a pair");
    assert!(begin(datagrams.recv_with_fds(vec![0; 64], 4)));
    begin(other.send_with_fds("x", &[&here]));
    begin(datagrams.settle());
    let mut udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
    let to = udp.local_addr().expect("it is bound");
    assert!(begin(udp.recv_from(vec![0; 64])));
    begin(udp.sender().send_segments(vec![0; 2000], 1000, Some(to)));
    begin(udp.send_to("x", to));
    begin(udp.peek_from(vec![0; 64]));
    forget((here, reads, writes, datagrams, other, udp));
}

/// The one future of an event that has one.
trait NextOnce {
    fn next_once(self) -> Pin<Box<dyn Future<Output = ()>>>;
}

impl NextOnce for Event {
    fn next_once(mut self) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { drop(self.next().await) })
    }
}

#[test]
fn every_operation_is_forgotten() {
    for turns in 0..3 {
        limit(LIMIT, || {
            let content = TempFile::patterned(8192);
            let runtime = Runtime::new().expect("a runtime");
            let (empty, _writer) = std::io::pipe().expect("a pipe");
            let (_reader, full) = std::io::pipe().expect("a pipe");
            // Relaxed: pairs with nothing, as all of these.
            let before = DROPS.load(Ordering::Relaxed);
            runtime.block_on(async {
                let (empty, full) = (File::new(empty), File::new(full));
                full.write(vec![0; 1 << 16]).await.expect("room in the pipe");
                forget_what_waits(&empty, &full);
                forget_what_ends(&File::new(content.open()));
                forget_others().await;
                for _ in 0..turns {
                    turn().await;
                }
                assert!(ops().len() >= 10, "{:?}", ops());
            });
            assert_eq!(DROPS.load(Ordering::Relaxed), before, "it was lent to the kernel");
            runtime.shutdown(LIMIT / 2).expect("all of it ends");
            // Whoever could take the buffers is gone: they are kept for good.
            assert_eq!(DROPS.load(Ordering::Relaxed), before);
        });
    }
}

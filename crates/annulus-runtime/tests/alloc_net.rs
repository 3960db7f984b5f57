//! What a runtime's sockets allocate per operation in the steady state: nothing.

mod common;
mod sockets;

use annulus_runtime::run;
use annulus_runtime::runtime::net::{RecvPool, TcpStream, UdpSocket};
use annulus_runtime::time::timeout;
use common::detector::{Detector, thread_allocations};
use common::{LIMIT, limit, may_not_lock, on_host, times};
use futures::future::poll_immediate;
use sockets::pair;

#[global_allocator]
static ALLOCATOR: Detector = Detector;

async fn exchange(here: &mut TcpStream, there: &mut TcpStream, mut bufs: [Vec<u8>; 2], count: u64) {
    for n in 0..count {
        let [sent, room] = bufs;
        let sent = here.write_all(sent).await.expect("a write").1;
        // With a time limit and without.
        let (bytes, room) = if n % 2 == 0 {
            timeout(LIMIT, there.read(room)).await.expect("in time").expect("a read")
        } else {
            there.read(room).await.expect("a read")
        };
        assert_eq!(bytes, sent.len());
        bufs = [sent, room];
    }
}

#[test]
fn reads_and_writes_allocate_nothing() {
    limit(2 * LIMIT, || {
        let (here, there) = pair();
        run(async move {
            let (mut here, mut there) = (TcpStream::from_std(here), TcpStream::from_std(there));
            exchange(&mut here, &mut there, [vec![7; 64], vec![0; 4096]], 10).await;
            let (bufs, count) = ([vec![7; 64], vec![0; 4096]], times(100_000));
            let before = thread_allocations();
            exchange(&mut here, &mut there, bufs, count).await;
            assert_eq!(thread_allocations() - before, 0);
        })
        .expect("a runtime");
    });
}

/// What is received from a pool lies there.
#[test]
fn what_a_pool_receives_allocates_nothing() {
    if may_not_lock() {
        return;
    }
    limit(2 * LIMIT, || {
        let (here, there) = pair();
        run(async move {
            let (mut here, mut there) = (TcpStream::from_std(here), TcpStream::from_std(there));
            let pool = RecvPool::with_buffers(8, 4096).expect("a pool");
            there.receive_from(&pool);
            let (mut sent, mut before) = (vec![7; 64], 0);
            for n in 0..100 + times(20_000) {
                if n == 100 {
                    before = thread_allocations();
                }
                sent = here.write_all(sent).await.expect("a write").1;
                let received = there.receive().await.expect("a receive").expect("no end");
                assert_eq!((received.len(), received.is_of_pool()), (64, true));
            }
            let allocated = thread_allocations() - before;
            // The kernel in user space allocates on this thread for what waits.
            assert!(on_host() || allocated == 0, "{allocated} allocations");
        })
        .expect("a runtime");
    });
}

/// A datagram's header, addresses and list of buffers lie in the slot too.
#[test]
fn datagrams_allocate_nothing() {
    limit(2 * LIMIT, || {
        run(async move {
            let here = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            let mut there = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
            let to = there.local_addr().expect("it is bound");
            let (mut sent, mut room) = (vec![7; 64], vec![0; 2048]);
            let mut before = 0;
            for n in 0..10 + times(20_000) {
                if n == 10 {
                    before = thread_allocations();
                }
                sent = here.send_to(sent, to).await.expect("it is sent").1;
                let ((bytes, _), buf) = there.recv_from(room).await.expect("a receive");
                assert_eq!(bytes, 64);
                room = buf;
            }
            let allocated = thread_allocations() - before;
            // The kernel in user space keeps a message's parts where it likes.
            assert!(on_host() || allocated == 0, "{allocated} allocations");
        })
        .expect("a runtime");
    });
}

/// As many times: begins a read, which is dropped or kept, has bytes sent, and reads them. How
/// often this thread allocates meanwhile.
async fn waits(here: &mut TcpStream, there: &mut TcpStream, count: usize, drops: bool) -> u64 {
    let mut sent = vec![7; 64];
    let mut rooms = Vec::from_iter((0..count).map(|_| (vec![0; 64], vec![0; 64])));
    let before = thread_allocations();
    while let Some((first, second)) = rooms.pop() {
        let mut read = there.read(first);
        assert!(poll_immediate(&mut read).await.is_none());
        if drops {
            drop(read);
            sent = here.write_all(sent).await.expect("a write").1;
            assert_eq!(there.read(second).await.expect("a read").0, 64);
        } else {
            sent = here.write_all(sent).await.expect("a write").1;
            assert_eq!(read.await.expect("a read").0, 64);
        }
    }
    thread_allocations() - before
}

/// The receive that is under way is the stream's: nothing is allocated where its read is dropped.
#[test]
fn dropped_reads_allocate_nothing() {
    limit(2 * LIMIT, || {
        let (here, there) = pair();
        run(async move {
            let (mut here, mut there) = (TcpStream::from_std(here), TcpStream::from_std(there));
            waits(&mut here, &mut there, 100, true).await;
            let count = times(10_000) as usize;
            let kept = waits(&mut here, &mut there, count, false).await;
            let dropped = waits(&mut here, &mut there, count, true).await;
            // The kernel in user space allocates on this thread for what waits.
            assert!(on_host() || kept == 0, "{kept} allocations");
            assert!(dropped <= kept, "{dropped} allocations, and {kept} where none is dropped");
        })
        .expect("a runtime");
    });
}

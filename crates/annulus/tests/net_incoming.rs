//! Connections by one accept, however they come.

mod common;

use std::time::{Duration, Instant};

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream};
use annulus::spawn_local;
use annulus::time::timeout;
use common::on_runtime;

/// The user-space kernel accepts on a thread. What came between that thread's look whether there is
/// more and its return was missed: nobody was waiting then, and nobody looked again.
#[test]
fn what_comes_while_another_is_accepted_is_accepted_too() {
    on_runtime(|| async {
        let zeros = File::open("/dev/zero").await.unwrap();
        let mut buf = vec![0; 1];
        for turn in 0..1000 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let mut incoming = listener.incoming();
            let accepts = spawn_local(async move {
                let both = (incoming.next().await.unwrap(), incoming.next().await.unwrap());
                (both, incoming)
            });
            annulus::yield_now().await;
            let _first = TcpStream::connect(to).await.unwrap();
            // Enters the kernel, which hands the accept to a thread, and comes back.
            buf = zeros.read_at(buf, 0).await.unwrap().1;
            // At some turn the second comes while the thread is on its way back.
            let spin = Instant::now();
            while spin.elapsed() < Duration::from_micros(turn % 100) {}
            let _second = TcpStream::connect(to).await.unwrap();
            timeout(Duration::from_secs(5), accepts).await.expect("both were accepted").unwrap();
        }
    });
}

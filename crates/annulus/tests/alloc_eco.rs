//! What adaptors allocate per operation in the steady state: nothing; and hyper per request: as
//! much in the thousandth as in the hundredth.

mod eco;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;

use annulus::hyper::{Server, connect};
use annulus::polled::Polled;
use annulus::{run, spawn_local};
use annulus_runtime::runtime::net::{TcpListener, TcpStream};
use eco::{LIMIT, limit, listener, pair};
use futures::channel::oneshot;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};

/// The system's, which counts what this thread asks for.
struct Counting;

thread_local! { static COUNT: Cell<u64> = const { Cell::new(0) }; }

fn count() {
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread has allocated.
fn allocations() -> u64 {
    COUNT.with(Cell::get)
}

/// On the kernel in user space what waits is allocated on this thread.
fn on_host() -> bool {
    annulus::Runtime::new().expect("a runtime").kernel() == "host"
}

async fn exchange(here: &mut Polled<TcpStream>, there: &mut Polled<TcpStream>, count: u64) {
    let (bytes, mut room) = ([7; 3000], [0; 3000]);
    for n in 0..count {
        let mut left = 3000;
        while left > 0 {
            left -= poll_fn(|cx| here.poll_write(cx, &bytes[..left])).await.expect("a write");
        }
        if n % 2 == 0 {
            poll_fn(|cx| here.poll_flush(cx)).await.expect("a flush");
        } else {
            poll_fn(|cx| here.poll_send(cx)).await.expect("a send");
        }
        let mut left = 3000;
        while left > 0 {
            left -= poll_fn(|cx| there.poll_read(cx, &mut room)).await.expect("a read");
        }
    }
}

#[test]
fn reads_and_writes_allocate_nothing() {
    limit(LIMIT, || {
        let is_host = on_host();
        let (here, there) = pair();
        run(async move {
            let mut here = Polled::new(TcpStream::from_std(here));
            let mut there = Polled::new(TcpStream::from_std(there));
            exchange(&mut here, &mut there, 20).await;
            let before = allocations();
            exchange(&mut here, &mut there, 1000).await;
            let made = allocations() - before;
            assert!(made == 0 || is_host, "{made} allocations");
        })
        .expect("a runtime");
    });
}

#[test]
fn a_request_allocates_as_much_as_the_one_before() {
    limit(LIMIT, || {
        let is_host = on_host();
        run(async move {
            let (listener, addr) = listener();
            let (stop, stopped) = oneshot::channel::<()>();
            let server = spawn_local(async move {
                let server = Server::new(TcpListener::from_std(listener));
                let hello = |_: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
                };
                server
                    .serve_until(
                        async {
                            let _ = stopped.await;
                        },
                        |_| service_fn(hello),
                    )
                    .await
            });
            let mut client = connect::<Empty<Bytes>>(addr).await.expect("it listens");
            let mut counts = Vec::new();
            for _ in 0..20 {
                let before = allocations();
                for _ in 0..100 {
                    client.ready().await.expect("it is kept alive");
                    let request = Request::get("/").header("host", "x").body(Empty::new());
                    let answer = client.send_request(request.expect("a request")).await;
                    let body = answer.expect("an answer").into_body().collect().await;
                    assert_eq!(body.expect("a body").to_bytes(), "hello");
                }
                counts.push((allocations() - before) as f64 / 100.0);
            }
            let (first, last) = (counts[1], counts[19]);
            println!("{last} allocations per request, of both sides");
            assert!((last - first).abs() < 1.0 || is_host, "{counts:?}");
            assert!(last < 40.0 || is_host, "{counts:?}");
            drop((client, stop));
            server.await.expect("no panic").expect("it served");
        })
        .expect("a runtime");
    });
}

//! axum's applications, one server on each of two threads.

mod eco;

use std::io::Read;
use std::time::Duration;

use annulus::Runtime;
use annulus::axum::{Peer, serve, serve_with_peers, start};
use annulus::hyper::Server;
use annulus::net::TcpListeners;
use annulus_runtime::runtime::net::TcpListener;
use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Extension, Router};
use eco::{LIMIT, ask, limit, listener};

fn app() -> Router {
    Router::new()
        .route(
            "/hello/{name}",
            get(|Path(name): Path<String>| async move { format!("hi, {name}") }),
        )
        .route("/echo", post(|body: String| async move { body }))
        .route(
            "/slow",
            get(|| async {
                // What is awaited in a handler is `Send`, so not a sleep of this runtime.
                let (tell, told) = futures::channel::oneshot::channel::<()>();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(100));
                    drop(tell);
                });
                let _ = told.await;
                "slow"
            }),
        )
}

#[test]
fn both_threads_serve_and_drain() {
    limit(LIMIT, || {
        let (listener, addr) = listener();
        let threads = Runtime::builder().threads(2).start(move |_| {
            let listener = listener.try_clone();
            async move { serve(TcpListener::from_std(listener?), app()).await }
        });
        let threads = threads.expect("two threads");
        const ASKED: usize = 200;
        for n in 0..ASKED {
            let path = format!("GET /hello/{n} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let answer = ask(addr, &path);
            assert!(answer.ends_with(&format!("hi, {n}")), "{answer}");
        }
        let posted = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                      content-length: 4\r\n\r\nring";
        assert!(ask(addr, posted).ends_with("ring"));
        assert!(ask(addr, "GET /none HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404"));
        let slow = std::thread::spawn(move || ask(addr, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"));
        std::thread::sleep(Duration::from_millis(40));
        let ended = threads.stop(LIMIT);
        let drained = ended.into_iter().map(|ended| ended.expect("no panic").expect("it served"));
        let connections: u64 = drained.map(|drained| drained.connections).sum();
        assert_eq!(connections, ASKED as u64 + 3);
        assert!(slow.join().expect("no panic").ends_with("slow"));
    });
}

#[test]
fn a_handler_may_know_who_asks() {
    limit(LIMIT, || {
        let (listener, addr) = listener();
        let threads = Runtime::builder().threads(1).start(move |_| {
            let listener = listener.try_clone();
            async move {
                let who = |Extension(Peer(peer)): Extension<Peer>| async move { peer.to_string() };
                let app = Router::new().route("/", get(who));
                let server = Server::new(TcpListener::from_std(listener?)).connections_max(10);
                serve_with_peers(server, app).await
            }
        });
        let threads = threads.expect("a thread");
        let mut stream = std::net::TcpStream::connect(addr).expect("it listens");
        let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("there is room");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let own = stream.local_addr().expect("it is connected").to_string();
        assert!(answer.ends_with(&own), "{answer}");
        assert!(threads.stop(LIMIT).into_iter().all(|ended| ended.is_ok_and(|d| d.is_ok())));
    });
}

#[test]
fn each_thread_has_a_listener_of_its_own() {
    limit(LIMIT, || {
        let listeners = TcpListeners::bind(([127, 0, 0, 1], 0)).expect("a port is free");
        let addr = listeners.local_addr();
        let app = |index: usize| {
            Router::new().route("/", get(move || async move { format!("thread {index}") }))
        };
        let threads = start(Runtime::builder().threads(4), &listeners, app).expect("four threads");
        let mut count = [0; 4];
        // They are spread by a hash of the addresses: none of the four is left out for long.
        while count.contains(&0) {
            let answer = ask(addr, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let (_, index) = answer.rsplit_once("thread ").expect("its number");
            count[index.parse::<usize>().expect("a number")] += 1;
        }
        let ended = threads.stop(LIMIT).into_iter();
        let served = ended.map(|ended| ended.expect("no panic").expect("it served").connections);
        assert_eq!(served.collect::<Vec<_>>(), count);
        drop(listeners);
        assert!(std::net::TcpListener::bind(addr).is_ok(), "nobody has it any more");
    });
}

//! An HTTP server on hyper: one on each of two threads, which drain when they are told to stop.
//!
//! Here it asks itself some questions, and ends; `http_server 127.0.0.1:8080` serves until it is
//! ended.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use annulus::Runtime;
use annulus::hyper::Server;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

async fn handle(peer: SocketAddr, request: Request<Incoming>) -> Answer {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, Bytes::from(format!("hello, {}\n", peer.ip()))),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => (StatusCode::OK, body.to_bytes()),
            Err(why) => (StatusCode::BAD_REQUEST, Bytes::from(why.to_string())),
        },
        _ => (StatusCode::NOT_FOUND, Bytes::from("nothing here\n")),
    };
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    Ok(answer)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addr = std::env::args().nth(1);
    let listener = TcpListener::bind(addr.as_deref().unwrap_or("127.0.0.1:0"))?;
    let to = listener.local_addr()?;
    let threads = Runtime::builder().threads(2).start(move |_| {
        let listener = listener.try_clone();
        async move {
            let listener = annulus::net::TcpListener::from_std(listener?);
            let server = Server::new(listener).connections_max(10_000);
            let server = server.drain_within(Duration::from_secs(5));
            server.serve(|peer| service_fn(move |request| handle(peer, request))).await
        }
    })?;
    println!("http://{to}");
    if addr.is_some() {
        // Until they end by themselves.
        threads.join();
        return Ok(());
    }
    assert_eq!(ask(to, "GET / HTTP/1.1", "")?, (200, "hello, 127.0.0.1\n".to_owned()));
    assert_eq!(ask(to, "POST /echo HTTP/1.1", "ring")?, (200, "ring".to_owned()));
    assert_eq!(ask(to, "GET /etc/passwd HTTP/1.1", "")?.0, 404);
    let mut connections = 0;
    for ended in threads.stop(Duration::from_secs(10)) {
        let drained = ended??;
        assert_eq!(drained.cut, 0);
        connections += drained.connections;
    }
    println!("{connections} connections, all of them answered");
    assert_eq!(connections, 3);
    Ok(())
}

/// Asks as a browser would, of the standard library alone: the status, and the body.
fn ask(to: SocketAddr, what: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(to)?;
    let length = body.len();
    write!(
        stream,
        "{what}\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

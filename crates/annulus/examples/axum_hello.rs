//! An axum application, served on each of two threads, which share nothing but the listener.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use annulus::Runtime;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/{name}", get(|Path(name): Path<String>| async move { format!("hello, {name}") }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    let threads = Runtime::builder().threads(2).name("axum").start(move |_| {
        let listener = listener.try_clone();
        async move {
            let listener = annulus::net::TcpListener::from_std(listener?);
            annulus::axum::serve(listener, app()).await
        }
    })?;
    assert_eq!(ask(to, "/")?, "hello");
    assert_eq!(ask(to, "/ring")?, "hello, ring");
    // They answer what was asked, and end.
    for ended in threads.stop(Duration::from_secs(10)) {
        let drained = ended??;
        println!("a thread served {} connections", drained.connections);
        assert_eq!(drained.cut, 0);
    }
    Ok(())
}

/// The body of what is at `path`.
fn ask(to: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    Ok(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
}

//! hyper on this runtime: connections that are kept, bodies, upgrades, limits, the end.

mod eco;

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::{Duration, Instant};

use annulus::hyper::{Drained, LocalExecutor, LocalTimer, SendIo, Server, connect, handshake};
use annulus::polled::{Buffers, Polled};
use annulus::{JoinHandle, run, spawn_local, time};
use annulus_runtime::runtime::net::{TcpListener, TcpStream, UnixStream};
use eco::{LIMIT, ask, beside, limit, listener, pair, pattern};
use futures::channel::oneshot;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Executor, Timer};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};

type Body = BoxBody<Bytes, hyper::Error>;

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

thread_local! {
    /// How many requests the server of this test was asked, and whether it is told to end.
    static ASKED: Cell<usize> = const { Cell::new(0) };
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Waits until so many requests have come.
async fn asked(count: usize) {
    while ASKED.get() < count {
        time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the tests ask for, by path.
async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    ASKED.set(ASKED.get() + 1);
    let path = request.uri().path().to_owned();
    let body = match &*path {
        "/echo" => request.into_body().boxed(),
        "/upgrade" => {
            let upgrade = hyper::upgrade::on(&mut request);
            drop(spawn_local(async move {
                let mut io = upgrade.await.expect("it is upgraded");
                let mut buf = [0; 64];
                let count = read(&mut io, &mut buf).await;
                write_all(&mut io, &buf[..count]).await;
            }));
            let head = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let head = head.header(header::UPGRADE, "echo").header(header::CONNECTION, "upgrade");
            return Ok(head.body(full("")).expect("a response"));
        }
        "/slow" => {
            // Not before the server is at its end, and has emptied its queue.
            while !IS_ENDING.get() {
                time::sleep(Duration::from_millis(5)).await;
            }
            time::sleep(Duration::from_millis(500)).await;
            full("slow")
        }
        "/never" => std::future::pending().await,
        path => match path[1..].parse() {
            Ok(bytes) => full(pattern(bytes)),
            Err(_) => full(path.to_owned()),
        },
    };
    Ok(Response::new(body))
}

async fn read(io: &mut (impl hyper::rt::Read + Unpin), buf: &mut [u8]) -> usize {
    let mut buf = hyper::rt::ReadBuf::new(buf);
    let mut io = std::pin::Pin::new(io);
    std::future::poll_fn(|cx| io.as_mut().poll_read(cx, buf.unfilled())).await.expect("a read");
    buf.filled().len()
}

async fn write_all(io: &mut (impl hyper::rt::Write + Unpin), mut bytes: &[u8]) {
    let mut io = std::pin::Pin::new(io);
    while !bytes.is_empty() {
        let write = std::future::poll_fn(|cx| io.as_mut().poll_write(cx, bytes));
        bytes = &bytes[write.await.expect("a write")..];
    }
    std::future::poll_fn(|cx| io.as_mut().poll_flush(cx)).await.expect("a flush");
}

/// A server that ends when its sender is dropped.
struct Running {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<Drained>>,
}

impl Running {
    fn start(set: impl FnOnce(Server) -> Server) -> Self {
        ASKED.set(0);
        IS_ENDING.set(false);
        let (listener, addr) = listener();
        let (stop, stopped) = oneshot::channel();
        let server = set(Server::new(TcpListener::from_std(listener)));
        let end = async move {
            let _ = stopped.await;
        };
        let server = spawn_local(server.serve_until(end, |_peer| service_fn(answer)));
        Self { addr, stop, server }
    }

    async fn stop(self) -> Drained {
        IS_ENDING.set(true);
        drop(self.stop);
        self.server.await.expect("no panic").expect("it served")
    }
}

/// Reads as many answers as come with a length in the head: their bodies.
fn answers(stream: &mut StdStream, count: usize) -> Vec<Vec<u8>> {
    let (mut bytes, mut bodies) = (Vec::new(), Vec::new());
    let mut buf = vec![0; 64 << 10];
    while bodies.len() < count {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(end) = text.find("\r\n\r\n") {
            let end = end + 4;
            let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().expect("a number");
            if bytes.len() >= end + length {
                bodies.push(bytes[end..end + length].to_vec());
                bytes.drain(..end + length);
                continue;
            }
        }
        let count = stream.read(&mut buf).expect("an answer");
        assert!(count > 0, "it ended after {} answers", bodies.len());
        bytes.extend_from_slice(&buf[..count]);
    }
    assert!(bytes.is_empty());
    bodies
}

#[test]
fn ten_thousand_requests_kept_alive_and_pipelined() {
    limit(3 * LIMIT, || {
        run(async {
            const CLIENTS: usize = 8;
            let running = Running::start(|server| {
                server.http1(|http| {
                    http.pipeline_flush(true);
                })
            });
            let addr = running.addr;
            let clients = (0..CLIENTS).map(|client| {
                beside(move || {
                    let mut stream = StdStream::connect(addr).expect("it listens");
                    // 1 at a time, 2, and so on, up to 16.
                    let (mut done, mut depth) = (0, 1);
                    while done < 10_000 / CLIENTS {
                        let paths =
                            Vec::from_iter((0..depth).map(|n| format!("/p{client}-{done}-{n}")));
                        let request = |path| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
                        let requests: String = paths.iter().map(request).collect();
                        stream.write_all(requests.as_bytes()).expect("it reads");
                        let bodies = answers(&mut stream, depth);
                        assert!(
                            bodies.iter().zip(&paths).all(|(body, path)| *body == path.as_bytes())
                        );
                        done += depth;
                        depth = depth % 16 + 1;
                    }
                    done
                })
            });
            let done: usize = futures::future::join_all(clients).await.iter().sum();
            assert!(done >= 10_000);
            let drained = running.stop().await;
            assert_eq!((drained.connections, drained.cut), (CLIENTS as u64, 0));
        })
        .expect("a runtime");
    });
}

#[test]
fn bodies_of_all_sizes_in_either_way_of_writing() {
    limit(LIMIT, || {
        run(async {
            for writev in [false, true] {
                let running = Running::start(|server| {
                    server.http1(|http| {
                        http.writev(writev);
                    })
                });
                let addr = running.addr;
                let sizes = [0, 1, 4095, 16_383, 16_384, 65_536, 65_537, 1 << 20, 5_000_000];
                beside(move || {
                    let mut stream = StdStream::connect(addr).expect("it listens");
                    for bytes in sizes {
                        let request = format!("GET /{bytes} HTTP/1.1\r\nhost: x\r\n\r\n");
                        stream.write_all(request.as_bytes()).expect("it reads");
                        assert!(answers(&mut stream, 1)[0] == pattern(bytes), "{bytes}");
                    }
                })
                .await;
                assert_eq!(running.stop().await.cut, 0);
            }
        })
        .expect("a runtime");
    });
}

#[test]
fn our_client_asks_our_server_with_bodies_in_chunks() {
    limit(LIMIT, || {
        run(async {
            let small = Buffers { read_bytes: 500, write_bytes: 300 };
            let running = Running::start(|server| server.buffers(small));
            let mut client = connect::<Body>(running.addr).await.expect("it listens");
            for bytes in [0, 1, 1000, 300_000] {
                // Of no known length, so it goes in chunks, here and there.
                let data = pattern(bytes);
                let pieces = Vec::from_iter(data.chunks(777).map(Bytes::copy_from_slice));
                let frames = pieces.into_iter().map(|piece| Ok(hyper::body::Frame::data(piece)));
                let body = http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed();
                let request = Request::post("/echo").header(header::HOST, "x").body(body);
                let answer = client.send_request(request.expect("a request")).await;
                let answer = answer.expect("an answer");
                assert_eq!(answer.headers()[header::TRANSFER_ENCODING], "chunked");
                let body = answer.into_body().collect().await.expect("a body").to_bytes();
                assert!(body == data, "{bytes}");
                client.ready().await.expect("it is kept alive");
            }
            drop(client);
            assert_eq!(running.stop().await.connections, 1);
        })
        .expect("a runtime");
    });
}

#[test]
fn a_connection_is_upgraded_on_both_sides() {
    limit(LIMIT, || {
        run(async {
            let running = Running::start(|server| server.upgrades(true));
            let stream = TcpStream::connect(running.addr).await.expect("it listens");
            let io = SendIo::new(Polled::new(stream));
            let (mut client, connection) =
                hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(io)
                    .await
                    .expect("a shake");
            LocalExecutor.execute(connection.with_upgrades());
            let request = Request::get("/upgrade")
                .header(header::HOST, "x")
                .header(header::UPGRADE, "echo")
                .header(header::CONNECTION, "upgrade");
            let request = request.body(Empty::new()).expect("a request");
            let answer = client.send_request(request).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
            let mut io = hyper::upgrade::on(answer).await.expect("it is upgraded");
            write_all(&mut io, b"another protocol").await;
            let mut buf = [0; 64];
            let count = read(&mut io, &mut buf).await;
            assert_eq!(&buf[..count], b"another protocol");
            // It is what was given.
            let parts = io.downcast::<SendIo>().expect("ours");
            assert!(parts.read_buf.is_empty());
            assert_eq!(running.stop().await.connections, 1);
        })
        .expect("a runtime");
    });
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    limit(LIMIT, || {
        run(async {
            const SPAN: Duration = Duration::from_millis(50);
            let running = Running::start(|server| {
                server.http1(|http| {
                    http.header_read_timeout(SPAN);
                })
            });
            let addr = running.addr;
            beside(move || {
                let mut stream = StdStream::connect(addr).expect("it listens");
                // One request in time, and half of another: its time begins with the answer.
                let begun = Instant::now();
                stream.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
                assert_eq!(answers(&mut stream, 1), [b"/a"]);
                stream.write_all(b"GET /b HTTP/1.1\r\nho").expect("it reads");
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).expect("it ends");
                assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{rest:?}");
                assert!(begun.elapsed() >= SPAN / 2, "{:?}", begun.elapsed());
            })
            .await;
            assert_eq!(running.stop().await.cut, 0);
        })
        .expect("a runtime");
    });
}

#[test]
fn a_timer_is_reset_in_place() {
    limit(LIMIT, || {
        run(async {
            let begun = Instant::now();
            let mut sleep = LocalTimer.sleep(Duration::from_secs(3600));
            assert!(futures::future::poll_immediate(&mut sleep).await.is_none());
            let same = std::ptr::from_ref(&*sleep).cast::<()>();
            LocalTimer.reset(&mut sleep, begun + Duration::from_millis(5));
            assert_eq!(std::ptr::from_ref(&*sleep).cast::<()>(), same);
            sleep.await;
            assert!((5..60_000).contains(&begun.elapsed().as_millis()));
        })
        .expect("a runtime");
    });
}

#[test]
fn a_drain_answers_what_was_asked_and_closes_what_is_idle() {
    limit(LIMIT, || {
        run(async {
            let running = Running::start(|server| server.drain_within(LIMIT));
            let addr = running.addr;
            let idle = beside(move || {
                let mut stream = StdStream::connect(addr).expect("it listens");
                stream.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
                assert_eq!(answers(&mut stream, 1), [b"/a"]);
                (stream, StdStream::connect(addr).expect("it listens"))
            });
            let (mut idle, mut fresh) = idle.await;
            let slow =
                spawn_local(beside(move || ask(addr, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")));
            asked(2).await;
            let drained = running.stop().await;
            assert_eq!((drained.connections, drained.cut), (3, 0));
            let answer = slow.await.expect("no panic");
            assert!(answer.contains("connection: close") && answer.ends_with("slow"), "{answer}");
            for stream in [&mut idle, &mut fresh] {
                assert_eq!(stream.read(&mut [0; 8]).expect("it ends"), 0);
            }
            assert!(StdStream::connect(addr).is_err(), "nobody listens any more");
        })
        .expect("a runtime");
    });
}

#[test]
fn a_drain_cuts_off_what_does_not_end() {
    limit(LIMIT, || {
        run(async {
            let running = Running::start(|server| server.drain_within(Duration::from_millis(20)));
            let addr = running.addr;
            let never =
                spawn_local(beside(move || ask(addr, "GET /never HTTP/1.1\r\nhost: x\r\n\r\n")));
            asked(1).await;
            let drained = running.stop().await;
            assert_eq!((drained.connections, drained.cut), (1, 1));
            assert_eq!(never.await.expect("no panic"), "");
        })
        .expect("a runtime");
    });
}

#[test]
fn no_more_connections_than_may_be_at_once() {
    limit(LIMIT, || {
        run(async {
            let running = Running::start(|server| server.connections_max(2));
            let addr = running.addr;
            beside(move || {
                let request = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n";
                let mut streams = Vec::from_iter((0..3).map(|_| {
                    let mut stream = StdStream::connect(addr).expect("it is in the queue");
                    stream.write_all(request).expect("there is room");
                    stream
                }));
                let mut third = streams.pop().expect("three");
                for stream in &mut streams {
                    assert_eq!(answers(stream, 1), [b"/a"]);
                }
                third.set_read_timeout(Some(Duration::from_millis(30))).expect("a timeout");
                assert!(third.read(&mut [0; 8]).is_err(), "it waits in the queue");
                third.set_read_timeout(None).expect("no timeout");
                drop(streams.pop());
                assert_eq!(answers(&mut third, 1), [b"/a"]);
            })
            .await;
            assert_eq!(running.stop().await.connections, 3);
        })
        .expect("a runtime");
    });
}

#[test]
fn http2_runs_on_the_same_parts() {
    limit(LIMIT, || {
        run(async {
            let (near, far) = pair();
            let server = spawn_local(async move {
                let io = Polled::new(TcpStream::from_std(near));
                let mut http = hyper::server::conn::http2::Builder::new(LocalExecutor);
                let second = Duration::from_secs(1);
                http.timer(LocalTimer).keep_alive_interval(second);
                http.serve_connection(io, service_fn(answer)).await
            });
            let io = Polled::new(TcpStream::from_std(far));
            let (client, connection) =
                hyper::client::conn::http2::handshake(LocalExecutor, io).await.expect("a shake");
            let connection = spawn_local(connection);
            let asked = (0..100).map(|n| {
                let mut client = client.clone();
                spawn_local(async move {
                    let body = pattern(n * 1000);
                    let request =
                        Request::post("http://x/echo").body(Full::<Bytes>::from(body.clone()));
                    let answer = client.send_request(request.expect("a request")).await;
                    let got = answer.expect("an answer").into_body().collect().await;
                    assert!(got.expect("a body").to_bytes() == body, "{n}");
                })
            });
            for task in asked.collect::<Vec<_>>() {
                task.await.expect("no panic");
            }
            drop(client);
            connection.await.expect("no panic").expect("it ended");
            server.await.expect("no panic").expect("it ended");
        })
        .expect("a runtime");
    });
}

#[test]
fn what_is_no_request_harms_nobody() {
    limit(LIMIT, || {
        run(async {
            let running = Running::start(|server| server);
            let addr = running.addr;
            beside(move || {
                let good = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";
                for at in 0..good.len() {
                    // Cut off, and broken, at every byte.
                    let mut stream = StdStream::connect(addr).expect("it listens");
                    stream.write_all(&good.as_bytes()[..at]).expect("there is room");
                    drop(stream);
                    let mut bad = good.as_bytes().to_vec();
                    bad[at] = 0;
                    let mut stream = StdStream::connect(addr).expect("it listens");
                    stream.write_all(&bad).expect("there is room");
                }
                let answer = ask(addr, &good.replace("host", "connection: close\r\nhost"));
                assert!(answer.ends_with("hello"), "{answer}");
            })
            .await;
            let drained = running.stop().await;
            assert!(drained.connections > 100 && drained.cut == 0, "{drained:?}");
        })
        .expect("a runtime");
    });
}

/// Who is in the queue when the end comes is connected, as far as it knows, and may have asked.
#[test]
fn what_waits_in_the_queue_is_served_at_the_end() {
    limit(LIMIT, || {
        run(async {
            const CLIENTS: usize = 50;
            let (listener, addr) = listener();
            let ask = |_| {
                let mut stream = StdStream::connect(addr).expect("it listens");
                let request = "GET /7 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
                stream.write_all(request.as_bytes()).expect("there is room");
                stream
            };
            let waiting: Vec<StdStream> = (0..CLIENTS).map(ask).collect();
            let server = Server::new(TcpListener::from_std(listener));
            let over = std::future::ready(());
            let served = server.serve_until(over, |_peer| service_fn(answer)).await;
            assert_eq!(served.expect("it served").connections, CLIENTS as u64);
            for mut stream in waiting {
                assert_eq!(answers(&mut stream, 1), [pattern(7)]);
            }
        })
        .expect("a runtime");
    });
}

/// As fast as the queue is emptied somebody comes: that has an end, too.
#[test]
fn the_end_comes_though_peers_do_not_cease() {
    limit(LIMIT, || {
        run(async {
            let running = Running::start(|server| server);
            let addr = running.addr;
            let knocks = std::thread::spawn(move || {
                while StdStream::connect(addr).is_ok() {
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
            time::sleep(Duration::from_millis(20)).await;
            let began = Instant::now();
            running.stop().await;
            let took = began.elapsed();
            assert!(took < Duration::from_secs(8), "{took:?}");
            knocks.join().expect("it was refused");
        })
        .expect("a runtime");
    });
}

#[test]
fn over_a_unix_stream() {
    limit(LIMIT, || {
        run(async {
            let (here, there) = UnixStream::pair().expect("a pair");
            let serves = hyper::server::conn::http1::Builder::new()
                .serve_connection(Polled::new(there), service_fn(answer));
            let server = spawn_local(serves);
            let mut client = handshake(Polled::new(here)).await.expect("it is connected");
            for bytes in [0, 7, 1 << 20] {
                let request = Request::get(format!("/{bytes}")).body(Empty::<Bytes>::new());
                let answer = client.send_request(request.expect("a request")).await;
                let body = answer.expect("an answer").into_body().collect().await;
                assert!(body.expect("a body").to_bytes() == pattern(bytes));
            }
            drop(client);
            server.await.expect("no panic").expect("it ends well");
        })
        .expect("a runtime");
    });
}

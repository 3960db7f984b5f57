//! TLS in both roles: bytes, HTTP over it, what is not trusted, what is cut off.

mod eco;

use std::convert::Infallible;
use std::io::{ErrorKind, Write};
use std::sync::Arc;

use annulus::hyper::{Server, handshake};
use annulus::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use annulus::tls::{Acceptor, Connector, TlsStream, rustls};
use annulus::{run, spawn_local};
use annulus_runtime::runtime::net::{TcpListener, TcpStream};
use eco::{LIMIT, limit, listener, pair, pattern};
use futures::channel::oneshot;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from(&include_bytes!("eco/localhost.der")[..])
}

fn acceptor() -> Acceptor {
    let key = PrivateKeyDer::try_from(&include_bytes!("eco/localhost.key.der")[..]);
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], key.expect("a key"));
    Acceptor::new(Arc::new(config.expect("they fit")))
}

fn connector() -> Connector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate()).expect("a certificate");
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Connector::new(Arc::new(config))
}

/// Both ends of a connection that has shaken hands.
async fn tls_pair() -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let (near, far) = pair();
    let (near, far) = (TcpStream::from_std(near), TcpStream::from_std(far));
    let accepted = spawn_local(async move { acceptor().accept(near).await });
    let name = "localhost".try_into().expect("a name");
    let client = connector().connect(name, far).await.expect("it is trusted");
    (accepted.await.expect("no panic").expect("it shook hands"), client)
}

#[test]
fn bytes_go_both_ways_and_end() {
    limit(LIMIT, || {
        run(async {
            const BYTES: usize = 1 << 20;
            let (mut server, client) = tls_pair().await;
            let version = client.get_ref().1.protocol_version();
            assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
            let echo = spawn_local(async move {
                let mut buf = vec![0; 10_000];
                while let count @ 1.. = server.read(&mut buf).await.expect("a read") {
                    server.write_all(&buf[..count]).await.expect("a write");
                    server.flush().await.expect("a flush");
                }
                server.shutdown().await.expect("an end");
            });
            let (mut read, mut write) = tokio::io::split(client);
            let writer = spawn_local(async move {
                for piece in pattern(BYTES).chunks(30_001) {
                    write.write_all(piece).await.expect("a write");
                }
                write.shutdown().await.expect("an end");
            });
            let mut all = Vec::new();
            read.read_to_end(&mut all).await.expect("it ends as TLS ends");
            writer.await.expect("no panic");
            echo.await.expect("no panic");
            assert!(all == pattern(BYTES), "{} bytes", all.len());
        })
        .expect("a runtime");
    });
}

#[test]
fn what_is_cut_off_is_an_error() {
    limit(LIMIT, || {
        run(async {
            let (server, mut client) = tls_pair().await;
            drop(server);
            let error = client.read(&mut [0; 8]).await.expect_err("it was cut off");
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        })
        .expect("a runtime");
    });
}

#[test]
fn another_name_and_another_protocol_are_refused() {
    limit(LIMIT, || {
        run(async {
            let (near, far) = pair();
            let near = TcpStream::from_std(near);
            let accepted = spawn_local(async move { acceptor().accept(near).await.map(drop) });
            let name = "elsewhere".try_into().expect("a name");
            let error = connector().connect(name, TcpStream::from_std(far)).await;
            assert_eq!(error.expect_err("another's").kind(), ErrorKind::InvalidData);
            assert!(accepted.await.expect("no panic").is_err());

            let (near, mut far) = pair();
            far.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("there is room");
            let error = acceptor().accept(TcpStream::from_std(near)).await.expect_err("no TLS");
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        })
        .expect("a runtime");
    });
}

#[test]
fn http_over_it() {
    limit(LIMIT, || {
        run(async {
            let (listener, addr) = listener();
            let (stop, stopped) = oneshot::channel::<()>();
            let acceptor = acceptor();
            let server = spawn_local(async move {
                let open = move |stream| {
                    let acceptor = acceptor.clone();
                    async move { acceptor.accept(stream).await }
                };
                let make = |_| {
                    service_fn(|request: Request<Incoming>| async move {
                        let bytes = request.uri().path()[1..].parse().unwrap_or(0);
                        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(pattern(bytes))))
                    })
                };
                let server = Server::new(TcpListener::from_std(listener));
                server
                    .serve_by(
                        async {
                            let _ = stopped.await;
                        },
                        open,
                        make,
                    )
                    .await
            });
            // One that never shakes hands is cut off at the end.
            let silent = std::net::TcpStream::connect(addr).expect("it listens");
            let stream = TcpStream::connect(addr).await.expect("it listens");
            let name = "localhost".try_into().expect("a name");
            let stream = connector().connect(name, stream).await.expect("it is trusted");
            let mut client = handshake::<_, Empty<Bytes>>(stream).await.expect("it shook hands");
            for bytes in [0, 10, 100_000, 1 << 20] {
                client.ready().await.expect("it is kept alive");
                let request = Request::get(format!("/{bytes}")).header("host", "localhost");
                let request = request.body(Empty::new()).expect("a request");
                let answer = client.send_request(request).await.expect("an answer");
                let body = answer.into_body().collect().await.expect("a body").to_bytes();
                assert!(body == pattern(bytes), "{bytes}: {}", body.len());
            }
            drop((stop, client));
            let drained = server.await.expect("no panic").expect("it served");
            assert_eq!((drained.connections, drained.cut), (2, 0));
            drop(silent);
        })
        .expect("a runtime");
    });
}

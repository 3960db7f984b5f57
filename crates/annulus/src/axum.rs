//! [axum](https://docs.rs/axum) applications, and all other `tower` services, on this runtime.
//!
//! A `Router` is a `tower` service of hyper's requests, and so this has no need of axum itself:
//! take it without its feature `tokio`. One server runs on each core, with a listener of its own
//! ([`start`]) or a clone of one, see
//! [`RuntimeBuilder::threads`](annulus_runtime::runtime::RuntimeBuilder::threads).

use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::SocketAddr;

use ::hyper::body::{Body, Incoming};
use ::hyper::{Request, Response};
use annulus_runtime::runtime::net::TcpListeners;
use annulus_runtime::runtime::{Threads, ThreadsBuilder};
use pin_project_lite::pin_project;
use tower_service::Service as TowerService;

use crate::hyper::{Drained, Server};

/// The address of who asks, among a request's extensions: see [`serve_with_peers`].
///
/// ```
/// let peer = annulus::axum::Peer(([127, 0, 0, 1], 80).into());
/// assert!(peer.0.ip().is_loopback());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves an application until the runtime is told to
/// [stop](annulus_runtime::runtime::stopped), and drains then: see [`Server`], which is given, or a
/// listener.
///
/// *Cancel and discard*, as [`Server::serve`].
///
/// # Errors
/// As there.
///
/// ```
/// use annulus::Runtime;
/// use annulus_runtime::runtime::net::TcpListener;
/// use axum::{Router, routing::get};
/// use std::{io::{Read, Write}, time::Duration};
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// let threads = Runtime::builder().threads(2).start(move |_| {
///     let listener = listener.try_clone();
///     async move {
///         let app = Router::new().route("/", get(|| async { "hello" }));
///         annulus::axum::serve(TcpListener::from_std(listener?), app).await
///     }
/// })?;
/// let mut client = std::net::TcpStream::connect(to)?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"));
/// let ended = threads.stop(Duration::from_secs(5)).into_iter();
/// let connections: u64 = ended.map(|ended| ended.unwrap().unwrap().connections).sum();
/// assert_eq!(connections, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn serve<S, B>(server: impl Into<Server>, app: S) -> io::Result<Drained>
where
    S: TowerService<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let server = server.into().upgrades(true);
    server.serve(move |_| HyperService::new(app.clone())).await
}

/// The same, with [`Peer`] among the extensions of each request, which costs an allocation or two
/// of each.
///
/// *Cancel and discard*, as [`Server::serve`].
///
/// # Errors
/// As there.
///
/// ```
/// use annulus::{Runtime, axum::Peer};
/// use annulus_runtime::runtime::net::TcpListener;
/// use axum::{Extension, Router, routing::get};
/// use std::{io::{Read, Write}, time::Duration};
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// let threads = Runtime::builder().threads(1).start(move |_| {
///     let listener = listener.try_clone();
///     async move {
///         let port = |Extension(Peer(peer)): Extension<Peer>| async move { format!("{peer}") };
///         let app = Router::new().route("/", get(port));
///         annulus::axum::serve_with_peers(TcpListener::from_std(listener?), app).await
///     }
/// })?;
/// let mut client = std::net::TcpStream::connect(to)?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.ends_with(&client.local_addr()?.to_string()));
/// drop(threads.stop(Duration::from_secs(5)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn serve_with_peers<S, B>(server: impl Into<Server>, app: S) -> io::Result<Drained>
where
    S: TowerService<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let server = server.into().upgrades(true);
    server.serve(move |peer| HyperService { peer: Some(Peer(peer)), app: app.clone() }).await
}

/// Starts an application on each of several threads, each with a listener of its own at an address
/// that they share, and an application of its own: `make` is called on each, with its number, so
/// that not even a count of references is shared.
///
/// They serve until they are told to [stop](Threads::stop), which drains them: what is under way is
/// answered, what waits in a queue is accepted first. For limits and other settings make a
/// [`Server`] in [`ThreadsBuilder::start`] yourself.
///
/// # Errors
/// Those of [`ThreadsBuilder::start`]. What a thread fails with is its result: a descriptor was
/// not to be had (`EMFILE`), or those of [`serve`].
///
/// ```
/// use annulus::{Runtime, net::TcpListeners};
/// use axum::{Router, routing::get};
/// use std::{io::{Read, Write}, time::Duration};
/// let listeners = TcpListeners::bind(([127, 0, 0, 1], 0))?;
/// let app = |_| Router::new().route("/", get(|| async { "hello" }));
/// let threads = annulus::axum::start(Runtime::builder().threads(2), &listeners, app)?;
/// for _ in 0..10 {
///     let mut client = std::net::TcpStream::connect(listeners.local_addr())?;
///     client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
///     let mut answer = String::new();
///     client.read_to_string(&mut answer)?;
///     assert!(answer.ends_with("\r\n\r\nhello"));
/// }
/// let ended = threads.stop(Duration::from_secs(5)).into_iter();
/// let connections: u64 = ended.map(|ended| ended.unwrap().unwrap().connections).sum();
/// assert_eq!(connections, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "SO_REUSEPORT")]
pub fn start<S, B>(
    threads: ThreadsBuilder,
    listeners: &TcpListeners,
    make: impl Fn(usize) -> S + Send + Sync + 'static,
) -> io::Result<Threads<io::Result<Drained>>>
where
    S: TowerService<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let listeners = listeners.clone();
    threads.start(move |index| {
        // Both on the thread itself: nothing of either may be sent to another.
        let (listener, app) = (listeners.listen(), make(index));
        async move { serve(listener?, app).await }
    })
}

/// A `tower` service as hyper's, for a [`Server`] that is set up otherwise: each request has a
/// clone of it.
///
/// ```
/// use annulus::axum::HyperService;
/// use hyper::service::Service;
/// fn is_served<S: Service<R>, R>(_: S) {}
/// let app: axum::Router = axum::Router::new();
/// is_served::<_, hyper::Request<hyper::body::Incoming>>(HyperService::new(app));
/// ```
#[derive(Clone, Debug)]
pub struct HyperService<S> {
    peer: Option<Peer>,
    app: S,
}

impl<S> HyperService<S> {
    /// Of a service.
    ///
    /// ```
    /// let app: axum::Router = axum::Router::new();
    /// let service = annulus::axum::HyperService::new(app);
    /// # drop(service);
    /// ```
    pub fn new(app: S) -> Self {
        Self { peer: None, app }
    }
}

impl<S, B> ::hyper::service::Service<Request<B>> for HyperService<S>
where
    S: TowerService<Request<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answer<S, Request<B>>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        Answer { state: State::Asks { app: self.app.clone(), request: Some(request) } }
    }
}

pin_project! {
    /// The answer of a [`HyperService`].
    pub struct Answer<S, R>
    where
        S: TowerService<R>,
    {
        #[pin]
        state: State<S, R>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, R>
    where
        S: TowerService<R>,
    {
        /// Until the service has room for it.
        Asks { app: S, request: Option<R> },
        Waits { #[pin] answer: S::Future },
    }
}

impl<S: TowerService<R>, R> Future for Answer<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let answer = match state.as_mut().project() {
                Projected::Waits { answer } => return answer.poll(cx),
                Projected::Asks { app, request } => {
                    ready!(app.poll_ready(cx))?;
                    let request = request.take().expect("a request is given to its service once");
                    app.call(request)
                }
            };
            state.set(State::Waits { answer });
        }
    }
}

impl<S: TowerService<R>, R> fmt::Debug for Answer<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

//! [`Server`]: accepts connections, has a task serve each, and drains them at its end.

use core::error::Error;
use core::future::{Future, poll_fn, ready};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;

use ::hyper::body::{Body, Incoming};
use ::hyper::rt::{Read, Write};
use ::hyper::server::conn::http1;
use ::hyper::service::Service;
use ::hyper::{Request, Response};
use annulus_runtime::runtime::net::{TcpListener, TcpStream};
use annulus_runtime::runtime::{File, stopped};
use annulus_runtime::{spawn_local, time};

use super::drain::{Gate, Member, Phase};
use super::{LocalTimer, SendIo};
use crate::polled::{Buffers, Polled};

/// How long a server that is out of descriptors waits before it tries again.
const PAUSE: Duration = Duration::from_millis(50);
/// How many connections a server takes out of its queue at its end: as many as that has room for,
/// mostly (`net.core.somaxconn`).
const QUEUED_MAX: usize = 4096;
/// For how long it takes them: as fast as they are taken others come, perhaps.
const QUEUED_FOR: Duration = Duration::from_secs(1);
/// After how long it is asked whether there is one at all.
const PROMPT: Duration = Duration::from_millis(10);

/// What hyper takes as an error.
type AnyError = Box<dyn Error + Send + Sync>;

/// An HTTP/1 server on the runtime of this thread: a task for each connection.
///
/// It serves until the runtime is told to [stop](annulus_runtime::runtime::stopped), or a future of
/// yours is ready, and drains then: it takes the connections that are in its queue, and no more;
/// idle connections are closed, requests under way are answered, and what is not over by
/// [`drain_within`](Self::drain_within) is cut off.
///
/// hyper's limit for the head of a request (30 s) holds here.
///
/// ```
/// use annulus::hyper::{Server, connect};
/// use annulus_runtime::runtime::net::TcpListener;
/// use http_body_util::{BodyExt, Empty, Full};
/// use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
/// use std::{cell::Cell, convert::Infallible, future::poll_fn, rc::Rc, task::Poll};
///
/// async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
///     Ok(Response::new(Full::from(format!("hello from {}", request.uri()))))
/// }
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// annulus::run(async move {
///     let (stop, stopped) = futures::channel::oneshot::channel::<()>();
///     let server = annulus::spawn_local(async move {
///         let server = Server::new(TcpListener::from_std(listener));
///         server.serve_until(async { let _ = stopped.await; }, |_peer| service_fn(hello)).await
///     });
///     let mut client = connect::<Empty<Bytes>>(to).await?;
///     let request = Request::get("/here").header("host", "localhost").body(Empty::new())?;
///     let answer = client.send_request(request).await?.into_body().collect().await?;
///     assert_eq!(answer.to_bytes(), "hello from /here");
///     drop(stop);
///     let drained = server.await??;
///     assert_eq!((drained.connections, drained.cut), (1, 0));
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it accepts nothing before it serves"]
pub struct Server {
    listener: TcpListener,
    http: http1::Builder,
    buffers: Buffers,
    connections_max: usize,
    drain: Duration,
    upgrades: bool,
}

/// What a server has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many connections it accepted.
    pub connections: u64,
    /// How many were cut off, since they did not end in time.
    pub cut: usize,
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Self {
        Self::new(listener)
    }
}

impl Server {
    /// One that accepts from `listener`.
    ///
    /// ```
    /// use annulus::hyper::Server;
    /// use annulus_runtime::runtime::net::TcpListener;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// annulus::run(async move {
    ///     let server = Server::new(TcpListener::from_std(listener)).connections_max(1000);
    ///     assert!(format!("{server:?}").contains("1000"));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(listener: TcpListener) -> Self {
        let mut http = http1::Builder::new();
        http.timer(LocalTimer).writev(false);
        Self {
            listener,
            http,
            buffers: Buffers::default(),
            connections_max: usize::MAX,
            drain: Duration::from_secs(10),
            upgrades: false,
        }
    }

    /// Sets hyper's own options: limits of heads, keep-alive, pipelining. Its timer is that of this
    /// runtime.
    ///
    /// Heads and bodies are written together
    /// ([`writev(false)`](::hyper::server::conn::http1::Builder::writev)), which is the cheapest
    /// for answers of up to some 16 KiB; turn it on where most are larger: they are not copied
    /// then.
    ///
    /// ```
    /// # use annulus::hyper::Server;
    /// # use annulus_runtime::runtime::net::TcpListener;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # annulus::run(async move {
    /// let server = Server::new(TcpListener::from_std(listener)).http1(|http| {
    ///     http.header_read_timeout(std::time::Duration::from_secs(5)).pipeline_flush(true);
    /// });
    /// # drop(server);
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn http1(mut self, set: impl FnOnce(&mut http1::Builder)) -> Self {
        set(&mut self.http);
        self
    }

    /// How large a connection's buffers may become ([`Buffers::default`]).
    ///
    /// ```
    /// # use annulus::{hyper::Server, polled::Buffers};
    /// # use annulus_runtime::runtime::net::TcpListener;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # annulus::run(async move {
    /// let small = Buffers::default().write_bytes(8 << 10);
    /// let server = Server::new(TcpListener::from_std(listener)).buffers(small);
    /// # drop(server);
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn buffers(self, buffers: Buffers) -> Self {
        Self { buffers, ..self }
    }

    /// How many connections there may be at once (no limit): others wait in the listener's queue.
    ///
    /// ```
    /// # use annulus::hyper::Server;
    /// # use annulus_runtime::runtime::net::TcpListener;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # annulus::run(async move {
    /// let server = Server::new(TcpListener::from_std(listener)).connections_max(10_000);
    /// # drop(server);
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connections_max(self, connections_max: usize) -> Self {
        Self { connections_max: connections_max.max(1), ..self }
    }

    /// How long connections have to end when the server does (10 s).
    ///
    /// ```
    /// # use annulus::hyper::Server;
    /// # use annulus_runtime::runtime::net::TcpListener;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # annulus::run(async move {
    /// let limit = std::time::Duration::from_secs(1);
    /// let server = Server::new(TcpListener::from_std(listener)).drain_within(limit);
    /// # drop(server);
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn drain_within(self, drain: Duration) -> Self {
        Self { drain, ..self }
    }

    /// Whether a request may [upgrade](::hyper::upgrade) its connection (no), as WebSockets do.
    /// hyper wants `Send` of such connections: they are in [`SendIo`], which costs some more.
    ///
    /// An upgraded connection is no longer the server's: it is not waited for.
    ///
    /// ```
    /// # use annulus::hyper::Server;
    /// # use annulus_runtime::runtime::net::TcpListener;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # annulus::run(async move {
    /// let server = Server::new(TcpListener::from_std(listener)).upgrades(true);
    /// # drop(server);
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn upgrades(self, upgrades: bool) -> Self {
        Self { upgrades, ..self }
    }

    /// Serves until the runtime is told to [stop](annulus_runtime::runtime::stopped): each
    /// connection by what `make` gives for its peer.
    ///
    /// *Cancel and discard*: where its future is dropped nobody is accepted any more; connections
    /// that there are go on.
    ///
    /// # Errors
    /// Those of a listener that cannot accept any more. Where descriptors or memory are short it
    /// waits, and tries again. Errors of a connection are its own end.
    ///
    /// ```
    /// use annulus::{Runtime, hyper::Server};
    /// use annulus_runtime::runtime::net::TcpListener;
    /// use http_body_util::Empty;
    /// use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
    /// use std::{convert::Infallible, time::Duration};
    /// async fn nothing(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    ///     Ok(Response::default())
    /// }
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// // One on each of two threads.
    /// let threads = Runtime::builder().threads(2).start(move |_| {
    ///     let listener = listener.try_clone();
    ///     async move {
    ///         let server = Server::new(TcpListener::from_std(listener?));
    ///         server.serve(|_peer| service_fn(nothing)).await
    ///     }
    /// })?;
    /// for ended in threads.stop(Duration::from_secs(5)) {
    ///     assert_eq!(ended??.connections, 0);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn serve<M, S, B>(self, make: M) -> io::Result<Drained>
    where
        M: FnMut(SocketAddr) -> S,
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<AnyError>> + 'static,
        B: Body<Error: Into<AnyError>> + 'static,
    {
        self.serve_until(stopped(), make).await
    }

    /// The same, until `end` is ready.
    ///
    /// *Cancel and discard*, as [`serve`](Self::serve).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// # use annulus::hyper::Server;
    /// # use annulus_runtime::runtime::net::TcpListener;
    /// # use http_body_util::Empty;
    /// # use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
    /// # use std::convert::Infallible;
    /// # async fn nothing(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    /// #     Ok(Response::default())
    /// # }
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # annulus::run(async move {
    /// let server = Server::new(TcpListener::from_std(listener));
    /// let soon = annulus::time::sleep(std::time::Duration::from_millis(1));
    /// let drained = server.serve_until(soon, |_peer| service_fn(nothing)).await?;
    /// assert_eq!(drained.connections, 0);
    /// # std::io::Result::Ok(())
    /// # })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn serve_until<M, S, B>(
        self,
        end: impl Future<Output = ()>,
        make: M,
    ) -> io::Result<Drained>
    where
        M: FnMut(SocketAddr) -> S,
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<AnyError>> + 'static,
        B: Body<Error: Into<AnyError>> + 'static,
    {
        let buffers = self.buffers;
        self.serve_by(end, move |stream| ready(Ok(Polled::with_buffers(stream, buffers))), make)
            .await
    }

    /// The same, over what `open` makes of each connection, in the task that serves it: such as one
    /// of TLS.
    ///
    /// *Cancel and discard*, as [`serve`](Self::serve).
    ///
    /// # Errors
    /// As there. Where a connection cannot be opened, that is its own end.
    ///
    /// ```
    /// # use annulus::{hyper::Server, polled::Polled};
    /// # use annulus_runtime::runtime::net::TcpListener;
    /// # use http_body_util::Empty;
    /// # use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
    /// # use std::convert::Infallible;
    /// # async fn nothing(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    /// #     Ok(Response::default())
    /// # }
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # annulus::run(async move {
    /// let server = Server::new(TcpListener::from_std(listener));
    /// let soon = annulus::time::sleep(std::time::Duration::from_millis(1));
    /// // `annulus::tls::Acceptor::accept` in place of this.
    /// let open = |stream| async move { Ok(Polled::new(stream)) };
    /// let drained = server.serve_by(soon, open, |_peer| service_fn(nothing)).await?;
    /// assert_eq!(drained.connections, 0);
    /// # std::io::Result::Ok(())
    /// # })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn serve_by<O, F, I, M, S, B>(
        mut self,
        end: impl Future<Output = ()>,
        mut open: O,
        mut make: M,
    ) -> io::Result<Drained>
    where
        O: FnMut(TcpStream) -> F,
        F: Future<Output = io::Result<I>> + 'static,
        I: Read + Write + Unpin + 'static,
        M: FnMut(SocketAddr) -> S,
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<AnyError>> + 'static,
        B: Body<Error: Into<AnyError>> + 'static,
    {
        let gate = Gate::new();
        let mut end = pin!(end);
        let mut connections = 0;
        let (http, upgrades) = (self.http.clone(), self.upgrades);
        let mut begin = |(stream, peer): (TcpStream, SocketAddr)| {
            connections += 1;
            // It answers in whole segments; who has gone already is found out by the first read.
            let _ = stream.set_nodelay(true);
            let (opened, service, http) = (open(stream), make(peer), http.clone());
            let member = gate.enter();
            drop(if upgrades {
                spawn_local(attend(member, opened, move |io| {
                    http.serve_connection(SendIo::new(io), service).with_upgrades()
                }))
            } else {
                spawn_local(attend(member, opened, move |io| http.serve_connection(io, service)))
            });
        };
        while let Some(accepted) = self.next(&gate, end.as_mut()).await? {
            begin(accepted);
        }
        // Closed, it resets those in its queue, who are connected as far as they know.
        empty(self.listener, || gate.is_below(self.connections_max), &mut begin).await;
        Ok(Drained { connections, cut: drain(&gate, self.drain).await })
    }

    /// The next connection, or nothing at the end.
    async fn next(
        &mut self,
        gate: &Rc<Gate>,
        mut end: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            let next = poll_fn(|cx| {
                if end.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                if gate.poll_below(self.connections_max, cx).is_pending() {
                    return Poll::Pending;
                }
                Pin::new(&mut self.listener.accept()).poll(cx).map(Some)
            });
            match next.await {
                None => return Ok(None),
                Some(Ok(accepted)) => return Ok(Some(accepted)),
                Some(Err(why)) if is_over(&why) => return Err(why.into()),
                Some(Err(_)) => {
                    let _ = time::timeout(PAUSE, end.as_mut()).await;
                }
            }
        }
    }
}

/// Whether a listener will never accept again.
fn is_over(why: &annulus_runtime::Error) -> bool {
    const EBADF: i32 = 9;
    const EINVAL: i32 = 22;
    const ENOTSOCK: i32 = 88;
    const EOPNOTSUPP: i32 = 95;
    let errno = why.errno().map_or(EBADF, |errno| errno.raw());
    why.is_closed() || why.is_forked() || [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP].contains(&errno)
}

/// Takes the connections out of a listener's queue while there is room for them, and closes it.
async fn empty(
    mut listener: TcpListener,
    has_room: impl Fn() -> bool,
    mut begin: impl FnMut((TcpStream, SocketAddr)),
) {
    let mut over = pin!(time::sleep(QUEUED_FOR));
    let mut is_over = async || poll_fn(|cx| Poll::Ready(over.as_mut().poll(cx).is_ready())).await;
    let queue = listener.as_fd().try_clone_to_owned().map(File::new).ok();
    for _ in 0..QUEUED_MAX {
        if !has_room() || is_over().await {
            break;
        }
        match time::timeout(PROMPT, listener.accept()).await {
            Ok(Ok(accepted)) => begin(accepted),
            Ok(Err(_)) => return,
            // It may be that it takes long.
            Err(_) if is_readable(queue.as_ref()).await => {}
            Err(_) => break,
        }
    }
    // What came since then is not lost.
    if let Ok((_listener, Some((stream, peer)))) = listener.into_std().await
        && has_room()
    {
        begin((TcpStream::from_std(stream), peer));
    }
    // hyper closes a connection at its end that has read nothing yet: what they ask may be there.
    time::sleep(PROMPT).await;
}

/// Whether a connection waits that nobody has begun to accept: a poll is answered at once.
async fn is_readable(queue: Option<&File>) -> bool {
    let Some(queue) = queue else { return false };
    time::timeout(PROMPT, queue.readable()).await.is_ok_and(|polled| polled.is_ok())
}

/// Waits until all connections are over, and cuts those off that are not in time: how many.
async fn drain(gate: &Gate, limit: Duration) -> usize {
    gate.tell(Phase::Draining);
    let all_over = || poll_fn(|cx| gate.poll_below(1, cx));
    let _ = time::timeout(limit, all_over()).await;
    let cut = gate.open();
    gate.tell(Phase::Over);
    all_over().await;
    cut
}

/// A connection of hyper's.
trait Connection: Future<Output = ::hyper::Result<()>> {
    /// Has it end after what it is about.
    fn end(self: Pin<&mut Self>);
}

impl<I, S, B> Connection for http1::Connection<I, S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<AnyError>>,
    I: Read + Write + Unpin + 'static,
    B: Body<Error: Into<AnyError>> + 'static,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Connection for http1::UpgradeableConnection<I, S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<AnyError>>,
    I: Read + Write + Unpin + Send + 'static,
    B: Body<Error: Into<AnyError>> + 'static,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// A connection from its opening to its end.
async fn attend<I, C: Connection>(
    mut member: Member,
    opened: impl Future<Output = io::Result<I>>,
    serve: impl FnOnce(I) -> C,
) {
    let mut opened = pin!(opened);
    let io = poll_fn(|cx| match opened.as_mut().poll(cx) {
        Poll::Pending if member.poll_phase(cx) != Phase::Serving => Poll::Ready(None),
        polled => polled.map(Result::ok),
    });
    let Some(io) = io.await else { return };
    let mut connection = pin!(serve(io));
    let mut seen = Phase::Serving;
    poll_fn(|cx| {
        if poll_end(&mut member, &mut seen, connection.as_mut(), cx) {
            return Poll::Ready(());
        }
        // What went wrong is between hyper and the peer.
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Takes note of how far the server is. Whether the connection is cut off.
#[inline]
fn poll_end<C: Connection>(
    member: &mut Member,
    seen: &mut Phase,
    connection: Pin<&mut C>,
    cx: &Context<'_>,
) -> bool {
    let phase = member.poll_phase(cx);
    if phase != *seen {
        *seen = phase;
        member.renew(cx);
        connection.end();
    }
    phase == Phase::Over
}

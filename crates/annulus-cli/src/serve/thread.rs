//! One of the threads that serve: a listener, a ring, and the connections that it accepts.

use core::cell::RefCell;
use core::convert::Infallible;
use core::future::ready;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use annulus::hyper::{Drained, Server};
use annulus::polled::Polled;
use annulus::{net, spawn_local};
use annulus_runtime::runtime::stopped;
use hyper::body::Body as _;
use hyper::service::service_fn;

use super::Config;
use super::counts::Totals;
use super::log::Log;
use super::notes::Notes;
use super::open::Root;
use super::service::Site;
use super::watch::Watch;
use super::wire::Wire;

/// What a thread is given.
pub struct Shared {
    pub config: Arc<Config>,
    pub totals: Arc<Totals>,
    pub log: Option<SyncSender<Vec<u8>>>,
}

/// Serves until the thread is told to end.
///
/// # Errors
/// The directory cannot be opened any more, or the listener is gone.
pub async fn serve(shared: &Shared, index: usize, listener: TcpListener) -> io::Result<Drained> {
    let config = Arc::clone(&shared.config);
    let log = shared.log.clone().map(Log::new);
    let notes = Notes::new(Arc::clone(&shared.totals), index, log.clone());
    let site = Rc::new(Site {
        config: Arc::clone(&config),
        notes: Rc::clone(&notes),
        root: Root::open(&config.dir).await?,
        last_date: Default::default(),
        boundaries: Default::default(),
    });
    let watch = Watch::new(config.limits, notes);
    drop(spawn_local(Rc::clone(&watch).run()));
    let server = Server::new(net::TcpListener::from_std(listener))
        .connections_max(config.connections_max)
        .drain_within(config.drain)
        .http1(|http| {
            // The clock of `watch` has the limits of time; files are sent in the place of slices.
            http.header_read_timeout(None)
                .writev(true)
                .half_close(true)
                .max_buf_size(config.head_bytes);
        });
    // `open` is asked for a connection, and `make` for its service right behind it.
    let next = Rc::new(RefCell::new(None));
    let open = {
        let (next, watch) = (Rc::clone(&next), Rc::clone(&watch));
        move |stream: net::TcpStream| {
            let connection = watch.enter();
            next.replace(Some(Rc::clone(&connection)));
            ready(Ok(Wire::new(Polled::new(stream), connection, Rc::clone(&watch))))
        }
    };
    let make = |peer| {
        let connection = next.take().expect("a connection is opened before its service is made");
        let site = Rc::clone(&site);
        service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (site, connection) = (Rc::clone(&site), Rc::clone(&connection));
            async move {
                let (head, body) = request.into_parts();
                // Nobody reads it.
                connection.asked(!body.is_end_stream());
                drop(body);
                Ok::<_, Infallible>(site.answer(&head, peer, &connection).await)
            }
        })
    };
    let served = server.serve_by(stopped(), open, make).await;
    if let Some(log) = &log {
        log.send();
    }
    served
}

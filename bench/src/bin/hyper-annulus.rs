//! hyper's hello world on Annulus's runtime, one thread: see `load.rs` for its arguments. It serves
//! `ops=` requests of the client that it starts, and prints what that took of this process.
//! `writev=1` has hyper give head and body apart, as it does on tokio by itself.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use annulus::hyper::Server;
use annulus_bench::load::{ARGUMENTS, Load};
use annulus_bench::{Args, Meter, fail, pin};
use annulus_runtime::runtime::net::TcpListener;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};

fn main() {
    let args = Args::parse();
    args.only(ARGUMENTS);
    let writes_vectored = args.switch("writev");
    let ops = args.count("ops", 1, u64::MAX);
    let has_timer = args.switch("timer");
    let bytes = args.count("bytes", 13, 1 << 30) as usize;
    let body = Bytes::from(vec![b'x'; bytes]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let listener = listener.unwrap_or_else(|why| fail(&why.to_string()));
    let addr = listener.local_addr().unwrap_or_else(|why| fail(&why.to_string()));
    let load = Load::start("hyper-load", &["conns", "depth", "ops"], &args, addr);
    pin(&args);
    let meter = Meter::start();
    let served = annulus::run(async move {
        let (tell, all_served) = channel();
        let count = Rc::new(Cell::new(0));
        let server = Server::new(TcpListener::from_std(listener)).http1(|http| {
            http.writev(writes_vectored);
            if !has_timer {
                http.header_read_timeout(None);
            }
        });
        let tell = Rc::new(Cell::new(Some(tell)));
        server
            .serve_until(all_served, move |_| {
                let (count, tell, body) = (Rc::clone(&count), Rc::clone(&tell), body.clone());
                service_fn(move |_: Request<Incoming>| {
                    count.set(count.get() + 1);
                    if count.get() == ops {
                        drop(tell.take());
                    }
                    let answer = Response::new(Full::new(body.clone()));
                    async move { Ok::<_, Infallible>(answer) }
                })
            })
            .await
    });
    match served {
        Ok(Ok(_)) => meter.report(ops),
        Ok(Err(why)) | Err(why) => fail(&why.to_string()),
    }
    load.end();
}

/// A sender whose drop is told.
fn channel() -> (tokio::sync::oneshot::Sender<()>, impl Future<Output = ()>) {
    let (tell, told) = tokio::sync::oneshot::channel();
    (tell, async {
        let _ = told.await;
    })
}

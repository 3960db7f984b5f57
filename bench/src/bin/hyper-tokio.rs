//! hyper's hello world on tokio, one thread: the same as `hyper-annulus`. `writev=0` has hyper put
//! head and body together.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use annulus_bench::load::{ARGUMENTS, Load};
use annulus_bench::{Args, Meter, fail, pin};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

fn main() {
    let args = Args::parse();
    args.only(ARGUMENTS);
    let writes_vectored = args.get("writev", 1) == 1;
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|why| fail(&why.to_string()));
    let served = LocalSet::new().block_on(&runtime, async move {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut http = http1::Builder::new();
        http.writev(writes_vectored);
        if has_timer {
            http.timer(TokioTimer::new());
        }
        let (count, all_served) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
        let all = Rc::clone(&all_served);
        let accepts = spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (count, all, body) = (Rc::clone(&count), Rc::clone(&all), body.clone());
                let service = service_fn(move |_: Request<Incoming>| {
                    count.set(count.get() + 1);
                    if count.get() == ops {
                        all.notify_one();
                    }
                    let answer = Response::new(Full::new(body.clone()));
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = http.serve_connection(TokioIo::new(stream), service);
                spawn_local(async move {
                    // The client goes when it has its answers.
                    let _ = connection.await;
                });
            }
            #[expect(unreachable_code, reason = "says what its errors are")]
            std::io::Result::Ok(())
        });
        all_served.notified().await;
        accepts.abort();
        // So that the last answers go.
        tokio::time::sleep(Duration::from_millis(10)).await;
        std::io::Result::Ok(())
    });
    match served {
        Ok(()) => meter.report(ops),
        Err(why) => fail(&why.to_string()),
    }
    load.end();
}

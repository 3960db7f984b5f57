//! What a runtime tells by the feature `tracing`: spans of operations, and its end.

mod common;

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annulus_runtime::runtime::{File, engine};
use annulus_runtime::time::timeout;
use annulus_runtime::{LocalOp, Runtime, spawn_blocking};
use common::{LIMIT, limit};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber, trace_span};

/// Keeps each event as a line: the spans it is in, and what it says.
#[derive(Clone, Default)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    /// Its name and fields, by its number.
    spans: Arc<Mutex<Vec<String>>>,
    entered: Arc<Mutex<Vec<u64>>>,
    closed: Arc<AtomicU64>,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string has room");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("annulus") || metadata.target().starts_with("runtime_traced")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        let mut spans = self.spans.lock().expect("no panic");
        if let Some(outer) = self.entered.lock().expect("no panic").last() {
            fields.0 = format!("{}: {}", spans[*outer as usize - 1], fields.0);
        }
        spans.push(fields.0);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let spans = self.spans.lock().expect("no panic");
        let entered = self.entered.lock().expect("no panic");
        let within: Vec<_> = entered.iter().map(|id| spans[*id as usize - 1].as_str()).collect();
        self.lines.lock().expect("no panic").push(format!("{}:{}", within.join(": "), fields.0));
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().expect("no panic").push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.entered.lock().expect("no panic").pop();
    }

    fn try_close(&self, _: Id) -> bool {
        // Relaxed: pairs with nothing: a count of one thread.
        self.closed.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// What is told while `body` runs, line by line. Each span is over then.
fn told(body: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    limit(LIMIT, || with_default(lines.clone(), body));
    let spans = lines.spans.lock().expect("no panic").len() as u64;
    // Relaxed: pairs with nothing: as above.
    assert_eq!(lines.closed.load(Ordering::Relaxed), spans);
    let lines = lines.lines.lock().expect("no panic").clone();
    eprintln!("{lines:#?}");
    lines
}

/// Whether a line has all of these, in this order.
fn has(line: &str, parts: &[&str]) -> bool {
    let mut rest = Some(line);
    for part in parts {
        rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
    }
    rest.is_some()
}

#[test]
fn operations_are_told_from_their_begin_to_their_end() {
    // Where io_uring is blocked, the first ring of a process tells so.
    drop(Runtime::new().expect("a runtime"));
    let lines = told(|| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let file = File::new(reader);
            let mut read = trace_span!("mine").in_scope(|| file.read(vec![0; 8]));
            assert!(timeout(Duration::from_millis(1), &mut read).await.is_err());
            std::io::Write::write_all(&mut writer, b"four").expect("room in the pipe");
            assert_eq!(read.await.expect("a read").0, 4);
            let mut read = file.read(vec![0; 8]);
            assert!(timeout(Duration::from_millis(1), &mut read).await.is_err());
            read.cancel();
            assert!(read.await.expect_err("nobody writes").is_cancelled());
            assert!(timeout(Duration::from_millis(1), file.read(vec![0; 8])).await.is_err());
            LocalOp::of(engine().metadata("/nowhere")).await.expect_err("it is not there");
        });
        runtime.shutdown(LIMIT).expect("all of it ends");
    });
    let mut lines = lines.iter();
    for parts in [
        &["mine", "operation", "Read", "submit", "IORING_OP_READ", "fd="][..],
        &["mine", "operation", "Read", "complete", "result=4"],
        &["operation", "Read", "submit"],
        &["operation", "Read", "cancel"],
        &["operation", "Read", "complete", "errno=", "origin=Cancelled"],
        &["operation", "Read", "submit"],
        &["operation", "Read", "dropped"],
    ] {
        let line = lines.next().expect("there are more");
        assert!(has(line, parts), "{line}: {parts:?}");
    }
    assert!(lines.any(|line| has(line, &["operation", "Stat", "complete", "errno="])));
    assert!(lines.any(|line| has(line, &["a runtime ended"])));
}

#[test]
fn what_hangs_is_told() {
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (goes_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let lines = told(|| {
        let runtime = Runtime::new().expect("a runtime");
        drop(runtime.block_on(async {
            // In a list: it is not to be awaited here.
            vec![spawn_blocking(move || {
                begun.send(()).expect("it is waited for");
                may_go_on.recv().expect_err("it ends by the drop");
            })]
        }));
        has_begun.recv().expect("it begins");
        runtime.shutdown(Duration::from_millis(10)).expect_err("it hangs");
    });
    drop(goes_on);
    assert!(lines.iter().any(|line| has(line, &["blocking=true"])), "{lines:?}");
}

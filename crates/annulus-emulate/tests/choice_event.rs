//! With the feature `tracing` and a subscriber that listens, a fall-back is an event and no line.

#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-runtime/tests/common/child.rs"]
mod child;
#[allow(dead_code, reason = "these tests use some of it")]
#[path = "../../annulus-ring/tests/common/harness.rs"]
mod harness;

use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use annulus_emulate::{Errno, KernelChoice, LocalRing};
use child::{Child, ENTER, REGISTER, SETUP, block};
use harness::limit;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, span};

const LIMIT: Duration = Duration::from_secs(30);

/// What the subscriber was told.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens from a level on.
struct Listener(Level);

impl Visit for Listener {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").expect("a string takes it");
        TOLD.lock().expect("nobody panicked").push(text);
    }
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.0
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Listener(self.0));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Makes two rings where io_uring is blocked, with a subscriber from `level` on.
fn falls_back(level: Level) {
    limit(LIMIT, || {
        tracing::subscriber::set_global_default(Listener(level)).expect("the first");
        block(&[SETUP, ENTER, REGISTER], Errno::EPERM);
        for _ in 0..2 {
            let ring = LocalRing::new(8).expect("the host's");
            assert!(ring.kernel().is_host());
        }
    });
}

#[test]
fn a_warning_is_told_once_and_not_printed() {
    let child = Child::of("a_warning_is_told_once_and_not_printed");
    let child = child.variable(annulus_emulate::KERNEL_VARIABLE, "auto");
    let outcome = child.run(|_| {
        falls_back(Level::WARN);
        let told = TOLD.lock().expect("nobody panicked");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("seccomp") && told[0].contains("ANNULUS_KERNEL=linux"),
            "{told:?}"
        );
    });
    if let Some(outcome) = outcome {
        outcome.success();
        assert!(!outcome.stderr.contains("annulus:"), "{outcome}");
    }
}

#[test]
fn who_listens_to_errors_alone_has_the_line() {
    let child = Child::of("who_listens_to_errors_alone_has_the_line");
    let child = child.variable(annulus_emulate::KERNEL_VARIABLE, "auto");
    if let Some(outcome) = child.run(|_| falls_back(Level::ERROR)) {
        outcome.success();
        assert_eq!(outcome.stderr.matches("annulus: ").count(), 1, "{outcome}");
    }
    assert_eq!(KernelChoice::Host.decide().expect("always").name(), "host");
}

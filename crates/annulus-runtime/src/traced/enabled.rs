//! With the feature: see the module above.

use core::marker::PhantomData;

use tracing::{Span, debug, trace, trace_span, warn};

use crate::inside::Hung;
use crate::operation::Completion;
use crate::slot::Slot;

/// The span of an operation, within that of the task which made it.
pub(crate) struct OpSpan {
    span: Span,
}

impl OpSpan {
    pub(crate) fn new<T>(_: PhantomData<T>) -> Self {
        Self { span: trace_span!("operation", kind = core::any::type_name::<T>()) }
    }

    /// It is on its way, with the entry that its slot has; or it needs none.
    pub(crate) fn begun(&self, slot: Option<&Slot>) {
        self.span.in_scope(|| match slot.map(Slot::entry) {
            None => trace!("done without the ring"),
            Some(entry) => trace!(op = entry.opcode.name(), fd = entry.fd, "submit"),
        });
    }

    /// Somebody wants its end.
    pub(crate) fn cancel(&self) {
        self.span.in_scope(|| trace!("cancel"));
    }

    /// Nobody waits for it any more.
    pub(crate) fn dropped(&self) {
        self.span.in_scope(|| trace!("dropped"));
    }

    /// It is over.
    pub(crate) fn done(&self, completion: &Completion) {
        self.span.in_scope(|| match completion.result {
            Ok(result) => trace!(result, "complete"),
            Err(errno) => trace!(%errno, origin = ?completion.origin, "complete"),
        });
    }
}

/// How a runtime ended.
pub(crate) fn ended(how: &Result<(), Hung>) {
    match how {
        Ok(()) => debug!("a runtime ended"),
        Err(hung) => {
            for op in &hung.ops {
                warn!(%op, "an operation did not end");
            }
            warn!(operations = hung.ops.len(), blocking = hung.blocking, "{hung}");
        }
    }
}

//! The part of the runtime that other threads see.

#[path = "../../src/runtime/handle.rs"]
mod handle;

use std::sync::Arc;

pub(crate) use handle::{Handle, RemoteHandle};

use super::executor::Remote;

pub(crate) fn handle(remote: &Arc<Remote>) -> Handle {
    Handle::new(Arc::clone(remote))
}

mod context {
    /// No thread of the models that blocks is inside of a runtime.
    pub(super) fn is_inside() -> bool {
        false
    }
}

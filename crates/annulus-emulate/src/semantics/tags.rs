//! [`Tag`]: what a registered file or buffer is called when the last that uses it is done.

use std::sync::Arc;

use super::Core;
use crate::queues::Completion;
use crate::world::{Token, World};

/// The name that is told when a resource is released: by the one of those that hold it who lets it
/// go last. Most have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tag(Option<Arc<u64>>);

impl Tag {
    /// A tag; 0 is none.
    pub(super) fn new(tag: u64) -> Self {
        Self((tag != 0).then(|| Arc::new(tag)))
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl<W: World> Core<W> {
    /// Lets a resource go; if nobody else holds it, that is told.
    pub(super) fn release(&mut self, tag: Tag) {
        if let Some(user_data) = tag.0.and_then(Arc::into_inner) {
            self.tell_aside(Completion { user_data, ..Completion::default() });
        }
    }

    /// Lets go what requests held that ended in this round: Linux does when it has told their ends,
    /// which count by then.
    pub(super) fn release_held(&mut self) {
        if self.let_go.is_empty() {
            return;
        }
        self.begun_at = self.queues.posted();
        for tag in core::mem::take(&mut self.let_go) {
            self.release(tag);
        }
    }

    /// Has a request hold a resource until it is over.
    pub(super) fn hold(&mut self, token: Token, tag: Tag) {
        if let Some(request) = self.requests.get_mut(token).filter(|_| tag.is_some()) {
            request.holds.push(tag);
        }
    }
}

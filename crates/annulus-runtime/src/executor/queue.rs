//! The two lists that tasks are in: [`RunQueue`], those that are due, and [`AllTasks`], those that
//! are not over. Both are links in the tasks themselves, so neither allocates.

use super::task::{Header, TaskPtr, TaskRef};
use crate::sync::Cell;

/// The tasks that are due, oldest first. Each is in it once, and counted.
#[derive(Default)]
pub(super) struct RunQueue {
    first: Cell<Option<TaskPtr>>,
    last: Cell<Option<TaskPtr>>,
}

impl RunQueue {
    /// Puts a task at the end, which is not in the queue.
    #[inline]
    pub(super) fn push(&self, task: TaskRef) {
        let task = task.into_ptr();
        header(&task).queue_next.set(None);
        match self.last.replace(Some(task)) {
            Some(last) => header(&last).queue_next.set(Some(task)),
            None => self.first.set(Some(task)),
        }
    }

    /// Takes the first.
    #[inline]
    pub(super) fn pop(&self) -> Option<TaskRef> {
        let first = self.first.get()?;
        let next = header(&first).queue_next.get();
        self.first.set(next);
        if next.is_none() {
            self.last.set(None);
        }
        // SAFETY: `push` turned a counted reference into this pointer, which left the queue now.
        Some(unsafe { TaskRef::from_ptr(first) })
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }
}

/// The tasks that are not over, newest first. The list has a reference to each.
#[derive(Default)]
pub(super) struct AllTasks {
    first: Cell<Option<TaskPtr>>,
    len: Cell<usize>,
}

impl AllTasks {
    /// Takes a task in.
    #[inline]
    pub(super) fn insert(&self, task: TaskRef) {
        let task = task.into_ptr();
        let next = self.first.replace(Some(task));
        header(&task).all_next.set(next);
        header(&task).all_prev.set(None);
        if let Some(next) = next {
            header(&next).all_prev.set(Some(task));
        }
        self.len.set(self.len.get() + 1);
    }

    /// Takes a task out, with the list's reference to it.
    ///
    /// # Safety
    /// - The task is in this list.
    #[inline]
    pub(super) unsafe fn remove(&self, task: TaskPtr) -> TaskRef {
        let (prev, next) = (header(&task).all_prev.take(), header(&task).all_next.take());
        match prev {
            Some(prev) => header(&prev).all_next.set(next),
            None => self.first.set(next),
        }
        if let Some(next) = next {
            header(&next).all_prev.set(prev);
        }
        self.len.set(self.len.get() - 1);
        // SAFETY: `insert` turned a counted reference into this pointer, which left the list now.
        unsafe { TaskRef::from_ptr(task) }
    }

    /// The newest.
    pub(super) fn first(&self) -> Option<TaskRef> {
        let first = self.first.get()?;
        // SAFETY: the list has a reference to it, so it is alive.
        Some(unsafe { TaskRef::of(first) })
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }
}

/// A task in one of the lists.
#[inline(always)]
fn header(task: &TaskPtr) -> &Header {
    // SAFETY: who is in a list is counted by it, and so alive; lists are used on the tasks' thread.
    unsafe { task.as_ref() }
}

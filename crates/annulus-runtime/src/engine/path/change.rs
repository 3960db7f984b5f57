//! Names: renaming, removing, making directories and links.

use std::path::Path;

use annulus_ring::abi::{RenameFlags, Sqe};
use annulus_ring::op;

use super::name::Name;
use super::{Anchor, PathError};
use crate::operation::{Completion, Operation};

/// What is done to one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    RemoveFile,
    RemoveDir,
    CreateDir { mode: u32 },
}

impl Verb {
    fn text(self) -> &'static str {
        match self {
            Self::RemoveFile => "remove the file",
            Self::RemoveDir => "remove the directory",
            Self::CreateDir { .. } => "create the directory",
        }
    }
}

/// A change of one name: see [`Engine::remove_file`](crate::Engine::remove_file),
/// [`Engine::create_dir`](crate::Engine::create_dir).
#[derive(Debug)]
pub struct Change {
    verb: Verb,
    anchor: Anchor,
    name: Name,
}

impl Change {
    fn new(verb: Verb, anchor: Anchor, path: &Path) -> Self {
        Self { verb, anchor, name: Name::new(path) }
    }

    pub(super) fn remove_file(anchor: Anchor, path: &Path) -> Self {
        Self::new(Verb::RemoveFile, anchor, path)
    }

    pub(super) fn remove_dir(anchor: Anchor, path: &Path) -> Self {
        Self::new(Verb::RemoveDir, anchor, path)
    }

    pub(super) fn create_dir(anchor: Anchor, path: &Path, mode: u32) -> Self {
        Self::new(Verb::CreateDir { mode }, anchor, path)
    }
}

// SAFETY: the entry points to the path, which is owned here, and names a directory that is kept
// open here.
unsafe impl Operation for Change {
    type Output = Result<(), PathError>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.name.refusal()
    }

    fn entry(&mut self) -> Sqe {
        let (at, path) = (self.anchor.at(), self.name.as_ptr());
        match self.verb {
            Verb::CreateDir { mode } => op::MkdirAt::new(at, path, mode).build(),
            Verb::RemoveDir => op::UnlinkAt::new(at, path).directory().build(),
            Verb::RemoveFile => op::UnlinkAt::new(at, path).build(),
        }
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.result.map(drop).map_err(|errno| {
            let invalid = self.name.invalid();
            PathError::of(&completion, errno, invalid, self.verb.text(), self.name)
        })
    }

    fn reclaim(self, _: Completion) {
        // What was made or removed stays so.
    }
}

/// What is done with two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Rename(RenameFlags),
    HardLink,
}

impl Tie {
    fn text(self) -> &'static str {
        match self {
            Self::Rename(flags) if flags.contains(RenameFlags::EXCHANGE) => "exchange",
            Self::Rename(_) => "rename",
            Self::HardLink => "link",
        }
    }
}

/// A second name for a file, or one in place of the first: see
/// [`Engine::rename`](crate::Engine::rename), [`Engine::hard_link`](crate::Engine::hard_link).
#[derive(Debug)]
pub struct Move {
    tie: Tie,
    old: (Anchor, Name),
    new: (Anchor, Name),
}

impl Move {
    fn new(tie: Tie, old: (Anchor, &Path), new: (Anchor, &Path)) -> Self {
        Self { tie, old: (old.0, Name::new(old.1)), new: (new.0, Name::new(new.1)) }
    }

    pub(super) fn rename(old: (Anchor, &Path), new: (Anchor, &Path), flags: RenameFlags) -> Self {
        Self::new(Tie::Rename(flags), old, new)
    }

    pub(super) fn hard_link(old: (Anchor, &Path), new: (Anchor, &Path)) -> Self {
        Self::new(Tie::HardLink, old, new)
    }
}

// SAFETY: the entry points to both paths, which are owned here, and names directories that are kept
// open here.
unsafe impl Operation for Move {
    type Output = Result<(), PathError>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.old.1.refusal().or_else(|| self.new.1.refusal())
    }

    fn entry(&mut self) -> Sqe {
        let (old_at, old) = (self.old.0.at(), self.old.1.as_ptr());
        let (new_at, new) = (self.new.0.at(), self.new.1.as_ptr());
        match self.tie {
            Tie::Rename(flags) => op::RenameAt::new(old_at, old, new_at, new).flags(flags).build(),
            Tie::HardLink => op::LinkAt::new(old_at, old, new_at, new).build(),
        }
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.result.map(drop).map_err(|errno| {
            let (old, new) = (self.old.1, self.new.1);
            let invalid = old.invalid().or(new.invalid());
            PathError::of(&completion, errno, invalid, self.tie.text(), old).and(new)
        })
    }

    fn reclaim(self, _: Completion) {
        // What was renamed or linked stays so.
    }
}

/// Making a symbolic link: see [`Engine::symlink`](crate::Engine::symlink).
#[derive(Debug)]
pub struct Symlink {
    target: Name,
    anchor: Anchor,
    name: Name,
}

impl Symlink {
    pub(super) fn new(target: &Path, anchor: Anchor, path: &Path) -> Self {
        Self { target: Name::new(target), anchor, name: Name::new(path) }
    }
}

// SAFETY: the entry points to the two strings, which are owned here, and names a directory that is
// kept open here.
unsafe impl Operation for Symlink {
    type Output = Result<(), PathError>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.target.refusal().or_else(|| self.name.refusal())
    }

    fn entry(&mut self) -> Sqe {
        let (target, path) = (self.target.as_ptr(), self.name.as_ptr());
        op::SymlinkAt::new(target, self.anchor.at(), path).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.result.map(drop).map_err(|errno| {
            let invalid = self.name.invalid().or(self.target.invalid());
            PathError::of(&completion, errno, invalid, "symlink", self.name).and(self.target)
        })
    }

    fn reclaim(self, _: Completion) {
        // What was linked stays so.
    }
}

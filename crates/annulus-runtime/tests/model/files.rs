//! What a port knows of its ring's table of files, which there is none of here.

/// A table that nobody can make.
#[derive(Debug)]
pub(crate) enum FileTable {}

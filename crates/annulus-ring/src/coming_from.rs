//! What liburing and Zig call what is here, name by name. `tests/coming_from.rs` holds it to theirs.
#![doc = ""]
#![doc = include_str!("../docs/coming-from.md")]

#[allow(unused_imports, reason = "the page links to them")]
use crate::*;

//! Behaviour of every operation on files, on the kernel that the tests run on: what works, what
//! each error looks like, and what the flags of an entry do to it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/files.rs"]
mod files;

mod advise;
mod buffers;
mod entry;
mod fixed;
mod nop;
mod open;
mod path;
mod rw;
mod space;
mod splice;
mod table;
mod xattr;

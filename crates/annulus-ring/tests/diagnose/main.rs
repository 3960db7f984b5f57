//! Every cause that a refusal can have, brought about in a child process, and what is said of it.

mod child;
#[path = "../common/mod.rs"]
mod common;
mod descriptors;
mod memlock;
mod request;
mod seccomp;
mod sysctl;

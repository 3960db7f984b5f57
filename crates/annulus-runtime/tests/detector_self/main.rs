//! The tests' own tools: children, files and counts are what they say.

mod children;
#[path = "../common/mod.rs"]
mod common;
mod files;

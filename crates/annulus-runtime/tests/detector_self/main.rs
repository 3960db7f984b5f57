//! The tests' own tools: the detector finds what naive code lets the kernel do to freed memory, and
//! nothing where nothing is wrong; children, files and counts are what they say.

mod allocator;
mod children;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod handle;
mod naive;
mod pipes;

use common::detector::Detector;

#[global_allocator]
static ALLOCATOR: Detector = Detector;

//! `tests/coming_from.rs` holds the page to liburing's and Zig's names.

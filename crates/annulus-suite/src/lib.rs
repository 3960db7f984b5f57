//! The tests of annulus-ring, run on every kernel: see `Cargo.toml`. Nothing is here to use.

//! Cancelling an operation, whatever moment it is in.

mod common;

use annulus_runtime::Engine;
use futures::executor::block_on;
use futures::future::poll_immediate;

use common::{LIMIT, limit};

#[test]
fn one_that_gave_way_before_it_began_is_cancelled_too() {
    limit(LIMIT, || {
        let engine = Engine::new().expect("an engine");
        let (reader, _writer) = std::io::pipe().unwrap();
        let cached = engine.file(std::fs::File::open("Cargo.toml").unwrap());
        // After so many that are done at once some give way to others at their first poll.
        for _ in 0..1000 {
            block_on(cached.read_at(vec![0; 1], 0)).unwrap();
            // A new one each time: of what never has anything, few reads are tried at once.
            let pipe = engine.file(reader.try_clone().unwrap());
            let mut read = pipe.read(vec![0; 16]);
            assert!(block_on(poll_immediate(&mut read)).is_none());
            read.cancel();
            let error = block_on(read).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
        }
        assert!(engine.metrics().shipped < 1000, "none gave way");
    });
}

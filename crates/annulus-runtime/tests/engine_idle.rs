//! An idle engine costs nothing: its threads are not woken, with a file open and a read waiting.

mod common;

use std::time::Duration;

use common::child::Child;
use common::engines::{Kind, begin, until_in_kernel};
use common::files::TempFile;
use common::{LIMIT, process};
use futures::executor::block_on;

/// How long is looked at; `ANNULUS_IDLE_SECONDS` says otherwise.
const SECONDS: u64 = 3;

/// The switches of all threads but this one.
fn switches() -> Vec<(u32, String, process::Switches)> {
    let own = process::this_thread();
    let others = process::threads().into_iter().filter(|(tid, _)| *tid != own);
    others.filter_map(|(tid, name)| Some((tid, name, process::switches(tid)?))).collect()
}

#[test]
fn no_thread_of_it_is_switched_to() {
    let seconds = std::env::var("ANNULUS_IDLE_SECONDS").map_or(SECONDS, |s| s.parse().unwrap());
    let file = TempFile::patterned(4096);
    for kind in Kind::ALL {
        let name = format!("{kind:?}");
        let body = |chosen: &str| {
            if chosen != name {
                return;
            }
            let rig = kind.rig(|builder| builder.thread_name("annulus-idle"));
            let cached = rig.file(file.open());
            assert_eq!(block_on(cached.read_at(vec![0; 64], 0)).expect("a read").0, 64);
            let (reader, _writer) = std::io::pipe().expect("a pipe");
            let pipe = rig.file(reader);
            let read = begin(pipe.read(vec![0; 8]));
            until_in_kernel(rig.engine(), 1);
            // It falls asleep.
            std::thread::sleep(Duration::from_millis(300));
            let before = switches();
            assert!(before.iter().any(|(_, name, _)| name.starts_with("annulus-")), "{before:?}");
            std::thread::sleep(Duration::from_secs(seconds));
            assert_eq!(before, switches(), "woken within {seconds} s");
            assert_eq!(rig.engine().metrics().in_flight, 1);
            drop(read);
            rig.close();
        };
        let limit = LIMIT + Duration::from_secs(seconds);
        let child = Child::of("no_thread_of_it_is_switched_to").arg(&name).limit(limit);
        if let Some(outcome) = child.run(body) {
            outcome.success();
        }
    }
}

//! Reads of pipes, dropped before there is anything to read: the bytes that come later go to
//! whoever reads next, and never to the buffer that was freed.

use std::io::Write;

use super::common::detector::Options;
use super::common::engines::{Kind, begin, until};
use super::common::{LIMIT, limit, times};

const BYTES: usize = 65_536;
/// How often each is done.
fn rounds() -> usize {
    times(1_000).max(100) as usize
}

/// Once the operation is over, whoever reads next has the bytes.
#[test]
fn bytes_that_come_after_the_cancel_stay_in_the_pipe() {
    for kind in Kind::ALL {
        limit(4 * LIMIT, || {
            let rounds = rounds();
            let watch = Options::new().bytes_min(BYTES).watch();
            let rig = kind.rig(|builder| builder.entries(8));
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let pipe = rig.file(reader.try_clone().expect("a descriptor"));
            for n in 1..=rounds {
                drop(begin(pipe.read(vec![0; BYTES])));
                until(|| rig.engine().metrics().completed == n as u64);
                writer.write_all(&n.to_le_bytes()).expect("room in the pipe");
                let mut bytes = [0; 8];
                std::io::Read::read_exact(&mut &reader, &mut bytes).expect("a pipe");
                assert_eq!(usize::from_le_bytes(bytes), n);
            }
            assert_eq!(rig.engine().metrics().cancelled, rounds as u64);
            drop(pipe);
            rig.close();
            until(|| watch.check().live_count == 0);
            watch.check().assert_clean(rounds * BYTES);
        });
    }
}

/// Where the bytes race with the cancel, a read either took them, and they are gone with it, or was
/// cancelled, and they are there: never both, never neither.
#[test]
fn bytes_that_race_with_the_cancel_are_lost_or_there() {
    for kind in Kind::ALL {
        limit(4 * LIMIT, || {
            let rounds = rounds();
            let watch = Options::new().bytes_min(BYTES).watch();
            let rig = kind.rig(|builder| builder.entries(8));
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            let pipe = rig.file(reader.try_clone().expect("a descriptor"));
            let mut lost = 0;
            for n in 1..=rounds as u64 {
                let read = begin(pipe.read(vec![0; BYTES]));
                if n % 2 == 0 {
                    drop(read);
                    writer.write_all(&[1]).expect("room in the pipe");
                } else {
                    writer.write_all(&[1]).expect("room in the pipe");
                    drop(read);
                }
                until(|| rig.engine().metrics().completed == n);
                let left = rustix::io::ioctl_fionread(&reader).expect("a pipe");
                lost += 1 - left;
                std::io::Read::read_exact(&mut &reader, &mut vec![0; left as usize]).unwrap();
            }
            let cancelled = rig.engine().metrics().cancelled;
            eprintln!("{kind:?}: {cancelled} of {rounds} cancelled, {lost} bytes went with a read");
            assert_eq!(cancelled + lost, rounds as u64);
            drop(pipe);
            rig.close();
            until(|| watch.check().live_count == 0);
            watch.check().assert_clean(rounds * BYTES);
        });
    }
}

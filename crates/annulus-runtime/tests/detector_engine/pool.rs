//! Direct reads into the buffers of a pool: they are never freed, but given out again, and must
//! then be their new owner's alone.

use std::time::Duration;

use annulus_runtime::buffer::{FixedBuf, FixedPool};

use super::common::engines::{Kind, ship, until};
use super::common::files::TempFile;
use super::common::{limit, times};

const COUNT: usize = 64;
const BYTES: usize = 1 << 20;
/// How often it is done.
fn rounds() -> usize {
    times(16).max(2) as usize
}
const OWN: u8 = 0xA5;

/// Takes every buffer of the pool, as soon as each is given back, and fills it.
fn take_all(pool: &FixedPool) -> Vec<FixedBuf> {
    let mut taken = Vec::new();
    until(|| {
        if let Some(mut buf) = pool.try_take() {
            buf.full_mut().fill(OWN);
            taken.push(buf);
        }
        taken.len() == COUNT
    });
    taken
}

#[test]
fn buffers_given_back_by_dropped_reads_are_their_next_owners() {
    let name = "buffers_given_back_by_dropped_reads_are_their_next_owners";
    let file = TempFile::patterned((COUNT * BYTES) as u64);
    if file.direct(name).is_none() {
        return;
    }
    for kind in Kind::ALL {
        limit(Duration::from_secs(240), || {
            let (mut count, mut changed) = (0, 0);
            let rig = kind.rig(|builder| builder);
            let direct = rig.file(file.direct(name).expect("as before"));
            let pool = FixedPool::new(COUNT, BYTES).expect("memory");
            let mut buffers = take_all(&pool);
            for _ in 0..rounds() {
                let at = |(n, buf)| ship(direct.read_at(buf, (n * BYTES) as u64));
                drop(buffers.into_iter().enumerate().map(at).collect::<Vec<_>>());
                buffers = take_all(&pool);
                file.settle();
                for buf in &mut buffers {
                    count += 1;
                    changed += usize::from(buf.full_mut().iter().any(|byte| *byte != OWN));
                }
            }
            eprintln!("{kind:?}: {changed} of {count} buffers were written to after reuse");
            assert_eq!((count, changed), (COUNT * rounds(), 0));
            drop((buffers, direct));
            rig.close();
        });
    }
}

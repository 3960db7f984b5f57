//! What a run costs: time, processor time and context switches, of the whole process.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use crate::program::fail;

/// Begins where the measured part does, so that set-up is not in it.
pub struct Meter {
    begin: Instant,
    before: Usage,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { before: Usage::now(), begin: Instant::now() }
    }

    /// Ends measuring, and prints the one line that the scripts read.
    pub fn report(self, ops: u64) {
        let took = self.begin.elapsed().as_secs_f64();
        let after = Usage::now();
        let user = (after.user - self.before.user).as_secs_f64();
        let system = (after.system - self.before.system).as_secs_f64();
        let voluntary = after.voluntary - self.before.voluntary;
        let involuntary = after.involuntary - self.before.involuntary;
        println!(
            "ops={ops} secs={took:.6} ops_per_s={:.1} user_s={user:.6} system_s={system:.6} \
             voluntary={voluntary} involuntary={involuntary}",
            ops as f64 / took,
        );
    }
}

/// What all threads of the process took so far, those of the kernel's pool and those that ended
/// included, and its children that were waited for.
struct Usage {
    user: Duration,
    system: Duration,
    voluntary: i64,
    involuntary: i64,
}

impl Usage {
    fn now() -> Self {
        let (own, children) = (usage(libc::RUSAGE_SELF), usage(libc::RUSAGE_CHILDREN));
        Self {
            user: duration(own.ru_utime) + duration(children.ru_utime),
            system: duration(own.ru_stime) + duration(children.ru_stime),
            voluntary: own.ru_nvcsw + children.ru_nvcsw,
            involuntary: own.ru_nivcsw + children.ru_nivcsw,
        }
    }
}

fn usage(who: libc::c_int) -> libc::rusage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole `rusage`, which outlives the call.
    let done = unsafe { libc::getrusage(who, usage.as_mut_ptr()) };
    if done != 0 {
        fail(&format!("getrusage: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: an `rusage` of zeros is one, and the kernel wrote over it.
    unsafe { usage.assume_init() }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

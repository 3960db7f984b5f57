//! Instructions, counted by the processor: `perf_event_open(2)`, where it is to be had.

use std::ffi::c_ulong;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};

/// The first version of `struct perf_event_attr`: all that counting needs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    bp_addr: u64,
}

/// `PERF_ATTR_SIZE_VER0`
const ATTR_BYTES: usize = 64;
const _: () = assert!(size_of::<Attr>() == ATTR_BYTES);

/// Threads made later are counted, too: the workers, and those that the kernel makes for a ring.
const INHERIT: u64 = 1 << 1;
const EXCLUDE_USER: u64 = 1 << 4;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HV: u64 = 1 << 6;

/// `PERF_TYPE_HARDWARE`, `PERF_COUNT_HW_INSTRUCTIONS`
const INSTRUCTIONS: (u32, u64) = (0, 1);

/// Instructions since the counters were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub user: u64,
    /// Not where the kernel's instructions are kept from us.
    pub kernel: Option<u64>,
}

/// Counters of the instructions of this thread and of those that it makes later.
#[derive(Debug)]
pub struct Counters {
    user: File,
    kernel: Option<File>,
}

impl Counters {
    /// Begins to count; or says why that cannot be.
    pub fn open() -> Result<Self, String> {
        Self::open_event(INSTRUCTIONS).map_err(|error| reason(&error))
    }

    fn open_event(event: (u32, u64)) -> io::Result<Self> {
        let user = open(event, INHERIT | EXCLUDE_KERNEL | EXCLUDE_HV)?;
        // Refused to ordinary users where kernel.perf_event_paranoid is 2: half is better than
        // none.
        let kernel = open(event, INHERIT | EXCLUDE_USER | EXCLUDE_HV).ok();
        Ok(Self { user, kernel })
    }

    /// What was counted so far.
    pub fn read(&self) -> Option<Counted> {
        let kernel = match &self.kernel {
            Some(file) => Some(count(file)?),
            None => None,
        };
        Some(Counted { user: count(&self.user)?, kernel })
    }
}

fn count(mut file: &File) -> Option<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).ok()?;
    Some(u64::from_ne_bytes(bytes))
}

fn open((kind, config): (u32, u64), flags: u64) -> io::Result<File> {
    let attr = Attr { kind, size: ATTR_BYTES as u32, config, flags, ..Attr::default() };
    let (this_thread, any_cpu, no_group) = (0, -1, -1);
    let close_on_exec: c_ulong = 1 << 3;
    // SAFETY: the call reads the 64 bytes of `attr` that its `size` names, and makes a descriptor.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            this_thread,
            any_cpu,
            no_group,
            close_on_exec,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call made this descriptor, which nobody else knows; it fits an int.
    let fd = unsafe { OwnedFd::from_raw_fd(answer as i32) };
    Ok(fd.into())
}

/// Why there are no counters, and what to do about it.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP) => {
            "no counter of instructions here (a virtual machine without one?)".to_owned()
        }
        Some(libc::EACCES | libc::EPERM) => {
            "perf_event_open(2) is refused (kernel.perf_event_paranoid <= 2, or CAP_PERFMON, or a \
             seccomp filter that lets it)"
                .to_owned()
        }
        Some(libc::ENOSYS) => "this kernel has no perf_event_open(2)".to_owned(),
        _ => format!("perf_event_open(2): {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_PAGE_FAULTS`: counted on every machine.
    const PAGE_FAULTS: (u32, u64) = (1, 2);

    #[test]
    fn counters_count_threads_made_later() {
        let counters = match Counters::open_event(PAGE_FAULTS) {
            Ok(counters) => counters,
            // A sandbox may forbid the call; then there must be a reason to print.
            Err(error) => return assert!(!reason(&error).is_empty()),
        };
        let before = counters.read().unwrap();
        // 4 MiB of fresh memory, each page touched by another thread.
        std::thread::spawn(|| {
            let mut bytes = vec![0u8; 4 << 20];
            bytes.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            std::hint::black_box(&bytes);
        })
        .join()
        .unwrap();
        assert!(counters.read().unwrap().user > before.user, "{before:?}");
    }

    #[test]
    fn a_missing_counter_has_a_reason() {
        for errno in [libc::ENOENT, libc::EACCES, libc::ENOSYS, libc::EMFILE] {
            assert!(!reason(&io::Error::from_raw_os_error(errno)).is_empty());
        }
        assert!(Counters::open().map_or_else(|why| !why.is_empty(), |c| c.read().is_some()));
    }
}

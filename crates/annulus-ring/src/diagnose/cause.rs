//! [`Cause`]: the causes that are told apart.

use core::fmt;

use super::memory::human;
use crate::abi::SetupFlags;

/// Why io_uring, or one ring, cannot be had.
///
/// ```
/// use annulus_ring::{LocalRing, diagnose::Cause};
/// let error = LocalRing::new(1 << 20).unwrap_err();
/// let cause = error.setup_error().unwrap().cause();
/// assert_eq!(cause, Cause::TooManyEntries { asked: 1 << 20, max: 32_768 });
/// assert_eq!(cause.to_string(), "a queue of 1048576 entries: the kernel makes at most 32768");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A seccomp filter blocks these of the three system calls.
    Seccomp {
        /// `io_uring_setup` is blocked.
        setup: bool,
        /// `io_uring_enter` is blocked.
        enter: bool,
        /// `io_uring_register` is blocked.
        register: bool,
    },
    /// The administrator turned it off: `kernel.io_uring_disabled`.
    Sysctl {
        /// 1: for all but a group and administrators; 2: for everybody.
        value: u32,
    },
    /// A security module (SELinux, AppArmor, …) refuses.
    SecurityModule,
    /// A polling thread (`SQPOLL`) is refused, an ordinary ring is not.
    SqpollRefused,
    /// Refused for lack of a permission, and nothing that can be read says which.
    Refused,
    /// The limit on locked memory.
    Memlock {
        /// The limit, which all processes of the user share.
        limit_bytes: u64,
        /// What the ring that was asked for takes of it.
        needed_bytes: u64,
    },
    /// The kernel has no memory for it; no limit on locked memory is in the way.
    Memory,
    /// The kernel has no io_uring.
    NoIoUring,
    /// The kernel does not know these set-up flags.
    TooOld {
        /// The flags.
        flags: SetupFlags,
        /// The first Linux that knows all of them, if this library knows it.
        since: Option<&'static str>,
    },
    /// A queue longer than the kernel makes.
    TooManyEntries {
        /// The length asked for.
        asked: u32,
        /// The longest.
        max: u32,
    },
    /// The process has no descriptor left (`RLIMIT_NOFILE`).
    DescriptorsOfProcess,
    /// The system has no descriptor left (`fs.file-max`).
    DescriptorsOfSystem,
    /// A request that contradicts itself.
    BadRequest {
        /// In what.
        why: &'static str,
    },
    /// None of these.
    Other,
}

impl Cause {
    /// Whether somebody forbids it: a filter, a setting, a security module. Falling back is called
    /// for; so is telling the operator.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::Sysctl { value: 2 }.is_blocked());
    /// assert!(!Cause::NoIoUring.is_blocked());
    /// ```
    pub fn is_blocked(self) -> bool {
        matches!(
            self,
            Self::Seccomp { .. }
                | Self::Sysctl { .. }
                | Self::SecurityModule
                | Self::SqpollRefused
                | Self::Refused
        )
    }

    /// Whether it cannot be had here, however often it is asked for: it is blocked, or the kernel
    /// does not have it.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::NoIoUring.is_unsupported());
    /// assert!(!Cause::TooManyEntries { asked: 1 << 20, max: 1 << 15 }.is_unsupported());
    /// assert!(!Cause::Memory.is_unsupported());
    /// ```
    pub fn is_unsupported(self) -> bool {
        self.is_blocked() || matches!(self, Self::NoIoUring | Self::TooOld { .. })
    }

    /// Whether something ran out that a smaller ring needs less of, or a later time may have more
    /// of: locked memory, memory, descriptors.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::Memlock { limit_bytes: 65536, needed_bytes: 102_400 }.is_shortage());
    /// assert!(!Cause::NoIoUring.is_shortage());
    /// ```
    pub fn is_shortage(self) -> bool {
        matches!(
            self,
            Self::Memlock { .. }
                | Self::Memory
                | Self::DescriptorsOfProcess
                | Self::DescriptorsOfSystem
        )
    }

    /// Whether no kernel would take the request as it is.
    ///
    /// ```
    /// use annulus_ring::diagnose::Cause;
    /// assert!(Cause::TooManyEntries { asked: 1 << 20, max: 1 << 15 }.is_bad_request());
    /// assert!(!Cause::NoIoUring.is_bad_request());
    /// ```
    pub fn is_bad_request(self) -> bool {
        matches!(self, Self::TooManyEntries { .. } | Self::BadRequest { .. })
    }

    /// One word for it, for programs that read the output of programs.
    ///
    /// ```
    /// assert_eq!(annulus_ring::diagnose::Cause::Sysctl { value: 2 }.name(), "sysctl");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Seccomp { .. } => "seccomp",
            Self::Sysctl { .. } => "sysctl",
            Self::SecurityModule => "security-module",
            Self::SqpollRefused => "sqpoll-refused",
            Self::Refused => "refused",
            Self::Memlock { .. } => "memlock",
            Self::Memory => "memory",
            Self::NoIoUring => "no-io-uring",
            Self::TooOld { .. } => "too-old",
            Self::TooManyEntries { .. } => "too-many-entries",
            Self::DescriptorsOfProcess => "descriptors-of-process",
            Self::DescriptorsOfSystem => "descriptors-of-system",
            Self::BadRequest { .. } => "bad-request",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seccomp { setup: true, enter: true, .. } => f.write_str(
                "a seccomp filter on io_uring (the profiles of Docker >= 25 and containerd have one)",
            ),
            Self::Seccomp { setup, enter, register } => {
                let calls = [
                    (setup, "io_uring_setup"),
                    (enter, "io_uring_enter"),
                    (register, "io_uring_register"),
                ];
                let blocked: Vec<_> = calls.iter().filter(|c| c.0).map(|c| c.1).collect();
                write!(f, "a seccomp filter on {} alone", blocked.join(" and "))
            }
            Self::Sysctl { value: 1 } => f.write_str(
                "kernel.io_uring_disabled = 1: for kernel.io_uring_group and CAP_SYS_ADMIN alone",
            ),
            Self::Sysctl { value } => {
                write!(f, "kernel.io_uring_disabled = {value}: turned off for everybody")
            }
            Self::SecurityModule => f.write_str("a security module (SELinux, AppArmor, ...)"),
            Self::SqpollRefused => f.write_str(
                "a polling thread (SQPOLL) is not allowed: it needs Linux 5.11 or CAP_SYS_ADMIN",
            ),
            Self::Refused => f.write_str("a filter, a setting or a security module"),
            Self::Memlock { limit_bytes, needed_bytes } => {
                let (limit, needed) = (human(limit_bytes), human(needed_bytes));
                write!(f, "the limit on locked memory, {limit}: this ring takes {needed}")?;
                if needed_bytes <= limit_bytes {
                    f.write_str(", and others of the same user hold the rest")?;
                }
                Ok(())
            }
            Self::Memory => f.write_str("the kernel has no memory left for it (or the cgroup)"),
            Self::NoIoUring => f.write_str(
                "this kernel has no io_uring: it is older than 5.1, built without it, or gVisor",
            ),
            Self::TooOld { flags, since: Some(since) } => {
                write!(f, "{} came with Linux {since}", short(flags))
            }
            Self::TooOld { flags, since: None } => {
                write!(f, "this kernel does not know {}", short(flags))
            }
            Self::TooManyEntries { asked, max } => {
                write!(f, "a queue of {asked} entries: the kernel makes at most {max}")
            }
            Self::DescriptorsOfProcess => f.write_str("the process has no descriptor left"),
            Self::DescriptorsOfSystem => f.write_str("the system has no descriptor left"),
            Self::BadRequest { why } => f.write_str(why),
            Self::Other => f.write_str("none that is known: see io_uring_setup(2)"),
        }
    }
}

/// Set-up flags without the prefix that all have.
pub(super) fn short(flags: SetupFlags) -> String {
    format!("{flags:?}").replace("IORING_SETUP_", "")
}

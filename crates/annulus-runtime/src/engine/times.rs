//! [`Times`]: the times that a file is to have.

use std::time::SystemTime;

use annulus_ring::abi::Timespec;
use annulus_ring::abi::private::{UTIME_NOW, UTIME_OMIT};

/// The times of access and of change that a file is to have; what is not said stays as it is.
///
/// ```
/// use annulus_runtime::engine::Times;
/// use std::time::{Duration, SystemTime};
/// let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
/// assert_ne!(Times::new().modified(old), Times::new().accessed(old));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it is what `set_times` takes"]
pub struct Times([Timespec; 2]);

/// A time that stays as it is.
const OMIT: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
/// When the kernel sets it.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

impl Times {
    /// Neither.
    ///
    /// ```
    /// use annulus_runtime::engine::Times;
    /// assert_eq!(Times::new(), Times::default());
    /// ```
    pub fn new() -> Self {
        Self([OMIT; 2])
    }

    /// When it was read last.
    ///
    /// ```
    /// use annulus_runtime::engine::Times;
    /// assert_ne!(Times::new().accessed(std::time::SystemTime::UNIX_EPOCH), Times::new());
    /// ```
    #[doc(alias = "atime")]
    pub fn accessed(mut self, time: SystemTime) -> Self {
        self.0[0] = timespec(time);
        self
    }

    /// When its content was changed last.
    ///
    /// ```
    /// use annulus_runtime::engine::Times;
    /// assert_ne!(Times::new().modified(std::time::SystemTime::UNIX_EPOCH), Times::new());
    /// ```
    #[doc(alias = "mtime")]
    pub fn modified(mut self, time: SystemTime) -> Self {
        self.0[1] = timespec(time);
        self
    }

    /// That it was read when this is done, by the kernel's clock.
    ///
    /// ```
    /// use annulus_runtime::engine::Times;
    /// assert_ne!(Times::new().accessed_now(), Times::new());
    /// ```
    #[doc(alias = "UTIME_NOW")]
    pub fn accessed_now(mut self) -> Self {
        self.0[0] = NOW;
        self
    }

    /// That its content was changed then.
    ///
    /// ```
    /// use annulus_runtime::engine::Times;
    /// assert_ne!(Times::new().modified_now(), Times::new().accessed_now());
    /// ```
    pub fn modified_now(mut self) -> Self {
        self.0[1] = NOW;
        self
    }

    /// As an entry points to them.
    pub(super) fn as_ptr(&self) -> *const [Timespec; 2] {
        &raw const self.0
    }
}

/// A time in seconds since 1970, and what is over: nanoseconds are counted upwards, before it too.
fn timespec(time: SystemTime) -> Timespec {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Timespec {
            tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: since.subsec_nanos().into(),
        },
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).map_or(i64::MIN, |secs| -secs);
            match i64::from(before.subsec_nanos()) {
                0 => Timespec { tv_sec: whole, tv_nsec: 0 },
                over => Timespec { tv_sec: whole.saturating_sub(1), tv_nsec: 1_000_000_000 - over },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn times_before_1970_count_upwards_too() {
        let zero = SystemTime::UNIX_EPOCH;
        for (time, secs, ns) in [
            (zero, 0, 0),
            (zero + Duration::from_millis(1500), 1, 500_000_000),
            (zero - Duration::from_millis(1500), -2, 500_000_000),
            (zero - Duration::from_secs(3), -3, 0),
            (zero - Duration::from_nanos(1), -1, 999_999_999),
        ] {
            assert_eq!(timespec(time), Timespec { tv_sec: secs, tv_nsec: ns });
        }
    }
}

//! Ctrl-C and its relatives, as a flag that long work looks at.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::Failure;

/// Those that ask for an end.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Which signal has asked the program to end, if any.
#[derive(Clone, Debug, Default)]
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// From now on SIGINT, SIGTERM and SIGHUP raise the flag instead of ending the program.
    pub fn watch() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicUsize::new(0));
        for signal in SIGNALS {
            // 1 to 64, so the conversions lose nothing.
            signal_hook::flag::register_usize(signal, Arc::clone(&flag), signal as usize)
                .map_err(|error| Failure::new("signals", error))?;
        }
        Ok(Self(flag))
    }

    /// What can be read from once a signal has come: for who waits for something else.
    pub fn bell(&self) -> Result<OwnedFd, Failure> {
        let failed = |error| Failure::new("signals", error);
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        for signal in SIGNALS {
            let writer = writer.try_clone().map_err(failed)?;
            signal_hook::low_level::pipe::register(signal, writer).map_err(failed)?;
        }
        Ok(reader.into())
    }

    /// Fails once a signal has come.
    pub fn check(&self) -> Result<(), Failure> {
        // Relaxed: a number and nothing else; pairs with the handler's store.
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Failure::interrupted(signal as u8)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_signal_is_a_failure_with_its_number() {
        let signals = Signals::default();
        assert!(signals.check().is_ok());
        // Relaxed: the same thread; pairs with the load in `check`.
        signals.0.store(2, Ordering::Relaxed);
        assert_eq!(signals.check().unwrap_err().exit(), Exit::Signal(2));
    }
}

//! No descriptor left: for the ring, and for reading about it.

use annulus_ring::diagnose::Cause;
use annulus_ring::{Errno, LocalRing};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::child::{self, diagnosis};

#[test]
fn of_the_process() {
    child::run("descriptors::of_the_process", || {
        let before = getrlimit(Resource::Nofile);
        let lowered = Rlimit { current: Some(3), ..before };
        setrlimit(Resource::Nofile, lowered).expect("lowered");
        let error = LocalRing::new(8).unwrap_err();
        let setup = diagnosis(&error, &["EMFILE", "RLIMIT_NOFILE (now 3)", "LimitNOFILE"]);
        assert_eq!(setup.cause(), Cause::DescriptorsOfProcess);
        assert_eq!((setup.evidence().descriptors_max, setup.errno()), (Some(3), Errno::EMFILE));
        assert!(setup.cause().is_shortage() && !error.is_unsupported());
        // A leak checker needs some when the process ends.
        setrlimit(Resource::Nofile, before).expect("as it was");
    });
}

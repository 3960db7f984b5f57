//! What may go to another thread, and what may not: by the types alone.

use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::register::{BufRing, Buffer, BufferRing, Register};
use annulus_ring::{
    CompletionHalf, CompletionQueue, Linux, LocalRing, Parked, Ring, SharedRing, SubmissionHalf,
    SubmissionQueue, Submitter,
};

/// Whether types are so: the inherent constant is found where its bound holds, else the trait's.
macro_rules! is {
    ($marker:ident: $($type:ty),+ $(,)?) => {{
        #[allow(dead_code, reason = "where the bound always holds")]
        trait Not { const HOLDS: bool = false; }
        impl<T: ?Sized> Not for Probe<T> {}
        struct Probe<T: ?Sized>(core::marker::PhantomData<T>);
        #[allow(dead_code, reason = "where the bound never holds")]
        impl<T: ?Sized + $marker> Probe<T> { const HOLDS: bool = true; }
        [$((stringify!($type), <Probe<$type>>::HOLDS)),+]
    }};
}

#[test]
fn what_may_move_is_send() {
    let all = is!(Send:
        Ring, Parked, SubmissionHalf, CompletionHalf, Linux, SharedRing, &SharedRing,
        Submitter<Linux>,
        &mut SubmissionQueue<Sqe>, &mut CompletionQueue<Cqe>,
    );
    for (name, holds) in all {
        assert!(holds, "{name}");
    }
}

#[test]
fn what_leads_to_a_local_ring_stays() {
    let all = is!(Send:
        LocalRing, &LocalRing, &Submitter<Linux>, Register<'_>,
        BufRing<'_>, BufferRing<'_>, Buffer<'_, '_>,
    );
    for (name, holds) in all {
        assert!(!holds, "{name}");
    }
}

#[test]
fn a_shared_ring_is_every_threads() {
    let lent = is!(Send: Register<'_>);
    for (name, holds) in is!(Sync: SharedRing, std::sync::Arc<SharedRing>) {
        assert!(holds, "{name}");
    }
    assert!(!lent[0].1, "what is on the way into the kernel stays where it is");
}

#[test]
fn queues_have_one_user_at_a_time() {
    for (name, holds) in is!(Sync: Ring, LocalRing, SubmissionQueue<Sqe>, CompletionQueue<Cqe>) {
        assert!(!holds, "{name}");
    }
}

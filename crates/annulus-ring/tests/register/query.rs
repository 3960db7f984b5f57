//! What the kernel says that it can do.

use annulus_ring::abi::{
    EnterFlags, Features, Op, QueryOpcode, QueryScq, QueryZcrx, QueryZcrxEvent, SetupFlags,
};
use annulus_ring::register::{Question, query};
use annulus_ring::{Errno, Ring};

use crate::common;
use crate::rig::ring;

#[test]
fn a_probe_names_the_operations() {
    let ops = ring().register().probe().unwrap();
    assert!(ops.is_supported(Op::NOP) && ops.is_supported(Op::READV));
    assert!(!ops.is_supported(Op(255)));
    // Every number up to the last is an operation of the kernel: built in, or not.
    let known = ops.supported().last().unwrap();
    assert!(known <= ops.last_op());
    assert!(ops.supported().is_sorted());
    let split = Ring::new(8).unwrap().split();
    let again = split.0.submitter().register().probe().unwrap();
    assert_eq!(again.last_op(), ops.last_op());
}

#[test]
fn a_query_agrees_with_the_probe_and_the_ring() {
    let ring = ring();
    let known = match query::<QueryOpcode>() {
        Ok(known) => known,
        Err(error) => {
            assert!(error.is_unsupported(), "{error}");
            return common::skip("a_query_agrees_with_the_probe_and_the_ring", "Linux 6.18");
        }
    };
    assert_eq!(ring.register().query::<QueryOpcode>().unwrap(), known);
    let last = ring.register().probe().unwrap().last_op();
    assert_eq!(known.nr_request_opcodes, u32::from(last.raw()) + 1);
    assert_eq!(Features(known.feature_flags as u32), ring.features());
    assert!(SetupFlags(known.ring_setup_flags as u32).contains(ring.setup_flags()));
    assert!(EnterFlags(known.enter_flags as u32).contains(EnterFlags::NO_IOWAIT));
    assert!(known.nr_register_opcodes >= 36);
}

/// A question of a later kernel: an answer, or that it is not known.
fn later<Q: Question>(name: &str, is_sound: impl FnOnce(Q) -> bool) {
    match query::<Q>() {
        Ok(answer) => assert!(is_sound(answer), "{name}"),
        Err(error) => {
            assert!(matches!(error.errno(), Some(Errno::EOPNOTSUPP | Errno::EINVAL)), "{error}");
            assert!(error.is_unsupported(), "{error}");
        }
    }
}

#[test]
fn later_questions_are_answered_or_not_known() {
    later::<QueryZcrx>("zcrx", |q| q.rq_hdr_size > 0);
    later::<QueryScq>("scq", |q| q.hdr_size > 0);
    later::<QueryZcrxEvent>("events", |q| q.stats_size > 0);
}

//! What needs a device, or a later kernel.

use annulus_ring::abi::{AddressFamily, BpfInstruction, Op, SocketType, ZcrxAreaReg, ZcrxIfqReg};
use annulus_ring::register::{Filter, ZcrxQueue, bpf_filter_task};
use annulus_ring::{Builder, Errno, op};

use crate::rig::{result, ring};
use crate::{common, errno};

#[test]
fn a_queue_to_receive_from_without_copying() {
    let ring = Builder::new().entries(8).cqe32().build_local().unwrap();
    let mut queue = ZcrxQueue {
        // Loopback has no queue of the kind.
        queue: ZcrxIfqReg { if_idx: 1, if_rxq: 0, rq_entries: 64, ..Default::default() },
        area: ZcrxAreaReg::default(),
        ..Default::default()
    };
    // SAFETY: no memory is named, and the device has none to write to.
    let answer = unsafe { ring.register().zcrx_queue(&mut queue) };
    assert!(matches!(
        errno(answer),
        Errno::EINVAL | Errno::EPERM | Errno::ENODEV | Errno::EFAULT | Errno::EOPNOTSUPP
    ));
    assert_eq!((queue.queue.area_ptr, queue.queue.region_ptr), (0, 0), "no address is left behind");
    common::skip(
        "a_queue_to_receive_from_without_copying: one that there is",
        "a network device that splits headers from data",
    );
}

#[test]
fn a_queue_that_is_not_there_is_not_controlled() {
    let ring = ring();
    // ENXIO where the registration is known (6.19), EINVAL where not.
    for answer in [ring.register().zcrx_flush(3), ring.register().zcrx_export(3).map(drop)] {
        assert!(matches!(errno(answer), Errno::ENXIO | Errno::EINVAL));
    }
}

#[test]
fn a_filter_judges_entries_on_newer_kernels_only() {
    let deny = [BpfInstruction { code: 6, k: 0, ..Default::default() }]; // return 0
    let filter = Filter::new(Op::SOCKET, &deny);
    let mut ring = ring();
    if let Err(error) = ring.register().bpf_filter(&filter) {
        assert_eq!(error.errno(), Some(Errno::EINVAL));
        assert!(error.is_unsupported());
        let task = std::thread::spawn(move || {
            let deny = [BpfInstruction { code: 6, k: 0, ..Default::default() }];
            bpf_filter_task(&Filter::new(Op::SOCKET, &deny))
        });
        assert!(task.join().unwrap().is_err());
        return common::skip("a_filter_judges_entries_on_newer_kernels_only", "Linux 7.0");
    }
    let socket = op::Socket::new(AddressFamily::UNIX, SocketType::STREAM, 0);
    assert_eq!(result(&mut ring, socket), Err(Errno::EACCES));
}

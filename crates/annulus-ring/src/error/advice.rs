//! What an errno of `io_uring_register(2)` means for who called it: the likely cause and the cure.

use crate::abi::RegisterOp;
use crate::errno::Errno;

/// The cause and the cure, or nothing where the errno says it all.
pub(super) fn register(op: RegisterOp, errno: Errno) -> &'static str {
    match errno {
        Errno::EEXIST if exists(op) => "it exists already, or the ring is another thread's",
        Errno::EEXIST => "only the thread that owns a single-issuer ring may register with it",
        Errno::EACCES => match op {
            RegisterOp::RESTRICTIONS | RegisterOp::BPF_FILTER => {
                "it takes no_new_privs or CAP_SYS_ADMIN; or the ring is restricted"
            }
            _ => "the ring is restricted: allow this registration before the ring is enabled",
        },
        Errno::EMFILE | Errno::ENOMEM | Errno::EOPNOTSUPP => shortage(op, errno),
        Errno::EBUSY => busy(op),
        Errno::ENXIO => "nothing of the kind is registered with this ring",
        Errno::EBADF => bad_descriptor(op),
        Errno::EFAULT => "an address in the argument is not readable, or not the process's own",
        _ => other(op, errno),
    }
}

/// Whether `EEXIST` may mean that what is asked for exists, and not that the thread is the wrong
/// one.
pub(super) fn exists(op: RegisterOp) -> bool {
    matches!(op, RegisterOp::PBUF_RING | RegisterOp::NAPI | RegisterOp::ZCRX_IFQ)
}

/// What there is too little of.
fn shortage(op: RegisterOp, errno: Errno) -> &'static str {
    match (errno, op) {
        (Errno::EMFILE, RegisterOp::FILES | RegisterOp::FILES2) => {
            "the table may be as long as RLIMIT_NOFILE (`ulimit -n`): raise it, or ask for fewer"
        }
        (
            Errno::ENOMEM,
            RegisterOp::BUFFERS | RegisterOp::BUFFERS2 | RegisterOp::BUFFERS_UPDATE,
        ) => "registered buffers count as locked memory: raise RLIMIT_MEMLOCK (`ulimit -l`)",
        (Errno::ENOMEM, RegisterOp::PBUF_RING) => {
            "a ring of buffers counts as locked memory: raise RLIMIT_MEMLOCK (`ulimit -l`)"
        }
        (Errno::EOPNOTSUPP, RegisterOp::BUFFERS | RegisterOp::BUFFERS2) => {
            "memory that is a mapping of a file cannot be registered: use anonymous memory"
        }
        (Errno::EOPNOTSUPP, RegisterOp::QUERY) => "this kernel does not know the question",
        _ => "",
    }
}

/// What is in the way.
fn busy(op: RegisterOp) -> &'static str {
    match op {
        RegisterOp::RING_FDS => "the thread's table of rings is full (16): unregister one",
        RegisterOp::CLONE_BUFFERS => "this ring has buffers: unregister them, or use replace()",
        RegisterOp::MEM_REGION => "a ring has one region at most",
        RegisterOp::RESTRICTIONS => "a ring is restricted once",
        _ => "one is registered already: unregister it first",
    }
}

/// Which descriptor is the wrong one.
fn bad_descriptor(op: RegisterOp) -> &'static str {
    match op {
        RegisterOp::FILES | RegisterOp::FILES2 => "a descriptor in the list is not open",
        RegisterOp::FILES_UPDATE | RegisterOp::FILES_UPDATE2 => {
            "a descriptor in the list is not open, or is itself a ring's"
        }
        RegisterOp::EVENTFD | RegisterOp::EVENTFD_ASYNC => "the eventfd is not open",
        RegisterOp::SEND_MSG_RING | RegisterOp::CLONE_BUFFERS | RegisterOp::RING_FDS => {
            "the other ring's descriptor is not open"
        }
        _ => "the ring's descriptor was closed behind its back",
    }
}

/// The rest, by operation.
fn other(op: RegisterOp, errno: Errno) -> &'static str {
    match (errno, op) {
        (Errno::EBADFD, RegisterOp::ENABLE_RINGS) => "the ring is enabled already",
        (Errno::EBADFD, RegisterOp::RESTRICTIONS) => {
            "a ring is restricted while it is disabled: Builder::disabled() or build_parked()"
        }
        (Errno::EINVAL, RegisterOp::MEM_REGION) => {
            "a wait region is registered while the ring is disabled: before enable()"
        }
        (Errno::ENOENT, RegisterOp::SYNC_CANCEL) => "nothing matches",
        (Errno::ETIME, RegisterOp::SYNC_CANCEL) => {
            "the time was up before what matches had ended: it is still under way"
        }
        _ => "",
    }
}

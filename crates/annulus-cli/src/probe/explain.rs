//! `--explain`: what an error number means, at each of io_uring's calls and in a completion.

use annulus_ring::Errno;
use serde::Serialize;

use super::require::distance;
use crate::failure::{Exit, Failure};
use crate::out::{Style, Ui};

/// Where an error number is seen.
const SETUP: &str = "io_uring_setup";
const ENTER: &str = "io_uring_enter";
const REGISTER: &str = "io_uring_register";
const COMPLETION: &str = "a completion";

/// What an error number means somewhere, and what to do.
#[derive(Clone, Copy, Serialize)]
struct Meaning {
    at: &'static str,
    what: &'static str,
}

struct Entry {
    errno: i32,
    name: &'static str,
    meanings: &'static [(&'static str, &'static str)],
}

const fn entry(
    errno: i32,
    name: &'static str,
    meanings: &'static [(&'static str, &'static str)],
) -> Entry {
    Entry { errno, name, meanings }
}

/// By number.
const TABLE: &[Entry] = &[
    entry(
        1,
        "EPERM",
        &[
            (
                SETUP,
                "blocked: by a seccomp filter, kernel.io_uring_disabled or a security module; or \
                 SQPOLL without CAP_SYS_ADMIN before Linux 5.11. `annulus probe` says which",
            ),
            (ENTER, "blocked by a seccomp filter, though the ring was made: `annulus probe`"),
            (
                REGISTER,
                "blocked by a seccomp filter, or a registration that needs a privilege \
                    (receiving without copying: CAP_NET_ADMIN)",
            ),
            (COMPLETION, "the operation is not permitted, as its own system call would say"),
        ],
    ),
    entry(
        2,
        "ENOENT",
        &[
            (REGISTER, "nothing to cancel matches, or no such group of buffers is registered"),
            (COMPLETION, "no such file; or nothing to cancel or update matches"),
        ],
    ),
    entry(
        4,
        "EINTR",
        &[
            (
                ENTER,
                "a signal came before anything was submitted or completed: call again with the \
                 time that is left. Entries are still queued",
            ),
            (COMPLETION, "a signal interrupted the operation: submit it again"),
        ],
    ),
    entry(
        6,
        "ENXIO",
        &[
            (SETUP, "the descriptor to attach to (ATTACH_WQ) is not open"),
            (ENTER, "the ring is being torn down"),
            (REGISTER, "the ring is being torn down, or nothing of that kind is registered"),
        ],
    ),
    entry(
        7,
        "E2BIG",
        &[(REGISTER, "an argument is longer than this kernel knows, or asks for too many")],
    ),
    entry(
        9,
        "EBADF",
        &[
            (SETUP, "the descriptor to attach to is not open"),
            (ENTER, "not an open descriptor: was the ring closed?"),
            (REGISTER, "not an open descriptor; or one of those to register is not"),
            (COMPLETION, "the entry's descriptor is not open, or no such slot is registered"),
        ],
    ),
    entry(
        11,
        "EAGAIN",
        &[
            (SETUP, "no thread for SQPOLL could be made: RLIMIT_NPROC, or the cgroup's pids.max"),
            (
                ENTER,
                "no memory for requests: take completions, then call again. Entries are still \
                 queued",
            ),
            (COMPLETION, "it would block, and was not to (O_NONBLOCK, RWF_NOWAIT): poll first"),
        ],
    ),
    entry(
        12,
        "ENOMEM",
        &[
            (
                SETUP,
                "the limit on locked memory (RLIMIT_MEMLOCK, of all processes of the user), or no \
                 memory. What a closed ring held is released some 16 ms later. `annulus probe` \
                 says how many rings fit",
            ),
            (REGISTER, "the limit on locked memory: registered buffers count against it"),
            (COMPLETION, "no memory for the operation"),
        ],
    ),
    entry(
        13,
        "EACCES",
        &[
            (SETUP, "a security module (SELinux, AppArmor) or a filter refuses: `annulus probe`"),
            (ENTER, "a filter refuses: `annulus probe`"),
            (REGISTER, "the ring's restrictions do not allow it"),
            (COMPLETION, "the file's permissions, or the ring's restrictions, do not allow it"),
        ],
    ),
    entry(
        14,
        "EFAULT",
        &[
            (
                SETUP,
                "the parameters, or the memory given for the queues, cannot be read or written",
            ),
            (ENTER, "the wait's argument cannot be read, or no wait region is registered"),
            (
                REGISTER,
                "the argument cannot be read or written, or a buffer to register is not there",
            ),
            (
                COMPLETION,
                "a pointer of the entry cannot be read or written; or a fixed buffer does not \
                      hold the range",
            ),
        ],
    ),
    entry(
        16,
        "EBUSY",
        &[
            (
                ENTER,
                "completions wait outside the full queue: take them, then call again. Entries are \
                 still queued",
            ),
            (
                REGISTER,
                "registered already; or no index for a ring descriptor is left (16 per thread)",
            ),
            (COMPLETION, "the file or device is busy"),
        ],
    ),
    entry(
        17,
        "EEXIST",
        &[
            (ENTER, "another thread than the ring's own (SINGLE_ISSUER, DEFER_TASKRUN) entered it"),
            (
                REGISTER,
                "another thread than the ring's own; or that group of buffers is registered",
            ),
            (COMPLETION, "it exists; or a cancellation by the wrong thread"),
        ],
    ),
    entry(
        22,
        "EINVAL",
        &[
            (
                SETUP,
                "0 or more than 32768 entries; flags that this kernel does not know, or that \
                 contradict each other; a processor for SQPOLL that is not there",
            ),
            (ENTER, "flags or an argument that this kernel does not know"),
            (REGISTER, "a registration that this kernel does not know, or a wrong argument"),
            (
                COMPLETION,
                "an operation that this kernel does not know (`annulus probe --ops`), a flag \
                      or field of the entry that it does not take, or O_DIRECT that is not \
                      aligned (`annulus probe --path DIR`)",
            ),
        ],
    ),
    entry(23, "ENFILE", &[(SETUP, "the system has no descriptor left: fs.file-max")]),
    entry(
        24,
        "EMFILE",
        &[
            (SETUP, "the process has no descriptor left: RLIMIT_NOFILE"),
            (REGISTER, "more files than RLIMIT_NOFILE"),
            (COMPLETION, "no descriptor is left, of the process or of the ring's table"),
        ],
    ),
    entry(
        38,
        "ENOSYS",
        &[
            (
                SETUP,
                "the kernel has no io_uring (before 5.1, built without, gVisor), or a filter says \
                 so: `annulus probe`",
            ),
            (ENTER, "a filter says so, since the ring was made: `annulus probe`"),
            (REGISTER, "a filter says so, since the ring was made: `annulus probe`"),
        ],
    ),
    entry(
        53,
        "EBADR",
        &[(
            ENTER,
            "a completion was lost, as there was no memory to keep it: what was in flight is \
                 not known",
        )],
    ),
    entry(
        62,
        "ETIME",
        &[
            (ENTER, "the wait's time was up, and nothing had been submitted"),
            (REGISTER, "the time of a cancellation was up: it goes on"),
            (COMPLETION, "a timeout's time was up: what it is for, no failure"),
        ],
    ),
    entry(
        75,
        "EOVERFLOW",
        &[(
            REGISTER,
            "what is in a queue does not fit into the new one (resize); or an address and \
                    its length overflow",
        )],
    ),
    entry(
        77,
        "EBADFD",
        &[
            (ENTER, "the ring is still disabled (R_DISABLED): enable it first"),
            (REGISTER, "it must be done before the ring is enabled"),
        ],
    ),
    entry(
        95,
        "EOPNOTSUPP",
        &[
            (ENTER, "the descriptor is no ring"),
            (REGISTER, "the descriptor is no ring, or this kernel or device has no such thing"),
            (COMPLETION, "this file, socket or device does not support the operation"),
        ],
    ),
    entry(
        105,
        "ENOBUFS",
        &[(
            COMPLETION,
            "the group has no buffer left: give buffers back, then submit again; a \
                      multishot operation has ended",
        )],
    ),
    entry(
        114,
        "EALREADY",
        &[(COMPLETION, "too late to cancel: the operation is running, its own completion comes")],
    ),
    entry(
        125,
        "ECANCELED",
        &[(
            COMPLETION,
            "cancelled; or the entry that it is linked to failed or came short; or the \
                      thread that submitted it ended",
        )],
    ),
    entry(
        130,
        "EOWNERDEAD",
        &[(ENTER, "the polling thread of SQPOLL was killed: make a new ring")],
    ),
];

#[derive(Serialize)]
struct Object {
    schema: u32,
    errno: i32,
    name: &'static str,
    message: String,
    meanings: Vec<Meaning>,
}

/// Prints what `name` means.
pub fn run(name: &str, ui: &Ui) -> Result<Exit, Failure> {
    let entry = find(name)?;
    let message = Errno::from_raw(entry.errno).message();
    if ui.json {
        let meanings = entry.meanings.iter().map(|&(at, what)| Meaning { at, what }).collect();
        let (errno, name) = (entry.errno, entry.name);
        ui.object(&Object { schema: 1, errno, name, message, meanings })?;
    } else {
        let head = format!("{} ({}): {message}", entry.name, entry.errno);
        ui.line(&ui.paint(Style::Bold, &head))?;
        for (at, what) in entry.meanings {
            ui.line(&format!("  {at:<18} {what}"))?;
        }
    }
    Ok(Exit::Done)
}

fn find(name: &str) -> Result<&'static Entry, Failure> {
    let wanted = name.trim().trim_start_matches('-').to_ascii_uppercase();
    let number: Option<i32> = wanted.parse().ok();
    let found = TABLE.iter().find(|entry| entry.name == wanted || Some(entry.errno) == number);
    found.ok_or_else(|| unknown(name, &wanted))
}

fn unknown(name: &str, wanted: &str) -> Failure {
    let mut near: Vec<_> = TABLE.iter().map(|e| (distance(wanted, e.name), e.name)).collect();
    near.sort_unstable();
    let near: Vec<&str> = near.iter().filter(|(d, _)| *d <= 2).take(4).map(|(_, n)| *n).collect();
    let cure = match near.is_empty() {
        true => {
            let names: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
            format!("it can explain {}", names.join(", "))
        }
        false => format!("did you mean {}?", near.join(", ")),
    };
    Failure::usage("--explain", format!("io_uring is not known to give `{name}`"), &cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_agrees_with_the_library() {
        assert!(TABLE.is_sorted_by(|a, b| a.errno < b.errno));
        for entry in TABLE {
            let name = Errno::from_raw(entry.errno).name();
            assert!(name.is_none_or(|name| name == entry.name), "{}", entry.name);
            assert!(!entry.meanings.is_empty(), "{}", entry.name);
        }
    }

    #[test]
    fn a_number_is_found_by_name_value_or_result() {
        for name in ["EPERM", "eperm", "1", "-1"] {
            assert_eq!(find(name).map(|entry| entry.errno).ok(), Some(1), "{name}");
        }
        let text = unknown("EPREM", "EPREM").to_string();
        assert!(text.contains("did you mean") && text.contains("EPERM"), "{text}");
        assert!(unknown("x", "X").to_string().contains("EINVAL"));
    }
}

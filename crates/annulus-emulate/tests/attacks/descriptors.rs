//! Descriptors: those of the ring itself, and none left.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use annulus_emulate::abi::{BufGroup, EnterFlags, GeteventsArg, Op, Sqe, SqeFlags, Timespec};
use annulus_emulate::kernel::Kernel;
use annulus_emulate::register::{Message, send_message};
use annulus_emulate::{AnyKernel, Errno, op};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{LIMIT, address, on_each, push, results, ring};
use crate::child;
use crate::harness::limit;

#[test]
fn an_entry_closes_no_ring() {
    limit(LIMIT, || {
        on_each(|ring| {
            let fd = ring.raw_fd();
            push(ring, Sqe { opcode: Op::CLOSE, fd, ..Sqe::default() });
            push(ring, op::Nop::new().build().user_data(1));
            assert_eq!(results(ring, 2), [(0, -Errno::EBADF.raw(), 0), (1, 0, 0)]);
        });
    });
}

/// Leaves this process no descriptor to make. For a child alone.
fn no_more_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum }).expect("it can be lowered");
}

/// Ends a child, which can be asked nothing more: what looks for leaks would need a descriptor.
fn leave() -> ! {
    child::exit_now(0)
}

/// A way into a ring's kernel for threads that wait only.
struct Shared<'a>(&'a AnyKernel);

// SAFETY: the host kernel may be entered by many threads at once.
unsafe impl Sync for Shared<'_> {}

fn wait(kernel: &AnyKernel, want: u32) -> Result<u32, Errno> {
    let time = Timespec::from(Duration::from_secs(10));
    let arg = GeteventsArg { ts: address(&raw const time), ..Default::default() };
    let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
    let bytes = size_of::<GeteventsArg>();
    // SAFETY: no entry is submitted; the argument and its time live during the call.
    unsafe { kernel.enter(0, want, flags, (&raw const arg).cast(), bytes) }
}

/// Who waits beside another needs a descriptor, and waits without one all the same.
#[test]
fn threads_wait_without_descriptors() {
    child::run("descriptors::threads_wait_without_descriptors", || {
        let ring = ring();
        let target = ring.raw_fd();
        no_more_descriptors();
        let kernel = Shared(ring.kernel());
        let kernel = &kernel;
        std::thread::scope(|scope| {
            let waits: Vec<_> =
                (1..=4).map(|want| scope.spawn(move || wait(kernel.0, want))).collect();
            for n in 0..4 {
                std::thread::sleep(Duration::from_millis(5));
                // SAFETY: the completions are taken for what they are.
                unsafe { send_message(&Message::new(target, n)) }.expect("sent");
            }
            for waited in waits {
                assert_eq!(waited.join().expect("it does not panic"), Ok(0));
            }
        });
        leave();
    });
}

/// What waits for its file needs one as well: an entry ends with the error, and its buffer is not
/// lost.
#[test]
fn entries_without_descriptors_end_with_the_error() {
    child::run("descriptors::entries_without_descriptors_end_with_the_error", || {
        let (here, mut there) = UnixStream::pair().expect("a pair");
        let file = std::fs::File::open("Cargo.toml").expect("a file");
        let mut memory = [0_u8; 16];
        let mut ring = ring();
        push(&mut ring, op::ProvideBuffers::new(BufGroup(1), memory.as_mut_ptr(), 16, 1));
        assert_eq!(results(&mut ring, 1)[0].1, 0);
        no_more_descriptors();
        let fd = here.as_raw_fd();
        let recv = Sqe { opcode: Op::RECV, fd, len: 16, buf_index: 1, ..Sqe::default() };
        let recv = recv.with_flags(SqeFlags::BUFFER_SELECT);
        push(&mut ring, recv);
        assert_eq!(results(&mut ring, 1), [(0, -Errno::EMFILE.raw(), 0)]);
        push(&mut ring, op::Fsync::new(&file).build());
        assert_eq!(results(&mut ring, 1), [(0, -Errno::EMFILE.raw(), 0)]);
        there.write_all(b"here").expect("room");
        push(&mut ring, recv);
        assert_eq!(results(&mut ring, 1), [(0, 4, 1)]);
        assert_eq!(&memory[..4], b"here");
        leave();
    });
}

/// A buffer that was picked for work that no thread gets is told of, or is there again.
#[test]
fn a_buffer_of_work_that_is_refused_is_not_lost() {
    child::run("descriptors::a_buffer_of_work_that_is_refused_is_not_lost", || {
        let file = uncached();
        let mut memory = [0_u8; 16];
        let mut ring = ring();
        push(&mut ring, op::ProvideBuffers::new(BufGroup(1), memory.as_mut_ptr(), 16, 1));
        assert_eq!(results(&mut ring, 1)[0].1, 0);
        no_more_descriptors();
        let fd = file.as_raw_fd();
        let read = Sqe { opcode: Op::READ, fd, len: 16, buf_index: 1, ..Sqe::default() };
        push(&mut ring, read.with_flags(SqeFlags::BUFFER_SELECT));
        let [(_, result, flags)] = results(&mut ring, 1)[..] else { panic!("one") };
        assert_eq!(result, -Errno::EMFILE.raw());
        push(&mut ring, op::RemoveBuffers::new(BufGroup(1), 1).build());
        let left = results(&mut ring, 1)[0].1;
        // It is told of, or it is there.
        assert_eq!((left == 1) as u32 + (flags & 1), 1, "{left}, {flags:x}");
        leave();
    });
}

/// A file that is read past the cache, by a thread, and has no name any more.
fn uncached() -> File {
    let path = std::env::temp_dir().join(format!("annulus-attacks-{}", std::process::id()));
    std::fs::write(&path, [1; 4096]).expect("a file");
    let file = File::options().read(true).custom_flags(libc::O_DIRECT).open(&path);
    std::fs::remove_file(&path).expect("it is there");
    file.expect("a file system that has it")
}

//! FICLONE, FICLONERANGE, COPY_FILE_RANGE, SENDFILE.

use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use annulus_ring::Errno;
use annulus_ring::abi::private::{self, POSITION};

use crate::answer;
use crate::common::{LIMIT, limit};
use crate::files::{TempDir, ring};

#[test]
fn a_range_is_copied_within_the_kernel() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (from, to) = (dir.file("from", b"0123456789"), dir.file("to", b"abcdef"));
        let mut ring = ring();
        let copy = private::copy_file_range(to.as_raw_fd(), 2, from.as_raw_fd(), 4, 3);
        let Some(copied) = answer(&mut ring, copy) else { return };
        assert_eq!(copied, Ok(3));
        assert_eq!(std::fs::read(dir.path("to")).unwrap(), b"ab456f");
        let copy =
            private::copy_file_range(to.as_raw_fd(), POSITION, from.as_raw_fd(), POSITION, 100);
        assert_eq!(answer(&mut ring, copy), Some(Ok(10)), "to the end");
        assert_eq!(answer(&mut ring, copy), Some(Ok(0)), "behind it: the positions have moved");
        assert_eq!((&to).stream_position().unwrap(), 10);
        let copy = private::copy_file_range(to.as_raw_fd(), 0, from.as_raw_fd(), 0, u32::MAX);
        assert_eq!(answer(&mut ring, copy), Some(Ok(10)), "no more than there is");
    });
}

#[test]
fn errors_of_a_copy() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (file, folder) = (dir.file("a", b"0123456789"), dir.open());
        let (pipe, _writer) = std::io::pipe().unwrap();
        let copy = |to: i32, from: i32| private::copy_file_range(to, 0, from, 0, 4);
        let mut ring = ring();
        let raw = file.as_raw_fd();
        let Some(bad) = answer(&mut ring, copy(raw, -1)) else { return };
        assert_eq!(bad, Err(Errno::EBADF));
        assert_eq!(answer(&mut ring, copy(-1, raw)), Some(Err(Errno::EBADF)));
        assert_eq!(answer(&mut ring, copy(raw, folder.as_raw_fd())), Some(Err(Errno::EISDIR)));
        assert_eq!(answer(&mut ring, copy(raw, pipe.as_raw_fd())), Some(Err(Errno::EINVAL)));
        assert_eq!(answer(&mut ring, copy(raw, raw)), Some(Err(Errno::EINVAL)), "they overlap");
        let negative = private::copy_file_range(raw, 1 << 63, raw, 0, 4);
        assert_eq!(answer(&mut ring, negative), Some(Err(Errno::EINVAL)));
    });
}

#[test]
fn blocks_are_shared_where_the_file_system_can() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let (from, to) = (dir.file("from", &[7; 8192]), dir.file("to", b""));
        let mut ring = ring();
        let (to_raw, from_raw) = (to.as_raw_fd(), from.as_raw_fd());
        let Some(shared) = answer(&mut ring, private::ficlone(to_raw, from_raw)) else { return };
        match shared {
            Ok(0) => assert_eq!(std::fs::read(dir.path("to")).unwrap(), [7; 8192]),
            other => assert_eq!(other, Err(Errno::EOPNOTSUPP), "ext4 and tmpfs do not"),
        }
        let range = private::ficlone_range(to_raw, 0, from_raw, 4096, 4096);
        let shared = answer(&mut ring, range);
        assert!(matches!(shared, Some(Ok(0) | Err(Errno::EOPNOTSUPP))), "{shared:?}");
        assert_eq!(answer(&mut ring, private::ficlone(to_raw, -1)), Some(Err(Errno::EBADF)));
        let proc = std::fs::File::open("/proc/version").unwrap();
        let away = answer(&mut ring, private::ficlone(to_raw, proc.as_raw_fd()));
        let none = [Errno::EXDEV, Errno::EOPNOTSUPP, Errno::EINVAL];
        assert!(away.is_some_and(|away| away.is_err_and(|e| none.contains(&e))), "{away:?}");
    });
}

#[test]
fn a_file_is_sent_to_a_socket_as_far_as_there_is_room() {
    limit(LIMIT, || {
        let dir = TempDir::new();
        let content: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        let mut file = dir.file("from", &content);
        let (mut here, there) = UnixStream::pair().unwrap();
        let mut ring = ring();
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            here.read_to_end(&mut got).map(|_| got)
        });
        let mut sent = 0;
        while sent < content.len() {
            let left = (content.len() - sent) as u32;
            let send = private::sendfile(there.as_raw_fd(), file.as_raw_fd(), sent as u64, left);
            let Some(count) = answer(&mut ring, send) else { return };
            sent += count.unwrap() as usize;
        }
        assert_eq!(file.stream_position().unwrap(), 0, "it has an offset of its own");
        file.seek(SeekFrom::Start(299_999)).unwrap();
        let send = private::sendfile(there.as_raw_fd(), file.as_raw_fd(), POSITION, 100);
        assert_eq!(answer(&mut ring, send), Some(Ok(1)));
        drop(there);
        let got = reader.join().unwrap().unwrap();
        assert!(got[..300_000] == content && got.len() == 300_001);
    });
}

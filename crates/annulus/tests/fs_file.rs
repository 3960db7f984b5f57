//! Files: reading, writing, positions, space, attributes, and how they come and go.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use annulus::Errno;
use annulus::fs::{self, Advice, File, OpenOptions, SetXattr};
use annulus::time::timeout;
use common::tree::Tree;
use common::{begin, on_runtime, settle, skip};

#[test]
fn bytes_go_where_they_belong() {
    on_runtime(|| async {
        let tree = Tree::new();
        let file = File::create_new(tree.at("file")).await.unwrap();
        assert_eq!(file.write_all_at(b"0123456789".to_vec(), 0).await.unwrap().0, 10);
        assert_eq!(file.write_at("ab", 4).await.unwrap().0, 2);
        assert_eq!(file.read_exact_at(vec![0; 4], 3).await.unwrap().1, b"3ab6");
        let (n, buf) = file.read_at(Vec::with_capacity(64), 8).await.unwrap();
        assert_eq!((n, &buf[..]), (2, &b"89"[..]));
        let short = file.read_exact_at(vec![0; 4], 8).await.unwrap_err();
        assert_eq!((short.kind(), short.done()), (ErrorKind::UnexpectedEof, 2));
        let (n, [one, two]) = file.read_vectored_at([vec![0; 2], vec![0; 3]], 1).await.unwrap();
        assert_eq!((n, &one[..], &two[..]), (5, &b"12"[..], &b"3ab"[..]));
        let parts = [vec![0; 2], vec![0; 3]];
        let (n, [_, two]) = file.read_vectored_exact_at(parts, 5).await.unwrap();
        assert_eq!((n, &two[..]), (5, &b"789"[..]));
        file.write_vectored_at([b"x".to_vec(), b"y".to_vec()], 10).await.unwrap();
        file.write_vectored_all_at([b"z".to_vec(), b"!".to_vec()], 12).await.unwrap();
        let (n, all) = file.read_to_end_at(b"> ".to_vec(), 6).await.unwrap();
        assert_eq!((n, &all[..]), (8, &b"> 6789xyz!"[..]));
        assert_eq!(std::fs::read(tree.at("file")).unwrap(), b"0123ab6789xyz!");
    });
}

#[test]
fn the_position_is_the_open_files_own() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "0123456789");
        let file = File::options().read(true).write(true).open(&path).await.unwrap();
        assert_eq!(file.read(vec![0; 2]).await.unwrap().1, b"01");
        assert_eq!(file.clone().read_exact(vec![0; 2]).await.unwrap().1, b"23");
        let other = file.try_clone().unwrap();
        assert_eq!(other.write("X").await.unwrap().0, 1);
        assert_eq!(file.write_all("Y").await.unwrap().0, 1);
        let (n, [one, two]) = file.read_vectored([vec![0; 1], vec![0; 1]]).await.unwrap();
        assert_eq!((n, &one[..], &two[..]), (2, &b"6"[..], &b"7"[..]));
        assert_eq!(file.read_to_end(Vec::new()).await.unwrap().1, b"89");
        assert_eq!(file.read(vec![0; 2]).await.unwrap().0, 0, "the end");
        assert_eq!(file.write_vectored([vec![b'!'], vec![b'?']]).await.unwrap().0, 2);
        assert_eq!(std::fs::read(path).unwrap(), b"0123XY6789!?");
    });
}

#[test]
fn what_has_no_length_is_read_to_its_end() {
    on_runtime(|| async {
        let status = fs::read_to_string("/proc/self/status").await.unwrap();
        assert!(status.starts_with("Name:") && status.contains("\nThreads:"), "{status}");
        let (reader, mut writer) = std::io::pipe().unwrap();
        let feeder = std::thread::spawn(move || writer.write_all(&[7; 200_000]).unwrap());
        let reader = File::from(std::os::fd::OwnedFd::from(reader));
        let (n, all) = reader.read_to_end(vec![1; 3]).await.unwrap();
        feeder.join().unwrap();
        assert_eq!((n, all.len(), &all[..4]), (200_000, 200_003, &[1, 1, 1, 7][..]));
        assert!(all[3..].iter().all(|byte| *byte == 7));
    });
}

#[test]
fn a_file_of_any_length_is_read_whole() {
    on_runtime(|| async {
        let tree = Tree::new();
        for len in [0, 1, 4095, 4096, 65_536, 1_000_003] {
            let path = tree.at("file");
            let content: Vec<u8> = (0..len).map(|n: u32| n.wrapping_mul(31) as u8).collect();
            let content = fs::write(&path, content).await.unwrap();
            assert_eq!(fs::read(&path).await.unwrap(), content, "{len} bytes");
            let file = File::open(&path).await.unwrap();
            let (_, half) = file.read_to_end_at(Vec::new(), u64::from(len) / 2).await.unwrap();
            assert_eq!(half, content[len as usize / 2..], "the half of {len} bytes");
            assert_eq!(file.read_to_end_at(Vec::new(), 1 << 40).await.unwrap().0, 0);
        }
    });
}

#[test]
fn space_is_made_freed_and_moved() {
    on_runtime(|| async {
        let tree = Tree::new();
        let file = File::create_new(tree.at("file")).await.unwrap();
        let blocks: Vec<u8> = (0..4).flat_map(|n| [n + 1; 4096]).collect();
        file.write_all_at(blocks, 0).await.unwrap();
        file.advise(0, 0, Advice::Sequential).await.unwrap();
        file.advise(0, 0, Advice::DontNeed).await.unwrap();
        file.allocate(16_384, 4096).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 20_480);
        file.punch_hole(0, 4096).await.unwrap();
        assert_eq!(file.read_exact_at(vec![9; 2], 4095).await.unwrap().1, [0, 2]);
        file.set_len(16_384).await.unwrap();
        let first_of =
            async |block: u64| file.read_exact_at(vec![9; 1], block * 4096).await.unwrap().1[0];
        match file.zero_range(4096, 4096).await {
            Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                return skip("space_is_made_freed_and_moved: ranges", "not on this file system");
            }
            done => done.unwrap(),
        }
        assert_eq!((first_of(0).await, first_of(1).await, first_of(2).await), (0, 0, 3));
        file.collapse_range(0, 4096).await.unwrap();
        assert_eq!((first_of(0).await, first_of(1).await, first_of(2).await), (0, 3, 4));
        file.insert_range(4096, 4096).await.unwrap();
        assert_eq!((first_of(1).await, first_of(2).await, first_of(3).await), (0, 3, 4));
        file.start_write_back(0, 0).await.unwrap();
        file.sync_range(0, 4096).await.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
    });
}

#[test]
fn attributes_are_kept_with_the_file() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "ring");
        let file = File::options().read(true).write(true).open(&path).await.unwrap();
        match file.set_xattr("user.ring", "one", SetXattr::New).await {
            Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                return skip("attributes_are_kept_with_the_file", "a file system without them");
            }
            done => done.unwrap(),
        }
        assert_eq!(file.get_xattr("user.ring").await.unwrap().unwrap(), b"one");
        let again = file.set_xattr("user.ring", "two", SetXattr::New).await.unwrap_err();
        assert_eq!(again.errno(), Some(Errno::EEXIST));
        fs::set_xattr(&path, "user.ring", vec![7; 1000], SetXattr::Existing).await.unwrap();
        assert_eq!(fs::get_xattr(&path, "user.ring").await.unwrap().unwrap(), [7; 1000]);
        assert_eq!(fs::get_xattr(&path, "user.none").await.unwrap(), None);
        let missing = fs::set_xattr(&path, "user.none", "1", SetXattr::Existing).await;
        let missing = missing.unwrap_err();
        assert_eq!((missing.errno(), missing.path()), (Some(Errno::ENODATA), &*path));
        let odd = fs::set_xattr(&path, "user.a\0b", "1", SetXattr::Always).await.unwrap_err();
        assert_eq!((odd.errno(), odd.kind()), (None, ErrorKind::InvalidInput));
    });
}

#[test]
fn a_file_goes_back_to_the_standard_library_when_its_operations_are_over() {
    on_runtime(|| async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = File::from(std::os::fd::OwnedFd::from(reader));
        let mut read = reader.read(vec![0; 4]);
        begin(&mut read).await;
        drop(read); // cancelled, and the kernel has it for a moment still
        let clone = reader.clone();
        let reader = reader.into_std().await.unwrap_err();
        drop(clone);
        let mut std_file: std::fs::File = reader.into_std().await.unwrap();
        writer.write_all(b"ring").unwrap();
        let mut four = [0; 4];
        std_file.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"ring", "the read that was given up took nothing");
    });
}

#[test]
fn into_std_waits_for_what_is_under_way() {
    on_runtime(|| async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = File::from(std::os::fd::OwnedFd::from(reader));
        let mut read = reader.read(vec![0; 4]);
        begin(&mut read).await;
        let mut into_std = Box::pin(reader.into_std());
        assert!(timeout(Duration::from_millis(20), &mut into_std).await.is_err());
        writer.write_all(b"ring").unwrap();
        assert_eq!(read.await.unwrap().1, b"ring");
        into_std.await.unwrap();
    });
}

#[test]
fn a_close_waits_for_what_was_given_up_and_is_told_of_clones() {
    on_runtime(|| async {
        let (reader, writer) = fs::pipe().await.unwrap();
        let mut read = reader.read(vec![0; 4]);
        begin(&mut read).await;
        drop(read);
        reader.close().await.unwrap();
        let error = writer.write("nobody").await.unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EPIPE), "the reader is closed");
        let clone = writer.clone();
        let busy = writer.close().await.unwrap_err();
        assert_eq!(busy.raw_os_error(), Some(Errno::EBUSY.raw()));
        clone.close().await.unwrap();
    });
}

#[test]
fn a_cancelled_read_gives_its_buffer_back() {
    on_runtime(|| async {
        let (reader, writer) = fs::pipe().await.unwrap();
        let mut read = reader.read(vec![7; 4]);
        begin(&mut read).await;
        read.cancel();
        let error = read.await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.into_buf(), [7; 4]);
        let late = reader.read(vec![0; 4]).deadline(Duration::from_millis(5)).await;
        assert!(late.unwrap_err().is_timeout());
        writer.write_all("ring").await.unwrap();
        assert_eq!(reader.read_exact(vec![0; 4]).await.unwrap().1, b"ring");
    });
}

#[test]
fn a_fifo_is_opened_when_both_ends_are_there() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.fifo("fifo");
        let lonely = timeout(Duration::from_millis(20), File::open(&path)).await;
        assert!(lonely.is_err(), "nobody writes to it");
        settle().await; // else the writer might find the one that was given up
        let other = path.clone();
        let writer = std::thread::spawn(move || {
            std::fs::write(other, "by way of a FIFO").unwrap();
        });
        let reader = File::open(&path).await.unwrap();
        assert_eq!(reader.read_to_end(Vec::new()).await.unwrap().1, b"by way of a FIFO");
        writer.join().unwrap();
    });
}

#[test]
fn a_file_without_the_right_is_refused() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "ring");
        let file = File::open(&path).await.unwrap();
        let error = file.write_at("no", 0).await.unwrap_err();
        assert_eq!((error.errno(), error.into_buf()), (Some(Errno::EBADF), "no"));
        assert_eq!(file.set_len(0).await.unwrap_err().errno(), Some(Errno::EINVAL));
        let null = OpenOptions::new().write(true).open("/dev/null").await.unwrap();
        assert_eq!(null.read_at(vec![0; 1], 0).await.unwrap_err().errno(), Some(Errno::EBADF));
        let dir = File::open(tree.path()).await.unwrap();
        assert_eq!(dir.read_at(vec![0; 1], 0).await.unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(std::fs::File::from(file.as_fd().try_clone_to_owned().unwrap()).metadata().is_ok());
    });
}

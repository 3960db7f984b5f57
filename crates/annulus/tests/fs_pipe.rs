//! Pipes, and what moves through them within the kernel.

mod common;

use annulus::Errno;
use annulus::fs::{self, File, RecvPool};
use annulus::spawn_local;
use common::tree::Tree;
use common::{begin, on_runtime};
use futures::future::poll_immediate;

#[test]
fn bytes_are_moved_from_file_to_file_through_a_pipe() {
    on_runtime(|| async {
        let tree = Tree::new();
        let content: Vec<u8> = (0..300_000_u32).map(|n| n.wrapping_mul(13) as u8).collect();
        let from = tree.at("from");
        let content = fs::write(&from, content).await.unwrap();
        let (from, to) =
            (File::open(&from).await.unwrap(), File::create(tree.at("to")).await.unwrap());
        let (reader, writer) = fs::pipe().await.unwrap();
        let feeds = spawn_local(async move {
            let mut moved = 0;
            loop {
                match from.splice(Some(moved), &writer, None, usize::MAX).await.unwrap() {
                    0 => return moved,
                    n => moved += n as u64,
                }
            }
        });
        let mut at = 0;
        loop {
            match reader.splice(None, &to, Some(at), 1 << 20).await.unwrap() {
                0 => break,
                n => at += n as u64,
            }
        }
        assert_eq!((feeds.await.unwrap(), at), (300_000, 300_000));
        assert!(std::fs::read(tree.at("to")).unwrap() == content);
    });
}

#[test]
fn what_is_teed_is_in_both_pipes() {
    on_runtime(|| async {
        let ((one, into_one), (two, into_two)) =
            (fs::pipe().await.unwrap(), fs::pipe().await.unwrap());
        into_one.write_all("twice").await.unwrap();
        assert_eq!(one.tee(&into_two, 5).await.unwrap(), 5);
        assert_eq!(one.read_exact(vec![0; 5]).await.unwrap().1, b"twice");
        assert_eq!(two.read_exact(vec![0; 5]).await.unwrap().1, b"twice");
        drop(into_one);
        assert_eq!(one.tee(&into_two, 5).await.unwrap(), 0, "nobody can write to it");
    });
}

#[test]
fn what_cannot_be_spliced_says_why() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "ring");
        let file = File::options().read(true).write(true).open(&path).await.unwrap();
        let (reader, writer) = fs::pipe().await.unwrap();
        let none = file.splice(Some(0), &file, Some(4), 4).await.unwrap_err();
        assert_eq!(none.errno(), Some(Errno::EINVAL), "neither is a pipe");
        let at = file.splice(Some(0), &writer, Some(0), 4).await.unwrap_err();
        assert_eq!(at.errno(), Some(Errno::ESPIPE), "a pipe has no offsets");
        let wrong = file.splice(Some(0), &reader, None, 4).await.unwrap_err();
        assert_eq!(wrong.errno(), Some(Errno::EBADF), "the end to read from");
        let append = File::options().append(true).open(&path).await.unwrap();
        writer.write("ring").await.unwrap();
        let appended = reader.splice(None, &append, None, 4).await.unwrap_err();
        assert_eq!(appended.errno(), Some(Errno::EINVAL));
        assert_eq!(file.tee(&writer, 4).await.unwrap_err().errno(), Some(Errno::EINVAL));
    });
}

#[test]
fn a_splice_that_waits_is_cancelled() {
    on_runtime(|| async {
        let tree = Tree::new();
        let to = File::create(tree.at("to")).await.unwrap();
        let (reader, _writer) = fs::pipe().await.unwrap();
        let mut splice = reader.splice(None, &to, None, 4);
        begin(&mut splice).await;
        splice.cancel();
        assert!(splice.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn many_reads_bring_all_in_order() {
    on_runtime(|| async {
        // Few buffers and short ones: the pool is empty at times.
        for (count, bytes) in [(1, 16), (2, 64), (8, 4096), (64, 100)] {
            let pool = RecvPool::with_buffers(count, bytes).unwrap();
            let (reader, writer) = fs::pipe().await.unwrap();
            let content: Vec<u8> = (0..60_000_u32).map(|n| n.wrapping_mul(13) as u8).collect();
            let sent = content.clone();
            let feeds = spawn_local(async move {
                for part in sent.chunks(777) {
                    writer.write_all(part.to_vec()).await.unwrap();
                }
            });
            let mut reads = reader.read_many(&pool);
            let (mut came, mut given_up, mut held) = (Vec::new(), 0, Vec::new());
            loop {
                // Given up wherever it is not over.
                match poll_immediate(Box::pin(reads.next())).await {
                    Some(part) => match part.unwrap() {
                        Some(part) => {
                            came.extend_from_slice(&part);
                            held.push(part);
                            held.truncate(3); // buffers that the pool does not have
                        }
                        None => break,
                    },
                    None => {
                        given_up += 1;
                        annulus::yield_now().await;
                    }
                }
            }
            feeds.await.unwrap();
            assert!(came == content, "{count} buffers of {bytes}");
            assert!(given_up > 0);
            assert!(reads.next().await.unwrap().is_none(), "the end stays the end");
            drop((reads, held));
            common::settle().await;
            assert_eq!(pool.free_count(), usize::from(count), "all are back");
        }
    });
}

#[test]
fn many_reads_of_what_cannot_wait_are_read_one_by_one() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.at("file");
        let content: Vec<u8> = (0..20_000_u32).map(|n| n.wrapping_mul(13) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let pool = RecvPool::new().unwrap();
        let mut reads = File::open(&path).await.unwrap().read_many(&pool);
        let mut came = Vec::new();
        while let Some(part) = reads.next().await.unwrap() {
            assert!(!part.is_of_pool());
            came.extend_from_slice(&part);
        }
        assert!(came == content);
        let (_, writer) = fs::pipe().await.unwrap();
        let error = writer.read_many(&pool).next().await.unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EBADF), "{error}");
    });
}

#[test]
fn many_reads_that_are_dropped_take_nothing_more() {
    on_runtime(|| async {
        let pool = RecvPool::new().unwrap();
        let (reader, writer) = fs::pipe().await.unwrap();
        for _ in 0..20 {
            let mut reads = reader.read_many(&pool);
            assert!(poll_immediate(Box::pin(reads.next())).await.is_none());
            annulus::yield_now().await;
            drop(reads);
            common::settle().await;
            writer.write_all("ring").await.unwrap();
            assert_eq!(reader.read(vec![0; 16]).await.unwrap().0, 4);
        }
    });
}

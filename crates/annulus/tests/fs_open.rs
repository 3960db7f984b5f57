//! Opening files: the options, how a path is walked, direct I/O.

mod common;

use std::io::ErrorKind;

use annulus::Errno;
use annulus::buffer::{AlignedBuf, IoBuf, Slice};
use annulus::fs::{self, Dir, File, OpenOptions};
use common::tree::Tree;
use common::{on_runtime, skip};

/// The number of an error of an open.
fn errno(opened: Result<File, fs::PathError>) -> Option<Errno> {
    opened.expect_err("it must fail").errno()
}

#[test]
fn options_mean_what_the_standard_librarys_mean() {
    on_runtime(|| async {
        let tree = Tree::new();
        let path = tree.file("file", "0123");
        let append = File::options().append(true).open(&path).await.unwrap();
        append.write_at("45", 0).await.unwrap(); // at its end all the same
        assert_eq!(std::fs::read(&path).unwrap(), b"012345");
        let truncate = File::options().write(true).truncate(true).open(&path).await.unwrap();
        assert_eq!(truncate.metadata().await.unwrap().len(), 0);
        let new = File::create_new(&path).await;
        assert_eq!(errno(new), Some(Errno::EEXIST));
        let mut private = File::options();
        private.write(true).create(true).mode(0o600);
        let made = private.open(tree.at("private")).await.unwrap();
        assert_eq!(made.metadata().await.unwrap().mode() & 0o777, 0o600);
        let missing = File::open(tree.at("none")).await.unwrap_err();
        assert_eq!((missing.kind(), missing.path()), (ErrorKind::NotFound, &*tree.at("none")));
        assert!(missing.to_string().starts_with("open \""), "{missing}");
        assert_eq!(errno(File::create(tree.path()).await), Some(Errno::EISDIR));
        assert_eq!(errno(File::open(path.join("below")).await), Some(Errno::ENOTDIR));
        for odd in [OpenOptions::new(), File::options().read(true).create(true).clone()] {
            let error = odd.open(&path).await.unwrap_err();
            assert_eq!((error.errno(), error.kind()), (None, ErrorKind::InvalidInput));
        }
        let zero = File::open("a\0b").await.unwrap_err();
        assert_eq!((zero.errno(), zero.kind()), (None, ErrorKind::InvalidInput));
    });
}

#[test]
fn a_path_is_walked_as_the_options_say() {
    on_runtime(|| async {
        let tree = Tree::new();
        tree.dir("in");
        std::fs::write(tree.at("in/file"), "in").unwrap();
        tree.file("out", "out");
        std::os::unix::fs::symlink("../out", tree.at("in/link")).unwrap();
        std::os::unix::fs::symlink("/file", tree.at("in/root")).unwrap();
        let dir = Dir::open(tree.at("in")).await.unwrap();
        let opened = async |path: &str, set: fn(&mut OpenOptions) -> &mut OpenOptions| {
            let mut options = File::options();
            dir.open_file_with(path, set(options.read(true))).await.map(drop).map_err(|e| e.errno())
        };
        assert_eq!(opened("link", |o| o).await, Ok(()), "nobody forbids it");
        for path in ["link", "../out", "/etc/passwd", "root"] {
            assert_eq!(opened(path, |o| o.beneath(true)).await, Err(Some(Errno::EXDEV)), "{path}");
        }
        assert_eq!(opened("./file", |o| o.beneath(true)).await, Ok(()));
        assert_eq!(opened("root", |o| o.in_root(true)).await, Ok(()), "the root is the directory");
        assert_eq!(opened("/../file", |o| o.in_root(true)).await, Ok(()));
        assert_eq!(opened("link", |o| o.in_root(true)).await, Err(Some(Errno::ENOENT)));
        assert_eq!(opened("link", |o| o.no_symlinks(true)).await, Err(Some(Errno::ELOOP)));
        assert_eq!(opened("link", |o| o.no_symlinks(true).no_symlinks(false)).await, Ok(()));
        let magic = opened("/proc/self/exe", |o| o.no_magiclinks(true)).await;
        assert_eq!(magic, Err(Some(Errno::ELOOP)));
        let other = opened("/proc/cpuinfo", |o| o.no_xdev(true)).await;
        assert_eq!(other, Err(Some(Errno::EXDEV)));
        let cached = opened("file", |o| o.cached(true)).await;
        assert!(matches!(cached, Ok(()) | Err(Some(Errno::EAGAIN))), "{cached:?}");
    });
}

#[test]
fn a_file_without_a_name_is_gone_when_it_is_closed() {
    on_runtime(|| async {
        let tree = Tree::new();
        let mut options = File::options();
        let file = match options.read(true).write(true).tmpfile(true).open(tree.path()).await {
            Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                let name = "a_file_without_a_name_is_gone_when_it_is_closed";
                return skip(name, "a file system without O_TMPFILE");
            }
            opened => opened.unwrap(),
        };
        file.write_all_at("nameless", 0).await.unwrap();
        assert_eq!(file.read_exact_at(vec![0; 8], 0).await.unwrap().1, b"nameless");
        assert_eq!(file.metadata().await.unwrap().nlink(), 0);
        assert_eq!(std::fs::read_dir(tree.path()).unwrap().count(), 0);
    });
}

/// A folder on a disk: the build's own, where direct I/O is more likely than in the system's.
fn on_disk() -> Tree {
    Tree::under(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")))
}

#[test]
fn direct_reads_are_aligned_or_told_what_is_not() {
    const NAME: &str = "direct_reads_are_aligned_or_told_what_is_not";
    on_runtime(|| async {
        let tree = on_disk();
        let path = tree.at("file");
        fs::write(&path, vec![7; 1 << 20]).await.unwrap();
        let mut options = File::options();
        options.read(true).write(true).direct(true);
        let file = match options.open(&path).await {
            Err(error) if error.errno() == Some(Errno::EINVAL) => {
                assert!(error.to_string().contains("direct I/O"), "{error}");
                return skip(NAME, "a file system without direct I/O");
            }
            opened => opened.unwrap(),
        };
        let Some(alignment) = file.dio_alignment() else {
            return skip(NAME, "a file system that does not say its alignment");
        };
        let (unit, memory) = (alignment.read_offset as usize, alignment.memory as usize);
        let aligned = || AlignedBuf::with_alignment(4 * unit, memory.max(unit));
        let (n, buf) = file.read_at(aligned(), unit as u64).await.unwrap();
        assert!(n == 4 * unit && buf.iter().all(|byte| *byte == 7));
        let told = async |buf: Slice<AlignedBuf>, offset: u64| {
            let error = file.read_at(buf, offset).await.unwrap_err();
            assert_eq!(
                (error.errno(), error.kind()),
                (Some(Errno::EINVAL), ErrorKind::InvalidInput)
            );
            let text = std::io::Error::from(error).to_string();
            assert!(text.contains(&format!("{unit} bytes")), "{text}");
            text
        };
        assert!(told(aligned().slice(..unit), 1).await.contains("the offset is not a multiple"));
        assert!(
            told(aligned().slice(..unit - 1), 0).await.contains("the length is not a multiple")
        );
        // Some devices, and file systems for what they have cached, take any address.
        let mut odd = aligned();
        odd.resize(2 * unit, 0);
        if let Err(error) = file.read_at(odd.slice(1..1 + unit), 0).await {
            assert!(
                error.to_string().contains("the buffer's address is not a multiple"),
                "{error}"
            );
        }
        let error = file.write_at(aligned().slice(..0), 1).await;
        assert!(error.is_ok(), "nothing to write, wherever that is: {error:?}");
        let mut full = aligned();
        full.resize(4 * unit, 9);
        assert_eq!(file.write_all_at(full, 0).await.unwrap().0, 4 * unit);
        assert_eq!(std::fs::read(&path).unwrap()[..4 * unit], vec![9; 4 * unit]);
    });
}

#[test]
fn direct_io_is_refused_where_there_is_none() {
    on_runtime(|| async {
        // procfs has none.
        let opened = File::options().read(true).direct(true).open("/proc/self/status").await;
        let error = opened.expect_err("no direct I/O there");
        assert_eq!((error.errno(), error.kind()), (Some(Errno::EINVAL), ErrorKind::InvalidInput));
        assert!(error.to_string().contains("direct I/O was asked for"), "{error}");
        let text = std::io::Error::from(error).to_string();
        assert!(text.contains("/proc/self/status"), "{text}");
    });
}

#[test]
fn fixed_buffers_of_the_pool_are_read_and_written() {
    common::limit(common::LIMIT, || {
        let tree = Tree::new();
        let runtime = match annulus::Runtime::builder().fixed_buffers(2, 4096).build() {
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                let name = "fixed_buffers_of_the_pool_are_read_and_written";
                return skip(name, "locked memory is short");
            }
            built => built.unwrap(),
        };
        runtime.block_on(async {
            let pool = annulus::fixed_pool().expect("it was asked for");
            let file = File::create_new(tree.at("file")).await.unwrap();
            let mut buf = pool.take().await;
            buf.extend_from_slice(b"by index");
            assert_eq!(file.write_all_at(buf, 0).await.unwrap().0, 8);
            let (n, buf) = file.read_at(pool.take().await, 3).await.unwrap();
            assert_eq!(&buf[..n], b"index");
        });
    });
}

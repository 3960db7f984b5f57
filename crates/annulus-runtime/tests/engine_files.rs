//! Files through an engine: what is read and written, and what an end of file or an error gives.

use std::io::Write;

use annulus_runtime::Engine;
use annulus_runtime::buffer::{AlignedBuf, IoBuf};
use futures::executor::block_on;
use futures::future::join_all;

#[test]
fn a_file_is_written_and_read() {
    let engine = Engine::new().expect("an engine");
    let path = std::env::temp_dir().join(format!("annulus-engine-{}", std::process::id()));
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    let file = engine.file(file);
    let (n, _) = block_on(file.write_all_at(vec![7; 10_000], 0)).unwrap();
    assert_eq!(n, 10_000);
    let (n, buf) = block_on(file.read_at(vec![0; 20_000], 0)).unwrap();
    assert_eq!((n, &buf[..10_000]), (10_000, &[7; 10_000][..]));
    let error = block_on(file.read_exact_at(vec![0; 20_000], 0)).unwrap_err();
    assert_eq!((error.kind(), error.done()), (std::io::ErrorKind::UnexpectedEof, 10_000));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_pipe_is_waited_for() {
    let engine = Engine::new().expect("an engine");
    let (reader, mut writer) = std::io::pipe().unwrap();
    let pipe = engine.file(reader);
    let thread = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        writer.write_all(b"hello").unwrap();
    });
    let (n, buf) = block_on(pipe.read(vec![0; 16])).unwrap();
    assert_eq!(&buf[..n], b"hello");
    thread.join().unwrap();
}

#[test]
fn many_at_once_and_more_than_there_is_room_for() {
    let engine = Engine::builder().entries(8).build().expect("an engine");
    let file = engine.file(
        std::fs::File::open("Cargo.toml")
            .unwrap_or_else(|_| std::fs::File::open("Cargo.toml").unwrap()),
    );
    let reads = (0..5000).map(|_| file.read_at(AlignedBuf::new(512).slice(0..512), 0));
    for read in block_on(join_all(reads)) {
        assert!(read.unwrap().0 > 0);
    }
    let pipes: Vec<_> = (0..100).map(|_| std::io::pipe().unwrap()).collect();
    let reads: Vec<_> = pipes
        .into_iter()
        .map(|(r, w)| {
            let f = engine.file(r);
            (f, w)
        })
        .collect();
    let futures: Vec<_> = reads.iter().map(|(f, _)| f.read(vec![0; 4])).collect();
    let t = std::thread::spawn(move || block_on(join_all(futures)));
    std::thread::sleep(std::time::Duration::from_millis(20));
    for (_, w) in &reads {
        (&*w).write_all(b"abcd").unwrap();
    }
    for r in t.join().unwrap() {
        assert_eq!(r.unwrap().1, b"abcd");
    }
}

#[test]
fn dropped_and_closed() {
    let engine = Engine::new().expect("an engine");
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = engine.file(reader);
    for _ in 0..1000 {
        let mut read = pipe.read(vec![0; 16]);
        block_on(async { futures::future::poll_immediate(&mut read).await });
        drop(read);
    }
    let mut read = pipe.read(vec![0; 16]);
    block_on(async { futures::future::poll_immediate(&mut read).await });
    drop((engine, pipe));
    let e = block_on(read).unwrap_err();
    assert_eq!(e.kind(), std::io::ErrorKind::BrokenPipe);
}

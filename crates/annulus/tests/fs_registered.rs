//! Registered files: they go by their place in the ring's table, and give it up in time.

mod common;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use annulus::Runtime;
use annulus::fs::File;
use annulus_ring::Errno;
use common::tree::Tree;
use common::{LIMIT, begin, limit, settle};

/// A runtime with a table of so many places.
fn with_places(count: u32) -> Runtime {
    Runtime::builder().fixed_files(count).build().expect("a runtime with a table")
}

#[test]
fn registered_files_are_read_and_written() {
    limit(LIMIT, || {
        let tree = Tree::new();
        with_places(4).block_on(async {
            let mut options = File::options();
            options.read(true).write(true).create_new(true).registered(true);
            let file = options.open(tree.at("file")).await.unwrap();
            file.register().unwrap(); // it has a place, and keeps it
            assert_eq!(file.write_at("by its place", 0).await.unwrap().0, 12);
            assert_eq!(file.read_at(vec![0; 5], 7).await.unwrap().1, b"place");
            // All the rest goes by the descriptor.
            assert_eq!(file.read_exact_at(vec![0; 2], 0).await.unwrap().1, b"by");
            assert_eq!(file.read(vec![0; 2]).await.unwrap().1, b"by");
            assert_eq!(file.metadata().await.unwrap().len(), 12);
            file.sync_all().await.unwrap();
            let clone = file.clone();
            drop(file);
            assert_eq!(clone.read_at(vec![0; 2], 0).await.unwrap().1, b"by");
            let std_file = clone.into_std().await.unwrap();
            assert_eq!(std_file.metadata().unwrap().len(), 12);
        });
    });
}

#[test]
fn without_a_place_it_says_so() {
    limit(LIMIT, || {
        annulus::run(async {
            let file = File::open("Cargo.toml").await.unwrap();
            assert_eq!(file.register().unwrap_err().errno(), Some(Errno::ENXIO));
            assert_eq!(file.read_at(vec![0; 9], 0).await.unwrap().1, b"[package]");
        })
        .unwrap();
        with_places(2).block_on(async {
            let mut options = File::options();
            options.read(true).registered(true);
            let one = options.open("Cargo.toml").await.unwrap();
            let two = options.open("Cargo.toml").await.unwrap();
            let full = options.open("Cargo.toml").await.unwrap_err();
            assert_eq!(full.errno(), Some(Errno::ENFILE));
            assert!(full.to_string().starts_with("register \"Cargo.toml\""), "{full}");
            drop(one);
            let three = options.open("Cargo.toml").await.unwrap();
            assert_eq!(three.read_at(vec![0; 9], 0).await.unwrap().1, b"[package]");
            drop((two, three));
        });
    });
}

#[test]
fn what_is_dropped_is_closed_soon_though_nothing_else_happens() {
    limit(LIMIT, || {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (told, ended) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            let end = reader.read(&mut [0; 1]).unwrap();
            told.send(end).unwrap();
        });
        with_places(1).block_on(async {
            let file = File::from(OwnedFd::from(writer));
            file.register().unwrap();
            drop(file);
            // The runtime goes to sleep, and nobody wakes it but the drop.
            annulus::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(ended.try_recv(), Ok(0), "the place keeps the pipe open");
        });
        other.join().unwrap();
    });
}

#[test]
fn a_drop_on_another_thread_wakes_the_ring() {
    limit(LIMIT, || {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let runtime = with_places(1);
        let (give, taken) = std::sync::mpsc::channel::<annulus_runtime::File>();
        let other = std::thread::spawn(move || {
            let file = taken.recv().unwrap();
            std::thread::sleep(Duration::from_millis(50)); // the runtime sleeps by then
            drop(file);
            reader.read(&mut [0; 1]).unwrap()
        });
        runtime.block_on(async {
            let file = File::from(OwnedFd::from(writer));
            file.register().unwrap();
            give.send(file.into_shared()).unwrap();
            let joined = annulus::spawn_blocking(move || other.join().unwrap()).await.unwrap();
            assert_eq!(joined, 0);
        });
    });
}

#[test]
fn an_operation_keeps_its_place_to_its_end() {
    limit(LIMIT, || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (other_reader, mut other_writer) = std::io::pipe().unwrap();
        with_places(1).block_on(async {
            let file = File::from(OwnedFd::from(reader));
            file.register().unwrap();
            let mut read = file.read_at(vec![0; 4], 0);
            begin(&mut read).await;
            drop(file);
            // The place is taken as long as the read is under way.
            let other = File::from(OwnedFd::from(other_reader));
            assert_eq!(other.register().unwrap_err().errno(), Some(Errno::ENFILE));
            writer.write_all(b"ring").unwrap();
            assert_eq!(read.await.unwrap().1, b"ring");
            other.register().unwrap();
            other_writer.write_all(b"next").unwrap();
            assert_eq!(other.read_at(vec![0; 4], 0).await.unwrap().1, b"next");
            let mut read = other.read_at(vec![0; 4], 0);
            begin(&mut read).await;
            drop((read, other));
            settle().await;
            let third = File::open("Cargo.toml").await.unwrap();
            third.register().unwrap();
            assert_eq!(third.read_at(vec![0; 4], 0).await.unwrap().1, b"[pac");
        });
    });
}

#[test]
fn a_restricted_ring_registers_files_all_the_same() {
    limit(LIMIT, || {
        use annulus_ring::abi::Op;
        let builder = Runtime::builder().fixed_files(2).allow_only([Op::READ]);
        builder.build().unwrap().block_on(async {
            let file = File::from(std::fs::File::open("Cargo.toml").unwrap());
            file.register().unwrap();
            assert_eq!(file.read_at(vec![0; 9], 0).await.unwrap().1, b"[package]");
        });
    });
}

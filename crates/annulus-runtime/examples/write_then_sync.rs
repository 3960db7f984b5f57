//! A journal that survives the loss of power. A record's bytes are written and made durable, then
//! the journal's length: four operations, sent to the kernel together. Each begins when the one
//! before it succeeded in full, so a length never speaks of bytes that are not on the device, and
//! nobody wakes up in between.
//!
//! `cargo run --example write_then_sync`

use std::io;

use annulus_runtime::{Engine, File};
use futures::executor::block_on;

/// The place of the journal's length, in front of its records.
const HEADER_BYTES: u64 = 8;

fn main() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("annulus-journal-{}", std::process::id()));
    let journal = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?; // it lives as long as it is open
    let engine = Engine::new()?;
    let journal = engine.file(journal);

    let mut end = HEADER_BYTES;
    for record in ["io_uring", "for any thread", "and any program"] {
        end = block_on(append(&journal, end, record))?;
        println!("{end:3} bytes after {record:?}");
    }

    // What a program that starts again finds.
    let (_, header) = block_on(journal.read_exact_at(vec![0; 8], 0))?;
    let len = u64::from_le_bytes(header.try_into().expect("eight bytes"));
    let (_, records) =
        block_on(journal.read_exact_at(vec![0; (len - HEADER_BYTES) as usize], HEADER_BYTES))?;
    assert_eq!(records, b"io_uringfor any threadand any program");

    // The first fails, so what comes behind it is not begun: the length is as it was.
    let read_only = engine.file(std::fs::File::open("/dev/null")?);
    let lost = read_only.write_all_at("lost", 0);
    let (first, second) = block_on(lost.then(journal.write_all_at(vec![0xff; 8], 0)));
    println!("a chain that breaks: {}, then {}", first.unwrap_err(), second.unwrap_err());
    let (_, header) = block_on(journal.read_exact_at(vec![0; 8], 0))?;
    assert_eq!(header, len.to_le_bytes());
    Ok(())
}

/// Writes `record` at `end`, then the new end in front: that is its result.
async fn append(journal: &File, end: u64, record: &'static str) -> io::Result<u64> {
    let new_end = end + record.len() as u64;
    let bytes = journal.write_all_at(record, end).then(journal.sync_data());
    let length = journal.write_all_at(new_end.to_le_bytes().to_vec(), 0);
    let chain = bytes.then(length).then(journal.sync_data());
    let (((bytes, synced), length), durable) = chain.await;
    // The first that failed says why; what came behind it was not begun.
    bytes?;
    synced?;
    length?;
    durable?;
    Ok(new_end)
}

//! Chains: operations that go to the kernel in one submission, each of which begins when the one
//! before it has succeeded in full. A log's record is written, synced and read back by one entry
//! into the kernel; and a configuration is replaced as one.
//!
//! `linked_chain LOG TEXT` appends a record to a log; without arguments it does so with files of
//! its own.

use annulus::fs::{self, OpenOptions, ReplaceStep, Standing};
use std::error::Error;
use std::io;
use std::path::Path;

/// Appends `record` to the log: when this is over, it is on the device.
async fn append(path: &Path, record: String) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let log = options.read(true).write(true).create(true).open(path).await?;
    let end = log.metadata().await?.len();
    let bytes = record.len();
    // The engine of this thread's runtime has operations that are chained by `then`.
    let log = log.into_shared();
    let chain = log
        .write_all_at(record, end)
        .then(log.sync_data())
        .then(log.read_exact_at(vec![0; bytes], end));
    // Nothing was begun until now. The results are nested as the chain was built.
    let ((written, synced), read) = chain.await;
    let (_, record) = written?;
    synced?;
    let (_, back) = read?;
    assert_eq!(back, record.as_bytes());
    Ok(())
}

/// What becomes of those that follow one that fails: they are not begun.
async fn broken(path: &Path) -> Result<(), Box<dyn Error>> {
    let log = OpenOptions::new().read(true).write(true).open(path).await?.into_shared();
    let beyond = 1 << 30;
    let chain = log.read_exact_at(vec![0; 8], beyond).then(log.write_all_at("never", 0));
    let (read, write) = chain.await;
    let (read, write) = (read.unwrap_err(), write.unwrap_err());
    println!("the read: {read}; the write behind it: {write}");
    assert_eq!(read.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(write.errno(), Some(annulus::Errno::ECANCELED));
    // The buffer of what was not begun is back too.
    assert_eq!(write.into_buf(), "never");
    Ok(())
}

/// A chain with a name: write, sync, rename, sync the directory; and what an error says of it.
async fn replaced(path: &Path) -> Result<(), Box<dyn Error>> {
    fs::replace(path, "level = 1\n").await?;
    fs::replace(path, "level = 2\n").await?;
    assert_eq!(fs::read_to_string(path).await?, "level = 2\n");
    let error = fs::replace(path.join("below a file"), "level = 3\n").await.unwrap_err();
    println!("{error}");
    assert_eq!((error.step(), error.standing()), (ReplaceStep::OpenDirectory, Standing::Old));
    Ok(())
}

async fn of_its_own() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("annulus-chain-{}", std::process::id()));
    fs::create_dir(&dir).await?;
    let (log, settings) = (dir.join("log"), dir.join("settings"));
    let done = async {
        append(&log, "one\n".to_owned()).await?;
        append(&log, "two\n".to_owned()).await?;
        broken(&log).await?;
        assert_eq!(fs::read_to_string(&log).await?, "one\ntwo\n");
        replaced(&settings).await
    };
    let done = done.await;
    for path in [log, settings] {
        fs::remove_file(path).await?;
    }
    fs::remove_dir(dir).await?;
    done
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    annulus::run(async {
        match &args[..] {
            [] => of_its_own().await,
            [log, text] => Ok(append(log.as_ref(), format!("{text}\n")).await?),
            _ => Err("usage: linked_chain [LOG TEXT]".into()),
        }
    })?
}

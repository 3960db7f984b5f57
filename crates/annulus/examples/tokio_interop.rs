//! Code that was written for tokio's streams, on this runtime: a protocol of lines, both sides of
//! it, with `tokio::io`'s own tools and none of its runtime.

use annulus::net::{TcpListener, TcpStream};
use annulus::polled::Polled;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Adds up the numbers of each line: it knows of no runtime.
async fn adds(stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<u64> {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = tokio::io::BufReader::new(read).lines();
    let mut count = 0;
    while let Some(line) = lines.next_line().await? {
        let sum: u64 = line.split_whitespace().flat_map(str::parse::<u64>).sum();
        write.write_all(format!("{sum}\n").as_bytes()).await?;
        // Who answers flushes: with tokio's own socket this is nothing.
        write.flush().await?;
        count += 1;
    }
    write.shutdown().await?;
    Ok(count)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    annulus::run(async move {
        let server = annulus::spawn_local(async move {
            let (stream, _) = TcpListener::from_std(listener).accept().await?;
            adds(Polled::new(stream)).await
        });
        let mut stream = Polled::new(TcpStream::connect(to).await?);
        let mut sums = String::new();
        stream.write_all(b"1 2 3\n40 2\n").await?;
        stream.shutdown().await?;
        stream.read_to_string(&mut sums).await?;
        assert_eq!(sums, "6\n42\n");
        assert_eq!(server.await??, 2);
        println!("two lines: {}", sums.trim_end().replace('\n', ", "));
        Ok(())
    })?
}

//! [`copy`] and [`copy_bidirectional`].

use std::io;

use annulus_ring::Errno;

use super::join::try_join;
use super::split::Split;
use super::traits::{AsyncReadOwned, AsyncWriteOwned};

/// How large the buffer of a copy is where nobody says otherwise.
const COPY_BYTES: usize = 64 << 10;

/// Copies all that `from` has to `to`, through one buffer of 64 KiB, and flushes: how many bytes.
/// To keep the buffer, or for another size: [`copy_with`].
///
/// *Cancel and discard*: what was read and not written is lost.
///
/// # Errors
/// Those of [`read`](AsyncReadOwned::read), [`write_all`](AsyncWriteOwned::write_all) and
/// [`flush`](AsyncWriteOwned::flush). What was copied before stays.
///
/// ```
/// use annulus::io::{AsyncReadOwned, copy, repeat};
/// annulus::run(async {
///     let mut to = Vec::new();
///     assert_eq!(copy(&mut repeat(7).take(100_000), &mut to).await?, 100_000);
///     assert_eq!(to, [7; 100_000]);
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn copy<R, W>(from: &mut R, to: &mut W) -> io::Result<u64>
where
    R: AsyncReadOwned + ?Sized,
    W: AsyncWriteOwned + ?Sized,
{
    let (count, _) = copy_with(from, to, Vec::with_capacity(COPY_BYTES)).await?;
    Ok(count)
}

/// [`copy`] through a buffer of the caller's, all of whose capacity is used; it comes back empty.
///
/// *Cancel and discard*: what was read and not written is lost, with the buffer.
///
/// # Errors
/// Those of [`copy`]; `EINVAL`: the buffer has no capacity.
///
/// ```
/// use annulus::io::copy_with;
/// annulus::run(async {
///     let mut to = Vec::new();
///     let (count, buf) = copy_with(&mut &b"ring"[..], &mut to, Vec::with_capacity(2)).await?;
///     assert_eq!((count, buf.capacity(), &to[..]), (4, 2, &b"ring"[..]));
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn copy_with<R, W>(
    from: &mut R,
    to: &mut W,
    mut buf: Vec<u8>,
) -> io::Result<(u64, Vec<u8>)>
where
    R: AsyncReadOwned + ?Sized,
    W: AsyncWriteOwned + ?Sized,
{
    if buf.capacity() == 0 {
        return Err(io::Error::from_raw_os_error(Errno::EINVAL.raw()));
    }
    let mut count = 0;
    loop {
        buf.clear();
        let n;
        (n, buf) = from.read(buf).await?;
        if n == 0 {
            break;
        }
        buf.truncate(n);
        (_, buf) = to.write_all(buf).await?;
        count += n as u64;
    }
    to.flush().await?;
    buf.clear();
    Ok((count, buf))
}

/// Copies between two connections in both directions at once, until both have ended: how many bytes
/// went from `a` to `b`, and from `b` to `a`.
///
/// Each direction ends by itself: where one side says that it sends no more, the other is told so
/// ([shut down](AsyncWriteOwned::shutdown)), and may go on to answer. When one fails, the other is
/// given up.
///
/// *Cancel and discard*: what was read and not written is lost. Both connections stay open, also
/// after an error.
///
/// # By reads and writes, and not by splice
/// Through the ring a splice is always a thread's of the kernel, which waits in it as long as its
/// side is silent: two for each connection. And it saves nothing between sockets: 2 GiB on one
/// machine took 1.5 s of processor time by reads and writes of 64 KiB, the same by splice through a
/// pipe of 1 MiB, and 2.2 s through one of 64 KiB.
///
/// # Errors
/// Those of [`copy`], of either direction.
///
/// ```
/// use annulus::io::copy_bidirectional;
/// use annulus::net::TcpStream;
/// use std::io::{Read, Write};
/// use std::net::{Shutdown, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let connect = || std::net::TcpStream::connect(listener.local_addr()?);
/// let (mut client, inner) = (connect()?, listener.accept()?.0);
/// let (outer, mut server) = (connect()?, listener.accept()?.0);
/// client.write_all(b"ask")?;
/// client.shutdown(Shutdown::Write)?;
/// let answer = std::thread::spawn(move || {
///     let mut asked = String::new();
///     server.read_to_string(&mut asked)?; // it is told of the end
///     write!(server, "{asked}: ring")
/// });
/// let counts = annulus::run(async move {
///     let (mut a, mut b) = (TcpStream::from_std(inner), TcpStream::from_std(outer));
///     copy_bidirectional(&mut a, &mut b).await
/// })??;
/// let mut answered = String::new();
/// client.read_to_string(&mut answered)?;
/// answer.join().unwrap()?;
/// assert_eq!((counts, &answered[..]), ((3, 9), "ask: ring"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn copy_bidirectional<A: Split, B: Split>(
    a: &mut A,
    b: &mut B,
) -> io::Result<(u64, u64)> {
    let (mut from_a, mut to_a) = a.split();
    let (mut from_b, mut to_b) = b.split();
    try_join(one_way(&mut from_a, &mut to_b), one_way(&mut from_b, &mut to_a)).await
}

/// Copies all, and says that it was all.
async fn one_way<R: AsyncReadOwned, W: AsyncWriteOwned>(
    from: &mut R,
    to: &mut W,
) -> io::Result<u64> {
    let count = copy(from, to).await?;
    match to.shutdown().await {
        // It has gone by itself: there is nobody to be told.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
        ended => ended?,
    }
    Ok(count)
}

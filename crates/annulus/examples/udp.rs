//! Datagrams: a server that answers each with its text turned around, and a client that asks many
//! things at once, and again what is not answered in time.
//!
//! `udp serve 127.0.0.1:7777` serves until it is ended, `udp send 127.0.0.1:7777 TEXT…` asks it;
//! without arguments it asks itself.

use annulus::net::UdpSocket;
use annulus::spawn_local;
use annulus::time::timeout;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Longer than what a network of 1,500 bytes carries whole.
const DATAGRAM_BYTES: usize = 2048;

async fn serve(mut socket: UdpSocket) -> io::Result<()> {
    let mut buf = Vec::with_capacity(DATAGRAM_BYTES);
    loop {
        let ((n, from), mut asked) = socket.recv_from(buf).await?;
        asked.truncate(n);
        asked.reverse();
        buf = match socket.send_to(asked, from).await {
            Ok((_, buf)) => buf,
            // Who asked is not to be reached: that is no reason to end. The buffer is back.
            Err(why) => {
                eprintln!("udp: {from}: {why}");
                why.into_buf()
            }
        };
    }
}

/// Asks all of it at once, and prints the answers as they come: how many did.
async fn ask(to: SocketAddr, texts: &[String]) -> io::Result<usize> {
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let mut socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?; // others are not heard
    let sender = socket.sender();
    let mut waits: Vec<String> = texts.iter().map(|text| text.chars().rev().collect()).collect();
    for _try in 0..3 {
        let questions = waits.iter().map(|text| (text.bytes().rev().collect::<Vec<_>>(), None));
        // As `sendmmsg`: the kernel is shown all of them together.
        for sent in sender.send_batch(questions).await {
            sent?;
        }
        while !waits.is_empty() {
            // A receive that runs out of time is not lost: the next takes what comes to it.
            let received = timeout(Duration::from_millis(500), socket.recv(vec![0; 2048])).await;
            let Ok(received) = received else { break };
            let (n, answer) = received?;
            if let Some(at) = waits.iter().position(|text| text.as_bytes() == &answer[..n]) {
                println!("{}", waits.swap_remove(at));
            }
        }
    }
    Ok(texts.len() - waits.len())
}

async fn with_itself() -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let to = socket.local_addr()?;
    let server = spawn_local(serve(socket));
    let texts = ["ring", "annulus", "torus", "anchor"].map(str::to_owned);
    assert_eq!(ask(to, &texts).await?, 4);
    server.abort();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    annulus::run(async {
        match args.split_first() {
            None => with_itself().await?,
            Some((what, [addr])) if what == "serve" => {
                let socket = UdpSocket::bind(addr.as_str()).await?;
                println!("{}", socket.local_addr()?);
                serve(socket).await?;
            }
            Some((what, [addr, texts @ ..])) if what == "send" => {
                let answered = ask(addr.parse()?, texts).await?;
                if answered < texts.len() {
                    return Err(format!("{answered} of {} were answered", texts.len()).into());
                }
            }
            Some(_) => return Err("usage: udp [serve ADDR | send ADDR TEXT...]".into()),
        }
        Ok(())
    })?
}

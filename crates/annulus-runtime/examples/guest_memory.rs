//! A disk for a guest, as a virtual machine monitor has one: the guest writes requests into its
//! memory and goes on using that memory, also what is being read and written. Data goes between
//! the file and the guest's memory with no copy between. What the guest asks for is checked before
//! anything is submitted.
//!
//! `cargo run --example guest_memory`

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use annulus_runtime::buffer::{InvalidRegion, MemRegion, SharedMemory};
use annulus_runtime::{Engine, File};
use futures::executor::block_on;

const SECTOR_BYTES: u64 = 512;
const MEMORY_BYTES: usize = 1 << 20;
/// Four numbers: what to do, from which sector on, and where in memory, how many bytes.
const REQUEST_BYTES: usize = 32;

/// What a request is about.
const READ: u64 = 0;
const WRITE: u64 = 1;

/// What became of it: a byte behind the request.
const DONE: u8 = 1;
const FAILED: u8 = 2;

/// The guest's side: its memory, the bell, and the interrupt.
struct Guest {
    memory: Arc<SharedMemory>,
    bell: Sender<u64>,
    interrupt: Receiver<()>,
}

impl Guest {
    /// Puts a request at `at`, rings, waits for the interrupt, and looks what became of it.
    fn ask(&self, at: u64, request: [u64; 4]) -> Result<u8, InvalidRegion> {
        self.memory.write(at, &request.map(u64::to_le_bytes).concat())?;
        self.bell.send(at).expect("the device is there");
        self.interrupt.recv().expect("the device answers");
        let mut status = [0];
        self.memory.read(at + REQUEST_BYTES as u64, &mut status)?;
        Ok(status[0])
    }

    fn run(self) -> Result<(), InvalidRegion> {
        let page: Vec<u8> = (0..4096).map(|n| (n % 251) as u8).collect();
        self.memory.write(0x8000, &page)?;
        assert_eq!(self.ask(0, [WRITE, 8, 0x8000, 4096])?, DONE);
        // Its own again: it is written over.
        self.memory.write(0x8000, &[0; 4096])?;
        assert_eq!(self.ask(64, [READ, 8, 0x20000, 4096])?, DONE);
        let mut copy = vec![0; 4096];
        self.memory.read(0x20000, &mut copy)?;
        assert_eq!(copy, page);
        // Outside of its memory, or of the disk.
        assert_eq!(self.ask(128, [READ, 8, MEMORY_BYTES as u64 - 512, 4096])?, FAILED);
        assert_eq!(self.ask(192, [WRITE, 8, u64::MAX, 4096])?, FAILED);
        assert_eq!(self.ask(256, [READ, 1 << 40, 0x8000, 512])?, FAILED);
        Ok(())
    }
}

/// The device's side.
struct Device {
    memory: Arc<SharedMemory>,
    disk: File,
}

impl Device {
    /// Does the request at `at`, and writes what became of it.
    fn serve(&self, at: u64) -> Result<(), InvalidRegion> {
        let mut bytes = [0; REQUEST_BYTES];
        // A copy: what is checked here must be what is done, whatever the guest writes meanwhile.
        self.memory.read(at, &mut bytes)?;
        let done = block_on(self.transfer(&bytes));
        match &done {
            Ok(bytes) => println!("request at {at}: {bytes} bytes"),
            Err(error) => println!("request at {at}: {error}"),
        }
        let status = if done.is_ok() { DONE } else { FAILED };
        self.memory.write(at + REQUEST_BYTES as u64, &[status])
    }

    async fn transfer(&self, request: &[u8; REQUEST_BYTES]) -> io::Result<usize> {
        let [kind, sector, address, len] = [0, 8, 16, 24]
            .map(|at| u64::from_le_bytes(request[at..at + 8].try_into().expect("eight bytes")));
        let offset = sector.checked_mul(SECTOR_BYTES).ok_or(io::ErrorKind::InvalidInput)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        // In two regions, as a guest's lists of descriptors mostly are.
        let (head, tail) = (len / 2, len - len / 2);
        let second = address.checked_add(head as u64).ok_or(io::ErrorKind::InvalidInput)?;
        let regions =
            [MemRegion { offset: address, len: head }, MemRegion { offset: second, len: tail }];
        let memory = Arc::clone(&self.memory);
        let (bytes, _) = match kind {
            READ => self.disk.read_mem_exact_at(memory, &regions, offset)?.await?,
            WRITE => self.disk.write_mem_all_at(memory, &regions, offset)?.await?,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(bytes)
    }
}

fn main() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("annulus-disk-{}", std::process::id()));
    let disk = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?; // it lives as long as it is open
    disk.set_len(1 << 20)?;
    let disk = Engine::new()?.file(disk);

    let memory = Arc::new(SharedMemory::new(MEMORY_BYTES));
    let (bell, rung) = channel();
    let (interrupt, interrupted) = channel();
    let guest = Guest { memory: Arc::clone(&memory), bell, interrupt: interrupted };
    let guest = std::thread::spawn(move || guest.run());
    let device = Device { memory, disk };
    let mut served = 0;
    for at in rung {
        device.serve(at)?;
        served += 1;
        interrupt.send(()).expect("the guest waits");
    }
    guest.join().expect("the guest does not panic")?;
    assert_eq!(served, 5);
    Ok(())
}

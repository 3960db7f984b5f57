//! Executes an instruction at an address where nobody else has code: the plugin of qemu's in
//! `counter/` then logs what it has counted.

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// As in the plugin.
const MARK: usize = 0x5a5a_0000_0000;
const PAGE_BYTES: usize = 4096;
/// The instruction: return.
const RETURN: u8 = 0xc3;

fn main() {
    let at = std::ptr::without_provenance_mut(MARK);
    let access = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    // SAFETY: nothing of this program is there: it is far from where Linux puts anything.
    let page = unsafe { mmap_anonymous(at, PAGE_BYTES, access, flags) };
    let page = page.unwrap_or_else(|why| annulus_bench::fail(&format!("mmap: {why}")));
    // SAFETY: the page is this program's, new and writable.
    unsafe { page.cast::<u8>().write(RETURN) };
    // SAFETY: the address is that of code which returns and touches no register.
    let code: extern "C" fn() = unsafe { std::mem::transmute(page) };
    code();
}

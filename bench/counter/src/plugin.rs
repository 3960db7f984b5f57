//! Each block of instructions tells its length when it is executed; by its address it is of user
//! space or of the kernel. Where a program jumps to the address [`MARK`] (`bench/src/bin/mark.rs`),
//! a line with both counts so far goes to qemu's log.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

/// Which version of the interface is meant: qemu has dropped the first, and what is used here is
/// the same in all.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static qemu_plugin_version: c_int =
    if option_env!("QEMU_PLUGIN_FIRST").is_some() { 1 } else { 2 };

/// Where nobody but the program that marks has code.
const MARK: u64 = 0x5a5a_0000_0000;

/// The upper half of the addresses is the kernel's.
const KERNEL: u64 = 1 << 63;

/// What a block's number says beside its length.
const OF_KERNEL: u64 = 1;
const IS_MARK: u64 = 2;
const LENGTH_SHIFT: u32 = 2;

static IN_USER: AtomicU64 = AtomicU64::new(0);
static IN_KERNEL: AtomicU64 = AtomicU64::new(0);

/// A block of instructions: qemu's.
#[repr(C)]
struct Block {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, call: extern "C" fn(u64, *mut Block));
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut Block,
        call: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_vaddr(block: *const Block) -> u64;
    fn qemu_plugin_outs(text: *const c_char);
}

/// What qemu calls first.
#[unsafe(no_mangle)]
pub extern "C" fn qemu_plugin_install(
    id: u64,
    _about: *const c_void,
    _count: c_int,
    _arguments: *mut *mut c_char,
) -> c_int {
    // SAFETY: the id is this plugin's, which qemu gave; the function is there as long as it is
    // loaded, which is until qemu ends.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    0
}

/// A block is new: it is to say what it is, each time.
extern "C" fn translated(_id: u64, block: *mut Block) {
    // SAFETY: the block is qemu's, for the time of this call.
    let length = unsafe { qemu_plugin_tb_n_insns(block) };
    // SAFETY: as above.
    let at = unsafe { qemu_plugin_tb_vaddr(block) };
    let said = number(length as u64, at);
    let no_registers = 0;
    let data = std::ptr::without_provenance_mut(said as usize);
    // SAFETY: as above; the data is a number, and nobody follows it.
    unsafe { qemu_plugin_register_vcpu_tb_exec_cb(block, executed, no_registers, data) };
}

/// What is to be known of a block of `length` instructions at `at`.
fn number(length: u64, at: u64) -> u64 {
    let kernel = if at & KERNEL != 0 { OF_KERNEL } else { 0 };
    let mark = if at == MARK { IS_MARK } else { 0 };
    length << LENGTH_SHIFT | kernel | mark
}

extern "C" fn executed(_processor: c_uint, data: *mut c_void) {
    let said = data.addr() as u64;
    let count = if said & OF_KERNEL != 0 { &IN_KERNEL } else { &IN_USER };
    // Relaxed, here and below: pairs with nothing, there is one processor, and one thread for it.
    count.fetch_add(said >> LENGTH_SHIFT, Ordering::Relaxed);
    if said & IS_MARK != 0 {
        // Relaxed: pairs with nothing, as above.
        let [user, kernel] = [&IN_USER, &IN_KERNEL].map(|count| count.load(Ordering::Relaxed));
        let line = CString::new(format!("mark user={user} kernel={kernel}\n")).unwrap_or_default();
        // SAFETY: a text that ends with a zero, for the time of the call.
        unsafe { qemu_plugin_outs(line.as_ptr()) };
    }
}

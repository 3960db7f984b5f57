//! The functions of liburing that prepare each operation, by its number.

use crate::abi::Op;

/// In the order of the numbers.
const HELPERS: [&str; 65] = [
    "io_uring_prep_nop",
    "io_uring_prep_readv",
    "io_uring_prep_writev",
    "io_uring_prep_fsync",
    "io_uring_prep_read_fixed",
    "io_uring_prep_write_fixed",
    "io_uring_prep_poll_add",
    "io_uring_prep_poll_remove",
    "io_uring_prep_sync_file_range",
    "io_uring_prep_sendmsg",
    "io_uring_prep_recvmsg",
    "io_uring_prep_timeout",
    "io_uring_prep_timeout_remove",
    "io_uring_prep_accept",
    "io_uring_prep_cancel",
    "io_uring_prep_link_timeout",
    "io_uring_prep_connect",
    "io_uring_prep_fallocate",
    "io_uring_prep_openat",
    "io_uring_prep_close",
    "io_uring_prep_files_update",
    "io_uring_prep_statx",
    "io_uring_prep_read",
    "io_uring_prep_write",
    "io_uring_prep_fadvise",
    "io_uring_prep_madvise",
    "io_uring_prep_send",
    "io_uring_prep_recv",
    "io_uring_prep_openat2",
    "io_uring_prep_epoll_ctl",
    "io_uring_prep_splice",
    "io_uring_prep_provide_buffers",
    "io_uring_prep_remove_buffers",
    "io_uring_prep_tee",
    "io_uring_prep_shutdown",
    "io_uring_prep_renameat",
    "io_uring_prep_unlinkat",
    "io_uring_prep_mkdirat",
    "io_uring_prep_symlinkat",
    "io_uring_prep_linkat",
    "io_uring_prep_msg_ring",
    "io_uring_prep_fsetxattr",
    "io_uring_prep_setxattr",
    "io_uring_prep_fgetxattr",
    "io_uring_prep_getxattr",
    "io_uring_prep_socket",
    "io_uring_prep_uring_cmd",
    "io_uring_prep_send_zc",
    "io_uring_prep_sendmsg_zc",
    "io_uring_prep_read_multishot",
    "io_uring_prep_waitid",
    "io_uring_prep_futex_wait",
    "io_uring_prep_futex_wake",
    "io_uring_prep_futex_waitv",
    "io_uring_prep_fixed_fd_install",
    "io_uring_prep_ftruncate",
    "io_uring_prep_bind",
    "io_uring_prep_listen",
    "io_uring_prep_rw",
    "io_uring_prep_epoll_wait",
    "io_uring_prep_readv_fixed",
    "io_uring_prep_writev_fixed",
    "io_uring_prep_pipe",
    "io_uring_prep_nop128",
    "io_uring_prep_uring_cmd128",
];

/// The function that prepares `op`; RECV_ZC has none but the one that every other begins with.
pub(super) fn helper(op: Op) -> &'static str {
    HELPERS.get(usize::from(op.raw())).copied().unwrap_or("io_uring_prep_rw")
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// What the pages of the operations name as aliases: they were written apart from this table.
    fn aliases() -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/op");
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn every_operation_has_a_helper_that_its_page_names() {
        assert_eq!(HELPERS.len(), Op::ALL.len());
        let aliases = aliases();
        for known in Op::ALL.iter().filter(|known| known.value != Op::RECV_ZC) {
            let alias = format!("doc(alias = \"{}\")", helper(known.value));
            assert!(aliases.contains(&alias), "{}: {alias}", known.name);
        }
    }
}

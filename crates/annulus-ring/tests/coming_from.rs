//! Nothing of liburing's helpers and of Zig's ring is missing: each of their names is a search
//! alias
//! of a page here, or has its row in the page that says what else it is called.

use std::collections::BTreeSet;
use std::path::Path;

/// liburing's helpers beyond the preparation of entries, without `io_uring_`.
const LIBURING: &str = "
    queue_init queue_init_params queue_init_mem queue_mmap queue_exit ring_dontfork enable_rings
    close_ring_fd register_ring_fd unregister_ring_fd resize_rings
    memory_size memory_size_params mlock_size mlock_size_params
    check_version major_version minor_version get_probe get_probe_ring free_probe opcode_supported
    register_probe register_query
    get_sqe get_sqe128 initialize_sqe sq_ready sq_space_left sqring_wait sqe_set_data
    sqe_set_data64 sqe_set_flags sqe_set_buf_group sqe_shift
    submit submit_and_wait submit_and_wait_timeout submit_and_wait_min_timeout submit_and_wait_reg
    submit_and_get_events get_events set_iowait
    wait_cqe wait_cqe_nr wait_cqe_timeout wait_cqes wait_cqes_min_timeout
    peek_cqe peek_batch_cqe for_each_cqe cqe_iter_init cqe_iter_next cqe_seen cq_advance cq_ready
    cq_has_overflow cqe_nr cqe_shift cqe_get_data cqe_get_data64 cq_eventfd_enabled
    cq_eventfd_toggle
    setup_buf_ring free_buf_ring buf_ring_init buf_ring_mask buf_ring_add buf_ring_advance
    buf_ring_cq_advance buf_ring_available buf_ring_head
    recvmsg_validate recvmsg_name recvmsg_payload recvmsg_payload_length recvmsg_cmsg_firsthdr
    recvmsg_cmsg_nexthdr
    register_buffers register_buffers_tags register_buffers_sparse register_buffers_update_tag
    unregister_buffers register_files register_files_tags register_files_sparse
    register_files_update register_files_update_tag unregister_files register_eventfd
    register_eventfd_async unregister_eventfd register_personality unregister_personality
    register_restrictions register_iowq_aff unregister_iowq_aff register_iowq_max_workers
    register_buf_ring unregister_buf_ring register_sync_cancel register_sync_msg
    register_file_alloc_range register_napi unregister_napi register_clock clone_buffers
    clone_buffers_offset register_ifq register_region
    setup enter enter2 register
";

/// The public names of Zig's `std.os.linux.IoUring` that are not operations or registrations.
const ZIG: &str = "
    init init_params deinit fd sq cq flags features get_sqe submit submit_and_wait enter flush_sq
    sq_ring_needs_enter sq_ready cq_ready copy_cqes copy_cqe cq_ring_needs_flush cqe_seen cq_advance
    err buffer_id BufferGroup setup_buf_ring free_buf_ring ReadBuffer
";

/// Zig's operations: their builders here have liburing's names as aliases.
const ZIG_OPERATIONS: &str = "
    nop fsync read write read_fixed writev write_fixed splice accept multishot_accept
    accept_direct multishot_accept_direct connect epoll_ctl recv send send_zc send_zc_fixed recvmsg
    sendmsg sendmsg_zc openat openat_direct close close_direct timeout timeout_remove link_timeout
    poll_add poll_remove poll_update fallocate statx cancel shutdown renameat unlinkat mkdirat
    symlinkat linkat provide_buffers remove_buffers waitid socket socket_direct socket_direct_alloc
    bind listen cmd_sock
";

/// All of the crate's source.
fn source() -> String {
    fn read(below: &Path, all: &mut String) {
        for entry in std::fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
            } else {
                all.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut all = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    all
}

/// What follows `before` up to the next `after`, wherever it stands.
fn between<'a>(text: &'a str, before: &str, after: char) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split(after).next())
}

fn missing(names: &str, prefix: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let names = names.split_whitespace().map(|name| format!("{prefix}{name}"));
    names.filter(|name| !known.contains(name.as_str())).collect()
}

#[test]
fn every_name_is_found() {
    let source = source();
    let aliases: BTreeSet<&str> = between(&source, "doc(alias = \"", '"').collect();
    let page = include_str!("../docs/coming-from.md");
    // In the page's tables: what stands in backquotes in the first column.
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let mut known: BTreeSet<&str> =
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(aliases.len() > 200 && known.len() > 40, "the places to look are empty");
    known.extend(aliases);
    known.extend(["err()", "buffer_id()"].map(|name| name.trim_end_matches("()")));

    assert_eq!(missing(LIBURING, "io_uring_", &known), [""; 0]);
    assert_eq!(missing(ZIG, "", &known), [""; 0]);
    assert_eq!(missing(ZIG_OPERATIONS, "io_uring_prep_", &known), [""; 0]);
}

#[test]
fn a_name_that_is_nowhere_is_missed() {
    let known = BTreeSet::from(["io_uring_submit"]);
    assert_eq!(missing("submit no_such_name", "io_uring_", &known), ["io_uring_no_such_name"]);
}

//! [`Siginfo`]: what WAITID says of a child.

/// What became of a child (`siginfo_t`, as WAITID fills it), 128 bytes.
///
/// ```
/// use annulus_ring::abi::Siginfo;
/// let none = Siginfo::default();
/// assert_eq!((size_of_val(&none), none.si_pid), (128, 0));
/// ```
#[doc(alias = "siginfo_t")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Siginfo {
    /// `SIGCHLD` (17); 0 where nothing was to be reported and `NOHANG` asked not to wait.
    pub si_signo: i32,
    /// Zero.
    pub si_errno: i32,
    /// How it changed: [`CLD_EXITED`](Self::CLD_EXITED) and its kin.
    pub si_code: i32,
    // What follows is aligned to a word.
    #[cfg(target_pointer_width = "64")]
    pad: i32,
    /// The child's process identifier.
    pub si_pid: i32,
    /// The user it ran as.
    pub si_uid: u32,
    /// Its exit status, or the number of the signal.
    pub si_status: i32,
    #[cfg(target_pointer_width = "64")]
    rest: [u32; 25],
    #[cfg(not(target_pointer_width = "64"))]
    rest: [u32; 26],
}

impl Siginfo {
    /// `si_code`: it ended by itself; `si_status` is its exit status.
    pub const CLD_EXITED: i32 = 1;
    /// `si_code`: a signal ended it; `si_status` is the signal.
    pub const CLD_KILLED: i32 = 2;
    /// `si_code`: a signal ended it, and its memory was dumped.
    pub const CLD_DUMPED: i32 = 3;
    /// `si_code`: a traced child stopped.
    pub const CLD_TRAPPED: i32 = 4;
    /// `si_code`: a signal stopped it.
    pub const CLD_STOPPED: i32 = 5;
    /// `si_code`: it goes on.
    pub const CLD_CONTINUED: i32 = 6;
}

const _: () = {
    use core::mem::offset_of;
    let word = size_of::<usize>();
    assert!(size_of::<Siginfo>() == 128 && offset_of!(Siginfo, si_code) == 8);
    // The union of its parts begins at the next multiple of a word.
    let part = 12_usize.next_multiple_of(word);
    assert!(offset_of!(Siginfo, si_pid) == part && offset_of!(Siginfo, si_uid) == part + 4);
    assert!(offset_of!(Siginfo, si_status) == part + 8);
};

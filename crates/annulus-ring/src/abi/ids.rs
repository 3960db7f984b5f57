//! Identities that travel through entries and completions, each a type of its own: an index is not
//! a group, and neither is a count.

/// A slot of the ring's file table (`IOSQE_FIXED_FILE`): a "direct descriptor".
///
/// ```
/// use annulus_ring::abi::FixedFd;
/// assert_eq!(FixedFd(3).0, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct FixedFd(pub u32);

/// A registered buffer, by its place in the table.
///
/// ```
/// assert_eq!(annulus_ring::abi::BufIndex(2).0, 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct BufIndex(pub u16);

/// A group of buffers from which the kernel picks (`buf_group`, `bgid`).
///
/// ```
/// assert_eq!(annulus_ring::abi::BufGroup(1).0, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct BufGroup(pub u16);

/// Registered credentials (`IORING_REGISTER_PERSONALITY`).
///
/// ```
/// assert_eq!(annulus_ring::abi::Personality(1).0, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Personality(pub u16);

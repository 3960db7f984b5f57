//! The operations' types, for who must name a future: an `Op<ops::Read<Vec<u8>>>` in a struct.

pub use super::close::Close;
pub use super::copy::{CloneRange, CopyFileRange, SendFile};
pub use super::inode::SetInode;
pub use super::lock::{Lock, TryLock};
pub use super::path::ops::{
    ByFile, ByPath, Change, CreateTemporary, Exists, GetXattr, ListDir, ListXattr, Move, Owner,
    ReadLink, RemoveXattr, SetInodeAt, SetXattr, StatAt, Symlink,
};
pub use super::poll::PollOnce;
pub use super::process::{PidfdOpen, SendSignal};
pub use super::resolve::Resolve;
pub use super::rw::{Read, Write};
pub use super::rw_mem::{ReadMem, WriteMem};
pub use super::rw_vectored::{ReadVectored, WriteVectored};
pub use super::seek::{Seek, SeekData};
pub use super::socket::{PeerName, SocketName};
pub use super::space::{Advise, Allocate, Truncate};
pub use super::splice::{MakePipe, Splice, Tee};
pub use super::stat::Stat;
pub use super::sync::{Sync, SyncFilesystem, WriteBack};

//! Restrictions: what a ring may still do once it was handed to somebody less trusted.

use super::{Register, count_of};
use crate::abi::{Op, RegisterOp, Restriction, RestrictionOp, SqeFlags, TaskRestriction};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::syscall;

/// What a ring may do: a list of what is allowed. Everything else ends in `EACCES`.
///
/// An empty list allows nothing. Flags are allowed with
/// [`allow_flags`](Self::allow_flags) and demanded with [`require_flags`](Self::require_flags).
///
/// ```
/// use annulus_ring::{Builder, Errno, abi::Op, op, register::Restrictions};
/// let mut ring = Builder::new().entries(8).disabled().build()?;
/// ring.register().restrict(&Restrictions::new().allow(Op::READ))?;
/// ring.register().enable()?;
/// // SAFETY: a NOP points to nothing.
/// unsafe { ring.push(op::Nop::new())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EACCES));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "io_uring_restriction")]
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Restrictions {
    list: Vec<Restriction>,
    /// A registration whose number no restriction can hold.
    too_large: Option<RegisterOp>,
}

impl Restrictions {
    /// Nothing is allowed.
    ///
    /// ```
    /// use annulus_ring::{Builder, register::Restrictions};
    /// let ring = Builder::new().entries(8).disabled().build()?;
    /// ring.register().restrict(&Restrictions::new())?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, opcode: RestrictionOp, value: u8) -> Self {
        self.list.push(Restriction { opcode, sqe_op: value, ..Restriction::default() });
        self
    }

    /// Allows an operation.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, register::Restrictions};
    /// assert_eq!(Restrictions::new().allow(Op::READ).allow(Op::WRITE).len(), 2);
    /// ```
    #[doc(alias = "IORING_RESTRICTION_SQE_OP")]
    pub fn allow(self, op: Op) -> Self {
        self.with(RestrictionOp::SQE_OP, op.raw())
    }

    /// Allows a registration.
    ///
    /// ```
    /// use annulus_ring::{abi::RegisterOp, register::Restrictions};
    /// assert_eq!(Restrictions::new().allow_register(RegisterOp::PROBE).len(), 1);
    /// ```
    #[doc(alias = "IORING_RESTRICTION_REGISTER_OP")]
    pub fn allow_register(mut self, op: RegisterOp) -> Self {
        match u8::try_from(op.raw()) {
            Ok(number) => self.with(RestrictionOp::REGISTER_OP, number),
            Err(_) => {
                self.too_large = Some(op);
                self
            }
        }
    }

    /// Allows these flags of entries, beside the required ones.
    ///
    /// ```
    /// use annulus_ring::{abi::SqeFlags, register::Restrictions};
    /// assert_eq!(Restrictions::new().allow_flags(SqeFlags::IO_LINK).len(), 1);
    /// ```
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_ALLOWED")]
    pub fn allow_flags(self, flags: SqeFlags) -> Self {
        self.with(RestrictionOp::SQE_FLAGS_ALLOWED, flags.bits())
    }

    /// Demands these flags of every entry: [`SqeFlags::FIXED_FILE`] keeps a ring to the files that
    /// were registered for it.
    ///
    /// ```
    /// use annulus_ring::{abi::SqeFlags, register::Restrictions};
    /// assert_eq!(Restrictions::new().require_flags(SqeFlags::FIXED_FILE).len(), 1);
    /// ```
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_REQUIRED")]
    pub fn require_flags(self, flags: SqeFlags) -> Self {
        self.with(RestrictionOp::SQE_FLAGS_REQUIRED, flags.bits())
    }

    /// How many statements it makes.
    ///
    /// ```
    /// assert_eq!(annulus_ring::register::Restrictions::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether it allows nothing at all.
    ///
    /// ```
    /// assert!(annulus_ring::register::Restrictions::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn check(&self) -> Result<()> {
        match self.too_large {
            None => Ok(()),
            Some(_) => Err(Error::usage("registrations above 255 cannot be in a restriction")),
        }
    }
}

/// # Restrictions
impl<K: Kernel> Register<'_, K> {
    /// Restricts a disabled ring, once: it takes effect when the ring is enabled.
    /// `IORING_REGISTER_RESTRICTIONS`, Linux 5.10.
    ///
    /// # Errors
    /// - `EBADFD`: the ring is enabled: make it with [`disabled`](crate::Builder::disabled), or use
    ///   [`build_parked`](crate::Builder::build_parked).
    /// - `EBUSY`: it is restricted already.
    /// - `EINVAL`: more statements than there are operations and registrations.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_restrictions(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_restrictions.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Builder, abi::Op, register::Restrictions};
    /// let parked = Builder::new().entries(8).build_parked()?;
    /// parked.register().restrict(&Restrictions::new().allow(Op::NOP))?;
    /// let ring = parked.enable()?;
    /// assert!(ring.register().files_sparse(4).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_restrictions")]
    #[doc(alias = "IORING_REGISTER_RESTRICTIONS")]
    pub fn restrict(&self, restrictions: &Restrictions) -> Result<()> {
        restrictions.check()?;
        // SAFETY: the kernel reads the list, which holds no addresses.
        unsafe { self.list(RegisterOp::RESTRICTIONS, &restrictions.list) }.map(drop)
    }
}

/// Restricts every ring that this thread, and its children, make from now on (descriptor −1).
/// **Linux 7.0**: older kernels answer `EBADF` or `EINVAL`.
///
/// It cannot be undone.
///
/// # Errors
/// - `EPERM`: the thread is restricted already.
/// - `EACCES`: it has neither `no_new_privs` nor `CAP_SYS_ADMIN`.
/// - `EBADF`, `EINVAL`: this kernel cannot, or as [`Register::restrict`].
///
/// ```
/// use annulus_ring::{abi::Op, register::{Restrictions, restrict_task}};
/// let in_a_thread = std::thread::spawn(|| restrict_task(&Restrictions::new().allow(Op::NOP)));
/// let answer = in_a_thread.join().unwrap();
/// assert!(answer.is_ok() || answer.unwrap_err().errno().is_some()); // before 7.0
/// ```
#[doc(alias = "io_uring_register_restrictions")]
pub fn restrict_task(restrictions: &Restrictions) -> Result<()> {
    const HEAD_WORDS: usize = size_of::<TaskRestriction>() / size_of::<u32>();
    const EACH_WORDS: usize = size_of::<Restriction>() / size_of::<u32>();
    restrictions.check()?;
    let count = count_of(&restrictions.list)?;
    let Ok(count) = u16::try_from(count) else {
        return Err(Error::usage("more restrictions than there are things to restrict"));
    };
    // The head and, behind it, the list: words of 32 bits, which both are aligned to.
    let mut words = vec![0u32; HEAD_WORDS + restrictions.list.len() * EACH_WORDS];
    words[0] = u32::from_ne_bytes(halves(0, count));
    for (place, one) in words[HEAD_WORDS..].chunks_exact_mut(EACH_WORDS).zip(&restrictions.list) {
        place[0] =
            u32::from_ne_bytes(halves(one.opcode.raw(), u16::from_ne_bytes([one.sqe_op, 0])));
    }
    let op = RegisterOp::RESTRICTIONS;
    // SAFETY: one `io_uring_task_restriction` with as many restrictions behind it as it says.
    let answer = unsafe { syscall::register_raw(-1, op, words.as_mut_ptr().cast(), 1) };
    answer.map(drop).map_err(|errno| Error::register(true, errno, op))
}

/// Two 16-bit fields of the kernel's structs, one after the other in memory.
fn halves(first: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    [a, b, c, d]
}

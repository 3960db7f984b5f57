//! Making a ring of the kernel that was chosen: the only place that decides between the two.
//!
//! ```text
//! host                                       the host kernel
//! linux   a NOP · the ring                   or the error
//! auto    a NOP · the ring                   Linux
//!         memory is short · a shorter ring   Linux, said on one line
//!         blocked, or no memory at all       the host kernel, said on one line
//!         anything else                      the error: the request is to blame
//! ```

use core::sync::atomic::{AtomicBool, Ordering};

use annulus_ring::abi::SetupFlags;
use annulus_ring::kernel::{Plan, SetUp};
use annulus_ring::{CqeKind, Error, Linux, Result, SqeKind};

use super::decision::falls_back;
use super::{AnyKernel, KernelChoice, KernelOptions, Made, notice, proof};
use crate::host::Host;
use crate::workers::Workers;

/// How much shorter than it was asked for a ring may be, before it is the host's: a program that
/// counts on thousands of entries is not served by a handful.
const SHORTER_TIMES_MAX: u32 = 8;

/// The shortest that one is made: still shorter ones take as much memory, and an engine's chains
/// must fit.
const SHORTEST: u32 = 8;

/// Whether Linux's io_uring was found to be blocked: then it is not tried again, so that all rings
/// of a process have the same kernel.
static BLOCKED: AtomicBool = AtomicBool::new(false);

/// Makes a ring as `plan` says, of the kernel that `choice` comes to.
pub(super) fn set_up<S: SqeKind, C: CqeKind>(
    plan: &mut Plan,
    options: KernelOptions,
) -> Result<Made<S, C>> {
    let KernelOptions { choice, workers } = options;
    match choice.resolve()? {
        KernelChoice::Host => host::<S, C>(plan, workers),
        KernelChoice::Linux => {
            proof::of_linux()?;
            linux::<S, C>(plan)
        }
        // Relaxed: pairs with the store in `note`: a hint, nothing is read by it.
        _ if BLOCKED.load(Ordering::Relaxed) => host::<S, C>(plan, workers),
        _ => match linux_if_it_works::<S, C>(plan) {
            Err(error) if falls_back(&error) => {
                note(&error);
                host::<S, C>(plan, workers)
            }
            made => made,
        },
    }
}

/// A ring of Linux, as it was asked for or shorter.
fn linux_if_it_works<S: SqeKind, C: CqeKind>(plan: &mut Plan) -> Result<Made<S, C>> {
    proof::of_linux()?;
    match linux::<S, C>(plan) {
        // Memory that is given for the queues is as long as the ring, and went with the first try.
        Err(error) if proof::is_short(&error) && !plan.flags().contains(SetupFlags::NO_MMAP) => {
            shorter::<S, C>(plan, error)
        }
        made => made,
    }
}

/// Remembers and says that it is the host's.
fn note(error: &Error) {
    if proof::is_blocked(error) {
        proof::forget();
        // Relaxed: pairs with the load in `set_up`.
        BLOCKED.store(true, Ordering::Relaxed);
    }
    notice::host(error);
}

/// A ring of Linux that is shorter than what `first` was said to, but not by much.
///
/// # Errors
/// `first`: not even that can be had.
fn shorter<S: SqeKind, C: CqeKind>(plan: &mut Plan, first: Error) -> Result<Made<S, C>> {
    let asked = plan.sq_entries();
    while plan.sq_entries() > (asked / SHORTER_TIMES_MAX).max(SHORTEST) && plan.halve() {
        match linux::<S, C>(plan) {
            Err(error) if proof::is_short(&error) => {}
            Err(error) => return Err(error),
            Ok(made) => {
                notice::shorter(asked, plan.sq_entries(), &first);
                return Ok(made);
            }
        }
    }
    plan.restore();
    Err(first)
}

fn linux<S: SqeKind, C: CqeKind>(plan: &mut Plan) -> Result<Made<S, C>> {
    let (linux, memory, params) = Linux::set_up::<S, C>(plan, &())?;
    Ok((AnyKernel::Linux(linux), memory, params))
}

fn host<S: SqeKind, C: CqeKind>(plan: &mut Plan, workers: Workers) -> Result<Made<S, C>> {
    let (host, memory, params) = Host::set_up::<S, C>(plan, workers)?;
    Ok((AnyKernel::Host(host), memory, params))
}

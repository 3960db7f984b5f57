//! Which rings are measured: what was asked for, as far as it works here.

use annulus_emulate::{KERNEL_VARIABLE, KernelChoice};

use super::plan::{Engine, Kernel, Rw, Settings};
use super::raw::{Driver, RingWork, ring};
use super::report::RingReport;
use crate::failure::{Exit, Failure};

/// What came of the choice.
pub struct Rings {
    /// Linux's io_uring, tried whatever was asked for.
    pub report: RingReport,
    /// What the reader should know about it.
    pub warning: Option<String>,
    /// What the shell is told in the end.
    pub exit: Exit,
}

/// Puts the kernels in the place of the ring among the engines.
pub fn choose(settings: &mut Settings) -> Result<Rings, Failure> {
    let report = try_linux(settings);
    let mut rings = Rings { report, warning: None, exit: Exit::Done };
    let Some(place) = settings.engines.iter().position(|engine| *engine == Engine::Uring) else {
        return Ok(rings);
    };
    let error = rings.report.error.as_deref();
    let engines: &[Engine] = match (asked(settings.kernel)?, error) {
        (Kernel::Host, _) => &[Engine::Host],
        (Kernel::Linux, None) | (Kernel::Auto, None) => &[Engine::Uring],
        (Kernel::Both, None) => &[Engine::Uring, Engine::Host],
        (Kernel::Linux, Some(error)) => return Err(Failure::unusable(error)),
        (Kernel::Auto, Some(error)) => {
            rings.warning = Some(format!(
                "io_uring is not usable: {error} (the kernel in user space is measured instead; \
                 --kernel linux makes this an error)"
            ));
            &[Engine::Host]
        }
        (Kernel::Both, Some(error)) => {
            rings.warning = Some(format!(
                "io_uring is not usable: {error} (the kernel in user space is measured without it)"
            ));
            rings.exit = Exit::Unusable;
            &[Engine::Host]
        }
    };
    settings.engines.splice(place..=place, engines.iter().copied());
    if engines.contains(&Engine::Host) {
        answers(KernelChoice::Host, settings)?;
    }
    Ok(rings)
}

/// The option, or what the environment says where it says nothing.
fn asked(option: Kernel) -> Result<Kernel, Failure> {
    if option != Kernel::Auto {
        return Ok(option);
    }
    let wrong = |_| {
        let named = std::env::var_os(KERNEL_VARIABLE).unwrap_or_default();
        let why = format!("there is no kernel {named:?}");
        Failure::usage(KERNEL_VARIABLE, why, "set it to linux, host or auto, or unset it")
    };
    Ok(match KernelChoice::Environment.resolve().map_err(wrong)? {
        KernelChoice::Linux => Kernel::Linux,
        KernelChoice::Host => Kernel::Host,
        _ => Kernel::Auto,
    })
}

/// Tries Linux's io_uring.
fn try_linux(settings: &Settings) -> RingReport {
    match answers(KernelChoice::Linux, settings) {
        Ok((flags, registered_descriptor)) => RingReport {
            usable: true,
            setup_flags: Some(flags),
            registered_descriptor,
            ..RingReport::default()
        },
        Err(failure) => {
            RingReport { error: Some(failure.why().to_owned()), ..RingReport::default() }
        }
    }
}

/// Makes a ring as the measurements will, and lets it do a NOP: a ring that can be made but not
/// entered is of no use. Its set-up flags, and whether its descriptor is registered.
fn answers(kernel: KernelChoice, settings: &Settings) -> Result<(String, bool), Failure> {
    let work = RingWork {
        kernel,
        rw: Rw::Nop,
        file: None,
        blocks: 0,
        block_bytes: settings.block_bytes,
        fixed_buffers: false,
    };
    let depth = settings.depths.last().copied().unwrap_or(1);
    let longest = ring(depth, kernel)?;
    let facts = (format!("{:?}", longest.setup_flags()), longest.is_descriptor_registered());
    drop(longest);
    let mut driver = Driver::new(1, work)?;
    driver.turn()?;
    driver.finish().map(|()| facts)
}

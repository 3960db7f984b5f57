//! What to do about each cause, in words that can be pasted.

use super::cause::{Cause, short};
use super::evidence::{ContainerKind, Evidence};
use super::memory::{entries_within, human};
use super::{Call, Request};
use crate::abi::SetupFlags;

/// Where the program writes the profile that the cures name.
const PROFILE: &str = "(annulus probe --seccomp > annulus.json)";

/// The cure of `cause`, in one line.
pub(super) fn cure(cause: Cause, request: &Request, evidence: &Evidence) -> String {
    match cause {
        Cause::Seccomp { .. } => of_filter(evidence),
        Cause::Sysctl { value } => of_sysctl(value, evidence),
        Cause::SecurityModule => of_module(evidence),
        Cause::SqpollRefused => "leave sqpoll() out, or give CAP_SYS_ADMIN".to_owned(),
        Cause::Refused => "run `annulus probe` where /proc can be read, and ask again".to_owned(),
        Cause::Memlock { limit_bytes, .. } => of_memlock(limit_bytes, request, evidence),
        Cause::Memory => "free memory, raise the memory limit of the cgroup, or ask for a shorter \
                          ring"
            .to_owned(),
        Cause::NoIoUring => {
            "run it on Linux 5.1 or later with CONFIG_IO_URING=y (6.1 or later is better)"
                .to_owned()
        }
        Cause::TooOld { flags, since } => {
            let flags = short(flags);
            match since {
                Some(since) => format!("leave {flags} out, or run it on Linux {since} or later"),
                None => format!("leave {flags} out"),
            }
        }
        Cause::TooManyEntries { max, .. } => {
            format!("ask for at most {max} entries, or cut the length with clamp()")
        }
        Cause::DescriptorsOfProcess => {
            let limit = evidence.descriptors_max.map_or("unlimited".into(), |n| n.to_string());
            format!("raise RLIMIT_NOFILE (now {limit}): ulimit -n, systemd: LimitNOFILE=")
        }
        Cause::DescriptorsOfSystem => "raise it: sysctl -w fs.file-max=N, as root".to_owned(),
        Cause::BadRequest { .. } | Cause::Other => {
            "see https://man7.org/linux/man-pages/man2/io_uring_setup.2.html".to_owned()
        }
    }
}

fn of_filter(evidence: &Evidence) -> String {
    use ContainerKind::{Containerd, Docker, Kubernetes, Lxc, Nspawn, Podman};
    match evidence.container.map(|container| container.kind) {
        Some(Docker) => {
            format!("docker run --security-opt seccomp=annulus.json IMAGE   {PROFILE}")
        }
        Some(Podman) => {
            format!("podman run --security-opt seccomp=annulus.json IMAGE   {PROFILE}")
        }
        Some(Kubernetes) => format!(
            "securityContext.seccompProfile: {{type: Localhost, localhostProfile: annulus.json}}   \
             {PROFILE}"
        ),
        Some(Containerd) => {
            format!("nerdctl run --security-opt seccomp=annulus.json IMAGE   {PROFILE}")
        }
        Some(Lxc) => "allow io_uring_setup, io_uring_enter and io_uring_register in the file that \
                      lxc.seccomp.profile names"
            .to_owned(),
        Some(Nspawn) => "systemd-nspawn --system-call-filter=@aio".to_owned(),
        None => "allow io_uring_setup, io_uring_enter and io_uring_register (425 to 427) in the \
                 filter that started this program; systemd: SystemCallFilter=@aio"
            .to_owned(),
    }
}

fn of_sysctl(value: u32, evidence: &Evidence) -> String {
    let host = if evidence.container.is_some() { "on the host, as root" } else { "as root" };
    let off = format!("sysctl -w kernel.io_uring_disabled=0 ({host})");
    if value == 1 {
        format!("{off}; or kernel.io_uring_group=GID with this user in the group; or CAP_SYS_ADMIN")
    } else {
        off
    }
}

fn of_module(evidence: &Evidence) -> String {
    match evidence.security_label.as_deref() {
        // SELinux's labels have colons: user:role:type:level.
        Some(label) if label.contains(':') => {
            format!("SELinux, {label}: ausearch -m avc -ts recent | audit2allow -M annulus")
        }
        Some(label) => format!("AppArmor, {label}: add `io_uring,` to the profile"),
        None => "allow io_uring in the security policy: `dmesg` or the audit log names the rule"
            .to_owned(),
    }
}

fn of_memlock(limit: u64, request: &Request, evidence: &Evidence) -> String {
    let fits = match entries_within(limit, request.flags) {
        Some(n) if n < request.entries => format!("at most {n} entries fit; "),
        _ => String::new(),
    };
    let raise = match evidence.container.map(|container| container.kind) {
        Some(ContainerKind::Docker) => "docker run --ulimit memlock=-1 IMAGE",
        Some(ContainerKind::Podman) => "podman run --ulimit memlock=-1 IMAGE",
        _ => "ulimit -l unlimited, systemd: LimitMEMLOCK=infinity",
    };
    format!("{fits}share one ring between threads, or raise the limit: {raise}")
}

/// What the cause was found by, in one line.
pub(super) fn found_by(cause: Cause, request: &Request, evidence: &Evidence) -> String {
    let mut facts = answers(request, evidence);
    match cause {
        Cause::Memlock { limit_bytes, .. } => {
            facts.push(format!("RLIMIT_MEMLOCK = {} for uid {}", human(limit_bytes), evidence.uid));
            facts.push("no CAP_IPC_LOCK".to_owned());
        }
        Cause::DescriptorsOfProcess => {
            let limit = evidence.descriptors_max.map_or("unlimited".into(), |n| n.to_string());
            facts.push(format!("RLIMIT_NOFILE = {limit}"));
        }
        cause if cause.is_blocked() || cause == Cause::NoIoUring => {
            permissions(evidence, &mut facts)
        }
        _ => {}
    }
    if let Some(release) = &evidence.release {
        facts.push(format!("Linux {release}"));
    }
    if let Some(container) = evidence.container {
        facts.push(format!("{} ({})", container.kind.name(), container.by));
    }
    facts.join("; ")
}

/// What the calls answered: the one that failed, then those on descriptor −1.
fn answers(request: &Request, evidence: &Evidence) -> Vec<String> {
    let said = |answer| match answer {
        Ok(()) => "ok".to_owned(),
        Err(errno) => format!("{errno:?}"),
    };
    let mut facts = vec![format!("{} -> {:?}", request.call.name(), request.errno)];
    if let Some(answers) = &evidence.answers {
        facts.push(format!("io_uring_enter(-1) -> {}", said(answers.enter)));
        if request.call == Call::Register {
            facts.push(format!("io_uring_register(-1) -> {}", said(answers.register)));
        }
    }
    facts
}

/// Who may have forbidden it.
fn permissions(evidence: &Evidence, facts: &mut Vec<String>) {
    if let Some(mode) = evidence.seccomp {
        facts.push(match evidence.seccomp_filters {
            Some(1) => format!("Seccomp: {mode} (1 filter)"),
            Some(n) if n > 1 => format!("Seccomp: {mode} ({n} filters)"),
            _ => format!("Seccomp: {mode}"),
        });
    }
    if let Some(value) = evidence.io_uring_disabled {
        facts.push(format!("kernel.io_uring_disabled = {value}"));
        if value == 1 {
            let group = evidence.io_uring_group.unwrap_or(-1);
            facts.push(format!("kernel.io_uring_group = {group}"));
        }
    }
    if let Some(label) = &evidence.security_label {
        facts.push(format!("label: {label}"));
    }
}

/// Whether `flags` are worth showing: not those that are asked for by default.
pub(super) fn shown(flags: SetupFlags) -> SetupFlags {
    flags.difference(SetupFlags::NO_SQARRAY | SetupFlags::SUBMIT_ALL)
}

//! What the machine says about itself: limits, filters, settings, labels, containers.
//!
//! All of it is read below a root that can be given, and all of it may be missing: `/proc` is not
//! everywhere, and reading it needs a descriptor, of which there may be none.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::answers::Answers;

/// `CAP_IPC_LOCK`: locked memory is not counted.
const CAP_IPC_LOCK: u32 = 14;
/// `CAP_SYS_ADMIN`: `kernel.io_uring_disabled = 1` does not count.
const CAP_SYS_ADMIN: u32 = 21;

/// What a diagnosis rests on. What could not be read is `None`.
///
/// ```
/// let error = annulus_ring::LocalRing::new(1 << 20).unwrap_err();
/// let evidence = error.setup_error().unwrap().evidence();
/// assert_eq!(evidence.arch, std::env::consts::ARCH);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// What the three system calls answered.
    pub answers: Option<Answers>,
    /// The thread's `Seccomp`: 0 none, 1 strict, 2 a filter.
    pub seccomp: Option<u32>,
    /// How many filters it has.
    pub seccomp_filters: Option<u32>,
    /// The thread's effective capabilities.
    pub capabilities: Option<u64>,
    /// Whether those count for the whole machine, and not only in a user namespace.
    pub in_first_user_namespace: Option<bool>,
    /// The groups that the thread is in.
    pub groups: Vec<u32>,
    /// `kernel.io_uring_disabled`: 0, 1 (only for a group and administrators) or 2.
    pub io_uring_disabled: Option<u32>,
    /// `kernel.io_uring_group`: that group; −1 for none.
    pub io_uring_group: Option<i64>,
    /// The label that a security module gave the thread.
    pub security_label: Option<String>,
    /// The effective user.
    pub uid: u32,
    /// `RLIMIT_MEMLOCK`, `None` without a limit.
    pub memlock_bytes: Option<u64>,
    /// `RLIMIT_NOFILE`, `None` without a limit.
    pub descriptors_max: Option<u64>,
    /// The kernel's release: `6.18.44`.
    pub release: Option<String>,
    /// The processor's architecture.
    pub arch: &'static str,
    /// What the program runs in.
    pub container: Option<Container>,
}

/// What a program runs in, and what says so.
///
/// ```
/// use annulus_ring::diagnose::{Container, ContainerKind};
/// fn label(container: &Container) -> &'static str {
///     match container.kind {
///         ContainerKind::Docker => "in docker",
///         _ => "elsewhere",
///     }
/// }
/// # let _ = label;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Container {
    /// Which kind.
    pub kind: ContainerKind,
    /// The file that says so.
    pub by: &'static str,
}

/// The kinds of containers that are told apart, as their cures differ.
///
/// ```
/// assert_eq!(annulus_ring::diagnose::ContainerKind::Podman.name(), "podman");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerKind {
    /// A pod of Kubernetes.
    Kubernetes,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// LXC.
    Lxc,
    /// systemd-nspawn.
    Nspawn,
    /// containerd, without Kubernetes.
    Containerd,
}

impl ContainerKind {
    /// Its name, in lower case.
    ///
    /// ```
    /// assert_eq!(annulus_ring::diagnose::ContainerKind::Kubernetes.name(), "kubernetes");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
            Self::Containerd => "containerd",
        }
    }
}

impl Evidence {
    /// Asks the three calls, and reads what is below `root` (`/`, unless `/proc` is elsewhere).
    /// Never fails: what cannot be read is `None`.
    ///
    /// ```
    /// use annulus_ring::diagnose::Evidence;
    /// let evidence = Evidence::below(std::path::Path::new("/"));
    /// assert!(evidence.answers.is_some() && evidence.release.is_some());
    /// ```
    pub fn below(root: &Path) -> Self {
        Self::gather(root, Answers::ask())
    }

    pub(super) fn gather(root: &Path, answers: Option<Answers>) -> Self {
        let mut evidence = Self {
            answers,
            uid: rustix::process::geteuid().as_raw(),
            memlock_bytes: getrlimit(Resource::Memlock).current,
            descriptors_max: getrlimit(Resource::Nofile).current,
            arch: std::env::consts::ARCH,
            ..Self::default()
        };
        evidence.read(root);
        evidence
    }

    /// Reads everything that is below `root`.
    pub(super) fn read(&mut self, root: &Path) {
        // Filters, capabilities and labels are a thread's own.
        let of_thread = |name: &str| {
            text(root, &format!("proc/thread-self/{name}"))
                .or_else(|| text(root, &format!("proc/self/{name}")))
        };
        let status = of_thread("status").unwrap_or_default();
        self.seccomp = number(&status, "Seccomp");
        self.seccomp_filters = number(&status, "Seccomp_filters");
        self.capabilities =
            field(&status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let lists = ["Gid", "Groups"].into_iter().filter_map(|name| field(&status, name));
        self.groups =
            lists.flat_map(str::split_whitespace).filter_map(|n| n.parse().ok()).collect();
        self.in_first_user_namespace =
            of_thread("uid_map").map(|map| map.split_whitespace().eq(["0", "0", "4294967295"]));
        self.security_label = of_thread("attr/current")
            .map(|label| label.trim_matches(['\0', '\n', ' ']).to_owned())
            .filter(|label| !label.is_empty());
        let setting = |name: &str| text(root, &format!("proc/sys/kernel/{name}"));
        self.io_uring_disabled = setting("io_uring_disabled").and_then(|n| n.trim().parse().ok());
        self.io_uring_group = setting("io_uring_group").and_then(|n| n.trim().parse().ok());
        self.release = setting("osrelease").map(|release| release.trim().to_owned());
        self.container = container(root);
    }

    /// Whether a capability is effective for the whole machine.
    fn has_capability(&self, bit: u32) -> bool {
        let effective = self.capabilities.is_some_and(|set| set & (1 << bit) != 0);
        // A container's root has every capability in its own namespace, where these do not count.
        effective && self.in_first_user_namespace != Some(false)
    }

    /// Whether locked memory is not counted for this thread (`CAP_IPC_LOCK`).
    ///
    /// ```
    /// use annulus_ring::diagnose::Evidence;
    /// let here = Evidence::below(std::path::Path::new("/"));
    /// let nowhere = Evidence::below(std::path::Path::new("/nonexistent"));
    /// assert!(here.locks_without_limit() || !nowhere.locks_without_limit());
    /// ```
    pub fn locks_without_limit(&self) -> bool {
        self.has_capability(CAP_IPC_LOCK)
    }

    /// Whether `kernel.io_uring_disabled = 1` leaves this thread out: an administrator
    /// (`CAP_SYS_ADMIN`), or of `kernel.io_uring_group`.
    ///
    /// ```
    /// use annulus_ring::diagnose::Evidence;
    /// assert!(!Evidence::below(std::path::Path::new("/nonexistent")).is_privileged());
    /// ```
    pub fn is_privileged(&self) -> bool {
        let group = self.io_uring_group.and_then(|gid| u32::try_from(gid).ok());
        self.has_capability(CAP_SYS_ADMIN) || group.is_some_and(|gid| self.groups.contains(&gid))
    }

    /// Whether a filter judges this thread's system calls.
    pub(super) fn has_filter(&self) -> bool {
        self.seccomp == Some(2)
    }

    /// Whether a security module confines this thread.
    pub(super) fn is_confined(&self) -> bool {
        let free = |label: &str| label == "kernel" || label.contains("unconfined");
        self.security_label.as_deref().is_some_and(|label| !free(label))
    }
}

/// The contents of a file, if it can be read.
fn text(root: &Path, path: &str) -> Option<String> {
    let bytes = std::fs::read(root.join(path)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of `Name:\tvalue` in a status file.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn number(status: &str, name: &str) -> Option<u32> {
    field(status, name)?.parse().ok()
}

/// Which container, if any: pods first, since what they run on is containers too.
fn container(root: &Path) -> Option<Container> {
    use ContainerKind::{Containerd, Docker, Kubernetes, Lxc, Nspawn, Podman};
    const POD: &str = "var/run/secrets/kubernetes.io";
    const BY_GROUP: &[(&str, ContainerKind)] = &[
        ("kubepods", Kubernetes),
        ("libpod", Podman),
        ("docker", Docker),
        ("lxc", Lxc),
        ("containerd", Containerd),
    ];
    const BY_NAME: &[(&str, ContainerKind)] =
        &[("podman", Podman), ("docker", Docker), ("lxc", Lxc), ("systemd-nspawn", Nspawn)];
    let groups = ["proc/1/cgroup", "proc/self/cgroup"].map(|path| text(root, path));
    let in_group = |kinds: &[(&str, ContainerKind)]| {
        groups.iter().flatten().find_map(|groups| {
            kinds.iter().find(|(word, _)| groups.contains(word)).map(|(_, kind)| *kind)
        })
    };
    let exists = |path: &str| root.join(path).exists();
    if exists(POD) {
        return Some(Container { kind: Kubernetes, by: "/var/run/secrets/kubernetes.io" });
    }
    if let Some(kind) = in_group(&BY_GROUP[..1]) {
        return Some(Container { kind, by: "cgroup" });
    }
    if exists("run/.containerenv") {
        return Some(Container { kind: Podman, by: "/run/.containerenv" });
    }
    if exists(".dockerenv") {
        return Some(Container { kind: Docker, by: "/.dockerenv" });
    }
    if let Some(name) = text(root, "run/systemd/container")
        && let Some((_, kind)) = BY_NAME.iter().find(|(word, _)| name.trim() == *word)
    {
        return Some(Container { kind: *kind, by: "/run/systemd/container" });
    }
    in_group(BY_GROUP).map(|kind| Container { kind, by: "cgroup" })
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_status_file_are_found_by_their_whole_name() {
        let status = "Seccomp:\t2\nSeccomp_filters:\t1\nCapEff:\t0000000000204000\nGid:\t5 6 7 8\n";
        assert_eq!(number(status, "Seccomp"), Some(2));
        assert_eq!(number(status, "Seccomp_filters"), Some(1));
        assert_eq!(field(status, "Cap"), None);
    }

    #[test]
    fn capabilities_in_a_user_namespace_do_not_count() {
        let root = Evidence { capabilities: Some(u64::MAX), ..Evidence::default() };
        assert!(root.locks_without_limit() && root.is_privileged());
        let inside = Evidence { in_first_user_namespace: Some(false), ..root };
        assert!(!inside.locks_without_limit() && !inside.is_privileged());
    }

    #[test]
    fn a_member_of_the_group_is_privileged() {
        let member =
            Evidence { io_uring_group: Some(44), groups: vec![4, 44], ..Evidence::default() };
        assert!(member.is_privileged());
        assert!(!Evidence { io_uring_group: Some(-1), ..member.clone() }.is_privileged());
        assert!(!Evidence { groups: vec![4], ..member }.is_privileged());
    }

    #[test]
    fn a_root_without_anything_is_evidence_of_nothing() {
        let evidence = Evidence::gather(Path::new("/nonexistent"), None);
        assert_eq!((evidence.seccomp, evidence.release, evidence.container), (None, None, None));
    }
}

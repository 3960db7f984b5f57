//! `--seccomp`: a profile for containers that lets io_uring through.

use std::path::Path;

use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::out::Ui;

/// io_uring's system calls: 425, 426 and 427 on every architecture.
const CALLS: [&str; 3] = ["io_uring_setup", "io_uring_enter", "io_uring_register"];

const ALLOW: &str = "SCMP_ACT_ALLOW";

/// What a profile without a base denies: what changes the host, other processes or the kernel, and
/// what containers are known to break out by. Docker's own profile denies these, too.
const DENIED: &[&str] = &[
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "vhangup",
];

/// Prints the profile.
pub fn run(base: Option<&Path>, ui: &Ui) -> Result<Exit, Failure> {
    let profile = match base {
        Some(path) => on_base(read(path)?, path)?,
        None => {
            ui.warn(
                "this profile denies what is dangerous and allows the rest; for Docker's own and \
                 io_uring, give its default.json: --base default.json",
            );
            denying()
        }
    };
    ui.object(&profile)?;
    Ok(Exit::Done)
}

/// A profile that allows everything but what is [`DENIED`].
fn denying() -> Value {
    json!({
        "defaultAction": ALLOW,
        "syscalls": [{ "names": DENIED, "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }],
    })
}

fn read(path: &Path) -> Result<Value, Failure> {
    let what = || path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(what(), error).cure("give a profile that can be read"))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(what(), error).cure("a profile is a JSON object"))
}

/// `base` with io_uring's calls allowed: taken out of every rule, and into one that allows them.
fn on_base(mut base: Value, path: &Path) -> Result<Value, Failure> {
    let wrong = |why: &str| {
        Failure::new(path.display().to_string(), why)
            .cure("give a profile as Docker's: defaultAction and syscalls")
    };
    let allows = base["defaultAction"].as_str().map(|action| action == ALLOW);
    let Some(allows) = allows else { return Err(wrong("there is no defaultAction")) };
    if base.get("syscalls").is_none() {
        base["syscalls"] = json!([]);
    }
    let Some(rules) = base["syscalls"].as_array_mut() else {
        return Err(wrong("syscalls is no list"));
    };
    for rule in rules.iter_mut() {
        if let Some(names) = rule["names"].as_array_mut() {
            names.retain(|name| !CALLS.iter().any(|call| name == call));
        }
    }
    // A rule without names, and one of the old form about one of the calls, says nothing any more.
    rules.retain(|rule| {
        let empty = rule["names"].as_array().is_some_and(Vec::is_empty);
        let about = rule["name"].as_str().is_some_and(|name| CALLS.contains(&name));
        !empty && !about
    });
    // Some runtimes refuse a rule that does what is done without it.
    if !allows {
        rules.push(json!({ "names": CALLS, "action": ALLOW }));
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: Value) -> Value {
        on_base(base, Path::new("x.json")).unwrap()
    }

    #[test]
    fn a_list_of_what_is_allowed_gets_one_rule_more() {
        let base = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "archMap": [{ "architecture": "SCMP_ARCH_X86_64" }],
            "syscalls": [
                { "names": ["read", "write"], "action": "SCMP_ACT_ALLOW" },
                { "names": ["io_uring_setup"], "action": "SCMP_ACT_ERRNO" },
                { "names": ["io_uring_enter", "bpf"], "action": "SCMP_ACT_ERRNO" },
            ],
        });
        let profile = merged(base.clone());
        assert_eq!(profile["archMap"], base["archMap"]);
        let rules = profile["syscalls"].as_array().unwrap();
        assert_eq!(rules.len(), 3, "{rules:?}");
        assert_eq!(rules[0], base["syscalls"][0]);
        assert_eq!(rules[1]["names"], json!(["bpf"]));
        assert_eq!(rules[2], json!({ "names": CALLS, "action": "SCMP_ACT_ALLOW" }));
        assert_eq!(merged(profile.clone()), profile, "once is enough");
    }

    #[test]
    fn a_list_of_what_is_denied_loses_the_calls() {
        let profile = merged(json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "name": "io_uring_setup", "action": "SCMP_ACT_ERRNO" }],
        }));
        assert_eq!(profile["syscalls"], json!([]));
        assert!(!denying().to_string().contains("io_uring"));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for base in [json!([]), json!({}), json!({ "defaultAction": "x", "syscalls": 3 })] {
            let failure = on_base(base, Path::new("x.json")).unwrap_err().to_string();
            assert!(failure.starts_with("x.json: "), "{failure}");
        }
    }

    #[test]
    fn what_is_denied_is_sorted_and_once() {
        assert!(DENIED.is_sorted_by(|a, b| a < b));
    }
}

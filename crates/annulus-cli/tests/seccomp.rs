//! `annulus probe --seccomp`: a profile that container runtimes read, that allows io_uring's three
//! calls and no others beside, and under which everything works.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const CALLS: [&str; 3] = ["io_uring_setup", "io_uring_enter", "io_uring_register"];

fn annulus(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    command.args(line.split_whitespace()).stdin(Stdio::null()).env("ANNULUS_KERNEL", "auto");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn profile(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The profile that is made of `base`.
fn on_base(base: &Value) -> Value {
    let thread = std::thread::current().id();
    let name = format!("annulus-base-{}-{thread:?}.json", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&path, base.to_string()).expect("a file");
    let output = annulus("probe --seccomp --base").arg(&path).output();
    std::fs::remove_file(&path).expect("its own");
    profile(&output.expect("it starts"))
}

/// As Docker's is: what is not on a list is refused, with conditions on some.
fn like_dockers() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "archMap": [{
            "architecture": "SCMP_ARCH_X86_64",
            "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        }],
        "syscalls": [
            { "names": ["read", "write", "io_setup"], "action": "SCMP_ACT_ALLOW" },
            {
                "names": ["personality"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{ "index": 0, "value": 8, "op": "SCMP_CMP_EQ" }],
            },
            {
                "names": ["bpf", "io_uring_setup"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 1,
                "includes": {},
                "excludes": { "caps": ["CAP_SYS_ADMIN"] },
            },
        ],
    })
}

/// The rules that name `call`, each without the names.
fn rules<'a>(profile: &'a Value, call: &str) -> Vec<Value> {
    let names = |rule: &'a Value| rule["names"].as_array().into_iter().flatten();
    let all = profile["syscalls"].as_array().expect("a list").iter();
    let about = all.filter(|rule| names(rule).any(|name| name == call));
    about
        .map(|rule| {
            let mut rule = rule.clone();
            rule.as_object_mut().expect("an object").remove("names");
            rule
        })
        .collect()
}

/// Every call that one of the profiles names, and one that none does.
fn mentioned(profiles: [&Value; 2]) -> BTreeSet<String> {
    let rules = profiles.into_iter().flat_map(|profile| profile["syscalls"].as_array());
    let names = rules.flatten().filter_map(|rule| rule["names"].as_array()).flatten();
    let names = names.map(|name| name.as_str().expect("a name").to_owned());
    names.chain(["reboot".to_owned()]).collect()
}

#[test]
fn on_a_base_the_three_calls_are_allowed_and_nothing_else_is_changed() {
    let base = like_dockers();
    let made = on_base(&base);
    for call in mentioned([&base, &made]) {
        if CALLS.contains(&call.as_str()) {
            assert_eq!(rules(&made, &call), [json!({ "action": "SCMP_ACT_ALLOW" })], "{call}");
        } else {
            assert_eq!(rules(&made, &call), rules(&base, &call), "{call}");
        }
    }
    for key in ["defaultAction", "defaultErrnoRet", "archMap"] {
        assert_eq!(made[key], base[key], "{key}");
    }
}

/// What a runtime looks for in a profile: another key is an error of some.
#[test]
fn a_profile_has_the_format_that_runtimes_read() {
    const TOP: &[&str] =
        &["defaultAction", "defaultErrnoRet", "architectures", "archMap", "syscalls"];
    const RULE: &[&str] =
        &["names", "action", "args", "errnoRet", "comment", "includes", "excludes"];
    const ACTIONS: &[&str] = &["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"];
    let action = |value: &Value| ACTIONS.contains(&value.as_str().expect("an action"));
    let output = annulus("probe --seccomp").output().expect("it starts");
    for made in [profile(&output), on_base(&like_dockers())] {
        let top = made.as_object().expect("an object");
        assert!(top.keys().all(|key| TOP.contains(&key.as_str())), "{:?}", top.keys());
        assert!(action(&made["defaultAction"]));
        for rule in made["syscalls"].as_array().expect("a list") {
            let keys = rule.as_object().expect("an object").keys();
            assert!(keys.clone().all(|key| RULE.contains(&key.as_str())), "{keys:?}");
            assert!(action(&rule["action"]), "{rule}");
            assert!(rule["names"].as_array().is_some_and(|names| !names.is_empty()), "{rule}");
        }
    }
}

/// What the profile without a base refuses, by the numbers of this architecture.
#[cfg(target_arch = "x86_64")]
fn refused(profile: &Value) -> Vec<i64> {
    macro_rules! numbers {
        ($($name:ident)*) => { [$((stringify!($name), libc::$name)),*] };
    }
    let numbers = numbers! {
        SYS_acct SYS_add_key SYS_bpf SYS_clock_adjtime SYS_clock_settime SYS_delete_module
        SYS_fanotify_init SYS_finit_module SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fspick
        SYS_init_module SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup SYS_ioperm
        SYS_iopl SYS_kcmp SYS_kexec_file_load SYS_kexec_load SYS_keyctl SYS_lookup_dcookie
        SYS_mount SYS_mount_setattr SYS_move_mount SYS_move_pages SYS_nfsservctl
        SYS_open_by_handle_at SYS_open_tree SYS_perf_event_open SYS_pivot_root
        SYS_process_vm_readv SYS_process_vm_writev SYS_ptrace SYS_quotactl SYS_quotactl_fd
        SYS_reboot SYS_request_key SYS_setns SYS_settimeofday SYS_swapoff SYS_swapon SYS_syslog
        SYS_umount2 SYS_unshare SYS_uselib SYS_userfaultfd SYS_vhangup
    };
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ALLOW");
    let rules = profile["syscalls"].as_array().expect("a list");
    let refused = rules.iter().filter(|rule| rule["action"] == "SCMP_ACT_ERRNO");
    let names = refused.flat_map(|rule| rule["names"].as_array().expect("names"));
    let number = |name: &Value| {
        let name = name.as_str().expect("a name");
        let found = numbers.iter().find(|(known, _)| known.strip_prefix("SYS_") == Some(name));
        found.unwrap_or_else(|| panic!("{name} is not in the table here")).1
    };
    names.map(number).collect()
}

/// Runs `line` on a thread, and in what that starts, where `calls` answer `EPERM`.
#[cfg(target_arch = "x86_64")]
fn run_without(calls: Vec<i64>, line: &'static str) -> Output {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    let filtered = std::thread::spawn(move || {
        let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
        let refuse = SeccompAction::Errno(1);
        let allow = SeccompAction::Allow;
        let filter = SeccompFilter::new(rules, allow, refuse, TargetArch::x86_64).expect("valid");
        let program: BpfProgram = filter.try_into().expect("a program");
        seccompiler::apply_filter(&program).expect("it is taken");
        annulus(line).output().expect("it starts")
    });
    filtered.join().expect("no panic")
}

/// The cure works: the program, under the filter that a runtime makes of the profile.
#[cfg(target_arch = "x86_64")]
#[test]
fn under_the_profile_io_uring_works() {
    let output = annulus("probe --seccomp").output().expect("it starts");
    let calls = refused(&profile(&output));
    assert!(calls.len() > 30 && calls.contains(&libc::SYS_mount), "{calls:?}");
    let here = annulus("probe").output().expect("it starts").status.code();
    let probed = run_without(calls.clone(), "probe");
    assert_eq!(probed.status.code(), here, "{}", text(&probed.stdout));
    if here == Some(2) {
        return; // Blocked already.
    }
    let measured = run_without(calls, "bench --rw nop --time 10ms --rounds 1 --depth 1 --json");
    assert!(measured.status.success(), "{}", text(&measured.stderr));
    let report: Value = serde_json::from_slice(&measured.stdout).expect("JSON");
    assert_eq!(report["settings"]["engines"][0], "uring");
}

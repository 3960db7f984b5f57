//! A child with all it starts, watched and ended as one.
//!
//! Not by a process group: a child in a group of its own would live on when the terminal's
//! interrupt ends this program.

use std::collections::BTreeMap;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Passed,
    Failed,
    Hung,
}

/// Runs `command`, and kills it and all it started after `limit`.
pub fn run_within(command: &mut Command, limit: Duration) -> End {
    match status_within(command, limit) {
        Ok(status) if status.success() => End::Passed,
        Ok(_) => End::Failed,
        Err(end) => end,
    }
}

/// The same: how it exited, or why it did not.
pub fn status_within(command: &mut Command, limit: Duration) -> Result<ExitStatus, End> {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) => {
            eprintln!("{}: {why}", command.get_program().display());
            return Err(End::Failed);
        }
    };
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if begun.elapsed() < limit => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                for line in family(child.id()).into_iter().filter_map(command_line) {
                    println!("hung: process {line}");
                }
                kill(child.id());
                let _ = child.wait();
                return Err(End::Hung);
            }
            Err(_) => return Err(End::Failed),
        }
    }
}

/// Does `work` with each of `items`, in their order, as many at a time as there are processors.
pub fn at_once<T>(items: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let items = Mutex::new(items);
    let next = || items.lock().expect("an iterator does not panic").next();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}

/// The processes that `pid` has started, itself first, parents before their children.
pub fn family(pid: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        if let Some(parent) = parent(child) {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(one) = family.get(next) {
        family.extend(children.remove(one).unwrap_or_default());
        next += 1;
    }
    family
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything: what follows the last one is regular.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The command line of `pid`, if it still runs.
fn command_line(pid: u32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// Kills `pid` and all that it has started.
pub fn kill(pid: u32) {
    let ids: Vec<String> = family(pid).iter().map(u32::to_string).collect();
    // One that ended meanwhile makes `kill` complain, and is as it should be.
    let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL {} 2>&1", ids.join(" "))).output();
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::{End, command_line, family, kill, run_within};

    #[test]
    fn a_family_is_found_and_killed() {
        let mut shell =
            Command::new("sh").args(["-c", "sleep 60 & sleep 61; true"]).spawn().unwrap();
        let begun = Instant::now();
        while family(shell.id()).len() < 3 {
            assert!(begun.elapsed() < Duration::from_secs(10), "the children never started");
            std::thread::sleep(Duration::from_millis(5));
        }
        let family = family(shell.id());
        assert_eq!(family[0], shell.id());
        kill(shell.id());
        assert!(!shell.wait().unwrap().success());
        while family[1..].iter().any(|pid| command_line(*pid).is_some()) {
            assert!(begun.elapsed() < Duration::from_secs(10), "a child survived");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_command_passes_fails_or_hangs() {
        let shell = |script: &str, ms| {
            run_within(Command::new("sh").args(["-c", script]), Duration::from_millis(ms))
        };
        assert_eq!(shell("true", 60_000), End::Passed);
        assert_eq!(shell("exit 3", 60_000), End::Failed);
        assert_eq!(shell("sleep 60", 50), End::Hung);
        assert_eq!(run_within(&mut Command::new("/nonexistent"), Duration::ZERO), End::Failed);
    }
}

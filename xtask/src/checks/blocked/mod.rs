//! `cargo xtask blocked`: the program, the engine's examples and the tests where io_uring is
//! blocked or short of memory, as containers and limits make it.
//!
//! In each circumstance each program is run twice. With `ANNULUS_KERNEL=auto` it works on the
//! kernel in user space, and says so on one line that names cause and cure; with `linux` that is
//! an error, and the same is said by it. None hangs, and none panics. `BLOCKED=eperm,enter` runs
//! those circumstances alone, `TESTS=op_` the programs of tests whose names begin so. With
//! `--short`, as in `.ci/run`, the tests are those of rings, in two circumstances: the engine's
//! are run on the same kernel by `cargo xtask test`.
//!
//! Linux counts the memory that a ring locks for the user who made it, and some time after it is
//! gone. So where little can be locked, a program of rings is run test by test, each by a user of
//! its own: else each would have less than the last.
//!
//! The circumstances are brought about by the example `blocked` of annulus-suite, which then
//! becomes the program. The sysctl is one of the whole machine: there its stand-in is a filter on
//! set-up, as the kernel itself refuses it, and in a namespace of its own a file in front of the
//! setting.

mod judge;
mod ways;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::packages;
use super::{End, code, output, status_within};
use crate::programs::{self, Program};
use crate::tree::root;
use crate::{skips, test};
use judge::{Counts, Kind, Ran};
use ways::Way;

/// Where the programs' output is kept, and what else lies about.
const FOLDER: &str = "target/blocked";

/// Where cargo lets tests make files (`CARGO_TARGET_TMPDIR`).
const TEMPORARY: &str = "target/tmp";

/// Whose tests are run.
const TESTED: &[&str] = &["annulus-suite", "annulus-runtime", "annulus-emulate"];

/// The crate whose examples are the engine's.
const ENGINE: &str = "annulus-runtime";

/// The example that ends well without an engine: it is for `cargo xtask errno`.
const NOT_FOR_USERS: &str = "errno_";

/// A benchmark of some tenths of a second. A ring of the longest does not fit into 64 KiB.
const BENCH: &[&str] = &[
    "bench", "--rw", "nop,read", "--cached", "--size", "1M", "--time", "10ms", "--rounds", "1",
    "--depth", "1,1024",
];

/// When a program of tests is given up, and any other.
const TESTS_LIMIT: Duration = Duration::from_secs(420);
const LIMIT: Duration = Duration::from_secs(30);

/// A program that takes longer is named.
const SLOW: Duration = Duration::from_secs(5);

/// What is run.
struct Job {
    kind: Kind,
    /// The row of the table that it is counted in.
    group: String,
    name: String,
    program: PathBuf,
    arguments: &'static [&'static str],
    folder: PathBuf,
}

/// Runs every program in every circumstance, and lists what failed.
pub fn run() -> ExitCode {
    run_all(false)
}

/// The short form.
pub fn run_short() -> ExitCode {
    run_all(true)
}

fn run_all(is_short: bool) -> ExitCode {
    let jobs = match jobs() {
        Ok(jobs) => jobs,
        Err(why) => {
            eprintln!("blocked: {why}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(why) = open_to_nobody() {
        eprintln!("blocked: {TEMPORARY}: {why}");
        return ExitCode::FAILURE;
    }
    let (begun, mut total) = (Instant::now(), Counts::default());
    let mut good = true;
    for way in ways::chosen() {
        if let Err(why) = way.works() {
            good &= skips::step(&format!("blocked: {}", way.name), &why) == ExitCode::SUCCESS;
            continue;
        }
        let wanted = |job: &&Job| {
            let tested = if is_short { way.tested_in_short } else { way.tested };
            job.kind != Kind::Tests || tested.contains(&job.group.as_str())
        };
        let jobs: Vec<&Job> = jobs.iter().filter(wanted).collect();
        match on(way, &jobs) {
            Ok(counts) => total.add(&counts),
            Err(why) => {
                eprintln!("blocked: {}: {why}", way.name);
                good = false;
            }
        }
    }
    let Counts { runs, bad, .. } = total;
    println!("blocked: {runs} runs, {bad} failed, {} s", begun.elapsed().as_secs());
    code(good && bad == 0 && runs > 0)
}

/// Lets nobody, too, make files where tests do.
fn open_to_nobody() -> std::io::Result<()> {
    let folder = root().join(TEMPORARY);
    fs::create_dir_all(&folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o1777))
}

/// Builds everything, and lists what is run.
fn jobs() -> Result<Vec<Job>, String> {
    let root = root();
    let built = programs::all()?;
    let annulus = |kind, name: &str, arguments| Job {
        kind,
        group: format!("annulus {name}"),
        name: format!("annulus {name}"),
        program: root.join("target/debug/annulus"),
        arguments,
        folder: root.clone(),
    };
    let mut jobs =
        vec![annulus(Kind::Probe, "probe", &["probe"]), annulus(Kind::Bench, "bench", BENCH)];
    jobs.extend(packages::examples(ENGINE).into_iter().filter_map(|name| {
        let program = root.join("target/debug/examples").join(&name);
        let group = "examples".to_owned();
        let job =
            Job { kind: Kind::Example, group, name, program, arguments: &[], folder: root.clone() };
        (!job.name.starts_with(NOT_FOR_USERS)).then_some(job)
    }));
    let wanted = std::env::var("TESTS").unwrap_or_default();
    let tests = built.into_iter().filter(|program| {
        TESTED.contains(&program.package.as_str()) && program.name.starts_with(&wanted)
    });
    jobs.extend(tests.map(|Program { package, name, file, folder }| Job {
        kind: Kind::Tests,
        folder,
        group: package,
        name,
        program: file,
        arguments: &[],
    }));
    Ok(jobs)
}

/// Runs all `jobs` in one circumstance, and prints its rows of the table.
fn on(way: &Way, jobs: &[&Job]) -> Result<Counts, String> {
    println!("== {}: {}", way.name, way.what);
    let mut total = Counts::default();
    let mut skipped = Vec::new();
    for row in jobs.chunk_by(|one, other| one.group == other.group) {
        let mut counts = Counts::default();
        let begun = Instant::now();
        for job in row {
            for (kernel, test) in starts(way, job)? {
                let started = Instant::now();
                let ran = start(way, job, kernel, test.as_deref())?;
                if started.elapsed() > SLOW {
                    println!("slow: {}: {} s", job.name, started.elapsed().as_secs());
                }
                let wrong = judge::wrong(way, job.kind, kernel, &ran);
                counts.take(&ran, wrong.is_some());
                if let Some(wrong) = wrong {
                    let test = test.unwrap_or_default();
                    println!("failed: {} {kernel}: {} {test}: {wrong}", way.name, job.name);
                    println!("{}", ran.tail());
                }
                skipped.extend(ran.skips);
            }
        }
        println!("{:<8} {:<16} {counts}, {} s", way.name, row[0].group, begun.elapsed().as_secs());
        total.add(&counts);
    }
    skipped.sort();
    skipped.dedup();
    for skips::Skip { name, reason } in &skipped {
        println!("skipped in {}: {name}: {reason}", way.name);
    }
    // A circumstance has a number of its own, or that of all.
    let agreed = skips::pinned(&root(), way.name).or_else(|_| skips::pinned(&root(), "blocked"))?;
    if skipped.len() > agreed {
        println!("{} skipped in {}, and {agreed} agreed: {}", skipped.len(), way.name, skips::PIN);
        total.bad += 1;
    }
    Ok(total)
}

/// How often a program is run in one circumstance: on which kernels, or its tests one by one.
fn starts(way: &Way, job: &Job) -> Result<Vec<(&'static str, Option<String>)>, String> {
    let kernels = job.kind.kernels().iter();
    if job.kind != Kind::Tests || way.command_alone(&job.group).is_none() {
        return Ok(kernels.map(|kernel| (*kernel, None)).collect());
    }
    let listed = output(Command::new(&job.program).args(["--list", "--format", "terse"]))?;
    let tests: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let each = |kernel| tests.iter().map(move |test| (kernel, Some((*test).to_owned())));
    Ok(kernels.flat_map(|kernel| each(*kernel)).collect())
}

/// Runs one program, or that test of it, in one circumstance to its end.
fn start(way: &Way, job: &Job, kernel: &str, test: Option<&str>) -> Result<Ran, String> {
    let folder = root().join(FOLDER);
    let file = |name: &str| File::create(folder.join(name));
    let broken = |error: std::io::Error| format!("{FOLDER}: {error}");
    let (out, err) = (file("out").map_err(broken)?, file("err").map_err(broken)?);
    let skipped = folder.join("skipped");
    // By whoever the program is.
    let anybody = fs::Permissions::from_mode(0o666);
    fs::write(&skipped, "")
        .and_then(|()| fs::set_permissions(&skipped, anybody))
        .map_err(broken)?;
    let alone = test.and_then(|_| way.command_alone(&job.group));
    let mut command: Command = alone.unwrap_or_else(|| way.command());
    command.arg(&job.program).args(job.arguments).current_dir(&job.folder);
    command.args(test.iter().flat_map(|test| ["--exact", test]));
    command.env(test::KERNEL, kernel).env(skips::VARIABLE, &skipped);
    command.env("CARGO_MANIFEST_DIR", &job.folder).env("NO_COLOR", "1");
    command.env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let limit = if job.kind == Kind::Tests { TESTS_LIMIT } else { LIMIT };
    let status = status_within(&mut command, limit);
    let text = |name: &str| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let skips = skips::parse(&fs::read_to_string(&skipped).unwrap_or_default());
    Ok(Ran {
        status,
        out: text("out"),
        err: text("err"),
        skips,
        forks: job.name.ends_with("_fork"),
    })
}

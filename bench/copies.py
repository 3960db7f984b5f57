"""Copies by `annulus cp` beside those by GNU `cp`: a large file, and a tree of small ones.

What they cost is the processor time of the process, that of the kernel for it included (`wait4`).
The kernel's own threads, which write back what was copied, are nobody's. Each copy is compared with
its source, which is not counted.

Trees are removed at the end, all at once: for minutes ext4 makes files slowly where many were
removed, and by then it would be seen in the figures. So let five minutes pass between two runs.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from instructions import Wrong
from rounds import machine

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..")
ANNULUS = os.path.join(ROOT, "target", "release", "annulus")
MIB = 1 << 20
FILES_IN_DIR = 100
FILE_BYTES = 4096
#: At most so much of the time of GNU cp.
ASKED = {"file": 1.03, "tree": 0.85}
PEERS = {"cp": ["cp"], "annulus cp": [ANNULUS, "cp"]}


def run(arguments):
    """`bench/run.py cp`."""
    need(arguments)
    build = ["cargo", "build", "--release", "--quiet", "-p", "annulus-cli"]
    subprocess.run(build, cwd=ROOT, check=True)
    found = {"command": "cp", "machine": machine(), "rounds": arguments.rounds,
             "cp": version(), "directory": arguments.dir, "cases": []}
    with tempfile.TemporaryDirectory(prefix="annulus-bench-cp-", dir=arguments.dir) as top:
        for case, make, name in (("file", make_file, f"{arguments.mib} MiB"),
                                 ("tree", make_tree, f"{arguments.files:,} files of 4 KiB")):
            if case in arguments.cases:
                source = os.path.join(top, case)
                make(source, arguments)
                rows = compare(case, source, top, arguments.rounds)
                found["cases"].append({"case": case, "what": name, "rows": rows})
                if not arguments.json:
                    show(case, name, rows, arguments.rounds)
    if arguments.json:
        print(json.dumps(found, indent=1))
    return 0


def need(arguments):
    """Raises where there is no cp to compare with, or no room."""
    if not shutil.which("cp"):
        raise Wrong("there is no cp to compare with")
    stat = os.statvfs(arguments.dir)
    trees = (2 * arguments.rounds + 1) * arguments.files
    room = max(2 * arguments.mib * MIB, trees * 2 * FILE_BYTES)
    if stat.f_bavail * stat.f_frsize < room * 1.1:
        raise Wrong(f"{arguments.dir}: {room / MIB:,.0f} MiB are needed: give another --dir")
    if "tree" in arguments.cases and 0 < stat.f_favail < trees * 1.1:
        raise Wrong(f"{arguments.dir}: {trees:,} inodes are needed: give another --dir")


def version():
    said = subprocess.run(["cp", "--version"], capture_output=True, text=True, check=False)
    return said.stdout.splitlines()[0] if said.stdout else "cp"


def make_file(path, arguments):
    with open(path, "wb") as file:
        for _ in range(arguments.mib):
            file.write(os.urandom(MIB))
    os.sync()


def make_tree(path, arguments):
    for number in range(arguments.files):
        folder = os.path.join(path, f"dir-{number // FILES_IN_DIR}")
        if number % FILES_IN_DIR == 0:
            os.makedirs(folder)
        with open(os.path.join(folder, f"file-{number}.dat"), "wb") as file:
            file.write(os.urandom(FILE_BYTES))
    os.sync()


def compare(case, source, top, rounds):
    """A B, B A, …: a row for each."""
    runs = {label: [] for label in PEERS}
    for turn in range(rounds):
        labels = list(PEERS)
        for label in labels if turn % 2 == 0 else labels[::-1]:
            copy = os.path.join(top, f"{case}-{turn}-{label.replace(' ', '-')}")
            argv = PEERS[label] + (["-r"] if case == "tree" else []) + [source, copy]
            runs[label].append(once(argv))
            same = ["diff", "-r", source, copy] if case == "tree" else ["cmp", source, copy]
            if subprocess.run(same, stdout=subprocess.DEVNULL, check=False).returncode:
                raise RuntimeError(f"{' '.join(argv)}: the copy differs")
            if case == "file":
                os.remove(copy)
            # So that nobody pays for what another left to be written.
            os.sync()
    return [row(label, runs) for label in PEERS]


def once(argv):
    """One copy: its processor time, and how long it took."""
    began = time.monotonic()
    child = subprocess.Popen(argv)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"{' '.join(argv)}: exit code {child.returncode}")
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "user_s": usage.ru_utime,
            "wall_s": time.monotonic() - began}


def row(label, runs):
    """Medians; ratios are those of each round, since what disturbs a round disturbs all of it."""
    mine, base = runs[label], runs["cp"]
    found = {"label": label}
    for key in mine[0]:
        found[key] = statistics.median(one[key] for one in mine)
        ratios = [a[key] / b[key] for a, b in zip(mine, base) if b[key]]
        found[f"{key}_of_cp"] = statistics.median(ratios) if ratios else None
    found["cpu_s_min"] = min(one["cpu_s"] for one in mine)
    found["cpu_s_max"] = max(one["cpu_s"] for one in mine)
    return found


def show(case, name, rows, rounds):
    print(f"\n{name}, {rounds} interleaved rounds; asked: at most {ASKED[case]} times the CPU time")
    print(f"{'':<14}{'CPU s':>8}{'min..max':>16}{'of cp':>8}{'user s':>9}{'wall s':>9}{'of cp':>8}")
    for one in rows:
        spread = f"{one['cpu_s_min']:.3f}..{one['cpu_s_max']:.3f}"
        print(f"{one['label']:<14}{one['cpu_s']:>8.3f}{spread:>16}{one['cpu_s_of_cp']:>8.3f}"
              f"{one['user_s']:>9.3f}{one['wall_s']:>9.2f}{one['wall_s_of_cp']:>8.2f}", flush=True)

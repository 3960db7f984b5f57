"""Counts instructions per operation: by the processor's counters, else by valgrind's callgrind."""

import re
import shutil
import statistics
import subprocess
import tempfile

LIMIT_S = 300


class Wrong(Exception):
    """What the caller can put right; shown as one line."""


def has_counters():
    """Whether `perf stat` counts instructions here."""
    try:
        run = subprocess.run(
            ["perf", "stat", "-x,", "-e", "instructions:u", "true"],
            capture_output=True, text=True, timeout=LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0 and "not supported" not in run.stderr


def need_a_way(counters, instead):
    """Raises where instructions cannot be counted; `instead` is what else can be asked for."""
    if not counters and not shutil.which("valgrind"):
        raise Wrong(f"no counters here and no valgrind: install valgrind{instead}")


def by_perf(argv, count):
    """Instructions of one run of `count` operations: user, kernel."""
    with tempfile.NamedTemporaryFile("r") as log:
        events = "instructions:u,instructions:k"
        perf = ["perf", "stat", "-x,", "-e", events, "-o", log.name]
        argv = perf + argv + [f"ops={count}"]
        subprocess.run(argv, capture_output=True, timeout=LIMIT_S, check=True)
        lines = [line.split(",") for line in log.read().splitlines()]
    value = {line[2]: float(line[0]) for line in lines if len(line) > 3 and line[0][:1].isdigit()}
    return value["instructions:u"], value["instructions:k"]


def by_callgrind(argv, count):
    """Instructions of one run of `count` operations in user space, of all threads."""
    # A pool of blocking threads has up to 512, beyond what valgrind makes room for by itself.
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                 "--max-threads=2048"]
    argv = callgrind + argv + [f"ops={count}"]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not found:
        said = run.stderr.strip().splitlines() or ["no reason given"]
        raise RuntimeError(f"{' '.join(argv)}: {said[-1]}")
    return float(found.group(1)), float("nan")


def instructions(argv, counters, few=32_000, many=64_000, times=1):
    """Instructions per operation, user and kernel: the slope between two counts, so that set-up
    cancels out; the median of `times`, for programs whose threads race."""
    measure = by_perf if counters else by_callgrind
    slopes = []
    for _ in range(times):
        less, more = measure(argv, few), measure(argv, many)
        slopes.append([(b - a) / (many - few) for a, b in zip(less, more)])
    return tuple(statistics.median(part) for part in zip(*slopes))


def system_calls(argv, few=1_000, many=4_000):
    """System calls per operation of all threads, or nothing where strace cannot be had."""
    if not shutil.which("strace"):
        return None
    counts = []
    for count in (few, many):
        with tempfile.NamedTemporaryFile("r") as log:
            strace = ["strace", "-c", "-f", "-U", "calls,name", "-o", log.name]
            subprocess.run(strace + argv + [f"ops={count}"], capture_output=True,
                           timeout=LIMIT_S, check=True)
            lines = [line.split() for line in log.read().splitlines()]
        counts.append(sum(int(line[0]) for line in lines
                          if len(line) == 2 and line[0].isdigit() and line[1] != "total"))
    return (counts[1] - counts[0]) / (many - few)

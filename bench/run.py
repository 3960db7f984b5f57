#!/usr/bin/env python3
"""Annulus beside its peers on the same work, interleaved.

    bench/run.py nop [rounds]          submit and take NOPs, batches 1 8 32 128
    bench/run.py randread FILE [rounds]   4 KiB random reads, depths 1 32 128
    bench/run.py micro                 the two halves of a hot path, in instructions

Rounds run A B C ... then C B A; medians are shown, with the smallest and largest. Instructions
per operation are read from `perf stat` where the processor's counters can be had (user and
kernel), else counted by valgrind's callgrind (user only). `cargo xtask kernels --instructions`
counts those of a kernel under emulation, where there are no counters. The peers in C are built from
$PEERBENCH/c where that is a directory (default: ../shared/peerbench) and liburing's header is
installed; the others are here.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.join(HERE, "target", "release")
PEERBENCH = os.environ.get("PEERBENCH", os.path.join(HERE, "..", "..", "shared", "peerbench"))
LIMIT_S = 120


def build():
    """Builds the programs here, and the peers in C if that can be done."""
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE, check=True)
    for name in ("nop", "randread"):
        source = os.path.join(PEERBENCH, "c", f"{name}.c")
        if os.path.exists(source) and os.path.exists("/usr/include/liburing.h"):
            target = os.path.join(BIN, f"{name}-c")
            subprocess.run(["gcc", "-O2", "-o", target, source, "-luring"], check=True)


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


def once(argv):
    """One run: operations per second."""
    run = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S)
    found = re.search(r"ops_per_s=([0-9.]+)", run.stdout)
    if run.returncode or not found:
        raise RuntimeError(f"{' '.join(argv)}: {run.stderr.strip() or run.stdout.strip()}")
    return float(found.group(1))


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
    """Instructions of one run of `count` operations in user space."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    argv = callgrind + argv + [f"ops={count}"]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if not found:
        raise RuntimeError(f"callgrind {' '.join(argv)}: {run.stderr[-200:]}")
    return float(found.group(1)), float("nan")


def instructions(argv, counters, few=32_000, many=64_000):
    """Instructions per operation: the slope between two counts, so that set-up cancels out."""
    measure = by_perf if counters else by_callgrind
    less, more = measure(argv, few), measure(argv, many)
    return tuple((b - a) / (many - few) for a, b in zip(less, more))


def compare(title, peers, ops, rounds, counters):
    """Runs every peer in every round, and prints a table."""
    peers = [(label, argv) for label, argv in peers if os.path.exists(argv[0])]
    speeds = {label: [] for label, _ in peers}
    for turn in range(rounds):
        for label, argv in peers if turn % 2 == 0 else peers[::-1]:
            speeds[label].append(once(argv + [f"ops={ops}"]))
    ours = statistics.median(speeds[peers[0][0]])
    print(f"\n### {title} ({rounds} interleaved rounds)")
    print("| | user instr/op | kernel instr/op | ops/s | min..max | of ours |")
    print("|---|---|---|---|---|---|")
    for label, argv in peers:
        user, kernel = instructions(argv, counters)
        median = statistics.median(speeds[label])
        spread = f"{min(speeds[label]):,.0f}..{max(speeds[label]):,.0f}"
        kernel = "-" if kernel != kernel else f"{kernel:,.0f}"
        row = (label, f"{user:,.1f}", kernel, f"{median:,.0f}", spread, f"{median / ours:.2f}")
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def program(name, *arguments):
    return [os.path.join(BIN, name), *arguments]


def nop(rounds, counters):
    for batch in (1, 8, 32, 128):
        b = f"batch={batch}"
        peers = [
            ("annulus, reserve and fill", program("nop-annulus", b, "call=reserve", "core=0")),
            ("annulus, single pushes", program("nop-annulus", b, "call=push", "core=0")),
            ("annulus, Ring", program("nop-annulus", b, "call=reserve", "mode=plain", "core=0")),
            ("rustix by hand", program("nop-rustix", b, "mode=defer_nosq", "core=0")),
            ("io-uring", program("nop-uring", b, "mode=defer_nosq", "core=0")),
            ("io-uring, a borrow per push", program("nop-uring", b, "multi=1", "core=0")),
            ("liburing, registered", program("nop-c", b, "mode=defer", "regring=1", "core=0")),
            ("liburing", program("nop-c", b, "mode=defer", "core=0")),
        ]
        compare(f"NOP, batch {batch}", peers, 1_000_000, rounds, counters)


def randread(path, rounds, counters):
    file = f"file={path}"
    with open(path, "rb") as data:  # into the page cache
        while data.read(1 << 20):
            pass
    for depth in (1, 32, 128):
        q = f"qd={depth}"
        peers = [
            ("annulus, reserve and fill", program("randread-annulus", q, file, "call=reserve")),
            ("annulus, single pushes", program("randread-annulus", q, file, "call=push")),
            ("annulus, fixed", program("randread-annulus", q, file, "fixed=1")),
            ("io-uring", program("randread-uring", q, file, "mode=defer")),
            ("liburing", program("randread-c", q, file, "mode=defer")),
            ("liburing, fixed", program("randread-c", q, file, "mode=defer", "fixed=1")),
        ]
        compare(f"random reads, page cache, depth {depth}", peers, 60_000, rounds, counters)


def micro(counters):
    print("\n### one half of a hot path, user instructions per operation, its loop included")
    for part, what in (
        ("push", "READ prepared and pushed singly"),
        ("reserve", "READ prepared and filled into reserved room"),
        ("walk", "completions walked in place"),
        ("iter", "completions walked by the iterator"),
    ):
        argv = program("micro-annulus", f"part={part}")
        user, _ = instructions(argv, counters, 8_192, 24_576)
        print(f"| {what} | {user:.1f} |")


def main(argv):
    if len(argv) < 2 or argv[1] not in ("nop", "randread", "micro"):
        sys.exit(__doc__.strip())
    build()
    counters = has_counters()
    if not counters:
        print("no counters here: user instructions by callgrind, kernel instructions not at all")
    if argv[1] == "nop":
        nop(int(argv[2]) if len(argv) > 2 else 5, counters)
    elif argv[1] == "micro":
        micro(counters)
    elif len(argv) < 3:
        sys.exit("bench/run.py randread FILE: which file? (any of some 64 MiB or more)")
    else:
        randread(argv[2], int(argv[3]) if len(argv) > 3 else 3, counters)


if __name__ == "__main__":
    main(sys.argv)

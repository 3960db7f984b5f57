"""Interleaved rounds of programs that print what they cost, and the table of it.

A program prints one line of `key=value`: `ops secs ops_per_s user_s system_s voluntary involuntary`
(`src/meter.rs`), of its measured part. A ratio is the median over the rounds of the ratios within
each round, since what disturbs a round disturbs all of it.
"""

import math
import os
import platform
import re
import statistics
import subprocess
from dataclasses import dataclass

from instructions import instructions

LIMIT_S = 120


@dataclass
class Peer:
    """A program to compare, and how many operations its instructions are counted over. Callgrind
    cannot count one with `waits_in_ring`: while a thread of it waits in `io_uring_enter`, valgrind
    (3.19) lets no other thread run. One that no time ends does `ops` operations in each round."""

    label: str
    argv: list
    few: int = 32_000
    many: int = 64_000
    times: int = 1
    waits_in_ring: bool = False
    ops: int = 0


@dataclass
class Plan:
    """How much is measured: for `compare`."""

    rounds: int
    seconds: float
    instructions: bool
    counters: bool


def machine():
    """What the figures were made on."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    load = os.getloadavg()[0]
    return {"kernel": platform.release(), "processors": os.cpu_count(), "model": model,
            "load": round(load, 2)}


def printed(argv, limit=LIMIT_S):
    """One run: what it printed, line by line, each a dict of texts."""
    run = subprocess.run(argv, capture_output=True, text=True, timeout=limit)
    lines = [dict(re.findall(r"(\S+)=(\S+)", line)) for line in run.stdout.splitlines()]
    if run.returncode or not lines:
        raise RuntimeError(f"{' '.join(argv)}: {run.stderr.strip() or 'printed nothing'}")
    return lines


def once(peer, seconds):
    """One run of `seconds`, or of the peer's `ops`: what it cost per operation."""
    length = f"ops={peer.ops}" if peer.ops else f"seconds={seconds}"
    line = printed(peer.argv + [length], LIMIT_S + seconds)[-1]
    cost = {key: float(value) for key, value in line.items()}
    ops = cost["ops"]
    if not ops:
        raise RuntimeError(f"{peer.label}: nothing done in {seconds} s: give it more --seconds")
    return {
        "rate": cost["ops_per_s"],
        "cpu_ns": (cost["user_s"] + cost["system_s"]) * 1e9 / ops,
        "user_ns": cost["user_s"] * 1e9 / ops,
        "voluntary": cost["voluntary"] / ops,
        "involuntary": cost["involuntary"] / ops,
    }


def ratio(mine, theirs, key):
    """The median of the rounds' ratios, or nothing where the other took nothing measurable."""
    pairs = [(a[key], b[key]) for a, b in zip(mine, theirs) if b[key]]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def compare(peers, bases, plan):
    """Runs every peer in every round, A B C ... then C B A: a row for each. `bases` are the labels
    that the others are compared with."""
    runs = {peer.label: [] for peer in peers}
    for turn in range(plan.rounds):
        for peer in peers if turn % 2 == 0 else peers[::-1]:
            runs[peer.label].append(once(peer, plan.seconds))
    rows = []
    for peer in peers:
        mine = runs[peer.label]
        row = {"label": peer.label}
        for key in mine[0]:
            row[key] = statistics.median(run[key] for run in mine)
        row["rate_min"] = min(run["rate"] for run in mine)
        row["rate_max"] = max(run["rate"] for run in mine)
        for base in bases:
            row[f"rate_of_{base}"] = ratio(mine, runs[base], "rate")
            row[f"cpu_of_{base}"] = ratio(mine, runs[base], "cpu_ns")
        row["instructions"] = row["kernel_instructions"] = None
        if plan.instructions and (plan.counters or not peer.waits_in_ring):
            counted = instructions(peer.argv, plan.counters, peer.few, peer.many, peer.times)
            user, kernel = counted
            row["instructions"] = user
            row["kernel_instructions"] = None if math.isnan(kernel) else kernel
        rows.append(row)
    of = {row["label"]: row["instructions"] for row in rows}
    for row in rows:
        for base in bases:
            known = row["instructions"] and of[base]
            row[f"instructions_of_{base}"] = row["instructions"] / of[base] if known else None
    return rows


def table(title, unit, bases, rows):
    """The rows as text: the same columns, as wide as ever, whatever is in them."""
    columns = [(f"{unit}s/s", "rate", "{:,.0f}", 11), ("min", "rate_min", "{:,.0f}", 11),
               ("max", "rate_max", "{:,.0f}", 11)]
    columns += [(f"of {bases[0]}", f"rate_of_{bases[0]}", "{:.2f}", 9)]
    columns += [(f"CPU ns/{unit}", "cpu_ns", "{:,.0f}", 12)]
    columns += [(f"of {base}", f"cpu_of_{base}", "{:.2f}", 9) for base in bases]
    columns += [(f"vol/{unit}", "voluntary", "{:.3f}", 9),
                (f"invol/{unit}", "involuntary", "{:.3f}", 10),
                (f"instr/{unit}", "instructions", "{:,.0f}", 10),
                (f"of {bases[0]}", f"instructions_of_{bases[0]}", "{:.2f}", 10)]
    columns = [(name, key, form, max(wide, len(name))) for name, key, form, wide in columns]
    width = max(24, *(len(row["label"]) for row in rows))
    out = [title, " " * width + "".join(f"{name:>{wide + 1}}" for name, _, _, wide in columns)]
    for row in rows:
        cells = ("-" if row[key] is None else form.format(row[key]) for _, key, form, _ in columns)
        aligned = (f"{cell:>{wide + 1}}" for cell, (_, _, _, wide) in zip(cells, columns))
        out.append(f"{row['label']:<{width}}" + "".join(aligned))
    return "\n".join(out)

#!/usr/bin/env python3
"""Annulus beside its peers on the same work, interleaved.

    bench/run.py nop [rounds]             submit and take NOPs, batches 1 8 32 128
    bench/run.py randread FILE [rounds]   4 KiB random reads, depths 1 32 128
    bench/run.py micro                    the two halves of a hot path, in instructions
    bench/run.py tokio FILE               4 KiB random reads from tokio's tasks, hot and direct
    bench/run.py shared                   NOPs from many threads to one ring
    bench/run.py host FILE                4 KiB cached reads: engine and ring on the host kernel
    bench/run.py pingpong                 TCP over loopback: the host kernel, epoll, tokio
    bench/run.py runtime FILE             4 KiB cached reads: the ring, our runtime, its peers
    bench/run.py fixed FILE               4 KiB direct reads by File, all registered; the raw ring
    bench/run.py tasks                    spawn, yield, timers, wake: our runtime, its peers
    bench/run.py echo                     a TCP echo: our runtime, its peers
    bench/run.py hyper                    hyper's hello world: on this runtime, on tokio
    bench/run.py serve                    `annulus serve` beside nginx, under wrk: installed ones
    bench/run.py cp                       `annulus cp` and GNU `cp`: 2 GiB, and 20,000 files
    bench/run.py idle                     wake-ups of threads that have nothing to do

Rounds run A B C ... then C B A; medians are shown, with the smallest and largest. Instructions
per operation are read from `perf stat` where the processor's counters can be had (user and
kernel), else counted by valgrind's callgrind (user only). `cargo xtask kernels --instructions`
counts those of a kernel under emulation, where there are no counters. The peers in C are built from
$PEERBENCH/c where that is a directory (default: ../shared/peerbench) and liburing's header is
installed; the others are here. `runtime` and `tasks` build theirs from `peers/`, a package for each
runtime: cargo fetches their crates where it can, and what cannot be built is left out in one line.

`tokio`, `shared`, `host`, `pingpong`, `echo`, `hyper`, `runtime`, `fixed` and `tasks` show per
operation the processor time of all threads, the kernel's included, which stands for cycles, and
the context switches; `--rounds`, `--seconds` (of each run), `--depths`, `--threads`, `--modes`,
`--peers` and the like bound them, `--no-instructions` leaves callgrind out, and `--json` prints
everything as one JSON object instead. `cp` has `--rounds`, `--dir`, `--cases`, `--mib`, `--files`
and `--json`. What is wrong is said in one line; the exit code is 2 then, and 1 where a program
failed.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from instructions import Wrong, has_counters, instructions, need_a_way, system_calls  # noqa: E402
from rounds import Peer, Plan, compare as compare_cost, machine, printed, table  # noqa: E402
import copies  # noqa: E402
import runtimes  # noqa: E402
import serve as serving  # noqa: E402
import targets  # noqa: E402

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


def once(argv):
    """One run: operations per second."""
    run = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S)
    found = re.search(r"ops_per_s=([0-9.]+)", run.stdout)
    if run.returncode or not found:
        raise RuntimeError(f"{' '.join(argv)}: {run.stderr.strip() or run.stdout.strip()}")
    return float(found.group(1))


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


READS = "read"
NOPS = "NOP"
REQUESTS = "req"
OPERATIONS = "op"


class Output:
    """Tables as they come, or all of it as one JSON object at the end."""

    def __init__(self, arguments):
        self.json = arguments.json
        self.all = {"command": arguments.command, "machine": machine(),
                    "rounds": arguments.rounds, "seconds": arguments.seconds, "tables": []}
        if not self.json:
            about = self.all["machine"]
            print(f"Linux {about['kernel']}, {about['processors']} x {about['model']}, "
                  f"load {about['load']}", flush=True)

    def add(self, title, parameters, unit, bases, rows):
        self.all["tables"].append({**parameters, "unit": unit, "rows": rows})
        if not self.json:
            print("\n" + table(title, unit, bases, rows), flush=True)

    def end(self):
        if self.json:
            print(json.dumps(self.all, indent=1))


def plan(arguments):
    """How much is measured. Raises where instructions are wanted and cannot be counted."""
    counters = has_counters()
    if arguments.instructions:
        need_a_way(counters, ", or say --no-instructions")
    return Plan(arguments.rounds, arguments.seconds, arguments.instructions, counters)


def tokio_peers(path, direct, depth):
    """The ways to read: the ring first, which the others are compared with."""
    file, d, q = f"file={path}", f"direct={direct:d}", f"qd={depth}"
    racing = {"few": 6_000, "many": 24_000, "times": 3}
    threads = sorted({1, 2, depth})
    peers = [Peer("ring", program("randread-annulus", file, d, q))]
    peers += [
        Peer("pread" if count == 1 else f"pread, {count} threads",
             program("randread-threads", file, d, f"threads={count}"))
        for count in threads
    ]
    engine = program("randread-tokio", file, d, q, "way=engine")
    peers += [Peer("engine", engine, **racing, waits_in_ring=True)]
    driven = program("randread-tokio", file, d, q, "way=driven")
    peers += [Peer("engine, driven", driven, **racing)]
    ways = [("tokio, spawn_blocking", "blocking")] + [("tokio::fs::File", "fs")] * (not direct)
    peers += [
        Peer(label, program("randread-tokio", file, d, q, f"way={way}"), **racing)
        for label, way in ways
    ]
    return peers


def tokio(arguments):
    path, modes = arguments.file, arguments.modes
    targets.check(path, "direct" in modes)
    how, out, bases = plan(arguments), Output(arguments), ["ring", "pread"]
    build()
    for mode in modes:
        (targets.into_cache if mode == "hot" else targets.out_of_cache)(path)
        for depth in arguments.depths:
            rows = compare_cost(tokio_peers(path, mode == "direct", depth), bases, how)
            title = f"random 4 KiB reads, {mode}, {depth} in flight"
            title += f" ({how.rounds} rounds of {how.seconds} s)"
            out.add(title, {"mode": mode, "depth": depth}, READS, bases, rows)
    out.end()


def shared_peers(threads, batch):
    """The ways to push: a ring each first. Callgrind runs one thread at a time, so that it counts
    locks that nobody else wants."""
    arguments = [f"threads={threads}", f"batch={batch}"]
    return [
        Peer("local", program("shared-push", *arguments, "way=local")),
        Peer("own", program("shared-push", *arguments, "way=own")),
        Peer("mutex", program("shared-push", *arguments, "way=mutex")),
        Peer("shared", program("shared-push", *arguments, "way=shared")),
    ]


def shared(arguments):
    how, out, bases = plan(arguments), Output(arguments), ["local", "mutex"]
    build()
    for batch in arguments.batches:
        for threads in arguments.threads:
            rows = compare_cost(shared_peers(threads, batch), bases, how)
            title = f"NOPs, {threads} threads, {batch} at a time"
            title += f" ({how.rounds} rounds of {how.seconds} s)"
            out.add(title, {"threads": threads, "batch": batch}, NOPS, bases, rows)
    out.end()


def host_peers(path, depth):
    """The ways to read what is cached, `depth` in flight. The processors' threads that do nothing
    but `pread` have nobody to hand them a read; those of the pool have. An engine does what is
    cached by a call, when it is polled, and asks no ring: its rows say little of a kernel. In those
    of a ring each read is an entry that the kernel answers."""
    file, q = f"file={path}", f"qd={depth}"
    threads = f"threads={os.cpu_count()}"
    racing = {"few": 6_000, "many": 24_000, "times": 3}
    peers = [Peer("pread", program("randread-threads", file, threads)),
             Peer("pool", program("randread-pool", file, q, threads), **racing)]
    for kernel in ("host", "linux"):
        for fixed, name in ((0, f"{kernel}, a ring"), (1, f"{kernel}, a ring, fixed")):
            argv = program("randread-kernel", file, q, f"kernel={kernel}", f"fixed={fixed}")
            peers.append(Peer(name, argv))
        for way, name in (("driven", f"{kernel}, engine, driven"), ("engine", f"{kernel}, engine")):
            argv = program("randread-tokio", file, q, f"way={way}", f"kernel={kernel}")
            in_ring = way == "engine" and kernel == "linux"
            peers.append(Peer(name, argv, **racing, waits_in_ring=in_ring))
    return peers


def host(arguments):
    targets.check(arguments.file, False)
    how, out, bases = plan(arguments), Output(arguments), ["pread", "pool"]
    build()
    targets.into_cache(arguments.file)
    for depth in arguments.depths:
        rows = compare_cost(host_peers(arguments.file, depth), bases, how)
        title = f"random 4 KiB reads, cached, {depth} in flight"
        title += f" ({how.rounds} rounds of {how.seconds} s)"
        out.add(title, {"depth": depth}, READS, bases, rows)
    out.end()


def pingpong_peers(conns):
    """The servers; `floor` is nothing but a receive and a send that know who has sent."""
    ways = [("floor", []), ("epoll", []), ("single", ["kernel=host"]), ("multi", ["kernel=host"]),
            ("tokio", []), ("single", ["kernel=linux"]), ("multi", ["kernel=linux"])]
    names = ["floor", "epoll", "host", "host, multishot", "tokio", "linux", "linux, multishot"]
    return [
        Peer(name, program("pingpong", f"way={way}", f"conns={conns}", *more), few=2_000,
             many=8_000)
        for name, (way, more) in zip(names, ways)
    ]


def above_floor(rows):
    """Adds to each row what it costs above the floor, by that of epoll."""
    base = {row["label"]: row for row in rows}
    for row in rows:
        for key, name in (("cpu_ns", "cpu_above"), ("instructions", "instructions_above")):
            own, floor, epoll = (r[key] for r in (row, base["floor"], base["epoll"]))
            known = None not in (own, floor, epoll) and epoll > floor
            row[name] = (own - floor) / (epoll - floor) if known else None


def pingpong(arguments):
    how, out, bases = plan(arguments), Output(arguments), ["floor", "epoll"]
    build()
    for conns in arguments.conns:
        peers = pingpong_peers(conns)
        rows = compare_cost(peers, bases, how)
        above_floor(rows)
        for row, peer in zip(rows, peers):
            row["calls"] = system_calls(peer.argv)
        title = f"TCP ping-pong, 64 bytes, {conns} connections"
        title += f" ({how.rounds} rounds of {how.seconds} s)"
        out.add(title, {"conns": conns}, REQUESTS, bases, rows)
        if not out.json:
            print("above the floor, of epoll's; system calls per request, two of them the clients'")
            for row in rows:
                cells = [row["instructions_above"], row["cpu_above"], row["calls"]]
                cells = ["-" if cell is None else f"{cell:.2f}" for cell in cells]
                print(f"{row['label']:<20} instructions {cells[0]:>8} CPU {cells[1]:>8} "
                      f"calls {cells[2]:>8}")
    out.end()


def runtime(arguments):
    targets.check(arguments.file, False)
    how, out, bases = plan(arguments), Output(arguments), ["annulus", "ring"]
    build()
    built = runtimes.build(arguments.peers)
    targets.into_cache(arguments.file)
    for depth in arguments.depths:
        rows = compare_cost(runtimes.readers(built, arguments.file, depth), bases, how)
        title = f"random 4 KiB reads, cached, {depth} in flight"
        title += f" ({how.rounds} rounds of {how.seconds} s)"
        out.add(title, {"depth": depth}, READS, bases, rows)
    out.end()


def fixed(arguments):
    targets.check(arguments.file, True)
    how, out, bases = plan(arguments), Output(arguments), ["ring"]
    build()
    targets.out_of_cache(arguments.file)
    for depth in arguments.depths:
        read = [f"file={arguments.file}", f"qd={depth}", "direct=1"]
        peers = [Peer("File", [os.path.join(BIN, "randread-file"), *read]),
                 Peer("ring", [os.path.join(BIN, "randread-annulus"), *read, "fixed=1"])]
        rows = compare_cost(peers, bases, how)
        title = f"random 4 KiB direct reads, file and buffers registered, {depth} in flight"
        title += f" ({how.rounds} rounds of {how.seconds} s)"
        out.add(title, {"depth": depth}, READS, bases, rows)
    out.end()


def tasks(arguments):
    how, out, bases = plan(arguments), Output(arguments), ["annulus"]
    build()
    built = runtimes.build(arguments.peers)
    for mode in arguments.modes:
        what, ops = runtimes.MODES[mode]
        rows = compare_cost(runtimes.tasks(built, mode), bases, how)
        title = f"{what} ({how.rounds} rounds of {ops:,})"
        out.add(title, {"mode": mode}, OPERATIONS, bases, rows)
    out.end()


def hyper(arguments):
    how, out, bases = plan(arguments), Output(arguments), ["tokio"]
    build()
    cores = ["core=0", "load_core=1"] if (os.cpu_count() or 1) > 1 else []
    for conns in arguments.conns:
        for size in arguments.bytes:
            ops = max(1_000, min(arguments.ops, 2_000_000_000 // (size + 20_000)))
            peers = [
                Peer(label, program(name, f"conns={conns}", f"bytes={size}", *cores, *more),
                     few=4_000, many=12_000, ops=ops)
                for label, name, more in (
                    ("annulus", "hyper-annulus", []),
                    ("annulus, writev", "hyper-annulus", ["writev=1"]),
                    ("tokio", "hyper-tokio", []),
                    ("annulus, timer", "hyper-annulus", ["timer=1"]),
                    ("tokio, timer", "hyper-tokio", ["timer=1"]),
                )
            ]
            rows = compare_cost(peers, bases, how)
            title = f"hyper, answers of {size} bytes, {conns} connections"
            out.add(f"{title} ({how.rounds} rounds of {ops} requests)",
                    {"conns": conns, "bytes": size}, REQUESTS, bases, rows)
    out.end()


def serve(arguments):
    results = serving.compare(arguments.rounds, arguments.seconds, arguments.bytes, arguments.conns)
    if arguments.json:
        print(json.dumps({"command": "serve", "machine": machine(), "results": results}, indent=1))
        return
    for result in results:
        print("\n".join(serving.table(result)))


def echo(arguments):
    how, out = plan(arguments), Output(arguments)
    build()
    built = runtimes.build(arguments.peers)
    bases = [peer for peer in ("tokio", "monoio") if peer in built]
    cores = ["core=0", "load_core=1"] if (os.cpu_count() or 1) > 1 else []
    for conns in arguments.conns:
        for size in arguments.bytes:
            peers = runtimes.echoes(built, conns, size, max(arguments.ops, 10 * conns), cores)
            rows = compare_cost(peers, bases, how)
            title = f"TCP echo of {size} bytes, {conns} connections"
            out.add(f"{title} ({how.rounds} rounds of {arguments.ops} requests)",
                    {"conns": conns, "bytes": size}, REQUESTS, bases, rows)
    out.end()


def idle(arguments):
    build()
    found = []
    for what in ("tokio", "ring", "engine", "driven", "ticking"):
        argv = program("idle-wakeups", f"what={what}", f"seconds={arguments.seconds}")
        *threads, total = printed(argv, LIMIT_S + arguments.seconds)
        found.append({"what": what, "wakeups": int(total["wakeups"]), "threads": threads})
    if arguments.json:
        whole = {"command": "idle", "seconds": arguments.seconds, "runs": found}
        print(json.dumps(whole, indent=1))
        return
    print(f"wake-ups in {arguments.seconds} s ('ticking' is not idle: it shows that they count)")
    for run in found:
        each = ", ".join(f"{thread['name']} {thread['wakeups']}" for thread in run["threads"])
        print(f"{run['what']:<10}{run['wakeups']:>8}   {each}")


class Parser(argparse.ArgumentParser):
    """One that says what is wrong in one line."""

    def error(self, message):
        raise Wrong(f"{message} (see bench/run.py --help)")


def number(kind, least, most):
    """A type of argument: a `kind` between `least` and `most`."""
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: from {least} to {most}")
        return value
    return read


def several(one):
    """A type of argument: some, separated by commas."""
    return lambda text: [one(part) for part in text.split(",")]


def one_of(names):
    """A type of argument: one of `names`."""
    def read(text):
        if text not in names:
            raise argparse.ArgumentTypeError(f"'{text}': {', '.join(names)}")
        return text
    return read


def parse(argv):
    parser = Parser(prog="bench/run.py", usage=__doc__.strip(), add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    commands = parser.add_subparsers(dest="command", parser_class=Parser)
    rounds = number(int, 1, 1000)
    for name, default in (("nop", 5), ("randread", 3), ("micro", None)):
        command = commands.add_parser(name, add_help=False)
        if name == "randread":
            command.add_argument("file", metavar="FILE")
        if default:
            command.add_argument("rounds", nargs="?", type=rounds, default=default)
    for name, seconds in (("tokio", 1.0), ("shared", 0.5), ("host", 1.0), ("pingpong", 0.5),
                          ("echo", 1.0), ("hyper", 1.0), ("serve", 3.0), ("runtime", 1.0),
                          ("fixed", 1.0), ("tasks", None)):
        command = commands.add_parser(name, add_help=False)
        command.add_argument("--rounds", type=rounds, default=5)
        if seconds:
            command.add_argument("--seconds", type=number(float, 0.05, 600), default=seconds)
        command.add_argument("--no-instructions", dest="instructions", action="store_false")
        command.add_argument("--json", action="store_true")
        counts = several(number(int, 1, 256 if name == "shared" else 1000))
        if name == "tokio":
            command.add_argument("file", metavar="FILE")
            command.add_argument("--modes", type=several(one_of(("hot", "direct"))),
                                 default=["hot", "direct"])
            command.add_argument("--depths", type=counts, default=[1, 32, 128])
        elif name in ("host", "fixed"):
            command.add_argument("file", metavar="FILE")
            depth = 32 if name == "host" else 128
            command.add_argument("--depths", type=counts, default=[depth])
        elif name == "echo":
            some = several(one_of(runtimes.PEERS))
            command.add_argument("--peers", type=some, default=runtimes.PEERS)
            command.add_argument("--conns", type=counts, default=[1, 50, 500])
            command.add_argument("--bytes", type=several(number(int, 1, 1 << 20)),
                                 default=[64, 4096])
            command.add_argument("--ops", type=number(int, 1_000, 10**9), default=100_000)
        elif name in ("runtime", "tasks"):
            some = several(one_of(runtimes.PEERS))
            command.add_argument("--peers", type=some, default=runtimes.PEERS)
            if name == "runtime":
                command.add_argument("file", metavar="FILE")
                command.add_argument("--depths", type=counts, default=[1, 32])
            else:
                some = several(one_of(list(runtimes.MODES)))
                command.add_argument("--modes", type=some, default=list(runtimes.MODES))
                command.set_defaults(seconds=0.0)
        elif name == "pingpong":
            command.add_argument("--conns", type=counts, default=[1, 50])
        elif name == "serve":
            command.add_argument("--conns", type=counts, default=[50])
            sizes = several(number(int, 1, 1 << 30))
            command.add_argument("--bytes", type=sizes, default=[4096, 1 << 20])
        elif name == "hyper":
            command.add_argument("--conns", type=counts, default=[50, 500])
            sizes = several(number(int, 1, 1 << 30))
            command.add_argument("--bytes", type=sizes, default=[13])
            command.add_argument("--ops", type=number(int, 1_000, 10**9), default=100_000)
        else:
            command.add_argument("--threads", type=counts, default=[1, 2, 4, 8])
            command.add_argument("--batches", type=counts, default=[1, 16])
    command = commands.add_parser("idle", add_help=False)
    command.add_argument("--seconds", type=number(int, 1, 3600), default=10)
    command.add_argument("--json", action="store_true")
    command = commands.add_parser("cp", add_help=False)
    command.add_argument("--rounds", type=rounds, default=7)
    command.add_argument("--dir", default=tempfile.gettempdir())
    command.add_argument("--cases", type=several(one_of(("file", "tree"))),
                         default=["file", "tree"])
    command.add_argument("--mib", type=number(int, 1, 1 << 20), default=2048)
    command.add_argument("--files", type=number(int, 1, 10**7), default=20_000)
    command.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv):
    arguments = parse(argv)
    if arguments.help or not arguments.command:
        print(__doc__.strip(), file=sys.stdout if arguments.help else sys.stderr)
        return 0 if arguments.help else 2
    new = {"tokio": tokio, "shared": shared, "idle": idle, "host": host,
           "pingpong": pingpong, "echo": echo, "hyper": hyper, "serve": serve, "runtime": runtime,
           "fixed": fixed, "tasks": tasks, "cp": copies.run}.get(arguments.command)
    if new:
        new(arguments)
        return 0
    if arguments.command == "randread":
        targets.check(arguments.file, False)
    counters = has_counters()
    need_a_way(counters, "")
    build()
    if not counters:
        print("no counters here: user instructions by callgrind, kernel instructions not at all")
    if arguments.command == "nop":
        nop(arguments.rounds, counters)
    elif arguments.command == "micro":
        micro(counters)
    else:
        randread(arguments.file, arguments.rounds, counters)
    return 0


def guarded(argv):
    """Runs `main`; what goes wrong is one line."""
    try:
        return main(argv)
    except Wrong as wrong:
        why, code = wrong, 2
    except subprocess.TimeoutExpired as late:
        why, code = f"{' '.join(late.cmd)}: not done in {late.timeout:.0f} s", 1
    except (RuntimeError, subprocess.SubprocessError) as failed:
        why, code = failed, 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered
        why, code = "nobody reads the output any more", 1
    except OSError as error:
        why, code = f"{error.filename}: {error.strerror}", 1
    except KeyboardInterrupt:
        why, code = "interrupted", 130
    print(f"bench/run.py: {why}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(guarded(sys.argv[1:]))

"""Annulus's runtime beside its peers: the programs of `peers/`, and what is asked of each.

All do the work of `harness/src/{reads,tasks}.rs`, each on its runtime. They are built one by one
into `target/peers`, from crates that cargo has or can fetch; what cannot be built is left out.
"""

import os
import subprocess
import sys

from rounds import Peer

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.path.join(HERE, "target", "release")
TARGET = os.path.join(HERE, "target", "peers")
THEIRS = os.path.join(TARGET, "release")
PEERS = ["monoio", "tokio-uring", "compio", "glommio", "tokio"]

# What tasks do, and how often in a round: a second or less of processor time.
MODES = {
    "spawn": ("spawn and join, 1,000 at a time", 1_000_000),
    "spawn1": ("spawn and join, one at a time", 300_000),
    "yield": ("yield, 100 tasks", 3_000_000),
    "tcancel": ("timer, created and cancelled", 1_000_000),
    "tfire": ("timer fires, 1,000 tasks, 1 us", 1_000_000),
    "tspread": ("timer fires, 10,000 tasks, 1 to 10 ms", 1_000_000),
    "wake": ("cross-thread wake, there and back", 20_000),
}

# Those whose threads wait in `io_uring_enter` for each other's wake.
WAKE_IN_RING = ("annulus", "monoio", "compio", "glommio")


def build(peers=tuple(PEERS)):
    """Builds the peers that can be built, and says in a line what cannot: their names."""
    built = []
    for peer in peers:
        cargo = ["cargo", "build", "--release", "--quiet", "--locked", "-p", f"peer-{peer}",
                 "--target-dir", TARGET]
        run = subprocess.run(cargo, cwd=os.path.join(HERE, "peers"), capture_output=True,
                             text=True, check=False)
        if run.returncode == 0:
            built.append(peer)
        else:
            print(f"{peer} is left out: {reason(run.stderr)}", file=sys.stderr)
    return built


def reason(said):
    """The one line of cargo's that says why."""
    lines = said.strip().splitlines() or ["cargo gave no reason"]
    causes = [line.strip() for line in lines if line.startswith("error")]
    return (causes or lines)[0]


def theirs(name, *arguments):
    return [os.path.join(THEIRS, name), *arguments]


def ours(name, *arguments):
    return [os.path.join(OURS, name), *arguments]


def readers(built, path, depth):
    """The ways to read what is cached, `depth` in flight; ours first."""
    arguments = [f"file={path}", f"qd={depth}"]
    peers = [Peer("annulus", ours("randread-annulus-rt", *arguments)),
             Peer("ring", ours("randread-annulus", *arguments))]
    # tokio has no ring: a blocking thread reads. How those race is not the same each time.
    racing = {"few": 6_000, "many": 24_000, "times": 3}
    for peer in built:
        if peer == "tokio":
            argv = ours("randread-tokio", *arguments, "way=blocking")
            peers.append(Peer("tokio, spawn_blocking", argv, **racing))
        else:
            peers.append(Peer(peer, theirs(f"randread-{peer}", *arguments)))
    return peers


def echoes(built, conns, size, ops, cores):
    """The runtimes that echo `size` bytes on each of `conns` connections; ours first."""
    arguments = [f"conns={conns}", f"size={size}", f"buf={max(size, 4096)}", *cores]
    counted = {"few": 10 * conns + 2_000, "many": 20 * conns + 12_000, "ops": ops}
    peers = [Peer("annulus", ours("echo-annulus", *arguments), **counted),
             Peer("annulus, pool", ours("echo-annulus", "pool=1", *arguments), **counted)]
    load = f"load={os.path.join(OURS, 'echo-load')}"
    for peer in built:
        peers.append(Peer(peer, theirs(f"echo-{peer}", load, *arguments), **counted))
    return peers


def tasks(built, mode):
    """The runtimes whose tasks do what `mode` says; ours first."""
    _, ops = MODES[mode]
    # Multiples of what every mode shares among its tasks; wakes are slow to count.
    few, many = (2_000, 8_000) if mode == "wake" else (20_000, 60_000)
    times = 3 if mode in ("tfire", "tspread", "wake") else 1
    peers = []
    for peer in ["annulus", *built]:
        argv = (ours if peer == "annulus" else theirs)(f"tasks-{peer}", f"mode={mode}")
        in_ring = mode == "wake" and peer in WAKE_IN_RING
        peers.append(Peer(peer, argv, few, many, times, in_ring, ops))
    return peers

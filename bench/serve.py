"""`annulus serve` beside nginx: requests per second of the servers' processor time.

Both serve the same directory on the first processor, with one worker for each, and are asked by wrk
on the others: connections that stay open, one request after the other. nginx has sendfile on and no
access log, ours no log. The time is that of all of a server's processes, user and kernel, from
`/proc/PID/stat`; what the kernel does for loopback's other end in the sender's time is in both.
Rounds are interleaved, and their order turns round; medians, and the median of the ratios within
each round.
"""

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from instructions import Wrong

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
OURS = os.path.join(ROOT, "target", "release", "annulus")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
LIMIT_S = 60

NGINX = """
daemon off; worker_processes {workers}; pid {dir}/nginx.pid; error_log {dir}/error.log;
{user}
events {{ worker_connections 4096; {accept} }}
http {{
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_timeout 65;
    keepalive_requests 100000000;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
    types {{ application/octet-stream bin; }}
    server {{ listen 127.0.0.1:{port} reuseport; root {site}; }}
}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port, process):
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen")


class Server:
    """A server under test, ended with the block."""

    def __init__(self, label, argv, port, cores):
        self.label, self.port = label, port
        keep = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
        self.process = subprocess.Popen(keep + argv, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        wait_for(self.port, self.process)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self):
        """User and system time of it and of its children."""
        pids = [self.process.pid]
        with open(f"/proc/{pids[0]}/task/{pids[0]}/children", encoding="ascii") as children:
            pids += [int(pid) for pid in children.read().split()]
        total = [0, 0]
        for pid in pids:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total = [total[0] + int(fields[11]), total[1] + int(fields[12])]
        return [ticks * TICK_S for ticks in total]


def load(server, path, conns, seconds, cores):
    """One run of wrk: requests, user and system seconds of the server, seconds."""
    url = f"http://127.0.0.1:{server.port}{path}"
    argv = ["wrk", "-t1", f"-c{conns}", f"-d{max(1, round(seconds))}s", url]
    keep = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    before, began = server.cpu_s(), time.monotonic()
    run = subprocess.run(keep + argv, capture_output=True, text=True, timeout=seconds + LIMIT_S)
    after, took = server.cpu_s(), time.monotonic() - began
    found = re.search(r"(\d+) requests in", run.stdout)
    if run.returncode or not found or "Non-2xx" in run.stdout:
        raise RuntimeError(f"wrk {path}: {run.stderr.strip() or run.stdout.strip()}")
    return {"requests": int(found.group(1)), "user_s": after[0] - before[0],
            "system_s": after[1] - before[1], "seconds": took,
            "errors": "Socket errors" in run.stdout}


def needs():
    for program, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")):
        if not shutil.which(program):
            raise Wrong(f"{program} is not here: apt-get install {package}")
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "annulus-cli"], cwd=ROOT,
                   check=True)


def compare(rounds, seconds, sizes, conns, workers=1):
    """Each size and number of connections: what each round was, ours first."""
    needs()
    cpus = sorted(os.sched_getaffinity(0))
    here, there = (cpus[:workers], cpus[workers:]) if len(cpus) > workers else ([], [])
    results = []
    with tempfile.TemporaryDirectory(prefix="annulus-serve-") as root:
        os.chmod(root, 0o755)
        site = os.path.join(root, "site")
        os.mkdir(site)
        for size in sizes:
            with open(os.path.join(site, f"{size}.bin"), "wb") as file:
                file.write(os.urandom(size))
        ours, theirs = free_port(), free_port()
        conf = os.path.join(root, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(NGINX.format(workers=workers, dir=root, port=theirs, site=site, accept="",
                                    user="user root;" if os.getuid() == 0 else ""))
        argv = [OURS, "-q", "serve", site, "--listen", f"127.0.0.1:{ours}", "--threads",
                str(workers)]
        with Server("annulus serve", argv, ours, here) as one, \
                Server("nginx", ["nginx", "-c", conf], theirs, here) as two:
            for size in sizes:
                for count in conns:
                    results.append(measure((one, two), size, count, rounds, seconds, there))
    return results


def measure(servers, size, conns, rounds, seconds, there):
    path, runs = f"/{size}.bin", {server.label: [] for server in servers}
    for server in servers:
        load(server, path, conns, 1, there)
    for turn in range(rounds):
        for server in servers if turn % 2 == 0 else servers[::-1]:
            runs[server.label].append(load(server, path, conns, seconds, there))
    return {"bytes": size, "conns": conns, "runs": runs}


def per_cpu_s(run):
    return run["requests"] / max(run["user_s"] + run["system_s"], TICK_S)


def table(result):
    """Lines of text of one comparison."""
    labels = list(result["runs"])
    ours, theirs = (result["runs"][label] for label in labels)
    ratios = [per_cpu_s(a) / per_cpu_s(b) for a, b in zip(ours, theirs)]
    lines = [f"\n### {result['bytes']} bytes, {result['conns']} connections ({len(ours)} rounds)",
             "| | requests per CPU second | min..max | user µs | system µs | requests/s |",
             "|---|---|---|---|---|---|"]
    for label in labels:
        runs = result["runs"][label]
        rates = [per_cpu_s(run) for run in runs]
        each = [statistics.median(run[key] / run["requests"] * 1e6 for run in runs)
                for key in ("user_s", "system_s")]
        rate = statistics.median(run["requests"] / run["seconds"] for run in runs)
        lines.append(f"| {label} | {statistics.median(rates):,.0f} | {min(rates):,.0f}.."
                     f"{max(rates):,.0f} | {each[0]:.1f} | {each[1]:.1f} | {rate:,.0f} |")
    lines.append(f"of nginx's: {statistics.median(ratios):.2f} ({min(ratios):.2f}.."
                 f"{max(ratios):.2f})")
    return lines

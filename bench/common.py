"""What the parts of the bench share: processes as /proc shows them, and runs of Cairn in folders of their own."""

import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("CAIRN_BIN", ROOT / "target" / "release" / "cairn"))
DIST = Path(os.environ.get("CAIRN_DIST", ROOT / "dist"))


class Proc:
    """A process as /proc shows it."""

    def __init__(self, pid):
        self.pid = pid
        self.dir = Path("/proc") / str(pid)
        self.argv = self.dir.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        self.cwd = os.readlink(self.dir / "cwd")

    def kib(self, file, field):
        for line in (self.dir / file).read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        return 0

    def memory(self):
        return {"rss_mib": round(self.kib("status", "VmRSS") / 1024, 1), "pss_mib": round(self.kib("smaps_rollup", "Pss") / 1024, 1)}


def processes_below(work):
    """Every process that works below `work` or names it in its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            proc = Proc(int(entry.name))
        except OSError:
            continue  # gone meanwhile, or a zombie
        if (proc.cwd + "/").startswith(f"{work}/") or any(str(work) in arg for arg in proc.argv):
            found.append(proc)
    return found


def wait_until(seconds, condition, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def exponent(sizes, key, by):
    """Of the growth of `key` with `by`, from the first size to the last: 1 is in proportion."""
    first, last = sizes[0], sizes[-1]
    return round(math.log(last[key] / first[key]) / math.log(last[by] / first[by]), 2)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Run:
    """One run of Cairn in a folder of its own: its servers, its client, and the end of both."""

    def __init__(self, spec, *params):
        self.spec = Path(spec)
        self.params = [word for param in params for word in ("--param", param)]
        self.work = Path(tempfile.mkdtemp(prefix="cairn-bench-")).resolve()
        # Address and token of this run's controller; the client must not find that of another one.
        self.env = dict(os.environ, CAIRN_DIST=str(DIST), CAIRN_CONTEXT=str(self.work / "context.json"), NO_COLOR="1")
        self.servers = []
        self.applied = False

    def serve(self, *args):
        with open(self.work / f"{args[0]}.log", "wb") as log:
            server = subprocess.Popen(
                [BIN, *map(str, args)], cwd=self.work, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.servers.append(server)
        return server

    def start_dev(self):
        port = free_port()
        self.serve("dev", "--work-dir", self.work, "--listen", f"127.0.0.1:{port}")
        self.use_controller(port)

    def start_apart(self):
        """Cluster and controller as two processes; returns both."""
        cluster, port = self.start_cluster(), free_port()
        controller = self.start_controller(port, "controller")
        self.use_controller(port)
        return cluster, controller

    def start_cluster(self):
        self.master = free_port()
        return self.serve("cluster", "--agents", 3, "--listen", f"127.0.0.1:{self.master}", "--work-dir", self.work / "cluster")

    def start_controller(self, port, folder, *more):
        return self.serve(
            "controller", "--master", f"127.0.0.1:{self.master}", "--listen", f"127.0.0.1:{port}", "--work-dir", self.work / folder, *more
        )

    def use_controller(self, port):
        self.env["CAIRN_CONTROLLER"] = f"http://127.0.0.1:{port}"
        wait_until(30, lambda: self.client("status").returncode == 0, "the controller answers")

    def client(self, *args):
        for server in self.servers:
            if server.poll() is not None:
                raise RuntimeError(f"{server.args[1]} ended with status {server.returncode}; its log is in {self.work}")
        return subprocess.run([BIN, *map(str, args)], env=self.env, capture_output=True, text=True, timeout=600)

    def must(self, *args):
        result = self.client(*args)
        if result.returncode != 0:
            raise RuntimeError(f"cairn {' '.join(map(str, args))} ended with status {result.returncode}:\n{result.stderr[-3000:]}")

    def apply(self):
        """Seconds until the stack is ready."""
        self.applied = True
        begin = time.monotonic()
        self.must("apply", "-f", self.spec, *self.params)
        return time.monotonic() - begin

    def stack(self):
        line = next(line for line in self.spec.read_text().splitlines() if line.startswith("stack:"))
        return line.split(":", 1)[1].split("#")[0].strip()

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        try:
            if self.applied and error is None:
                self.must("destroy", "--yes", "--delete-data", self.stack())
        finally:
            self.end()
        if error is None:
            shutil.rmtree(self.work)

    def end(self):
        """Servers politely; what is left after that by process id, since a stopped cluster lets services go on."""
        for server in reversed(self.servers):
            server.terminate()
        for server in self.servers:
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for proc in processes_below(self.work):
                print(f"bench: left over, ending it: {proc.pid} {' '.join(proc.argv)[:100]}", file=sys.stderr)
                try:
                    os.kill(proc.pid, sign)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + 10
            while processes_below(self.work) and time.monotonic() < deadline:
                time.sleep(0.1)

"""The embedded cluster by itself: how fast tasks start, whether anybody starves, and how it grows.

A small client of the Mesos v1 API launches command tasks over HTTP; `crates/cluster/examples/scale.rs` simulates agents by the
thousand. The figures of Apache Mesos 1.11.0 (bench/mesos.json) were measured on a machine like this one with the same requests.
"""

import json
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

from common import BIN, ROOT, Run, exponent, free_port, wait_until

MESOS = json.loads((ROOT / "bench" / "mesos.json").read_text())
SIZES = [(500, 50), (1000, 100), (2000, 200)]
RESOURCES = "cpus:1000;mem:100000;disk:100000;ports:[31000-31999]"


class Framework:
    """A scheduler: one connection for its stream, one for everything else."""

    def __init__(self, port, name, wanted=lambda framework, offers: None):
        self.port, self.name, self.wanted = port, name, wanted
        self.events = {}  # (task, state) -> when it came
        self.changed = threading.Condition()
        self.offers = []
        self.id = self.stream_id = None
        self.calls = socket.create_connection(("127.0.0.1", port))
        self.calls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Acknowledgements come from the reader of the stream, all else from who uses this.
        self.calling = threading.Lock()
        self.ended = False
        info = {"user": "root", "name": name, "roles": [name], "capabilities": [{"type": t} for t in ("MULTI_ROLE", "RESERVATION_REFINEMENT")]}
        self.stream = socket.create_connection(("127.0.0.1", port))
        self.stream.sendall(self.request({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.until(10, lambda: self.id)

    def request(self, call):
        body = json.dumps(call).encode()
        stream = f"Mesos-Stream-Id: {self.stream_id}\r\n" if self.stream_id else ""
        head = f"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: application/json\r\n{stream}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def call(self, kind, **fields):
        answer = b""
        with self.calling:
            if self.ended:
                return  # an event that came on the way
            self.ended = kind == "TEARDOWN"
            self.calls.sendall(self.request({"type": kind, "framework_id": {"value": self.id}, **fields}))
            while b"\r\n\r\n" not in answer:
                answer += self.calls.recv(4096)
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{kind} of {self.name}: {answer.decode()}")

    def read(self):
        lines = self.stream.makefile("rb")
        while (line := lines.readline().strip()):
            if line.lower().startswith(b"mesos-stream-id:"):
                self.stream_id = line.split(b":", 1)[1].strip().decode()
        body = b""
        while (size := lines.readline().strip()):
            body += lines.read(int(size, 16))
            lines.readline()
            while b"\n" in body:
                length, rest = body.split(b"\n", 1)
                if len(rest) < int(length):
                    break
                self.take(json.loads(rest[: int(length)]))
                body = rest[int(length) :]

    def take(self, event):
        now = time.monotonic()
        if event["type"] == "UPDATE":
            status = event["update"]["status"]
            task = status["task_id"]["value"]
            if "uuid" in status:
                self.call("ACKNOWLEDGE", acknowledge={"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]})
            with self.changed:
                self.events.setdefault((task, status["state"]), now)
                self.changed.notify_all()
        elif event["type"] == "OFFERS":
            offers = event["offers"]["offers"]
            self.wanted(self, offers)
            with self.changed:
                self.offers += offers
                self.changed.notify_all()
        elif event["type"] == "SUBSCRIBED":
            with self.changed:
                self.id = event["subscribed"]["framework_id"]["value"]
                self.changed.notify_all()

    def until(self, seconds, condition):
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                raise RuntimeError(f"{self.name} waited {seconds} s for nothing")

    def accept(self, offer, tasks, refuse=0.0):
        def resource(name, value):
            return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": self.name}}

        infos = [
            {
                "name": task,
                "task_id": {"value": task},
                "agent_id": offer["agent_id"],
                "resources": [resource("cpus", 0.01), resource("mem", 1)],
                "command": {"shell": True, "value": "sleep 1000"},
            }
            for task in tasks
        ]
        launch = [{"type": "LAUNCH", "launch": {"task_infos": infos}}]
        self.call("ACCEPT", accept={"offer_ids": [offer["id"]], "operations": launch, "filters": {"refuse_seconds": refuse}})

    def offer(self):
        self.until(20, lambda: self.offers)
        return self.offers.pop(0)

    def running(self, task):
        return self.events.get((task, "TASK_RUNNING"))

    def end(self):
        self.call("TEARDOWN")


def one_after_the_other(port, count=30):
    framework = Framework(port, "latency")
    times = []
    for number in range(count + 2):
        task = f"one-{number}"
        offer = framework.offer()
        begin = time.monotonic()
        framework.accept(offer, [task])
        framework.until(20, lambda: framework.running(task))
        times.append((framework.running(task) - begin) * 1000)
        framework.call("KILL", kill={"task_id": {"value": task}})
        framework.until(20, lambda: (task, "TASK_KILLED") in framework.events)
    framework.end()
    return times[2:]  # the first two warm up


def burst(port, count=300):
    framework = Framework(port, "burst")
    tasks = [f"burst-{number}" for number in range(count)]
    offer = framework.offer()
    begin = time.monotonic()
    framework.accept(offer, tasks, refuse=1000.0)
    framework.until(60, lambda: all(framework.running(task) for task in tasks))
    taken = max(framework.running(task) for task in tasks) - begin
    framework.end()
    return taken


def many(port, frameworks=50, each=20):
    """Every framework launches one task for each offer until it has all; seconds until its last task runs."""

    def wanted(framework, offers):
        for offer in offers:
            if framework.left:
                framework.accept(offer, [framework.left.pop()])
            else:
                framework.call("DECLINE", decline={"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 1000.0}})

    class One(Framework):
        def __init__(self, number):
            self.left = [f"task-{n}" for n in range(each)]
            super().__init__(port, f"many-{number}", wanted)

    begin = time.monotonic()
    all_of_them = [One(number) for number in range(frameworks)]
    for framework in all_of_them:
        framework.until(120, lambda: sum(state == "TASK_RUNNING" for _, state in framework.events) == each)
    last = [max(when for (_, state), when in f.events.items() if state == "TASK_RUNNING") - begin for f in all_of_them]
    for framework in all_of_them:
        framework.end()
    return last


def real_processes():
    with Run(ROOT / "bench" / "kafka.yaml") as run:
        port = free_port()
        run.serve("cluster", "--agents", 1, "--listen", f"127.0.0.1:{port}", "--work-dir", run.work / "cluster", "--resources", RESOURCES)

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(30, answers, "the master answers")
        launch = one_after_the_other(port)
        return {"launch_ms": launch, "burst_s": burst(port), "frameworks_s": many(port)}


def simulated():
    subprocess.run(["cargo", "build", "--release", "--locked", "-q", "-p", "cairn-cluster", "--example", "scale"], cwd=ROOT, check=True)
    program = Path(BIN).parent / "examples" / "scale"
    sizes = []
    for agents, frameworks in SIZES:
        result = subprocess.run([program, str(agents), str(frameworks)], capture_output=True, text=True, check=True)
        sizes.append(json.loads(result.stdout))
    growth = {key: exponent(sizes, key, "agents") for key in ("allocation_ms", "refused_ms", "memory_mib", "reconciled_ms")}
    return {"sizes": sizes, "growth": growth}


def measure():
    return {"real": real_processes(), "simulated": simulated()}


def figures(part):
    real, largest = part["real"], part["simulated"]["sizes"][-1]
    last = real["frameworks_s"]
    return {
        "task launch": round(statistics.median(real["launch_ms"]), 1),
        "300 tasks": round(real["burst_s"], 2),
        "slowest / median": round(max(last) / statistics.median(last), 2),
        "allocation pass": max(largest["allocation_ms"], largest["refused_ms"]),
        "2,000 agents": largest["restarted_mib"],
        "reconciled": round(largest["reconciled_ms"] / 1000, 2),
        "growth exponent": max(part["simulated"]["growth"].values()),
    }


def print_beside_mesos(part):
    """What there is of the same with Apache Mesos: medians, of the default command executor."""
    real = part["real"]
    ours = {"task launch": statistics.median(real["launch_ms"]), "300 tasks": real["burst_s"] * 1000}
    print(f"\n{'':<18} {'ours':>12} {'Apache Mesos':>14}")
    for name, value in ours.items():
        print(f"{name:<18} {f'{value:.1f} ms':>12} {f'{MESOS[name]:.1f} ms':>14}")
    print_growth(part["simulated"])


def print_growth(simulated):
    """The sizes and how each column grows. A pass offers something of every agent: when nobody has refused anything, and when
    all other frameworks refuse everything; before each, all agents have registered again. Memory is the most that the whole process
    has had resident, simulated agents and frameworks included: when all tasks run, when everybody has refused everything, and after
    the restart of the master. Times are those on the processor."""
    print(f"\n{'agents':>8} {'tasks':>7} {'frameworks':>11} {'pass':>10} {'refused':>10} {'reconciled':>12} {'memory':>8} {'refused':>8} {'restart':>8}")
    for size in simulated["sizes"]:
        times = f"{size['allocation_ms']:>7.1f} ms {size['refused_ms']:>7.1f} ms {size['reconciled_ms']:>9.0f} ms"
        memory = " ".join(f"{size[key]:>8.0f}" for key in ("memory_mib", "refused_mib", "restarted_mib"))
        print(f"{size['agents']:>8} {size['tasks']:>7} {size['frameworks']:>11} {times} {memory} MiB")
    growth = simulated["growth"]
    times = f"{growth['allocation_ms']:>10} {growth['refused_ms']:>10} {growth['reconciled_ms']:>12}"
    print(f"{'exponent':>8} {'':>7} {'':>11} {times} {growth['memory_mib']:>8}")

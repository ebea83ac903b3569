"""How long something is away after kill -9: whoever leads, the scheduler of a service, a server process.

Three agents, two controllers with their state in a ZooKeeper that is nobody's service, and bench/kafka.yaml on them. Each
kind of fault three times, the next one when everything serves again; the slowest counts. Where a session has to time out
before anybody else may act, that time is taken off, as it is somebody's choice and not speed.
"""

import json
import os
import signal
import time
import urllib.error
import urllib.request

import script
from common import ROOT, Run, free_port, processes_below, wait_until

SPEC = ROOT / "bench" / "kafka.yaml"
TIMES = 3
TOKEN = "a token that only this run knows"
# Of schedulers and controllers with their state in ZooKeeper (crates/framework/src/store/zookeeper/session.rs).
SESSION_S = 6
# Of brokers, as bench/services.json has it: one that is back sooner would find itself still there.
BROKER_SESSION_S = 6
SERVERS = {"zookeeper": "org.apache.zookeeper.server.quorum.QuorumPeerMain", "kafka": "kafka.Kafka"}


class Pair(Run):
    """Cairn with two controllers, of which one leads."""

    def __enter__(self):
        self.store = store(self.work)
        self.servers.append(self.store.process)
        script.wait_for([self.store], script.zookeeper_serves)
        self.start_cluster()
        (self.work / "token").write_text(TOKEN)
        (self.work / "token").chmod(0o600)
        self.env["CAIRN_TOKEN_FILE"] = str(self.work / "token")
        self.controllers = {}
        for port in (free_port(), free_port()):
            self.control(port)
        self.follow()
        return self

    def control(self, port):
        self.controllers[port] = self.start_controller(
            port, f"controller-{port}",
            "--state", f"zk://127.0.0.1:{self.store.values['client']}/cairn", "--token-file", self.work / "token", "--secrets-key", self.work / "key",
        )

    def health(self, port):
        return ask(port, "GET", "/v1/health")

    def follow(self):
        """Waits until one leads and the other stands by; the client asks the one that leads."""
        wait_until(60, lambda: sorted(self.health(port) for port in self.controllers) == [200, 503], "one controller leads, one stands by")
        self.leader = next(port for port in self.controllers if self.health(port) == 200)
        self.use_controller(self.leader)

    def settled(self):
        def serves():
            answer = self.client("status", "kafka", "--output", "json")
            return answer.returncode == 0 and all(s["state"] == "ready" for s in json.loads(answer.stdout)["services"])

        wait_until(120, serves, "everything serves again")


def store(work):
    """A ZooKeeper for the state of controllers and schedulers, by itself."""
    spec = json.loads((ROOT / "bench" / "services.json").read_text())["zookeeper"]
    home = script.unpack(script.DIST, spec["distribution"], work)
    server = script.Server("store", spec, work, 1, "127.0.0.1", ["client"])
    config = ["tickTime=500", "dataDir={data}", "clientPort={client}", "clientPortAddress={host}", "admin.enableServer=false", "4lw.commands.whitelist=srvr"]
    server.start(home / "lib", server.write("zoo.cfg", config))
    return server


def ask(port, method, path, body=None):
    """The status of the answer, or 0 where there is none."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def seconds_until(condition, what):
    begin = time.monotonic()
    wait_until(60, condition, what)
    return time.monotonic() - begin


def controller(run, number):
    """The one that leads is killed, until the other has taken a write."""
    other = next(port for port in run.controllers if port != run.leader)
    process = run.controllers[run.leader]
    run.servers.remove(process)
    process.kill()
    took = seconds_until(lambda: ask(other, "PUT", "/v1/secrets/probe", f"value {number}") in (200, 201, 204), "the other controller takes a write")
    process.wait()
    run.control(run.leader)
    run.follow()
    return took - SESSION_S


def scheduler(run, _):
    """That of ZooKeeper is killed, until the next one has taken a write; the controller launches it."""
    old = next(p for p in processes_below(run.work) if p.argv[1:3] == ["scheduler", "zookeeper"])
    plan = "/v1/stacks/kafka/services/zookeeper/proxy/v1/plans/deploy"
    os.kill(old.pid, signal.SIGKILL)
    took = seconds_until(lambda: ask(run.leader, "POST", f"{plan}/pause") in (200, 202), "another scheduler takes a write")
    ask(run.leader, "POST", f"{plan}/continue")
    return took - SESSION_S


def server(run, service, session_s):
    """A server that has not been killed before, until its process is there again."""
    def running():
        return {p.pid: p for p in processes_below(run.work / "cluster") if SERVERS[service] in p.argv}

    before = running()
    fresh = [pid for pid, p in before.items() if p.cwd not in run.hurt]
    run.hurt.add(before[fresh[0]].cwd)
    os.kill(fresh[0], signal.SIGKILL)
    return seconds_until(lambda: running().keys() - before.keys(), f"{service} is launched again") - session_s


# By name: what people read, and the fault.
FAULTS = {
    "controller": ("controller takes over", controller),
    "scheduler": ("scheduler is back", scheduler),
    "zookeeper": ("crash, ZooKeeper", lambda run, _: server(run, "zookeeper", 0)),
    "kafka": ("crash, Kafka", lambda run, _: server(run, "kafka", BROKER_SESSION_S)),
}


def measure():
    with Pair(SPEC) as run:
        run.hurt = set()
        run.apply()
        seconds = {name: [] for name in FAULTS}
        for name, (_, fault) in FAULTS.items():
            for number in range(TIMES):
                run.settled()
                seconds[name].append(round(fault(run, number), 2))
        run.settled()
        return seconds


def figures(part):
    return {title: max(part[name]) for name, (title, _) in FAULTS.items()}

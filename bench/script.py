"""What a hand-written script is made of: servers that are started, waited for and stopped, each in a folder of its own."""

import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = Path(os.environ.get("CAIRN_DIST", ROOT / "dist"))
HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
PORTS = iter(range(20_000, 30_000))
POLL_S = 0.05
DEADLINE_S = 120
GRACE_S = 15


class Server:
    """One process with its directory and ports."""

    def __init__(self, kind, spec, work, number, host, port_names):
        self.kind = kind
        self.name = f"{kind}-{number}"
        self.spec = spec
        self.dir = work / self.name
        self.data = self.dir / "data"
        self.data.mkdir(parents=True)
        ports = dict(zip(port_names, free_ports(host, len(port_names))))
        self.values = {"id": number, "host": host, "dir": self.dir, "data": self.data, **ports}
        self.process = None

    @property
    def address(self):
        return self.values["host"], self.values["client"]

    def write(self, file, lines, **more):
        path = self.dir / file
        path.write_text("".join(line.format(**self.values, **more) + "\n" for line in lines))
        return path

    def start(self, lib, *arguments, first=None):
        """`first`: a folder of files that go before the jars."""
        classes = ":".join(str(place) for place in (first, f"{lib}/*") if place)
        self.run(["java", *self.spec["jvm"], "-cp", classes, self.spec["main"], *map(str, arguments)])

    def run(self, command, **how):
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **how
            )

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def check_alive(self):
        if self.process.poll() is not None:
            tail = self.log().splitlines()[-15:]
            sys.exit(f"{self.name} ended with status {self.process.returncode}:\n" + "\n".join(tail))


def free_ports(host, count):
    """Ports that are free, each given out once. They are below those that connections get on their own side, of which one
    would be taken again before its server listens."""
    return list(itertools.islice((port for port in PORTS if is_free(host, port)), count))


def is_free(host, port):
    with socket.socket() as s:
        try:
            s.bind((host, port))
        except OSError:
            return False
    return True


def ask(address, request, answer_is_complete):
    """Sends `request` and returns what comes back, or nothing where nobody serves yet."""
    answer = b""
    try:
        with socket.create_connection(address, timeout=2) as s:
            s.sendall(request)
            while not answer_is_complete(answer):
                part = s.recv(65536)
                if not part:
                    break
                answer += part
    except OSError:
        return b""
    return answer


def zookeeper_serves(server):
    return b"\nMode: " in ask(server.address, b"srvr", lambda _: False)


def whole(answer):
    """Whether all of Kafka's answer is there."""
    return len(answer) >= 4 and len(answer) >= 4 + struct.unpack(">i", answer[:4])[0]


def kafka_lists(server, count):
    """Whether this broker's metadata names `count` brokers. Metadata request, version 0, for no topic in particular."""
    body = struct.pack(">hhih", 3, 0, 1, -1) + struct.pack(">i", 0)
    request = struct.pack(">i", len(body)) + body
    answer = ask(server.address, request, whole)
    return len(answer) >= 12 and struct.unpack(">i", answer[8:12])[0] == count


def create_topic(brokers, name, partitions, replication):
    """CreateTopics request, version 2, to each broker until the controller is found; the others refuse it."""
    text = lambda value: struct.pack(">h", len(value)) + value.encode()
    topic = text(name) + struct.pack(">ihii", partitions, replication, 0, 0)
    body = struct.pack(">hhih", 19, 2, 1, -1) + struct.pack(">i", 1) + topic + struct.pack(">i?", 1000 * DEADLINE_S, False)
    # After the size: correlation, time throttled, number of topics, the name, the error.
    errors = [ask(b.address, struct.pack(">i", len(body)) + body, whole)[16 + 2 + len(name) :][:2] for b in brokers]
    if struct.pack(">h", 0) not in errors:
        sys.exit(f"no broker made the topic {name}: {errors}")


class Elasticsearch(Server):
    """A node; it refuses to be root, and wants a configuration folder of its own."""

    USER = 65534

    def __init__(self, spec, work, number, host):
        super().__init__("elasticsearch", spec, work, number, host, ["client", "transport"])

    def prepare(self, home, nodes):
        conf = self.dir / "conf"
        shutil.copytree(home / "config", conf)
        lines = (conf / "jvm.options").read_text().splitlines()
        unwanted = self.spec["without"]
        (conf / "jvm.options").write_text("\n".join(l for l in lines if not any(u in l for u in unwanted)) + "\n")
        (conf / "jvm.options.d").mkdir(exist_ok=True)
        (conf / "jvm.options.d" / "script.options").write_text("\n".join(self.spec["jvm"]) + "\n")
        (conf / "log4j2.properties").write_text("\n".join(self.spec["log4j2"]) + "\n")
        seeds = [f"{n.values['host']}:{n.values['transport']}" for n in nodes]
        (conf / "unicast_hosts.txt").write_text("\n".join(seeds) + "\n")
        (self.dir / "tmp").mkdir()
        (self.dir / "logs").mkdir()
        self.write("conf/elasticsearch.yml", self.spec["config"], names=json.dumps([n.name for n in nodes]))
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{self.USER}:{self.USER}", self.dir], check=True)

    def start(self, home):
        java = Path(shutil.which("java")).resolve().parent.parent
        env = {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(java),
            "ES_PATH_CONF": str(self.dir / "conf"),
            "ES_TMPDIR": str(self.dir / "tmp"),
            "CLI_JAVA_OPTS": self.spec["cli_jvm"],
        }
        user = {"user": self.USER, "group": self.USER, "extra_groups": []} if os.getuid() == 0 else {}
        self.run([str(home / "bin" / "elasticsearch")], env=env, **user)

    def url(self, path):
        return "http://{}:{}{}".format(*self.address, path)


def http_json(url):
    """What a GET answers, or nothing where nobody serves yet."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return {}


def put_json(url, content):
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"}, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()


def green(node, count):
    """Whether this node knows of a cluster of `count` nodes that is well."""
    health = http_json(node.url("/_cluster/health"))
    return health.get("status") == "green" and health.get("number_of_nodes") == count


def wait_for(servers, condition):
    deadline = time.monotonic() + DEADLINE_S
    waiting = list(servers)
    while waiting:
        for server in servers:
            server.check_alive()
        waiting = [s for s in waiting if not condition(s)]
        if waiting and time.monotonic() > deadline:
            sys.exit(f"not serving after {DEADLINE_S} s: {', '.join(s.name for s in waiting)}; logs below {servers[0].dir.parent}")
        if waiting:
            time.sleep(POLL_S)


def stop(servers):
    """Politely first, by process, and then without asking."""
    running = [s.process for s in servers if s.process and s.process.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + GRACE_S
    for process in running:
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def unpack(dist, name, work):
    """The folder of an unpacked archive."""
    archive = dist / f"{name}.tar"
    if not archive.exists():
        sys.exit(f"{archive} is missing; run `make dist`")
    subprocess.run(["tar", "-xf", archive, "-C", work], check=True)
    return work / name

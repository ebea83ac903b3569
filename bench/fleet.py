"""A controller with very many services: a stack file of a thousand, each with ten instances, on a simulated cluster.

`crates/simulation/examples/fleet.rs` is the real master with agents that run nothing and child schedulers that say that they
serve; the controller, its store and `cairn` are the real ones. Three sizes, each in a folder of its own.
"""

import json
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from common import BIN, ROOT, Proc, Run, exponent, free_port, wait_until

SIZES = [250, 500, 1000]
INSTANCES = 10
# Services a group: a ZooKeeper, three Kafkas on it, two indexers on each of those.
GROUP = 10


def stack(services):
    """Text of a stack file: groups of a ZooKeeper, three Kafkas on it and six indexers on those."""
    lines = ["stack: fleet", "services:"]
    for number in range(services // GROUP):
        lines += [f"  z{number}:", "    framework: zookeeper", "    nodes: 3"]
        for kafka in range(3):
            name = f"k{number}-{kafka}"
            lines += [f"  {name}:", "    framework: kafka", "    brokers: 3", f"    zookeeper: ${{z{number}.connect}}"]
            for camel in range(2):
                lines += [f"  c{number}-{kafka}-{camel}:", "    framework: camel", f"    kafka: ${{{name}.bootstrap}}"]
                lines += ["    routes: |", f"      - from: {{ uri: \"kafka:logs\", steps: [{{ to: \"log:{number}\" }}] }}"]
    return "\n".join(lines) + "\n"


def ready(run):
    """How many services serve."""
    answer = run.client("status", "fleet", "--output", "json")
    if answer.returncode not in (0, 1, 2) or not answer.stdout.strip():
        return -1
    return sum(service["state"] == "ready" for service in json.loads(answer.stdout)["services"])


def timed(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def measure_size(services):
    agents = services // 100 + 1
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "fleet.yaml"
        spec.write_text(stack(services))
        with Run(spec) as run:
            return measure_in(run, spec, services, agents)


def measure_in(run, spec, services, agents):
    master, port = free_port(), free_port()
    program = BIN.parent / "examples" / "fleet"
    with open(run.work / "fleet.log", "wb") as log:
        fleet = subprocess.Popen([program, str(master), str(agents), str(INSTANCES)], stdout=log, stderr=log, start_new_session=True)
    try:
        controller = start_controller(run, master, port)
        run.use_controller(port)
        plan = min(timed(lambda: run.client("plan", "-f", spec)) for _ in range(3))
        launched = timed(lambda: run.must("apply", "-f", spec))
        memory = Proc(controller.pid).memory()["rss_mib"]
        controller.send_signal(signal.SIGKILL)
        controller.wait()
        run.servers.remove(controller)
        begin = time.monotonic()
        controller = start_controller(run, master, port)
        wait_until(300, lambda: ready(run) == services, "every service is known to serve again")
        reconciled = time.monotonic() - begin
        memory = max(memory, Proc(controller.pid).memory()["rss_mib"])
    finally:
        fleet.terminate()
        fleet.wait()
    return {"services": services, "instances": services * INSTANCES, "plan_s": plan, "launched_s": launched, "reconciled_s": reconciled, "memory_mib": memory}


def start_controller(run, master, port):
    return run.serve("controller", "--master", f"127.0.0.1:{master}", "--listen", f"127.0.0.1:{port}", "--work-dir", run.work / "controller")


def measure():
    build = ["cargo", "build", "--release", "--locked", "-q", "-p", "cairn-simulation", "--example", "fleet"]
    subprocess.run(build, cwd=ROOT, check=True)
    sizes = [measure_size(services) for services in SIZES]
    growth = {key: exponent(sizes, key, "services") for key in ("plan_s", "launched_s", "reconciled_s", "memory_mib")}
    return {"sizes": sizes, "growth": growth}


def figures(part):
    largest = part["sizes"][-1]
    return {
        "1,000 services, plan": round(largest["plan_s"], 2),
        "1,000 services, reconciled": round(largest["reconciled_s"], 2),
        "1,000 services, controller": largest["memory_mib"],
        "controller's growth": max(part["growth"].values()),
    }


def print_sizes(part):
    print(f"\n{'services':>9} {'instances':>10} {'plan':>9} {'launched':>10} {'reconciled':>12} {'controller':>12}")
    for size in part["sizes"]:
        print(
            f"{size['services']:>9} {size['instances']:>10} {size['plan_s']:>7.2f} s {size['launched_s']:>8.1f} s"
            f" {size['reconciled_s']:>10.2f} s {size['memory_mib']:>8.1f} MiB"
        )

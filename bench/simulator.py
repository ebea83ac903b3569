"""How fast the simulator is: events that the cores take, in a minute of one core's time."""

import re
import resource
import subprocess

from common import BIN, ROOT

# So many lives: long enough to be the same each time.
SEEDS = 400


def cpu_s():
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def measure():
    build = ["cargo", "build", "--profile", "simulation", "--locked", "-q", "-p", "cairn-simulation", "--bin", "cairn-soak"]
    subprocess.run(build, cwd=ROOT, check=True)
    program = BIN.parent.parent / "simulation" / "cairn-soak"
    before = cpu_s()
    told = subprocess.run([program, "0", str(SEEDS)], capture_output=True, text=True, check=True).stdout
    spent = cpu_s() - before
    events = int(re.search(r"(\d+) events in all", told)[1])
    return {"seeds": SEEDS, "events": events, "cpu_s": round(spent, 2), "events_a_minute": round(events / spent * 60)}


def figures(part):
    return {"simulated events": round(part["events_a_minute"] / 1e6, 2)}

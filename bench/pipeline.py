"""The logging pipeline: until its first line is found, how many lines a second it carries, and how its branches overlap."""

import json
import time
import urllib.parse
import urllib.request

from common import ROOT, Run, wait_until

SPECS = ROOT / "specs"
# So many lines are pushed through at once.
LINES = 10_000
# The branches of everything.yaml, alone: the indexer with all that it depends on, and Cassandra.
CHAINS = ["logging.yaml", "cassandra.yaml"]
EVERYTHING = "everything.yaml"


class Pipeline(Run):
    """specs/logging.yaml in a folder of its own, with a file whose lines are shipped."""

    def __init__(self, spec="logging.yaml"):
        super().__init__(SPECS / spec)
        self.logs = self.work / "app"
        self.logs.mkdir()
        self.params = ["--param", f"files={self.logs}/*.log"]

    def write(self, name, lines):
        (self.logs / f"{name}.log").write_text("".join(f"{line}\n" for line in lines))

    def http(self):
        outputs = json.loads(self.client("endpoints", self.stack(), "-o", "json").stdout)
        first = find(outputs, "http").split(",")[0]
        return first if "//" in first else f"http://{first}"

    def until_found(self, seconds, text, count):
        """Waits until so many documents hold this text."""
        query = urllib.parse.urlencode({"q": f'message:"{text}"'})
        url = f"{self.http()}/_all/_count?{query}"
        wait_until(seconds, lambda: counted(url) >= count, f"{count} documents with `{text}`")
        return counted(url)


def find(value, key):
    """The first text under this key, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get(key), str):
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find(item, key)
            if found:
                return found
    return None


def counted(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["count"]
    except OSError:
        return 0


def first_line_and_throughput():
    """Seconds from `apply` to the first line found, and lines a second after that."""
    with Pipeline() as run:
        run.start_dev()
        run.write("first", ["a stone on the cairn"])
        begin = time.monotonic()
        run.apply()
        run.until_found(300, "a stone on the cairn", 1)
        line_s = time.monotonic() - begin
        run.write("many", [f"stone number {n} of many on the cairn" for n in range(LINES)])
        begin = time.monotonic()
        # Each at least once, and no twice either: documents have the ids of their records.
        found = run.until_found(600, "of many on the cairn", LINES)
        many_s = time.monotonic() - begin
        return {"line_s": round(line_s, 3), "lines": LINES, "found": found, "lines_per_s": round(LINES / many_s)}


def overlap(runs):
    """Seconds for everything.yaml, and for its chains alone, each so many times in turn."""
    seconds = {spec: [] for spec in [*CHAINS, EVERYTHING]}
    for _ in range(runs):
        for spec, times in seconds.items():
            with (Run(SPECS / spec) if spec == "cassandra.yaml" else Pipeline(spec)) as run:
                run.start_dev()
                times.append(round(run.apply(), 3))
    everything = seconds.pop(EVERYTHING)
    return {"everything_s": everything, "chains_s": seconds}

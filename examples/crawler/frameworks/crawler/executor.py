"""The executor: fetches pages, or renders them, and sends what it finds to the scheduler as framework messages.

It is one of two, by its only argument: `crawl` follows links, `render` makes an outline of a page. A task names a URL.
"""

import base64
import os
import queue
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid
from html.parser import HTMLParser

import mesos

# Pages at once, and bytes of a page that are read.
WORKERS = 2
LARGEST_PAGE = 1 << 20


class Page(HTMLParser):
    """Title, headings and links of a page, and how many words it has."""

    def __init__(self, url, text):
        super().__init__()
        self.url, self.title, self.headings, self.links, self.words = url, "", [], [], 0
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in ("title", "h1", "h2", "h3"):
            self.inside = tag
        if tag == "a" and (href := dict(attributes).get("href")):
            self.links.append(urllib.parse.urldefrag(urllib.parse.urljoin(self.url, href))[0])

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None

    def handle_data(self, data):
        self.words += len(data.split())
        if self.inside == "title":
            self.title += data.strip()
        elif self.inside and data.strip():
            self.headings.append(data.strip())


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return Page(url, answer.read(LARGEST_PAGE).decode(errors="replace"))


def crawl(url):
    return {"url": url, "links": sorted(set(fetch(url).links))}


def render(url):
    page = fetch(url)
    outline = [page.title or url, *(f"  {heading}" for heading in page.headings), f"  {page.words} words"]
    return {"url": url, "rendering": "\n".join(outline)}


WORK = {"crawl": crawl, "render": render}


def seconds(text, default):
    """A duration as Mesos writes it: `15mins`, `2secs`, `250ms`."""
    for unit, size in (("mins", 60), ("secs", 1), ("ms", 0.001), ("hrs", 3600), ("days", 86400), ("weeks", 604800)):
        if text and text.endswith(unit):
            return float(text.removesuffix(unit)) * size
    return default


class Executor:
    def __init__(self, work):
        self.work = work
        self.framework = {"value": os.environ["MESOS_FRAMEWORK_ID"]}
        self.executor = {"value": os.environ["MESOS_EXECUTOR_ID"]}
        self.agent = mesos.Endpoint(os.environ["MESOS_AGENT_ENDPOINT"], "/api/v1/executor")
        # With checkpoints an executor outlives its agent for so long; without, not at all.
        checkpoint = os.environ.get("MESOS_CHECKPOINT") == "1"
        self.patience = seconds(os.environ.get("MESOS_RECOVERY_TIMEOUT"), 900) if checkpoint else 0
        self.tasks = queue.Queue()
        # What the agent has not acknowledged is said again when it is back. Workers and the stream share these.
        self.lock = threading.Lock()
        self.unacknowledged_tasks, self.unacknowledged_updates = {}, {}

    def run(self):
        for _ in range(WORKERS):
            threading.Thread(target=self.do_tasks, daemon=True).start()
        lost, attempt = None, 0
        while lost is None or time.monotonic() - lost < self.patience:
            try:
                for event in self.agent.subscribe(self.subscription(), silence=None):
                    lost, attempt = None, 0
                    if event["type"] == "SHUTDOWN":
                        return
                    self.handle(event)
            except mesos.LOST + (mesos.Refused,) as error:
                print(f"the agent is lost: {error}", flush=True)
            lost = lost or time.monotonic()
            mesos.pause(attempt, longest=2)
            attempt += 1

    def subscription(self):
        with self.lock:
            return self.message("SUBSCRIBE", subscribe={
                "unacknowledged_tasks": list(self.unacknowledged_tasks.values()),
                "unacknowledged_updates": list(self.unacknowledged_updates.values()),
            })

    def message(self, kind, **content):
        return {"type": kind, "framework_id": self.framework, "executor_id": self.executor, **content}

    def handle(self, event):
        if event["type"] == "LAUNCH":
            task = event["launch"]["task"]
            with self.lock:
                self.unacknowledged_tasks[task["task_id"]["value"]] = task
            self.tasks.put(task)
        elif event["type"] == "ACKNOWLEDGED":
            acknowledged = event["acknowledged"]
            with self.lock:
                self.unacknowledged_tasks.pop(acknowledged["task_id"]["value"], None)
                self.unacknowledged_updates.pop(acknowledged["uuid"], None)

    def do_tasks(self):
        while True:
            task = self.tasks.get()
            self.update(task, "TASK_RUNNING")
            try:
                found = self.work(mesos.decode(task["data"])["url"])
                self.send(self.message("MESSAGE", message={"data": mesos.encode(found)}))
                self.update(task, "TASK_FINISHED")
            except Exception as error:  # Whatever is wrong with a page, it is the task that fails, not the executor.
                self.update(task, "TASK_FAILED", str(error))

    def update(self, task, state, why=""):
        status = {
            "task_id": task["task_id"], "executor_id": self.executor, "state": state, "source": "SOURCE_EXECUTOR",
            "uuid": base64.b64encode(uuid.uuid4().bytes).decode(), "timestamp": time.time(), "message": why,
        }
        with self.lock:
            self.unacknowledged_updates[status["uuid"]] = {"status": status}
        self.send(self.message("UPDATE", update={"status": status}))

    def send(self, call):
        """Updates that get lost here are sent again with the next subscription; messages are nobody's promise."""
        try:
            self.agent.call(call)
        except mesos.LOST + (mesos.Refused,) as error:
            print(f"not sent: {error}", flush=True)


if __name__ == "__main__":
    Executor(WORK[sys.argv[1]]).run()

"""A scheduler in plain Python: crawls a web site with two kinds of executors, and publishes what it found.

Each page is two tasks, one that follows its links and one that renders it. The executors send their results as
framework messages, which may get lost: a page is done when its result is here, not when its task has finished.
"""

import argparse
import http.server
import json
import os
import pathlib
import threading
import urllib.parse

import mesos

HERE = pathlib.Path(__file__).resolve().parent
# What agents fetch from here to run an executor.
PROGRAMS = ("executor.py", "mesos.py")
KINDS = ("crawl", "render")
TASK = {"cpus": 0.05, "mem": 16}
EXECUTOR = {"cpus": 0.05, "mem": 32}
# How long the master keeps executors while this scheduler is away, in seconds.
FAILOVER = 3600
IDLE_FILTER = 3600
TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
            "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN")


class Crawl:
    """What is known of the site, and kept in a file. Used by the stream and by HTTP, so behind a lock."""

    def __init__(self, file, start, limit, tries):
        self.file, self.start, self.limit, self.tries = file, start, limit, tries
        self.lock = threading.Lock()
        kept = json.loads(file.read_text()) if file.exists() else {}
        self.framework_id = kept.get("framework_id")
        # Links and renderings by URL. Pages that could not be had are `null`.
        self.found = {kind: kept.get(kind, {}) for kind in KINDS}
        # Tasks by id, and how often a page has been tried: known only while this process lives.
        self.running, self.attempts = {}, {}

    def keep(self):
        whole = {"framework_id": self.framework_id, **self.found}
        scratch = self.file.with_suffix(".new")
        scratch.write_text(json.dumps(whole, indent=1))
        os.replace(scratch, self.file)

    def pages(self):
        """URLs of the site as far as it is known, in the order in which they were found."""
        pages, site = {self.start: None}, urllib.parse.urlsplit(self.start).netloc
        for links in self.found["crawl"].values():
            pages.update((u, None) for u in links or () if urllib.parse.urlsplit(u).netloc == site)
        return list(pages)[: self.limit]

    def wanted(self):
        """Pairs of kind and URL that nobody has done and nobody is at."""
        busy = set(self.running.values())
        return [(kind, url) for url in self.pages() for kind in KINDS
                if url not in self.found[kind] and (kind, url) not in busy]

    def complete(self):
        pages = self.pages()
        return all(url in self.found[kind] for kind in KINDS for url in pages)

    def launched(self, kind, url):
        count = self.attempts[kind, url] = self.attempts.get((kind, url), 0) + 1
        # Ids are unique over restarts of this process, which forgets its tasks.
        task_id = f"{kind}-{len(self.found[kind])}-{count}-{os.urandom(4).hex()}"
        self.running[task_id] = (kind, url)
        return task_id

    def result(self, kind, found):
        key = "links" if kind == "crawl" else "rendering"
        self.found[kind][found["url"]] = found[key]
        self.keep()

    def ended(self, task_id):
        """A task without a result is tried again, but not for ever."""
        kind, url = self.running.pop(task_id, (None, None))
        if kind and url not in self.found[kind] and self.attempts[kind, url] >= self.tries:
            self.found[kind][url] = None
            self.keep()

    def summary(self):
        pages = self.pages()
        failed = sum(any(self.found[kind].get(url) is None for kind in KINDS) for url in pages)
        return {"pages": len(pages), "failed": failed, "framework_id": self.framework_id["value"]}

    def graph(self):
        """The site in the DOT language."""
        lines = ["digraph site {"]
        for url in self.pages():
            label = (self.found["render"].get(url) or url).splitlines()[0]
            lines.append(f"  {json.dumps(url)} [label={json.dumps(label)}]")
            lines += [f"  {json.dumps(url)} -> {json.dumps(to)}" for to in self.found["crawl"].get(url) or ()]
        return "\n".join([*lines, "}", ""])


class Scheduler:
    def __init__(self, options, crawl):
        self.options, self.crawl = options, crawl
        self.master = mesos.Endpoint(options.master, "/api/v1/scheduler")
        self.home = f"http://{options.listen}:{options.port}"

    def run(self):
        attempt = 0
        while True:
            try:
                for event in self.master.subscribe(self.subscription(), silence=75):
                    attempt = 0
                    with self.crawl.lock:
                        self.handle(event)
            except mesos.LOST + (mesos.Refused,) as error:
                print(f"the master is lost: {error}", flush=True)
            mesos.pause(attempt)
            attempt += 1

    def subscription(self):
        info = {
            "user": self.options.user, "name": self.options.name, "roles": [self.options.role],
            "failover_timeout": FAILOVER, "checkpoint": True,
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"}],
        }
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if self.crawl.framework_id:
            call["framework_id"] = info["id"] = self.crawl.framework_id
        return call

    def call(self, kind, **content):
        self.master.call({"type": kind, "framework_id": self.crawl.framework_id, **content})

    def handle(self, event):
        kind = event["type"]
        if kind == "SUBSCRIBED":
            self.crawl.framework_id = event["subscribed"]["framework_id"]
            self.crawl.keep()
            # Tasks of a stream that broke: those that go on say so, the others are tried again.
            self.crawl.running.clear()
            self.call("RECONCILE", reconcile={"tasks": []})
        elif kind == "OFFERS":
            for offer in event["offers"]["offers"]:
                self.answer(offer)
        elif kind == "UPDATE":
            self.update(event["update"]["status"])
        elif kind == "MESSAGE":
            message = event["message"]
            self.crawl.result(message["executor_id"]["value"], mesos.decode(message["data"]))
            self.look_for_more()
        elif kind == "ERROR":
            raise mesos.Refused(0, event["error"]["message"])

    def answer(self, offer):
        """As many pages as fit, each kind with its executor; the executor counts even where it runs already."""
        left = {name: sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == name and free(r))
                for name in TASK}
        tasks, executors = [], set()
        for kind, url in self.crawl.wanted():
            need = {n: TASK[n] + (0 if kind in executors else EXECUTOR[n]) for n in TASK}
            if any(left[n] < need[n] for n in need):
                break
            left = {n: left[n] - need[n] for n in left}
            executors.add(kind)
            tasks.append(self.task(kind, url, offer))
        ids = {"offer_ids": [offer["id"]]}
        if tasks:
            launch = {"type": "LAUNCH", "launch": {"task_infos": tasks}}
            self.call("ACCEPT", accept={**ids, "operations": [launch], "filters": {"refuse_seconds": 0}})
        else:
            self.call("DECLINE", decline={**ids, "filters": {"refuse_seconds": IDLE_FILTER}})

    def task(self, kind, url, offer):
        executor = {
            "type": "CUSTOM", "executor_id": {"value": kind}, "name": kind,
            "framework_id": self.crawl.framework_id, "resources": self.resources(EXECUTOR),
            "command": {"value": f"exec python3 executor.py {kind}",
                        "uris": [{"value": f"{self.home}/{name}"} for name in PROGRAMS]},
        }
        return {
            "name": kind, "task_id": {"value": self.crawl.launched(kind, url)}, "agent_id": offer["agent_id"],
            "resources": self.resources(TASK), "executor": executor, "data": mesos.encode({"url": url}),
        }

    def resources(self, amounts):
        return [{"name": name, "type": "SCALAR", "scalar": {"value": value},
                 "allocation_info": {"role": self.options.role}} for name, value in amounts.items()]

    def update(self, status):
        if status["state"] in TERMINAL:
            self.crawl.ended(status["task_id"]["value"])
        if status.get("uuid"):
            self.call("ACKNOWLEDGE", acknowledge={
                "agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]})
        self.look_for_more()

    def look_for_more(self):
        if self.crawl.wanted():
            self.call("REVIVE")


def free(resource):
    """Neither reserved nor a volume nor something that may be taken back."""
    return not (resource.get("reservations") or resource.get("disk") or resource.get("revocable"))


def pages(crawl):
    """What HTTP serves: a function for each path."""
    programs = {f"/{name}": (lambda name=name: ("text/x-python", (HERE / name).read_text())) for name in PROGRAMS}
    return {
        **programs,
        "/health": lambda: ("text/plain", "ok\n"),
        # The rest is there when the site has been crawled: until then there is nothing to hand on.
        "/ready": lambda: ("text/plain", f"{len(crawl.pages())} pages\n") if crawl.complete() else None,
        "/summary": lambda: ("application/json", json.dumps(crawl.summary())) if crawl.complete() else None,
        "/graph": lambda: ("text/vnd.graphviz", crawl.graph()) if crawl.complete() else None,
        "/renderings": lambda: ("application/json", json.dumps(crawl.found["render"], indent=1)),
    }


def serve(options, crawl):
    routes = pages(crawl)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            route = routes.get(self.path)
            with crawl.lock:
                answer = route() if route else None
            kind, text = answer or ("text/plain", "no such page\n" if route is None else "not all is found yet\n")
            body = text.encode()
            self.send_response(200 if answer else 404 if route is None else 503)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((options.listen, options.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--master", required=True, help="host:port of the master")
    parser.add_argument("--name", default="crawler", help="name of the framework")
    parser.add_argument("--role", help="role of the framework; its name by default")
    parser.add_argument("--user", default="root", help="user that executors run as")
    parser.add_argument("--state", required=True, type=pathlib.Path, help="folder for what must outlive this process")
    parser.add_argument("--listen", default="127.0.0.1", help="address to serve on, as agents reach it")
    parser.add_argument("--port", required=True, type=int, help="port to serve on")
    parser.add_argument("--start", required=True, help="URL of the page to begin with")
    parser.add_argument("--limit", type=int, default=1000, help="pages at most")
    parser.add_argument("--tries", type=int, default=5, help="tries of a page at most")
    options = parser.parse_args()
    options.role = options.role or options.name
    options.state.mkdir(parents=True, exist_ok=True)
    crawl = Crawl(options.state / "crawl.json", options.start, options.limit, options.tries)
    serve(options, crawl)
    Scheduler(options, crawl).run()


if __name__ == "__main__":
    main()

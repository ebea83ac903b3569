"""A scheduler that somebody else wrote, in the language of their choice: it registers over the v1 HTTP API and runs one task.

usage: scheduler.py MASTER FRAMEWORK ADDRESS PORT
"""
import http.client
import http.server
import json
import sys
import threading

master, name, address, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
state = {"framework": None, "stream": None, "launched": False, "task": {"state": "none"}}


def call(body):
    body["framework_id"] = {"value": state["framework"]}
    headers = {"Content-Type": "application/json", "Mesos-Stream-Id": state["stream"]}
    connection = http.client.HTTPConnection(master)
    connection.request("POST", "/api/v1/scheduler", json.dumps(body), headers)
    connection.getresponse().read()


def records(response):
    buffered = b""
    while True:
        piece = response.read1(65536)
        if not piece:
            return
        buffered += piece
        while b"\n" in buffered:
            length, rest = buffered.split(b"\n", 1)
            if len(rest) < int(length):
                break
            buffered = rest[int(length):]
            yield json.loads(rest[: int(length)])


def scalar(name, value):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


def offered(offers):
    for offer in offers:
        operations = []
        if not state["launched"]:
            state["launched"] = True
            task = {
                "name": "sleeper",
                "task_id": {"value": "sleeper-1"},
                "agent_id": offer["agent_id"],
                "command": {"value": "sleep 1234", "shell": True},
                "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            }
            operations = [{"type": "LAUNCH", "launch": {"task_infos": [task]}}]
        accept = {"offer_ids": [offer["id"]], "operations": operations, "filters": {"refuse_seconds": 60}}
        call({"type": "ACCEPT", "accept": accept})


def updated(status):
    state["task"] = {"state": status["state"]}
    if "uuid" in status:
        acknowledge = {k: status[k] for k in ("agent_id", "task_id", "uuid")}
        call({"type": "ACKNOWLEDGE", "acknowledge": acknowledge})


def register():
    info = {"user": "root", "name": name, "failover_timeout": 3600.0}
    connection = http.client.HTTPConnection(master)
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
    connection.request("POST", "/api/v1/scheduler", body, {"Content-Type": "application/json", "Accept": "application/json"})
    response = connection.getresponse()
    state["stream"] = response.getheader("Mesos-Stream-Id")
    for event in records(response):
        if event["type"] == "SUBSCRIBED":
            state["framework"] = event["subscribed"]["framework_id"]["value"]
        elif event["type"] == "OFFERS":
            offered(event["offers"]["offers"])
        elif event["type"] == "UPDATE":
            updated(event["update"]["status"])


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"master": master, "task": state["task"]}).encode())

    def log_message(self, *_):
        pass


threading.Thread(target=register, daemon=True).start()
http.server.HTTPServer((address, port), Page).serve_forever()

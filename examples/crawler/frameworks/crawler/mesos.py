"""The Mesos v1 HTTP API, as much of it as this framework speaks: JSON bodies and RecordIO streams. Standard library only."""

import base64
import http.client
import json
import socket
import time
import urllib.parse

# How long a call may take. Streams are given a time of their own: several heartbeats.
CALL_TIMEOUT = 10


class Refused(Exception):
    """The other side answered, and the answer is no."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text.strip()}")
        self.status = status


class Endpoint:
    """One of the APIs: `/api/v1/scheduler` of a master or `/api/v1/executor` of an agent."""

    def __init__(self, host, path):
        self.host = host
        self.path = path
        # The master names each stream, and wants to read the name in every other call.
        self.stream_id = None

    def subscribe(self, call, silence):
        """Yields the events that follow SUBSCRIBE until the stream ends or is silent for `silence` seconds."""
        self.stream_id = None
        connection, response = self._post(call, silence)
        self.stream_id = response.getheader("Mesos-Stream-Id")
        try:
            while (length := response.readline()).strip():
                record = response.read(int(length))
                yield json.loads(record)
        finally:
            connection.close()

    def call(self, call):
        """Makes a call that is answered by a status and nothing else."""
        connection, response = self._post(call, CALL_TIMEOUT)
        response.read()
        connection.close()

    def _post(self, call, timeout, redirects=3):
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.stream_id:
            headers["Mesos-Stream-Id"] = self.stream_id
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        connection.request("POST", self.path, json.dumps(call), headers)
        response = connection.getresponse()
        if response.status in (200, 202):
            return connection, response
        text = response.read().decode(errors="replace")
        connection.close()
        location = response.getheader("Location", "")
        if response.status == 307 and redirects and location:
            # A master that does not lead says who does: `//host:port/path`, or the bare `host:port`.
            self.host = urllib.parse.urlsplit(location if "//" in location else f"//{location}").netloc
            return self._post(call, timeout, redirects - 1)
        raise Refused(response.status, text)


# What a broken, refused or silent connection raises.
LOST = (OSError, http.client.HTTPException, socket.timeout, ValueError)


def pause(attempt, longest=15):
    """Waits before the next attempt, each time longer."""
    time.sleep(min(0.2 * 2**attempt, longest))


def encode(value):
    """An object as the bytes of a message or of a task's data."""
    return base64.b64encode(json.dumps(value).encode()).decode()


def decode(data):
    """The object that `encode` was given."""
    return json.loads(base64.b64decode(data))

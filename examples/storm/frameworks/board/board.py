"""A board to write on, by HTTP: `PUT /KEY` writes a value, `GET /` shows all as JSON. Forgotten when it ends."""

import http.server
import json
import sys

LARGEST_VALUE = 64 * 1024
board = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_VALUE:
            return self.answer(413, "too long\n")
        board[self.path.lstrip("/")] = self.rfile.read(length).decode(errors="replace")
        self.answer(200, "ok\n")

    def do_GET(self):
        self.answer(200, json.dumps(board, sort_keys=True) + "\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()

"""A guestbook: `POST /notes` keeps the body as a note, `GET /notes` lists all of them as JSON."""

import argparse
import http.server
import json
import pathlib

import psycopg2

TABLE = "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)"
LARGEST_NOTE = 64 * 1024


def handler(connect):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/notes":
                self.answer(200, self.query("SELECT text FROM notes ORDER BY id"))
            elif self.path == "/health":
                self.answer(200, self.query("SELECT 'ok'"))
            else:
                self.answer(404, {"title": "there are /notes and /health"})

        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            if self.path != "/notes" or not 0 < length <= LARGEST_NOTE:
                return self.answer(400, {"title": f"POST a note of 1 to {LARGEST_NOTE} bytes to /notes"})
            note = self.rfile.read(length).decode(errors="replace")
            self.answer(201, self.query("INSERT INTO notes (text) VALUES (%s) RETURNING id", note))

        def query(self, statement, *values):
            """A connection for each request: the database may have been restarted since the last one."""
            connection = connect()
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return [value for (value,) in cursor.fetchall()]
            finally:
                connection.close()

        def answer(self, status, value):
            body = json.dumps(value).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self):
            try:
                super().handle()
            except psycopg2.OperationalError as error:
                self.answer(503, {"title": "the database does not answer", "detail": str(error).strip()})

    return Handler


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--database", required=True, help="host:port of the database")
    parser.add_argument("--user", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--password-file", required=True, type=pathlib.Path)
    options = parser.parse_args()
    host, port = options.database.rsplit(":", 1)
    password = options.password_file.read_text().strip()

    def connect():
        return psycopg2.connect(
            host=host, port=port, user=options.user, password=password, dbname=options.name, connect_timeout=5)

    # Whoever comes first makes the table; an error here ends the task, and it is started again a little later.
    connection = connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(1)")
        cursor.execute(TABLE)
    connection.close()
    http.server.ThreadingHTTPServer((options.listen, options.port), handler(connect)).serve_forever()


if __name__ == "__main__":
    main()

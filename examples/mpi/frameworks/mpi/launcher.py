"""The launcher: `mpirun` over the workers, which it reaches by ssh with a key that is made for the run."""

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

# How long workers may take to start, in seconds.
START = 120
HERE = pathlib.Path.cwd()


def hand_out(gang, public):
    """Serves the public key. Whoever gets it can do nothing with it but let the launcher in."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(public)))
            self.end_headers()
            self.wfile.write(public)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((gang["listen"], gang["port"]), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def wait_for(host, port):
    deadline = time.monotonic() + START
    while True:
        try:
            return socket.create_connection((host, port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"the worker at {host}:{port} does not listen: {error}")
            time.sleep(0.1)


def describe(workers):
    """Workers have names that only ssh can resolve, so that `mpirun` takes none of them for its own machine."""
    ssh, hosts = [], []
    for number, worker in enumerate(workers):
        host, port = worker.rsplit(":", 1)
        wait_for(host, int(port))
        ssh.append(f"Host worker-{number}\n  HostName {host}\n  Port {port}\n")
        hosts.append(f"worker-{number} slots=1\n")
    # Host keys are as new as the run: there is nothing to compare them with.
    ssh.append(f"Host *\n  IdentityFile {HERE}/key\n  IdentitiesOnly yes\n  BatchMode yes\n"
               "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n")
    (HERE / "ssh_config").write_text("".join(ssh))
    (HERE / "hosts").write_text("".join(hosts))


def main():
    gang = json.loads((HERE / "gang.json").read_text())
    (HERE / "key").unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    hand_out(gang, (HERE / "key.pub").read_bytes())
    describe(gang["workers"])
    interface = gang["interface"]
    run = subprocess.run([
        "mpirun", *(["--allow-run-as-root"] if os.geteuid() == 0 else []),
        "--hostfile", "hosts", "-np", str(len(gang["workers"])), "--map-by", "node", "--bind-to", "none",
        "--mca", "plm_rsh_agent", f"ssh -F {HERE}/ssh_config", "--mca", "orte_tmpdir_base", str(HERE),
        "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", interface, "--mca", "oob_tcp_if_include", interface,
        *gang["program"],
    ])
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()

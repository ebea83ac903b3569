"""A worker: an sshd of its own, for the launcher and nobody else. worker.py ADDRESS PORT LAUNCHER

Keys are made for the run. The launcher has the private one, and hands out the public one.
"""

import os
import pathlib
import subprocess
import sys
import time
import urllib.request

SSHD = "/usr/sbin/sshd"
# How long the launcher may take to start, in seconds.
START = 120


def public_key(launcher):
    deadline = time.monotonic() + START
    while True:
        try:
            return urllib.request.urlopen(f"http://{launcher}/key", timeout=5).read()
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"the launcher has no key: {error}")
            time.sleep(0.1)


address, port, launcher = sys.argv[1:]
here = pathlib.Path.cwd()
(here / "host").unlink(missing_ok=True)
subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "host"], check=True)
(here / "authorized_keys").write_bytes(public_key(launcher))
(here / "sshd_config").write_text(f"""\
ListenAddress {address}:{port}
HostKey {here}/host
AuthorizedKeysFile {here}/authorized_keys
AuthenticationMethods publickey
PidFile none
UsePAM no
StrictModes no
AllowTcpForwarding no
""")
if os.geteuid() == 0:
    # Where it goes before it knows who is calling; the package's own service would have made it.
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
os.execv(SSHD, [SSHD, "-D", "-e", "-f", f"{here}/sshd_config"])

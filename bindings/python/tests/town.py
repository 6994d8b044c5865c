"""An installation as an operator runs it: `glacis serve` on free ports of this machine, and a service behind it that
remembers what reached it."""

import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

GLACIS = os.environ["GLACIS_BIN"]

SIGNALS = """
[signal."app.hooked"]
type = "bool"
zone = "device"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "0d"
min_trust = "attested"
cost = 10

[signal.amount]
type = "int"
zone = "request"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
"""

POLICY = """
[policy]
name = "transfer"
event = "payment.transfer"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["passkey"]
if_error = "match"

[policy.if_unknown]
withheld = "danger_skip"
denied = "skip"
version = "skip"
absent = "skip"

[[rule]]
id = "tampered-app"
when = "app.hooked"
effect = "block"
text = "device"
release = "verdict"

[[rule]]
id = "much"
when = "amount > 1000"
effect = "challenge(passkey)"

[[rule]]
id = "too-much"
when = "amount > 100000"
effect = "block"
"""

CONFIG = """
tenant = "acme"
realm = "production"
data_dir = "data"

[cloud]
nodes_at = "127.0.0.1:0"
admin_at = "127.0.0.1:0"

[health]
listen = "{health}"

[edge]
node = "edge-1"
listen = "{edge}"
bundle_every_ms = 100

[edge.upstream.app]
address = "{behind}"

[[edge.route]]
method = "POST"
path = "/transfers"
upstream = "app"
event = "payment.transfer"
[edge.route.fields.amount]
json = "/amount"
type = "int"
"""


class Upstream:
    """A service that Glacis protects: it carries out every transfer that reaches it."""

    def __init__(self):
        self.seen = []
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                seen.append((self.path, body, dict(self.headers.items())))
                self.send_response(200)
                self.send_header("content-length", "7")
                self.end_headers()
                self.wfile.write(b"carried")

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def free_port():
    """A port that nobody has now. It is taken a moment later by the installation."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Town:
    """The installation. `stop` it."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="glacis-town-")
        self.path = pathlib.Path(self._folder.name)
        self.upstream = Upstream()
        self._process = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        self.edge = f"127.0.0.1:{free_port()}"
        health = f"127.0.0.1:{free_port()}"
        config = CONFIG.format(edge=self.edge, health=health, behind=self.upstream.address)
        (self.path / "glacis.toml").write_text(config)
        policy = self.path / "policy"
        policy.mkdir()
        (policy / "policy.toml").write_text(POLICY)
        (policy / "signals.toml").write_text(SIGNALS)
        data = self.path / "data"
        data.mkdir(mode=0o700)
        keys = str(data / "keys")
        self.glacis("keys", "make", "--dir", keys, "--tenant", "acme", "--realm", "production", "--node", "edge-1")
        log = open(self.path / "serve.log", "wb")
        with log:
            self._process = subprocess.Popen(
                [GLACIS, "serve", "--config", str(self.path / "glacis.toml")],
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait("the control socket", lambda: (data / "control.sock").exists())
        self.glacis("policy", "publish", str(policy), "--data-dir", str(data))
        self._wait("readiness", lambda: self._ready(health))
        self.key_set = self.glacis("keys", "export", "--raw", "--dir", keys)

    def _ready(self, health):
        connection = http.client.HTTPConnection(health, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _wait(self, what, holds):
        # A bound for a hang, far beyond what it takes; nothing is measured.
        for _ in range(1200):
            if self._process.poll() is not None:
                raise RuntimeError(f"glacis serve ended with {self._process.returncode}:\n{self.log()}")
            if holds():
                return
            time.sleep(0.1)
        raise RuntimeError(f"no {what}:\n{self.log()}")

    def log(self):
        """What the installation printed."""
        return (self.path / "serve.log").read_text(errors="replace")

    def glacis(self, *args):
        """Runs a command to its end; what it printed."""
        done = subprocess.run([GLACIS, *args], cwd=self.path, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"glacis {' '.join(args)}: {done.returncode}\n{done.stderr.decode(errors='replace')}")
        return done.stdout

    def amounts(self):
        """The amounts of the transfers that were carried out, in order."""
        return [json.loads(body)["amount"] for _, body, _ in self.upstream.seen]

    def folder(self, name):
        """A folder for a device."""
        return str(self.path / name)

    def stop(self):
        """Ends everything that was begun."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.upstream.stop()
        self._folder.cleanup()

"""What the tests of the first boot need: a fake root, fake commands, keys, a signed repository, and
an HTTPS server on this machine."""

import atexit
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
FILES = REPOSITORY / "layers/bootstrap/files"
MAC = "d8:3a:dd:12:34:56"
SERIAL = "10000000abcdef01"
NEEDED = ["bash", "jq", "git", "openssl", "ssh-keygen", "curl", "timeout", "flock", "pgrep"]

SETUP = """#!/bin/bash
set -eu
echo run >>"$OSB_ROOT/runs"
cp "$NODE_CONFIG" "$OSB_ROOT/seen.json"
"""


def run(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], check=True, capture_output=True, **options)


def missing():
    """Why these tests cannot run on this machine; nothing if they can."""
    absent = [name for name in NEEDED if not shutil.which(name)]
    python = shutil.which("python3", path="/usr/bin:" + os.environ["PATH"])
    if subprocess.run([python, "-c", "import yaml, tomllib"], capture_output=True).returncode:
        absent.append(f"yaml and tomllib of {python}")
    return ", ".join(absent)


class Authority:
    """A certificate authority and what it signs, made once."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "30", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name):
        """A certificate for `localhost`; returns its path and its key's."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
            "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", certificate)
        return certificate, key


class Handler(http.server.BaseHTTPRequestHandler):
    """/git/ by git's own http-backend, /config from a table, the rest as files."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.do_GET()

    def do_GET(self):
        server = self.server
        url = urllib.parse.urlsplit(self.path)
        server.requests.append(self.path)
        if server.broken > 0:
            server.broken -= 1
            return self.reply(503, b"not now")
        if url.path.startswith("/git/"):
            return self.git(url)
        if url.path == "/config":
            query = urllib.parse.parse_qs(url.query)
            status, answer = server.answers.get(query.get("mac", [""])[0], (404, {}))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            return self.reply(status, body)
        path = server.folder / url.path.lstrip("/")
        return self.reply(200, path.read_bytes()) if path.is_file() else self.reply(404, b"")

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def git(self, url):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": url.path, "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "CONTENT_LENGTH": str(len(body)),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        status = 200
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        for name, value in fields:
            status = int(value.split()[0]) if name == "Status" else status
        self.send_response(status)
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server:
    def __init__(self, folder, certificate, key, clients=None):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.http.folder, self.http.answers, self.http.broken, self.http.requests = folder, {}, 0, []
        self.http.handle_error = lambda *_: None
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def url(self, path):
        return f"https://localhost:{self.port}/{path}"

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


class Scripts:
    """A bootstrap repository, with a working copy and a bare one that is served."""

    def __init__(self, folder, served, keys):
        self.work, self.bare, self.keys = folder / "work", served / "git/bootstrap.git", keys
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare)
        run("git", "clone", "--quiet", self.bare, self.work)
        for name, value in [("user.name", "Test"), ("user.email", "test@example.org"),
                            ("gpg.format", "ssh"), ("user.signingkey", keys / "good")]:
            self.git("config", name, value)
        self.git("checkout", "--quiet", "-b", "main")

    def git(self, *arguments, **options):
        environment = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")
        done = run("git", "-C", self.work, *arguments, env=environment, **options)
        return done.stdout.decode().strip()

    def commit(self, files=None, sign=True, key=None, executable=True):
        """Commits files (name -> text) and returns the commit's id."""
        for name, text in (files or {"setup.sh": SETUP}).items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if executable else 0o644)
        self.git("add", "--all")
        options = [f"-S{self.keys / key}"] if key else ["-S"] if sign else ["--no-gpg-sign"]
        self.git("commit", "--quiet", "--allow-empty", "-m", "change", *options)
        return self.git("rev-parse", "HEAD")

    def push(self, what="HEAD:refs/heads/main"):
        self.git("push", "--quiet", "--force", "origin", what)


def have_ssh_key(folder, name):
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
    return (folder / f"{name}.pub").read_text()


class Machine:
    """A fake root on which the real scripts run, and fake commands before the real ones."""

    def __init__(self, folder, stubs=("systemctl", "kubectl", "udevadm", "sleep", "sync")):
        self.root, self.stubs = folder / "root", folder / "stubs"
        shutil.copytree(FILES, self.root)
        for name in ["opt/bootstrap/bootstrap.sh", "usr/lib/osb/name-node", "usr/lib/osb/wait-for-time",
                     "usr/lib/osb/bootstrap/to-json", "usr/lib/osb/bootstrap/commit-parts"]:
            (self.root / name).chmod(0o755)
        self.write("proc/self/mountinfo", "1 0 179:2 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p2 rw\n")
        self.write("proc/cmdline", "root=PARTUUID=1 rw\n")
        self.write("proc/sys/kernel/hostname", "localhost")
        self.write("proc/device-tree/serial-number", SERIAL + "\0")
        self.write("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
        self.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        self.interface("end0", MAC)
        (self.root / "var/lib").mkdir(parents=True)
        self.stubs.mkdir()
        self.calls = folder / "calls"
        for name in stubs:
            # They answer "no", except those that only wait. (A real sync waits for this whole machine.)
            self.stub(name, "exit 0" if name in ("sleep", "sync", "udevadm") else "exit 1")

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, path):
        return (self.root / path).read_text()

    def interface(self, name, mac, kind="1", assigned="0", device=True):
        self.write(f"sys/class/net/{name}/address", mac + "\n")
        self.write(f"sys/class/net/{name}/type", kind + "\n")
        self.write(f"sys/class/net/{name}/addr_assign_type", assigned + "\n")
        if device:
            self.write(f"sys/class/net/{name}/device/uevent", "")

    def stub(self, name, text):
        path = self.stubs / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.calls}"\n{text}\n')
        path.chmod(0o755)

    def called(self, name):
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if line.split()[0] == name]

    def environment(self):
        path = f"{self.stubs}:{os.environ['PATH']}"
        return {"PATH": path, "OSB_ROOT": str(self.root), "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}

    def start(self, program="opt/bootstrap/bootstrap.sh", *arguments):
        return subprocess.Popen([self.root / program, *arguments], env=self.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, program="opt/bootstrap/bootstrap.sh", *arguments):
        """Exit code and everything that was said."""
        child = self.start(program, *arguments)
        try:
            said, _ = child.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        return child.returncode, said

    def signal(self, child, number):
        """To all of it; `timeout` has a process group of its own, so the session counts."""
        found = subprocess.run(["pgrep", "-s", str(child.pid)], capture_output=True, text=True).stdout.split()
        for pid in found:
            try:
                os.kill(int(pid), number)
            except ProcessLookupError:
                pass
        return found

    def cut_power(self, child):
        for _ in range(100):
            if not self.signal(child, signal.SIGKILL):
                break
            child.poll()
        child.communicate()

    def stop(self, child):
        """As systemd stops a unit."""
        self.signal(child, signal.SIGTERM)

    def wait_for_run(self):
        """Until setup.sh runs."""
        deadline = time.time() + 120
        while not self.runs():
            assert time.time() < deadline, "setup.sh did not run"
            time.sleep(0.05)

    def shell(self, text):
        """What a function of the rooms prints."""
        rooms = "log settings identity boot-mode hostname state fetch verify configuration".split()
        source = "ROOMS=$OSB_ROOT/usr/lib/osb/bootstrap\n"
        source += "\n".join(f'source "$ROOMS/{room}.sh"' for room in rooms)
        script = f"set -euo pipefail; shopt -s inherit_errexit\n{source}\nmkdir -p \"$RUN\"\n{text}"
        done = subprocess.run(["bash", "-c", script], env=self.environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return done.returncode, done.stdout.strip(), done.stderr

    def state(self):
        return json.loads(self.read("var/lib/osb/state.json"))

    def runs(self):
        path = self.root / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def provisioned(self):
        return (self.root / "var/lib/node-provisioned").exists()

    def logs(self):
        return sorted((self.root / "var/lib/osb/log").glob("*.log"))


@unittest.skipIf(missing(), f"SKIPPED: this machine has no {missing()}")
class MachineTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="osb-bootstrap-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.machine = Machine(self.folder)


class SiteTest(MachineTest):
    """A machine, a server, and a repository with one good commit."""

    keys = None

    @classmethod
    def setUpClass(cls):
        if SiteTest.keys is None:
            SiteTest.make_keys()

    @classmethod
    def make_keys(cls):
        cls = SiteTest
        cls.keys = pathlib.Path(tempfile.mkdtemp(prefix="osb-bootstrap-keys-"))
        atexit.register(shutil.rmtree, cls.keys)
        cls.authority, cls.stranger = Authority(cls.keys, "ca"), Authority(cls.keys, "stranger")
        cls.certificate = cls.authority.issue("server")
        cls.good, cls.bad = have_ssh_key(cls.keys, "good"), have_ssh_key(cls.keys, "bad")

    def setUp(self):
        super().setUp()
        self.served = self.folder / "served"
        self.served.mkdir()
        self.scripts = Scripts(self.folder, self.served, self.keys)
        self.first = self.scripts.commit()
        self.scripts.push()
        self.server = Server(self.served, *self.certificate)
        self.addCleanup(self.server.stop)
        self.trust("allowed_signers", f"ops@example.org {self.good}")
        self.trust("ca.pem", self.authority.certificate.read_text())
        self.machine.write("boot/firmware/osb/nodes.yaml", f"""\
nodes:
  - mac: {MAC.upper()}
    serial: {SERIAL}
    hostname: cp1
    role: control-plane
    ip: 192.168.1.10
    labels: {{ zone: a }}
""")
        self.settings()

    def trust(self, name, text):
        self.machine.write(f"etc/osb/bootstrap/{name}", text)

    def settings(self, source="", configuration="", limits="", url=None):
        url = url or self.server.url("git/bootstrap.git")
        self.machine.write("etc/osb/bootstrap.toml", f"""\
[source]
url = "{url}"
{source}
[configuration]
{configuration}
[limits]
fetch = 20
{limits}
""")

    def boot(self):
        return self.machine.run()

    def assert_refused(self, *texts, code=3):
        result, said = self.boot()
        self.assertEqual(result, code, said)
        for text in texts:
            self.assertIn(text, said)
        self.assertIn("NOT provisioned", said)
        self.assertEqual(self.machine.runs(), 0, said)
        self.assertFalse(self.machine.provisioned(), said)
        return said


def unused_port():
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        return port.getsockname()[1]

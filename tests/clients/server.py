"""A `hone serve` that a test starts, asks and ends.  Python's standard library alone."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time


class Server:
    """hone serve MODEL OPTION... on a free port, from with to the end of its block."""

    def __init__(self, hone, model, *options):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([hone, "serve", model, "--port", "0", "--log", "none", *options],
                                        stdout=subprocess.DEVNULL, stderr=self.log)
        until = time.monotonic() + 120
        while not (m := re.search(r"http://127\.0\.0\.1:(\d+)", self.text())):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError("the server did not start: " + self.text())
            time.sleep(0.02)
        self.port = int(m.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def text(self):
        """What it wrote on standard error so far."""
        self.log.seek(0)
        return self.log.read()

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def end(self, timeout=120):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def resident(self):
        """Bytes that are resident: the server's own, and those of mapped files (weights that were touched)."""
        with open(f"/proc/{self.process.pid}/status") as f:
            kb = dict(re.findall(r"^(Rss\w+):\s+(\d+) kB", f.read(), re.MULTILINE))
        return 1024 * int(kb["RssAnon"]), 1024 * int(kb["RssFile"])

    def rss(self):
        return sum(self.resident())

    def connect(self, receive=None, timeout=600):
        """A socket; receive: bytes of its buffer."""
        s = socket.socket()
        if receive:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        s.settimeout(timeout)
        s.connect(("127.0.0.1", self.port))
        return s

    def open(self, path, body=None, method=None):
        """Ask; http.client's response, whose body has not been read."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        c.request(method or ("GET" if body is None else "POST"), path, data,
                  {} if data is None else {"Content-Type": "application/json"})
        r = c.getresponse()
        r.owner = c  # it closes its connection with itself
        return r

    def ask(self, path, body=None):
        """Ask; status and the reply's JSON."""
        r = self.open(path, body)
        data = r.read()
        r.owner.close()
        return r.status, json.loads(data) if data[:1] in (b"{", b"[") else data.decode()

    def ok(self, path, body=None):
        status, reply = self.ask(path, body)
        assert status == 200, (status, reply)
        return reply

    def metric(self, name):
        """The sum of a series over its labels."""
        lines = re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", self.ok("/metrics"), re.M)
        assert lines, name
        return sum(map(float, lines))

    def quiet(self, timeout=60):
        """Wait until nothing runs, nothing waits, and no page is held."""
        until = time.monotonic() + timeout
        names = ["vllm:num_requests_running", "vllm:num_requests_waiting", "hone:kv_used_bytes"]
        while any(found := [self.metric(n) for n in names]):
            assert time.monotonic() < until, dict(zip(names, found))
            time.sleep(0.1)


def post(path, body):
    """A request as it goes over the wire."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def receive(s, end=b"", most=1 << 26):
    """What comes until `end` is in it, or the other side closes."""
    data = b""
    while len(data) < most and not (end and end in data):
        try:
            part = s.recv(1 << 16)
        except ConnectionResetError:
            break
        if not part:
            break
        data += part
    return data


def status_of(data):
    """The status code of a reply, or None if there is none."""
    m = re.match(rb"HTTP/1\.1 (\d{3}) ", data)
    return int(m.group(1)) if m else None

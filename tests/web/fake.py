"""A server with the page of a real one, header by header, and answers that a test writes."""
import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = [{"id": "base", "parent": None}, {"id": "pirate", "parent": "base"}]


class Fake:
    def __init__(self, real):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                fake.get(self, real)

            def do_POST(self):
                fake.post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.reset()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self):
        self.parts = ["An answer."]  # texts, ("reasoning", text), or ("wait", seconds)
        self.finish = "stop"
        self.key = None
        self.error = None  # (status, body, headers) instead of an answer
        self.cut = False  # the connection breaks off behind the parts
        self.bytewise = False
        self.models = MODELS
        self.bodies = []
        self.gone = threading.Event()  # a client left in the middle

    def send(self, h, status, kind, body, headers=()):
        h.send_response(status)
        h.send_header("Content-Type", kind)
        h.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            h.send_header(name, value)
        h.end_headers()
        h.wfile.write(body)

    def refuse(self, h, status, message, code=None, headers=()):
        error = {"message": message, "type": "x", "param": None, "code": code}
        self.send(h, status, "application/json", json.dumps({"error": error}).encode(), headers)

    def admits(self, h):
        if self.key is None or h.headers["Authorization"] == f"Bearer {self.key}":
            return True
        self.refuse(h, 401, "this server needs a key")
        return False

    def get(self, h, real):
        if h.path == "/v1/models":
            if self.admits(h):
                self.send(h, 200, "application/json", json.dumps({"data": self.models}).encode())
            return
        if h.path != "/" and not h.path.startswith("/web/"):
            self.refuse(h, 404, "no such path")
            return
        with urllib.request.urlopen(real + h.path) as page:
            kept = [(k, v) for k, v in page.headers.items()
                    if k.lower() not in ("content-type", "content-length", "date")]
            self.send(h, 200, page.headers["Content-Type"], page.read(), kept)

    def post(self, h):
        body = json.loads(h.rfile.read(int(h.headers["Content-Length"])))
        if not self.admits(h):
            return
        self.bodies.append(body)
        if self.error:
            self.refuse(h, *self.error)
            return
        h.close_connection = True
        h.send_response(200)
        h.send_header("Content-Type", "text/event-stream")
        h.send_header("Connection", "close")
        h.end_headers()
        try:
            self.stream(h)
        except (BrokenPipeError, ConnectionResetError):
            self.gone.set()

    def stream(self, h):
        def say(text):
            data = text.encode()
            for i in range(0, len(data), 1 if self.bytewise else len(data)):
                h.wfile.write(data[i:i + 1] if self.bytewise else data)
                h.wfile.flush()

        def chunk(delta, finish=None):
            event = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}
            end = "\r\n" if self.bytewise else "\n"
            say(f": ping{end}{end}data: {json.dumps(event, ensure_ascii=False)}{end}{end}")

        for part in list(self.parts):
            if isinstance(part, str):
                chunk({"content": part})
            elif part[0] == "wait":
                time.sleep(part[1])
            else:
                chunk({"reasoning_content": part[1]})
        if self.cut:
            return
        chunk({}, self.finish)
        usage = {"prompt_tokens": 20, "completion_tokens": 7,
                 "prompt_tokens_details": {"cached_tokens": 16}}
        say("data: " + json.dumps({"choices": [], "usage": usage}) + "\n\n")
        say("data: [DONE]\n\n")

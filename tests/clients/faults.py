"""Everything that goes wrong, against `hone serve`: faults.py HONE MODEL DATA.

Every case starts a server with small limits and ends with one that still answers; DATA is
tests/data.  Python's standard library alone; ends with "N passed, N failed".
"""
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time



from common import case, finish
from server import Server, post, receive, status_of

hone, model, data = sys.argv[1:4]
small = ["--ctx", "2048", "--header-s", "2", "--stall-s", "2", "--max-output", "16K", "--max-sequences", "4"]
chat_path, text_path = "/v1/chat/completions", "/v1/completions"
random.seed(1)


def serve(*more):
    return Server(hone, model, *small, *more)


def chat(text="What is the capital of France?", **more):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 16, **more}


def long(**more):
    """Runs until its client leaves, or close to it."""
    return chat(max_tokens=1800, ignore_eos=True, **more)


def choices(s, body, path=chat_path):
    """The part of a reply that the request alone decides, as text."""
    return json.dumps(s.ok(path, body)["choices"], sort_keys=True)


def together(jobs):
    """Call every job in its thread; their results in order.  An exception is one too."""
    results = [None] * len(jobs)

    def work(i):
        try:
            results[i] = jobs[i]()
        except Exception as e:
            results[i] = e

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def alive(s):
    """It answers as ever."""
    assert s.ok("/health") == {"status": "ok"}
    assert choices(s, chat()) == as_ever


def raw(s, request, end=b""):
    """Send bytes, close the sending side only after the reply; the reply's status."""
    with s.connect(timeout=30) as c:
        try:
            c.sendall(request)
        except (ConnectionResetError, BrokenPipeError):
            pass
        return status_of(receive(c, end))


def nested(levels, inner=1):
    return b'{"x":' * levels + json.dumps(inner).encode() + b"}" * levels


with serve() as fresh:
    as_ever = choices(fresh, chat())


# -- clients that leave ----------------------------------------------------------------------


@case
def clients_vanish_in_the_middle_of_a_stream():
    with serve() as s:
        for _ in range(3):
            sockets = [s.connect() for _ in range(4)]
            for c in sockets:
                c.sendall(post(chat_path, long(stream=True)))
            for c in sockets:
                assert b"data: " in receive(c, b"data: ")
            for c in sockets:
                c.close()
            s.quiet()
        alive(s)


@case
def clients_vanish_while_a_whole_answer_is_computed():
    with serve() as s:
        sockets = [s.connect() for _ in range(6)]  # two of them wait
        for c in sockets:
            c.sendall(post(chat_path, long()))
        while s.metric("vllm:num_requests_running") < 4:
            time.sleep(0.05)
        for c in sockets:
            c.close()
        s.quiet()
        alive(s)


@case
def readers_that_stop_are_paused_then_dropped():
    with serve("--stall-s", "4") as s:
        with s.connect(receive=4096) as c:
            c.sendall(post(chat_path, long(stream=True, n=2, logprobs=True, top_logprobs=20)))
            until, last, still = time.monotonic() + 240, -1, 0
            while still < 3 and s.metric("vllm:num_requests_running"):
                now = s.metric("vllm:generation_tokens_total")
                still, last = (still + 1 if now == last and now > 0 else 0), now
                assert time.monotonic() < until
                time.sleep(0.25)
            alive(s)
            s.quiet()
            assert last < 3600, "the answer came to its end"


# -- what is not a request -------------------------------------------------------------------


@case
def garbage_is_refused():
    with serve() as s:
        junk = [random.randbytes(n) for n in (1, 10, 1000, 100000)]
        junk += [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(200),
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 5000, b"\r\n" * 50000, b"GET / HTTP/9.9\r\n\r\n",
                 b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"]
        for request in junk:
            found = raw(s, request)
            assert found is None or 400 <= found < 600, (request[:40], found)
        alive(s)


@case
def heads_have_limits():
    with serve() as s:
        many = b"".join(b"X-%d: 1\r\n" % i for i in range(10000))
        assert raw(s, b"GET /health HTTP/1.1\r\nHost: a\r\n" + many + b"\r\n") == 431
        assert raw(s, b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 81920 + b"\r\n\r\n") == 431
        assert raw(s, b"GET /" + b"a" * 81920 + b" HTTP/1.1\r\nHost: a\r\n\r\n") in (414, 431)
        alive(s)


@case
def bodies_that_do_not_come():
    with serve() as s:
        whole = post(chat_path, chat())
        with s.connect() as c:  # half of one, then gone
            c.sendall(whole[:-20])
        assert raw(s, whole[:-20]) == 408
        head = f"POST {chat_path} HTTP/1.1\r\nHost: a\r\n".encode()
        body = json.dumps(chat()).encode()
        assert raw(s, head + b"Content-Length: 9999999\r\n\r\n" + body) == 408
        assert raw(s, head + b"Content-Length: 99999999999\r\n\r\n" + body) == 413
        assert raw(s, head + b"Content-Length: -1\r\n\r\n" + body) == 400
        assert raw(s, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n") == 400
        # too short: the rest is no request
        with s.connect() as c:
            c.sendall(head + f"Content-Length: {len(body) - 5}\r\n\r\n".encode() + body + b"\r\n\r\n")
            assert receive(c).count(b"HTTP/1.1 400 ") == 2
        alive(s)


@case
def texts_that_are_not_json():
    with serve() as s:
        for bad in (b"", b"{", b"[]", b"1", b'{"messages":[{"role":"user","content":"\xff\xfe"}]}',
                    b'{"messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
                    b'{"messages":[{"role":"user","content":"\\ud800"}]}', b'{"temperature":1e999}',
                    b'{"a":1}' * 2, b"\xef\xbb\xbf{}", nested(500), b"[" * 100000):
            status, reply = s.ask(chat_path, bad)
            assert status == 400 and reply["error"]["message"], (bad[:60], status)
        extra = json.dumps(chat()).encode()[:-1] + b',"metadata":' + nested(50) + b"}"
        assert s.ask(chat_path, extra)[0] == 200
        alive(s)


# -- schemas ---------------------------------------------------------------------------------


def schema(what):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": what}}


@case
def nested_schemas_are_kept_or_refused():
    with serve() as s:
        for levels in (5, 50):
            what = {"type": "integer", "minimum": 3, "maximum": 4}
            for _ in range(levels):
                what = {"type": "object", "properties": {"a": what}, "required": ["a"], "additionalProperties": False}
            status, reply = s.ask(chat_path, chat(response_format=schema(what), max_tokens=1000))
            assert status == 200 or (status == 400 and levels > 5), (status, reply)
            if status == 200:
                value = json.loads(reply["choices"][0]["message"]["content"])
                for _ in range(levels):
                    value = value["a"]
                assert value in (3, 4)
        alive(s)


@case
def bounds_that_cross_are_refused():
    with serve() as s:
        alive(s)
        before = s.rss()
        for bad in ({"type": "string", "minLength": 5, "maxLength": 2}, {"type": "integer", "minimum": 5, "maximum": 2},
                    {"type": "array", "items": {}, "minItems": 5, "maxItems": 2}, {"enum": []}, {"type": "nothing"},
                    {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1}, {"$ref": "#/$defs/none"},
                    {"type": "object", "required": ["a"], "properties": {}, "additionalProperties": False}):
            for _ in range(5):
                status, reply = s.ask(chat_path, chat(response_format=schema(bad)))
                assert status == 400 and reply["error"]["code"] == "invalid_schema", (bad, status, reply)
        assert s.rss() - before < 30 << 20
        alive(s)


@case
def large_schemas_leave_no_memory_behind():
    with serve() as s:
        before = None
        for i in range(12):
            what = {"type": "object", "additionalProperties": False, "required": ["k0"],
                    "properties": {f"k{j}": {"type": "string", "pattern": f"^[a-f]{{{1 + (i * j) % 9},20}}$"} for j in range(40)}}
            assert s.ask(chat_path, chat(response_format=schema(what), max_tokens=4))[0] in (200, 400)
            if i == 3:
                before = s.rss()
        assert s.rss() - before < 200 << 20
        alive(s)


# -- too much --------------------------------------------------------------------------------


@case
def a_full_queue_says_when_to_come_back():
    with serve("--queue", "4") as s:
        def one():
            r = s.open(chat_path, chat(max_tokens=60, ignore_eos=True))
            reply = json.loads(r.read())
            if r.status == 429:
                assert int(r.headers["Retry-After"]) >= 1 and reply["error"]["code"] == "queue_full"
            else:
                assert reply["usage"]["completion_tokens"] == 60
            return r.status

        found = together([one] * 40)
        assert set(found) == {200, 429}, found
        assert s.metric("hone:requests_rejected_total") == found.count(429)
        s.quiet()
        alive(s)


@case
def a_handful_of_pages_is_enough_or_refused():
    few = ["--ctx", "256", "--kv-bytes", "6M"]
    bodies = [chat(f"Say {i} words about the sea.", max_tokens=100, ignore_eos=True) for i in range(8)]
    with serve("--ctx", "256") as s:
        alone = [choices(s, b) for b in bodies]
    with serve(*few) as s:
        found = together([lambda b=b: s.ask(chat_path, b) for b in bodies])
        for want, (status, reply) in zip(alone, found):
            assert status == 200 and json.dumps(reply["choices"], sort_keys=True) == want, (status, reply)
        assert s.metric("vllm:num_preemptions_total") > 0
        status, reply = s.ask(chat_path, chat("word " * 1500))
        assert 400 <= status < 600 and reply["error"]["message"], (status, reply)
        status, reply = s.ask(chat_path, chat(n=8, temperature=1, seed=1))
        assert status == 200 or reply["error"]["message"]
        s.quiet()
        alive(s)


@case
def prompts_over_the_context_are_refused():
    with serve() as s:
        status, reply = s.ask(chat_path, chat("word " * 3000))
        assert status == 400 and reply["error"]["code"] == "context_length_exceeded", reply
        status, reply = s.ask(text_path, {"prompt": "word " * 3000, "max_tokens": 1})
        assert status == 400 and reply["error"]["code"] == "context_length_exceeded", reply
        status, reply = s.ask(chat_path, chat("word " * 5_000_000))
        assert 400 <= status < 500, status
        alive(s)


# -- the end ---------------------------------------------------------------------------------


@case
def sigterm_lets_answers_end():
    with serve() as s:
        streams = [s.open(chat_path, chat(stream=True, max_tokens=150, ignore_eos=True)) for _ in range(3)]
        idle = s.connect()
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert status_of(receive(idle, b"}")) == 200
        for r in streams:
            r.readline()
        s.signal(signal.SIGTERM)
        time.sleep(0.3)
        try:
            status = s.ask(chat_path, chat())[0]
            assert status == 503, status
        except ConnectionError:
            pass
        idle.sendall(post(chat_path, chat()))
        assert status_of(receive(idle)) in (503, None)
        for r in streams:
            assert r.read().rstrip().endswith(b"data: [DONE]")
        assert s.process.wait(60) == 0, s.text()


@case
def a_second_sigterm_does_not_wait():
    with serve("--max-sequences", "2") as s:
        streams = [s.open(chat_path, long(stream=True)) for _ in range(4)]
        streams[0].readline()
        s.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert s.process.poll() is None
        s.signal(signal.SIGTERM)
        s.process.wait(15)
        assert s.process.returncode in (0, -signal.SIGTERM), s.text()


@case
def a_session_survives_kill_at_any_moment():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "talk.session")
        body = {"prompt": "The sea is " * 300, "temperature": 0, "max_tokens": 4, "session": "talk"}
        with serve("--session-dir", folder) as s:
            want = s.ok(text_path, body)
        size = os.path.getsize(path)
        in_save = 0
        for _ in range(15):
            with serve("--session-dir", folder) as s:
                r = s.ok(text_path, {**body, "session": None})
                first = s.ok(text_path, body)
                assert first["choices"][0]["text"] == want["choices"][0]["text"]
                assert first["usage"]["prompt_tokens_details"]["cached_tokens"] > 500, first["usage"]
                del r
                with s.connect() as c:
                    c.sendall(post(text_path, body))
                    until = time.monotonic() + 5
                    while len(os.listdir(folder)) < 2 and time.monotonic() < until:
                        pass
                    time.sleep(random.random() * 0.25)
                    s.signal(signal.SIGKILL)
                    s.process.wait()
            in_save += len(os.listdir(folder)) > 1
            assert os.path.getsize(path) == size
            for name in os.listdir(folder):
                if name != "talk.session":
                    os.unlink(os.path.join(folder, name))
        print(f"# killed in the middle of a save: {in_save} of 15")
        with serve("--session-dir", folder) as s:
            last = s.ok(text_path, body)
            assert last["choices"][0]["text"] == want["choices"][0]["text"]
            assert last["usage"]["prompt_tokens_details"]["cached_tokens"] > 500


# -- many ------------------------------------------------------------------------------------


@case
def connections_that_wait_cost_little():
    with serve("--max-sequences", "1", "--ping-s", "1", "--stall-s", "60", "--queue", "300") as s:
        alive(s)
        r = s.open(chat_path, long(stream=True))

        def tokens(n):
            t = time.monotonic()
            while n:
                n -= r.readline().startswith(b"data: ")
            return time.monotonic() - t

        tokens(20)
        alone = tokens(150)
        before = s.rss()
        waiting = [s.connect() for _ in range(256)]
        for c in waiting:
            c.sendall(post(chat_path, chat(stream=True)))
        while s.metric("vllm:num_requests_waiting") < 256:
            time.sleep(0.05)
        beside = tokens(150)
        growth = s.rss() - before
        print(f"# 256 streams that wait: {growth / 1e6:.1f} MB more, "
              f"{150 / alone:.1f} tokens/s without them, {150 / beside:.1f} with them")
        assert growth < 30e6
        for c in waiting:
            c.close()
        r.owner.close()
        r.close()
        s.quiet()
        alive(s)


@case
def answers_do_not_depend_on_neighbours():
    with serve("--max-sequences", "16") as s:
        for how in ({"temperature": 0}, {"temperature": 0.8, "seed": 11}):
            body = chat(max_tokens=48, logprobs=True, top_logprobs=3, **{**how})
            alone = choices(s, {**body, "cache_prompt": False})
            others = [lambda i=i: s.ok(chat_path, chat(f"Tell a story about {'a dog and ' * i} a cat.", max_tokens=64,
                                                       temperature=1.0, seed=i)) for i in range(15)]
            found = together(others[:8] + [lambda: choices(s, body)] + others[8:])
            assert not any(isinstance(f, Exception) for f in found), found
            assert found[8] == alone


@case
def adapters_come_and_go():
    ask = {"prompt": [5, 6, 7, 8], "temperature": 0, "max_tokens": 30, "logprobs": 1, "ignore_eos": True}
    files = [os.path.join(data, "lora", n) for n in ("llama_all.gguf", "llama_some.gguf", "llama_all")]
    with Server(hone, os.path.join(data, "models/llama.gguf"), "--max-sequences", "8") as s:
        names = [f"a{i}" for i in range(24)]
        for i, name in enumerate(names):
            s.ok("/v1/load_lora_adapter", {"lora_name": name, "lora_path": files[i % 3]})
        assert s.ask("/v1/load_lora_adapter", {"lora_name": "a0", "lora_path": files[0]})[0] == 400
        status, reply = s.ask("/v1/load_lora_adapter", {"lora_name": "b", "lora_path": "/dev/null"})
        assert status == 400, (status, reply)
        base = choices(s, ask, text_path)
        alone = [choices(s, {**ask, "model": n}, text_path) for n in names[:3]]
        assert len({base, alone[0], alone[1]}) == 3
        for _ in range(3):
            found = together([lambda n=n: choices(s, {**ask, "model": n}, text_path) for n in names])
            assert found == [alone[i % 3] for i in range(24)]
        jobs = [lambda n=n: s.ask(text_path, {**ask, "model": n}) for n in names]
        jobs += [lambda n=n: s.ask("/v1/unload_lora_adapter", {"lora_name": n}) for n in names]
        found = together(jobs)
        assert not any(isinstance(f, Exception) for f in found), found
        assert all(f[0] == 200 for f in found[24:]), found[24:]
        for i, (status, reply) in enumerate(found[:24]):
            assert status == 404 or json.dumps(reply["choices"], sort_keys=True) == alone[i % 3], (status, reply)
        s.quiet()
        assert choices(s, ask, text_path) == base
        assert len(s.ok("/v1/models")["data"]) == 1
        assert s.end() == 0, s.text()


finish()

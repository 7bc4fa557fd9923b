#!/usr/bin/env python3
"""Load on `hone serve` and on llama.cpp's llama-server, turn by turn, with the same requests.

    bench/load.py --model FILE [--cases A,B] [--only hone,llama] [--reps N] [--threads N]
    bench/load.py --url http://HOST:PORT --cases closed8            (a server that runs already)
    bench/load.py --model FILE --cases trace --trace azure_conv.csv --prompts sharegpt.json --rate 0.5

Cases: closedN[:IN/OUT] - N clients, each sends its next request when the last is answered; shared - clients with
one long beginning; arrive - answers run while a long prompt arrives; idle - streams that nobody feeds beside a
working one; trace - open loop, Poisson arrivals whose lengths come from a trace.

TTFT is the time from sending to the first event of an answer; ITL the gaps between such events; TPOT (last - first)
/ (tokens - 1) of a request; throughput counts the tokens that the servers report.  Medians over repetitions.
Clients run in this process, on the same cores as the servers, for both alike.
"""
import argparse
import asyncio
import csv
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HONE = os.path.join(ROOT, "build/release/hone")
LLAMA = os.path.join(ROOT, "build/peers/llama.cpp/bin/llama-server")


def say(text):
    print(text, file=sys.stderr, flush=True)


# -- one request ----------------------------------------------------------------------


class Reply:
    def __init__(self):
        self.sent = time.monotonic()
        self.times = []  # of events with text
        self.tokens = 0
        self.cached = 0
        self.error = None

    def ttft(self):
        return self.times[0] - self.sent

    def gaps(self):
        return [b - a for a, b in zip(self.times, self.times[1:])]


async def ask(host, port, path, body, reply=None, first=None):
    """POST a streamed request and read its events; `first` is set at the first one."""
    r = reply or Reply()
    data = json.dumps(body).encode()
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 22)
        r.sent = time.monotonic()
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                     f"Connection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        status = await reader.readline()
        if b" 200 " not in status:
            rest = await reader.read(2000)
            r.error = status.decode().strip() + " " + rest[-300:].decode(errors="replace")
        while not r.error:
            line = await reader.readline()
            if not line:
                break
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if event.get("choices") and event["choices"][0].get("finish_reason") is None:
                r.times.append(time.monotonic())
                if first:
                    first.set()
            usage = event.get("usage")
            if usage:
                r.tokens = usage["completion_tokens"]
                r.cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        writer.close()
    except (OSError, ValueError) as e:
        r.error = str(e)
    if first:
        first.set()
    return r


def completion(prompt, n_out, **more):
    return dict(model="m", prompt=prompt, max_tokens=n_out, temperature=0, stream=True, ignore_eos=True,
                stream_options=dict(include_usage=True), **more)


class Load:
    """Requests with random tokens; `fresh` numbers make every prompt a new one."""

    def __init__(self, host, port, vocab, seed):
        self.host, self.port, self.vocab = host, port, vocab
        self.rng = random.Random(seed)

    def tokens(self, n):
        return [self.rng.randrange(300, self.vocab) for _ in range(n)]

    def ask(self, prompt, n_out, **more):
        return ask(self.host, self.port, "/v1/completions", completion(prompt, n_out), **more)

    async def closed(self, clients, n_in, n_out, per_client):
        async def client():
            return [await self.ask(self.tokens(n_in), n_out) for _ in range(per_client)]
        replies = await asyncio.gather(*[client() for _ in range(clients)])
        return [r for list_ in replies for r in list_]

    async def shared(self, clients, n_shared, n_own, n_out):
        start = self.tokens(n_shared)
        return await asyncio.gather(*[self.ask(start + self.tokens(n_own), n_out) for _ in range(clients)])

    async def arrive(self, clients, n_long, n_out):
        """Gaps of running answers, without and with a long prompt that arrives."""
        async def running(with_long):
            first = [asyncio.Event() for _ in range(clients)]
            tasks = [asyncio.ensure_future(self.ask(self.tokens(16), n_out, first=e)) for e in first]
            for e in first:
                await e.wait()
            begun = time.monotonic()
            ended = begun
            if with_long:
                await self.ask(self.tokens(n_long), 1)
                ended = time.monotonic()
            replies = await asyncio.gather(*tasks)
            gaps = []
            for r in replies:
                for a, b in zip(r.times, r.times[1:]):
                    if not with_long or (b > begun and a < ended):
                        gaps.append(b - a)
            return gaps, [r for r in replies if r.error]
        return await running(False), await running(True)

    async def idle(self, streams, n_in, n_out):
        """A request alone, and the same while many connections are open and silent."""
        alone = await self.closed(1, n_in, n_out, 3)
        held = [await asyncio.open_connection(self.host, self.port) for _ in range(streams)]
        for _, w in held:  # a request of which half has come
            w.write(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        beside = await self.closed(1, n_in, n_out, 3)
        for _, w in held:
            w.close()
        return alone, beside

    async def trace(self, rows, prompts, rate, seconds):
        tasks = []
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            row = rows[len(tasks) % len(rows)]
            n_in, n_out = min(int(row["ContextTokens"]), 1500), min(int(row["GeneratedTokens"]), 300)
            text = prompts[len(tasks) % len(prompts)]
            prompt = text[:4 * n_in] if text else self.tokens(n_in)
            tasks.append(asyncio.ensure_future(self.ask(prompt, max(1, n_out))))
            await asyncio.sleep(self.rng.expovariate(rate))
        return await asyncio.gather(*tasks)


# -- figures --------------------------------------------------------------------------


def quantile(values, q):
    v = sorted(values)
    return v[min(len(v) - 1, int(q * len(v)))] if v else 0.0


def figures(replies, seconds):
    bad = [r for r in replies if r.error or not r.times]
    if bad:
        say(f"  {len(bad)} of {len(replies)} failed: {bad[0].error}")
    good = [r for r in replies if r not in bad]
    gaps = [g for r in good for g in r.gaps()]
    tpot = [(r.times[-1] - r.times[0]) / (r.tokens - 1) for r in good if r.tokens > 1]
    out = dict(requests=len(good), failed=len(bad), tokens_per_s=sum(r.tokens for r in good) / seconds,
               cached=sum(r.cached for r in good))
    for name, values in (("ttft", [r.ttft() for r in good]), ("itl", gaps), ("tpot", tpot)):
        out[f"{name}_p50_ms"] = 1e3 * quantile(values, 0.5)
        out[f"{name}_p99_ms"] = 1e3 * quantile(values, 0.99)
    return out


async def run_case(case, load, args):
    begun = time.monotonic()
    m = re.match(r"closed(\d+)(?::(\d+)/(\d+))?$", case)
    if m:
        n, n_in, n_out = int(m[1]), int(m[2] or 64), int(m[3] or 32)
        replies = await load.closed(n, n_in, n_out, args.per_client)
        return figures(replies, time.monotonic() - begun)
    if case == "shared":
        one = await load.shared(1, 1024, 16, 8)
        middle = time.monotonic()
        many = await load.shared(16, 1024, 16, 8)
        out = figures(many, time.monotonic() - middle)
        out["one_s"] = middle - begun
        out["all_s"] = time.monotonic() - middle
        out["prompt_tokens_run"] = 16 * 1040 - out["cached"]
        return out
    if case == "arrive":
        (idle, bad0), (busy, bad1) = await load.arrive(4, 4096, 256)
        return dict(failed=len(bad0) + len(bad1), itl_idle_p99_ms=1e3 * quantile(idle, 0.99),
                    itl_busy_p99_ms=1e3 * quantile(busy, 0.99), itl_idle_p50_ms=1e3 * quantile(idle, 0.5),
                    itl_busy_p50_ms=1e3 * quantile(busy, 0.5),
                    stretch=quantile(busy, 0.99) / max(1e-9, quantile(idle, 0.99)))
    if case == "idle":
        alone, beside = await load.idle(256, 32, 64)
        a, b = figures(alone, 1.0), figures(beside, 1.0)
        return dict(failed=a["failed"] + b["failed"], tpot_alone_ms=a["tpot_p50_ms"], tpot_beside_ms=b["tpot_p50_ms"])
    if case == "trace":
        rows = list(csv.DictReader(open(args.trace)))
        texts = [""]
        if args.prompts:
            texts = [c["conversations"][0]["value"] for c in json.load(open(args.prompts))]
        replies = await load.trace(rows, texts, args.rate, args.seconds)
        return figures(replies, time.monotonic() - begun)
    raise SystemExit(f"unknown case {case}")


# -- servers --------------------------------------------------------------------------


class Server:
    def __init__(self, name, port, command):
        self.name, self.port, self.command = name, port, command

    def start(self):
        self.log = open(f"/tmp/load-{self.name}.log", "w")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended: see {self.log.name}")
            if self.ready():
                return
            time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer")

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as r:
                return r.status == 200
        except OSError:
            return False

    def memory(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def servers(args, clients):
    out = []
    ctx = args.ctx
    if "hone" in args.only:
        s = Server("hone", 18431, [HONE, "serve", args.model, "--alias", "m", "--port", "18431", "--threads", str(args.threads),
                            "--ctx", str(ctx), "--max-sequences", str(clients),
                            "--kv-bytes", args.kv_bytes] + args.hone)
        out.append(s)
    if "llama" in args.only and os.path.exists(LLAMA):
        s = Server("llama", 18432, [LLAMA, "-m", args.model, "--port", "18432", "-t", str(args.threads), "-tb",
                             str(args.threads), "-c", str(ctx * clients), "-np", str(clients), "--no-webui"])
        out.append(s)
    return out


def vocabulary(model):
    text = subprocess.run([HONE, "show", model, "--json"], capture_output=True, text=True, check=True).stdout
    return json.loads(text)["n_vocab"]


def clients_of(case):
    m = re.match(r"closed(\d+)", case)
    return int(m[1]) if m else {"shared": 16, "arrive": 8, "idle": 4, "trace": 16}[case]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model")
    p.add_argument("--url")
    p.add_argument("--cases", default="closed8:64/32,shared,arrive")
    p.add_argument("--only", default="hone,llama")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--reps", type=int, default=3)
    p.add_argument("--per-client", type=int, default=3)
    p.add_argument("--ctx", type=int, default=4608)
    p.add_argument("--kv-bytes", default="2G")
    p.add_argument("--vocab", type=int, default=0)
    p.add_argument("--trace")
    p.add_argument("--prompts")
    p.add_argument("--rate", type=float, default=0.5, help="requests a second")
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--hone", nargs=argparse.REMAINDER, default=[], help="further options of hone serve")
    args = p.parse_args()
    vocab = args.vocab or (vocabulary(args.model) if args.model else 32000)
    for case in args.cases.split(","):
        if args.url:
            m = re.match(r"http://([^:/]+):(\d+)", args.url)
            out = asyncio.run(run_case(case, Load(m[1], int(m[2]), vocab, 1), args))
            print(json.dumps(dict(case=case, **{k: round(v, 3) for k, v in out.items()})))
            continue
        rows = {}
        for rep in range(args.reps):
            for server in servers(args, clients_of(case)):
                server.start()
                try:  # a request first, so that nothing is measured cold
                    asyncio.run(Load("127.0.0.1", server.port, vocab, 99).closed(1, 16, 8, 1))
                    out = asyncio.run(run_case(case, Load("127.0.0.1", server.port, vocab, rep), args))
                    out["rss_mb"] = server.memory()
                finally:
                    server.stop()
                rows.setdefault(server.name, []).append(out)
        for name, list_ in rows.items():
            median = {k: round(statistics.median(o[k] for o in list_), 3) for k in list_[0]}
            print(json.dumps(dict(case=case, server=name, **median)), flush=True)
        if len(rows) == 2 and "tokens_per_s" in rows["hone"][0]:
            ratios = [a["tokens_per_s"] / max(1e-9, b["tokens_per_s"]) for a, b in zip(rows["hone"], rows["llama"])]
            print(json.dumps(dict(case=case, ratio=round(statistics.median(ratios), 2))), flush=True)


if __name__ == "__main__":
    main()

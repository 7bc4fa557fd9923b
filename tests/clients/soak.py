#!/usr/bin/env python3
"""A mixed load for as long as wanted: soak.py [--minutes N] HONE MODEL DATA [OPTION...].

Starts `hone serve MODEL OPTION...` with few pages and few answers at once, so that pages run
out, prefixes are evicted and answers are taken back; and one of a tiny model, whose adapters
come and go.  Many clients ask everything that the server can do, leave in the middle, and do
not read.  Some answers, greedy and seeded, are compared with those of an idle server.  Every
10 seconds the resident memory is noted, the server's own apart from the pages of the model's
file that were touched; the slopes of both in the last two thirds are told at the end.
After SIGTERM both servers must exit with 0 and an empty log.  DATA is tests/data.

MODEL `noise` is a model of random weights, small enough for a server with a sanitizer.
"""
import argparse
import collections
import json
import os
import random
import shutil
import struct
import sys
import tempfile
import threading
import time

from server import Server, post, receive

chat_path, text_path = "/v1/chat/completions", "/v1/completions"
words = "the sea was calm and a small boat went out to find what nobody had seen before".split()
number = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99},
                                           "s": {"type": "string", "maxLength": 12}},
          "required": ["n", "s"], "additionalProperties": False}
tool = {"type": "function", "function": {"name": "look_up", "parameters": number}}


def text(r, n):
    return " ".join(r.choice(words) for _ in range(n))


def chat(r, **more):
    system = {"role": "system", "content": text(random.Random(r.randrange(4)), 60)}  # shared beginnings
    return {"messages": [system, {"role": "user", "content": text(r, r.randrange(3, 120))}],
            "max_tokens": r.randrange(1, 60), "seed": r.randrange(9), **more}


def stream(s, path, body):
    reply = s.open(path, {**body, "stream": True})
    data = reply.read()
    reply.owner.close()
    assert reply.status == 200 or reply.status in (400, 429), (reply.status, data)
    if reply.status == 200:
        assert b"[DONE]" in data or b"message_stop" in data or b"response.completed" in data \
            or b"response.incomplete" in data, data[-300:]
        assert b'"error"' not in data.replace(b'"error":null', b""), data[-300:]


def fine(s, path, body, also=()):
    status, reply = s.ask(path, body)
    assert status == 200 or status in (429, *also), (path, status, reply)
    return reply if status == 200 else None


# -- what clients do; each gets the server, its random numbers, and the load --------------------


def chats(s, r, load):
    fine(s, chat_path, chat(r, temperature=r.choice([0, 0.8, 1.5]), n=r.choice([1, 1, 2, 4]), top_p=0.9))


def streams(s, r, load):
    stream(s, chat_path, chat(r, logprobs=r.random() < 0.3, stop=["sea"] if r.random() < 0.3 else None))


def completions(s, r, load):
    body = {"prompt": [text(r, r.randrange(2, 200)) for _ in range(r.randrange(1, 4))], "max_tokens": r.randrange(0, 40)}
    fine(s, text_path, {**body, "echo": r.random() < 0.5, "logprobs": r.choice([None, 2]), "seed": 3}, (400,))
    stream(s, text_path, {"prompt": text(r, 20), "max_tokens": 20})


def embeddings(s, r, load):
    reply = fine(s, "/v1/embeddings", {"input": [text(r, r.randrange(1, 150)) for _ in range(r.randrange(1, 5))]})
    if reply:
        assert abs(sum(x * x for x in reply["data"][0]["embedding"]) - 1) < 1e-3


def responses(s, r, load):
    body = {"input": text(r, 30), "max_output_tokens": r.randrange(16, 50), "instructions": text(r, 10)}
    fine(s, "/v1/responses", body)
    stream(s, "/v1/responses", body)


def messages(s, r, load):
    body = {"messages": [{"role": "user", "content": text(r, 30)}], "max_tokens": r.randrange(1, 40), "model": load.name}
    fine(s, "/v1/messages", body)
    stream(s, "/v1/messages", body)
    fine(s, "/v1/messages/count_tokens", body)


def tools(s, r, load):
    body = chat(r, tools=[tool], tool_choice=r.choice(["auto", "required"]), max_tokens=80)
    fine(s, chat_path, body)
    stream(s, chat_path, body)


def schemas(s, r, load):
    # a new one now and then, so that compiled ones are dropped
    what = {**number, "properties": {**number["properties"], "s": {"type": "string", "maxLength": r.randrange(4, 40)}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": what}}
    reply = fine(s, chat_path, chat(r, response_format=form, max_tokens=200))
    if reply and reply["choices"][0]["finish_reason"] == "stop":
        value = json.loads(reply["choices"][0]["message"]["content"])
        assert set(value) == {"n", "s"} and 0 <= value["n"] <= 99, value


def leavers(s, r, load):
    with s.connect() as c:
        c.sendall(post(chat_path, chat(r, stream=r.random() < 0.5, max_tokens=300, ignore_eos=True, n=r.choice([1, 3]))))
        c.settimeout(r.random() * 3)
        try:
            c.recv(1 << r.randrange(4, 14))
        except TimeoutError:
            pass


def slow_readers(s, r, load):
    with s.connect(receive=4096) as c:
        c.sendall(post(chat_path, chat(r, stream=True, max_tokens=80, logprobs=True, top_logprobs=20)))
        c.settimeout(0.5)  # a whole answer leaves the connection open
        until = time.monotonic() + r.random() * 8
        while time.monotonic() < until:
            try:
                if not c.recv(256):
                    break
            except TimeoutError:
                continue
            time.sleep(0.02)


def sessions(s, r, load):
    body = chat(r, session=f"s{r.randrange(6)}", temperature=0)
    fine(s, chat_path, body)


def mistakes(s, r, load):
    for body in (b"{", {"messages": []}, chat(r, temperature=9), {"prompt": "x " * 5000}, chat(r, n=1000),
                 chat(r, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no"}}})):
        status, reply = s.ask(r.choice([chat_path, text_path]), body)
        assert status == 400, (status, reply)
    with s.connect() as c:
        c.sendall(r.randbytes(r.randrange(1, 3000)) + b"\r\n\r\n")
        receive(c)


def same_as_ever(s, r, load):
    body, want = r.choice(load.known)
    reply = fine(s, chat_path, body)
    assert not reply or json.dumps(reply["choices"], sort_keys=True) == want, (reply, want)


def looks(s, r, load):
    for path in ("/metrics", "/health", "/v1/models", "/tokenizer_info"):
        s.ok(path)
    assert s.ok("/detokenize", s.ok("/tokenize", {"prompt": "a b c"}))["prompt"].endswith("a b c")
    time.sleep(r.random())


def adapters(s, r, load):
    t, name = load.tiny, f"a{r.randrange(12)}"
    path = os.path.join(load.data, "lora", r.choice(["llama_all", "llama_all.gguf", "llama_some", "llama_some.gguf"]))
    body = {"prompt": [r.randrange(3, 61) for _ in range(r.randrange(1, 60))], "max_tokens": 40, "ignore_eos": True}
    fine(t, "/v1/load_lora_adapter", {"lora_name": name, "lora_path": path}, (400,))
    for _ in range(6):
        fine(t, text_path, {**body, "model": r.choice([name, f"a{r.randrange(12)}"])}, (404,))
        fine(t, text_path, body)
    with t.connect() as c:
        c.sendall(post(text_path, {**body, "stream": True, "model": name}))
    if r.random() < 0.7:
        fine(t, "/v1/unload_lora_adapter", {"lora_name": name}, (404,))


kinds = [chats, chats, streams, streams, completions, embeddings, responses, messages, tools, schemas, leavers,
         leavers, slow_readers, sessions, mistakes, same_as_ever, same_as_ever, looks, adapters]


class Load:
    def __init__(self, s, tiny, data, until):
        self.s, self.tiny, self.data, self.until = s, tiny, data, until
        self.name = s.ok("/v1/models")["data"][0]["id"]
        self.count, self.failed = collections.Counter(), []
        r = random.Random(5)
        bodies = [{**chat(r, temperature=t, logprobs=True), "n": n, "max_tokens": 40}
                  for t, n in ((0, 1), (0.8, 1), (0, 1), (1.0, 2))]
        self.known = [(b, json.dumps(s.ok(chat_path, b)["choices"], sort_keys=True)) for b in bodies]

    def client(self, i):
        r = random.Random(i)
        while time.monotonic() < self.until and len(self.failed) < 10:
            kind = kinds[i] if r.random() < 0.6 else r.choice(kinds)
            try:
                kind(self.s, r, self)
                self.count[kind.__name__] += 1
            except Exception as e:
                self.failed.append(f"{kind.__name__}: {type(e).__name__}: {e}"[:2000])
                print("#", self.failed[-1], flush=True)
                if any(x.process.poll() is not None for x in (self.s, self.tiny)):
                    return


def write_noise(folder, data):
    """A llama of 2 layers whose tokenizer has 400 tokens, as a folder of Hugging Face's."""
    r, d, ff, kv = random.Random(1), 32, 48, 16
    shapes = {"model.embed_tokens": (400, d), "lm_head": (400, d), "model.norm": (d,)}
    for i in (0, 1):
        shapes.update({f"model.layers.{i}.{n}": s for n, s in {
            "input_layernorm": (d,), "post_attention_layernorm": (d,), "self_attn.q_proj": (d, d),
            "self_attn.k_proj": (kv, d), "self_attn.v_proj": (kv, d), "self_attn.o_proj": (d, d),
            "mlp.gate_proj": (ff, d), "mlp.up_proj": (ff, d), "mlp.down_proj": (d, ff)}.items()})
    head, body = {}, b""
    for name, shape in shapes.items():
        n = shape[0] * (shape[1] if len(shape) == 2 else 1)
        values = [1.0] * n if len(shape) == 1 else [r.gauss(0, 0.3) for _ in range(n)]
        head[name + ".weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + 4 * n]}
        body += struct.pack(f"<{n}f", *values)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": d, "intermediate_size": ff,
              "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
              "vocab_size": 400, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "bos_token_id": 0, "eos_token_id": 1, "tie_word_embeddings": False}
    template = "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}" \
               "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump({"bos_token": "<s>", "eos_token": "</s>", "chat_template": template}, f)
    shutil.copy(os.path.join(data, "tok_smollm.json"), os.path.join(folder, "tokenizer.json"))


def slope(points):
    """Least squares, in units of y for one of x."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    return sum((x - mx) * (y - my) for x, y in points) / (sum((x - mx) ** 2 for x, _ in points) or 1)


def soak(load):
    threads = [threading.Thread(target=load.client, args=(i,)) for i in range(len(kinds))]
    begin, points = time.monotonic(), {"model": [], "tiny": []}
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        for name, s in (("model", load.s), ("tiny", load.tiny)):
            if s.process.poll() is None:
                points[name].append((time.monotonic() - begin, *s.resident()))
        print(f"# {time.monotonic() - begin:5.0f} s: {sum(load.count.values())} done, "
              + ", ".join(f"{n} {p[-1][1] / 1e6:.1f} + {p[-1][2] / 1e6:.1f} MB" for n, p in points.items() if p),
              flush=True)
        for _ in range(100):
            if any(t.is_alive() for t in threads):
                time.sleep(0.1)
    return points


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("hone")
    p.add_argument("model")
    p.add_argument("data")
    a, options = p.parse_known_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as noise:
        if a.model == "noise":
            write_noise(noise, a.data)
            measure(a, folder, noise, ["--ctx", "2048", "--kv-bytes", "272K", *options])
        else:
            measure(a, folder, a.model, ["--ctx", "512", "--kv-bytes", "12M", *options])


def measure(a, folder, model, options):
    with Server(a.hone, model, "--max-sequences", "6", "--queue", "30",
                   "--stall-s", "3", "--max-output", "16K", "--header-s", "3", "--session-dir", folder, *options) as s, \
            Server(a.hone, os.path.join(a.data, "models/llama.gguf"), "--max-sequences", "4") as tiny:
        load = Load(s, tiny, a.data, time.monotonic() + 60 * a.minutes)
        points = soak(load)
        dead = any(x.process.poll() is not None for x in (s, tiny))
        if not dead:
            for x in (s, tiny):
                x.quiet()
            for name in ("vllm:num_preemptions_total", "vllm:generation_tokens_total", "vllm:prompt_tokens_total",
                         "vllm:prefix_cache_hits_total", "hone:requests_rejected_total"):
                print(f"# {name} {s.metric(name):.0f}")
        for name, found in points.items():
            late = [p for p in found if p[0] > found[-1][0] / 3]
            own, mapped = (slope([(p[0], p[i]) for p in late]) * 3600 / 1e6 for i in (1, 2))
            print(f"# {name}: own memory {own:+.2f} MB/hour, the file's pages {mapped:+.2f} MB/hour, "
                  f"over {late[-1][0] - late[0][0]:.0f} s")
        codes = [x.end() for x in (s, tiny)]
        logs = [x.text() for x in (s, tiny)]
        print("#", dict(load.count))
        bad = [t for t in logs if len(t.splitlines()) > 1]
        for t in bad:
            print(t)
        print(f"{sum(load.count.values())} passed, {len(load.failed) + sum(c != 0 for c in codes) + len(bad)} failed; "
              f"exit codes {codes}")
        sys.exit(bool(load.failed or any(codes) or bad))


if __name__ == "__main__":
    main()

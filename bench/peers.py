#!/usr/bin/env python3
"""hone beside llama.cpp and OpenVINO GenAI: same file, same threads, turn by turn.

    bench/peers.py [--model FILE]... [--threads N] [--cases A,B] [--only ENGINE,..] [--reps N]

Peers are installed once under build/peers: a virtual environment of its own, and llama.cpp built for
this CPU from the source that the package llama-cpp-python carries.  Without --model a 1B shape is made
with `hone synth`.  Every repetition asks each engine in turn, so that a busy neighbour hits all of them;
medians and ratios are printed and appended to bench/history/<machine>.csv.

An engine that cannot be installed or cannot open the file is named and left out.
"""
import argparse
import csv
import datetime
import glob
import json
import os
import re
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HONE = os.path.join(ROOT, "build/release/hone")
PEERS = os.path.join(ROOT, "build/peers")
PYTHON = os.path.join(PEERS, "venv/bin/python")
LLAMA = os.path.join(PEERS, "llama.cpp")
CONTEXT = 2048  # of the two cases that start a process

# name: (unit, what is measured); rates are better high, the rest low
CASES = {
    "prefill512": ("tokens/s", dict(prefill=512)),
    "decode128": ("tokens/s", dict(decode=128)),
    "decode@8192": ("tokens/s", dict(decode=32, depth=8192)),
    "prefill8192": ("tokens/s", dict(prefill=8192)),
    "batch8": ("tokens/s", dict(decode=64, depth=16, batch=8)),
    "first": ("s", dict(process=True)),  # first token of 20, from process start, page cache warm
    "memory": ("MB", dict(process=True)),  # largest resident set of that process
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Failed(Exception):
    """An engine cannot do what is asked; the text says why, in a line."""


def run(command, **options):
    """Standard output of a command; Failed with its last line otherwise."""
    p = subprocess.run(command, capture_output=True, text=True, **options)
    if p.returncode:
        lines = (p.stderr.strip() or p.stdout.strip()).splitlines() or [""]
        raise Failed(f"{os.path.basename(command[0])}: status {p.returncode}: {lines[-1][:200]}")
    return p.stdout


def run_process(command):
    """Seconds and largest resident bytes of a command that ends by itself."""
    start = time.monotonic()
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        raise Failed(f"{os.path.basename(command[0])}: status {p.returncode}")
    return {"first": time.monotonic() - start, "memory": usage.ru_maxrss * 1024 / 1e6}


# -- installing -----------------------------------------------------------------------


def make_venv():
    if not os.path.exists(PYTHON):
        say("making build/peers/venv")
        run([sys.executable, "-m", "venv", os.path.join(PEERS, "venv")])


def pip(*args):
    run([PYTHON, "-m", "pip", "--disable-pip-version-check", *args])


def extra_flags():
    """GCC before 13 drops stores to AMX tile descriptions as dead, and llama.cpp crashes."""
    try:
        amx = "amx_tile" in open("/proc/cpuinfo").read()
        gcc = int(run(["cc", "-dumpversion"]).split(".")[0])
        clang = "clang" in run(["cc", "--version"])
    except (OSError, ValueError, Failed):
        return ""
    return "-fno-tree-dse -fno-dse" if amx and not clang and gcc < 13 else ""


def install_llama():
    if os.path.exists(os.path.join(LLAMA, "bin/llama-server")):
        return
    make_venv()
    src = os.path.join(PEERS, "src")
    if not glob.glob(f"{src}/llama_cpp_python-*/"):
        say("getting the source of llama-cpp-python")
        pip("download", "--no-deps", "--no-binary", "llama-cpp-python", "llama-cpp-python", "-d", src)
        run(["tar", "-xzf", glob.glob(f"{src}/llama_cpp_python-*.tar.gz")[0], "-C", src])
    vendor = glob.glob(f"{src}/llama_cpp_python-*/vendor/llama.cpp")[0]
    say("building llama.cpp with one job; this takes some minutes")
    flags = extra_flags()
    off = ["LLAMA_CURL", "LLAMA_OPENSSL", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES",
           "LLAMA_BUILD_UI", "BUILD_SHARED_LIBS"]
    run(["nice", "cmake", "-S", vendor, "-B", LLAMA, "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
         f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}", *[f"-D{o}=OFF" for o in off]])
    run(["nice", "cmake", "--build", LLAMA, "-j1", "--target", "llama-bench", "llama-batched-bench",
         "llama-completion", "llama-server"])


def install_openvino():
    make_venv()
    if not glob.glob(f"{PEERS}/venv/lib/*/site-packages/openvino_genai/"):
        say("installing openvino-genai")
        pip("install", "openvino-genai")


# -- engines --------------------------------------------------------------------------


class Hone:
    name = "hone"

    def __init__(self, model, threads, prompt):
        self.model, self.threads, self.prompt = model, threads, prompt

    def rate(self, prefill=0, decode=0, depth=0, batch=1):
        test = ["--prefill", str(prefill)] if prefill else ["--decode", str(decode)]
        out = run([HONE, "bench", self.model, *test, "--depth", str(depth), "--batch", str(batch), "--reps", "1",
                   "--threads", str(self.threads), "--json"])
        return json.loads(out)["results"][0]["tokens_per_s"]["median"]

    def process(self):
        return run_process([HONE, "run", self.model, "--raw", "--temp", "0", "-n", "1", "-p", self.prompt,
                            "--threads", str(self.threads), "--ctx", str(CONTEXT)])

    def close(self):
        pass


class Llama(Hone):
    name = "llama.cpp"

    def __init__(self, model, threads, prompt):
        install_llama()
        super().__init__(model, threads, prompt)

    def tool(self, name, *args):
        return [os.path.join(LLAMA, "bin", name), "-m", self.model, "-t", str(self.threads), *args]

    def rate(self, prefill=0, decode=0, depth=0, batch=1):
        if batch > 1:
            out = run(self.tool("llama-batched-bench", "-fa", "on", "-c", str(batch * (depth + decode) + 64), "-npp",
                                str(depth), "-ntg", str(decode), "-npl", str(batch), "--output-format", "jsonl"))
            return json.loads(out.strip().splitlines()[-1])["speed_tg"]
        out = run(self.tool("llama-bench", "-fa", "1", "-r", "1", "-p", str(prefill), "-n", str(decode), "-d",
                            str(depth), "-o", "json"))
        return json.loads(out)[0]["avg_ts"]

    def process(self):
        return run_process(self.tool("llama-completion", "-fa", "on", "-no-cnv", "--no-warmup", "--temp", "0", "-c",
                                     str(CONTEXT), "-n", "1", "-p", self.prompt))


class OpenVino(Hone):
    """A process of the virtual environment holds the model; requests and answers are JSON lines."""

    name = "openvino"

    def __init__(self, model, threads, prompt):
        install_openvino()
        super().__init__(model, threads, prompt)
        self.log = open(os.path.join(PEERS, "openvino.log"), "w+")
        self.worker = subprocess.Popen(self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=self.log, text=True)
        self.answer()  # the model is open

    def command(self, *args):
        return [PYTHON, os.path.abspath(__file__), "--openvino-worker", self.model, str(self.threads), *args]

    def answer(self):
        for line in self.worker.stdout:  # the library prints lines of its own
            if line.startswith('{"value"'):
                return json.loads(line)["value"]
        self.log.seek(0)
        lines = [s for s in self.log.read().splitlines() if s.strip()] or ["no answer"]
        raise Failed(f"openvino: {lines[-1][:200]}")

    def rate(self, prefill=0, decode=0, depth=0, batch=1):
        self.worker.stdin.write(json.dumps(dict(prefill=prefill, decode=decode, depth=depth, batch=batch)) + "\n")
        self.worker.stdin.flush()
        return self.answer()

    def process(self):
        return run_process(self.command(self.prompt))

    def close(self):
        self.worker.stdin.close()
        self.worker.wait()


def openvino_worker(model, threads, prompt=None):
    """Runs inside the virtual environment."""
    import numpy as np
    import openvino
    import openvino_genai as genai

    pipe = genai.LLMPipeline(model, "CPU", INFERENCE_NUM_THREADS=int(threads))
    if prompt is not None:
        pipe.generate(prompt, max_new_tokens=1, do_sample=False, apply_chat_template=False)
        return
    rng = np.random.default_rng()

    def generate(n_prompt, n_new, batch):
        ids = rng.integers(300, 40000, (batch, n_prompt), dtype=np.int64)  # new ones: it caches prefixes
        inputs = genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids)))
        config = genai.GenerationConfig(max_new_tokens=n_new, ignore_eos=True, do_sample=False)
        m = pipe.generate(inputs, config).perf_metrics
        first = m.get_ttft().mean
        return first / 1e3, (m.get_generate_duration().mean - first) / 1e3

    generate(16, 4, 1)
    print('{"value": 0}', flush=True)
    for line in sys.stdin:
        c = json.loads(line)
        if c["prefill"]:
            value = c["prefill"] / generate(c["prefill"], 1, 1)[0]
        else:
            value = c["batch"] * c["decode"] / generate(max(c["depth"], 1), c["decode"] + 1, c["batch"])[1]
        print(json.dumps({"value": value}), flush=True)


ENGINES = {e.name: e for e in (Hone, Llama, OpenVino)}

# -- measuring ------------------------------------------------------------------------


def prompt_of_20_tokens(model):
    text = "the quick brown fox jumps over the lazy dog and goes on to the river where it rests in the sun " * 2
    ids = json.loads(run([HONE, "tokens", model, "-p", text, "--no-add-special", "--json"]))["ids"][:20]
    return run([HONE, "tokens", model, "--decode"], input=" ".join(map(str, ids))).rstrip("\n")


def open_engines(names, model, threads):
    prompt = prompt_of_20_tokens(model)
    engines = []
    for name in names:
        try:
            engines.append(ENGINES[name](model, threads, prompt))
        except (Failed, OSError) as e:
            say(f"{name}: left out: {e}")
    return engines


def measure(engines, cases, reps):
    """{case: {engine: [values]}}; first and memory come from one process."""
    values = {c: {e.name: [] for e in engines} for c in cases}
    broken = set()
    steps = [c for c in cases if "process" not in CASES[c][1]]
    if len(steps) < len(cases):
        steps.append("process")
    for rep in range(reps):
        for step in steps:
            for e in engines:
                if (step, e.name) in broken:
                    continue
                say(f"{rep + 1}/{reps} {step} {e.name}")
                try:
                    got = e.process() if step == "process" else {step: e.rate(**CASES[step][1])}
                except (Failed, OSError) as error:
                    say(f"{e.name}: {step}: left out: {error}")
                    broken.add((step, e.name))
                    continue
                for case in set(got) & set(cases):
                    values[case][e.name].append(got[case])
    return values


def ratio(case, hone, peer):
    """Above 1 hone is better."""
    return hone / peer if CASES[case][0] == "tokens/s" else peer / hone


def report(values, label, threads):
    print(f"\n{label}, {threads} threads; the factor behind a peer is how much better hone is")
    for case, by_engine in values.items():
        medians = {n: statistics.median(v) for n, v in by_engine.items() if v}
        parts = []
        for name, m in medians.items():
            text = f"{name} {m:.4g}"
            if name != "hone" and "hone" in medians:
                text += f" ({ratio(case, medians['hone'], m):.2f}x)"
            parts.append(text)
        print(f"  {case:12} {CASES[case][0]:9}" + "   ".join(parts))


def machine_name():
    cpu = "cpu"
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1]
            break
    return re.sub(r"[^a-z0-9]+", "-", f"{cpu} {os.cpu_count()}".lower()).strip("-")


def save(values, model, kind, threads):
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    machine = machine_name()
    path = os.path.join(ROOT, "bench/history", machine + ".csv")
    new = not os.path.exists(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        if new:
            out.writerow("date,commit,machine,model,type,threads,case,engine,value,unit,spread".split(","))
        for case, by_engine in values.items():
            for name, v in by_engine.items():
                if not v:
                    continue
                median = statistics.median(v)
                out.writerow([datetime.date.today().isoformat(), commit.stdout.strip(), machine, model, kind, threads,
                              case, name, f"{median:.5g}", CASES[case][0], f"{(max(v) - min(v)) / median:.3f}"])
    say(f"appended to {os.path.relpath(path, ROOT)}")


def describe(model):
    """Name, and the type of most bytes."""
    info = json.loads(run([HONE, "show", model, "--json"]))
    size = {}
    for t in info["tensors"]:
        size[t["type"]] = size.get(t["type"], 0) + t["bytes"]
    return os.path.basename(model).removesuffix(".gguf"), max(size, key=size.get)


def default_model():
    path = os.path.join(PEERS, "models/llama-3.2-1b-Q4_0.gguf")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        run([HONE, "synth", "--preset", "llama-3.2-1b", "--type", "Q4_0", "-o", path])
    return path


def chosen(text, known, what):
    names = text.split(",")
    for n in names:
        if n not in known:
            sys.exit(f"peers: unknown {what} '{n}'; known are {' '.join(known)}")
    return names


def main():
    if sys.argv[1:2] == ["--openvino-worker"]:
        return openvino_worker(*sys.argv[2:])
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--model", action="append", metavar="FILE", help="GGUF file; may be given often")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--cases", default=",".join(CASES), help=f"of {','.join(CASES)}")
    p.add_argument("--only", default=",".join(ENGINES), help=f"engines of {','.join(ENGINES)}")
    p.add_argument("--reps", type=int, default=3)
    a = p.parse_args()
    cases, names = chosen(a.cases, CASES, "case"), chosen(a.only, ENGINES, "engine")
    if not os.path.exists(HONE):
        sys.exit("peers: no build/release/hone; make all builds it")
    os.makedirs(PEERS, exist_ok=True)
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"others use this machine (load {load:.1f}): engines that wait by spinning lose more than their share")
    for model in a.model or [default_model()]:
        label, kind = describe(model)
        engines = open_engines(names, model, a.threads)
        try:
            values = measure(engines, cases, a.reps)
        finally:
            for e in engines:
                e.close()
        report(values, f"{label} ({kind})", a.threads)
        save(values, label, kind, a.threads)


if __name__ == "__main__":
    try:
        main()
    except Failed as e:
        sys.exit(f"peers: {e}")
    except KeyboardInterrupt:
        sys.exit(130)

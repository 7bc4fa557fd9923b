"""Tiny models with random shapes and config.json files as people write them, through transformers and `hone dump`.

Needs: pip install torch transformers safetensors numpy
Use:   models_random.py HONE [COUNT [SEED]]
The reference loads the same folder that hone loads, so keys that are missing, null or in older places are covered
too.  Prints every model that differs by more than 1e-4 (relative to the largest logit, if that is above 1), or that
only the reference opens; exit status 1 if there is any.  Differing folders stay under /tmp.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config, SmolLM3Config
from transformers.utils import logging

from models import randomize

logging.set_verbosity_error()
logging.disable_progress_bar()
HONE = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 50
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
R = random.Random(SEED)
CONFIGS = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config, "smollm3": SmolLM3Config}


def rope(kind, theta):
    d = {"rope_type": kind}
    if R.random() < 0.8:
        d["rope_theta"] = theta
    if kind == "default":
        return d
    d["factor"] = R.choice([1.0, 2.0, 3.5, 8.0])
    if kind == "llama3":
        d.update(low_freq_factor=R.choice([1.0, 0.5]), high_freq_factor=R.choice([4.0, 2.0]), original_max_position_embeddings=R.choice([8, 16, 64]))
    if kind == "yarn":
        if R.random() < 0.8:
            d["original_max_position_embeddings"] = R.choice([8, 16, 64])
        for key, values in (("beta_fast", [32.0, 16.0]), ("beta_slow", [1.0, 2.0]), ("attention_factor", [1.0, 1.3]), ("truncate", [True, False])):
            if R.random() < 0.3:
                d[key] = R.choice(values)
        if R.random() < 0.3:
            d.update(mscale=R.choice([1.0, 0.7]), mscale_all_dim=R.choice([1.0, 0.5]))
    return d


def config_of(family):
    heads_kv = R.choice([1, 1, 2, 3])
    k = dict(hidden_size=R.choice([8, 12, 20, 33, 48]), intermediate_size=R.choice([5, 13, 32, 48]), num_hidden_layers=R.choice([1, 2, 3]),
             num_attention_heads=heads_kv * R.choice([1, 2, 3]), num_key_value_heads=heads_kv, vocab_size=R.choice([11, 29, 64]), head_dim=R.choice([2, 4, 6, 10, 16]),
             max_position_embeddings=R.choice([64, 128, 2048]), rms_norm_eps=R.choice([1e-5, 1e-6]), tie_word_embeddings=R.random() < 0.5,
             rope_parameters=rope(R.choice(["default", "default", "linear", "llama3", "yarn"]), R.choice([10000.0, 500.0, 1e6])), bos_token_id=None, eos_token_id=None, pad_token_id=None)
    if family in ("llama", "smollm3", "qwen3") and R.random() < 0.4:
        k["attention_bias"] = True
    if family in ("llama", "smollm3") and R.random() < 0.4:
        k["mlp_bias"] = True
    if family == "mistral":
        k["sliding_window"] = R.choice([None, 1, 3, 7, 4096])
    if family in ("qwen2", "qwen3", "smollm3"):
        k.update(use_sliding_window=R.random() < 0.6, sliding_window=R.choice([2, 5]))
        if family != "smollm3":
            k["max_window_layers"] = R.choice([0, 1, 2, 28])
        if R.random() < 0.4:
            k["layer_types"] = [R.choice(["full_attention", "sliding_attention"]) for _ in range(k["num_hidden_layers"])]
    if family == "smollm3":
        if R.random() < 0.5:
            k["no_rope_layers"] = [R.choice([0, 1]) for _ in range(k["num_hidden_layers"])]
        else:
            k["no_rope_layer_interval"] = R.choice([2, 3])
        if R.random() < 0.2:
            k.update(head_dim=5, no_rope_layers=[0] * k["num_hidden_layers"])
    return k


def rewrite(family, c):
    """What other versions and other people leave out, set to null, or write elsewhere."""
    p = c.get("rope_parameters") or {}
    style = R.random()
    if style < 0.3:
        c.pop("rope_parameters", None)
        c["rope_theta"] = p.get("rope_theta", c.get("rope_theta", 10000.0))
        rest = {x: y for x, y in p.items() if x != "rope_theta"}
        if rest.get("rope_type", "default") != "default":
            if R.random() < 0.5:
                rest["type"] = rest.pop("rope_type")
            c["rope_scaling"] = rest
        elif R.random() < 0.5:
            c["rope_scaling"] = None
    elif style < 0.4 and p.get("rope_type") == "yarn":
        c["original_max_position_embeddings"] = R.choice([8, 32])
    defaults = {"tie_word_embeddings": None, "rms_norm_eps": None, "hidden_act": None, "max_position_embeddings": None, "attention_bias": False, "mlp_bias": False,
                "use_sliding_window": False, "max_window_layers": None, "no_rope_layers": None, "no_rope_layer_interval": None, "layer_types": None, "num_key_value_heads": None}
    for key in list(c):
        if key == "tie_word_embeddings" and c[key] != (family == "smollm3"):
            continue
        if key in defaults and R.random() < 0.15 and not (key in ("attention_bias", "mlp_bias", "num_key_value_heads") and c[key]):
            del c[key]
    if c.get("head_dim") and c["head_dim"] * c["num_attention_heads"] == c["hidden_size"] and family != "qwen3" and R.random() < 0.5:
        c["head_dim"] = None
    for key in ("architectures", "dtype", "torch_dtype", "transformers_version", "layer_types"):
        if R.random() < 0.3:
            c.pop(key, None)
    if R.random() < 0.1:
        c["architectures"] = None
    return c


def make(directory):
    family = R.choice(list(CONFIGS))
    config = CONFIGS[family](**config_of(family))
    model = AutoModelForCausalLM.from_config(config).float()
    randomize(model, SEED)
    if config.tie_word_embeddings:
        model.tie_weights()
    dtype = R.choice([torch.float32, torch.float32, torch.bfloat16, torch.float16])
    model.to(dtype).save_pretrained(directory, max_shard_size=R.choice(["5GB", "4KB"]))
    path = os.path.join(directory, "config.json")
    with open(path) as f:
        c = json.load(f)
    c = rewrite(family, c)
    with open(path, "w") as f:
        json.dump(c, f, indent=1)
    return family, c, dtype


def reference(directory, ids):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return out.logits[0].numpy(), out.hidden_states[-1][0].numpy()


def hone(directory, ids, what):
    p = subprocess.run([HONE, "dump", directory, "--tokens", ",".join(map(str, ids)), what, "--json", "--kv-type", "f32"], capture_output=True)
    if p.returncode:
        return p.stderr.decode().strip()
    return np.array(json.loads(p.stdout)[what[2:]])


def main():
    wrong = ran = lenient = 0
    for k in range(COUNT):
        R.seed(SEED * 1000003 + k)
        d = tempfile.mkdtemp(prefix="model-%d-" % k)
        try:
            family, c, dtype = make(d)
        except Exception:  # a shape that transformers does not build
            shutil.rmtree(d)
            continue
        ids = [R.randrange(c["vocab_size"]) for _ in range(R.choice([1, 7, 23, 40]))]
        try:
            want = reference(d, ids)
        except Exception as e:
            want = "%s: %s" % (type(e).__name__, e)
        got = hone(d, ids, "--logits"), hone(d, ids, "--hidden")
        ran += 1
        bad = None
        if isinstance(want, str) or isinstance(got[0], str):
            if isinstance(want, str) and not isinstance(got[0], str):
                lenient += 1  # mostly null head_dim or a windowed layer without window, where the reference stumbles
            elif not isinstance(want, str):
                bad = "reference: %s\n  hone: %s" % (want if isinstance(want, str) else "opens", got[0] if isinstance(got[0], str) else "opens")
        else:
            errors = [float(np.abs(w - g).max() / max(1.0, np.abs(w).max())) for w, g in zip(want, got)]
            if not max(errors) <= 1e-4:
                bad = "logits off by %.3g, hidden by %.3g" % tuple(errors)
        if bad:
            wrong += 1
            print("%d %s %s: %s\n  %s" % (k, family, dtype, bad[:400], d))
            print("  " + json.dumps({x: y for x, y in c.items() if not x.endswith("token_id") and x not in ("transformers_version", "initializer_range")}))
        else:
            shutil.rmtree(d)
    print("%d models, %d differ; %d more only hone opens" % (ran - lenient, wrong, lenient))
    sys.exit(wrong > 0)


main()

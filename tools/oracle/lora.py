"""Writes tiny low-rank adapters for models of tests/data/models, with the logits that PEFT computes.

Needs: pip install torch transformers peft safetensors gguf numpy
Use:   lora.py MODELS OUT          (tests/data/models tests/data/lora)
OUT/NAME/ holds adapter_config.json, adapter_model.safetensors and logits.bin, in the form of
models.py; OUT/NAME.gguf holds the same adapter as llama.cpp's converter writes it: B of q and k
permuted where the family's files are.  sum.bin holds the logits of `llama_all` with scale 0.5
plus `llama_some` with scale 0.75, merged into one set of weights here.
"""
import json
import os
import shutil
import sys

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from models import logits_of, permute, write_logits  # noqa: E402

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# name: (model, type of the weights, LoraConfig)
ADAPTERS = {
    "llama_all": ("llama", torch.float32, dict(r=5, lora_alpha=7, target_modules=ALL)),
    "llama_some": ("llama", torch.float16, dict(r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"])),
    "llama_patterns": ("llama", torch.bfloat16, dict(r=3, lora_alpha=6, target_modules=ALL, rank_pattern={
        "layers.1.self_attn.k_proj": 17, "down_proj": 2}, alpha_pattern={r"layers\.[02]\..*q_proj": 9, "up_proj": 1})),
    "qwen2_all": ("qwen2", torch.float32, dict(r=16, lora_alpha=16, target_modules=ALL)),
    "qwen2_half": ("qwen2", torch.bfloat16, dict(r=2, lora_alpha=5, target_modules=["q_proj", "k_proj", "gate_proj"], layers_to_transform=[0, 2])),
}
GGUF = {"llama_all": "llama", "llama_some": "llama", "qwen2_all": "qwen2"}
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def load_base(path):
    config = AutoConfig.from_pretrained(path)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).float()
    missing, unexpected = model.load_state_dict(load_file(os.path.join(path, "model.safetensors")), strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    if config.tie_word_embeddings:
        model.tie_weights()
    return model


def tokens_of(path):
    raw = open(os.path.join(path, "logits.bin"), "rb").read()
    n = int(np.frombuffer(raw, "<i4", 1)[0])
    return [int(x) for x in np.frombuffer(raw, "<i4", n, 8)]


def make(name, models, out):
    base, dtype, config = ADAPTERS[name]
    model = get_peft_model(load_base(os.path.join(models, base)), LoraConfig(task_type="CAUSAL_LM", **config))
    g = torch.Generator().manual_seed(len(name))
    for key, p in sorted(model.named_parameters()):
        if "lora_" in key:
            with torch.no_grad():  # both halves random, as after training; rounded to the file's type
                p.copy_((torch.randn(p.shape, generator=g) * (0.8 / p.shape[-1] ** 0.5)).to(dtype).float())
    d = os.path.join(out, name)
    shutil.rmtree(d, ignore_errors=True)
    model.save_pretrained(d)
    if os.path.exists(os.path.join(d, "README.md")):
        os.remove(os.path.join(d, "README.md"))
    file = os.path.join(d, "adapter_model.safetensors")
    save_file({k: v.to(dtype).contiguous() for k, v in load_file(file).items()}, file)
    c = json.load(open(os.path.join(d, "adapter_config.json")))
    c["base_model_name_or_path"] = base
    c["target_modules"].sort()  # a set there
    json.dump(c, open(os.path.join(d, "adapter_config.json"), "w"), indent=1, sort_keys=True)
    # the logits are of what was written
    again = PeftModel.from_pretrained(load_base(os.path.join(models, base)), d).float()
    ids = tokens_of(os.path.join(models, base))
    with_adapter = logits_of(again, ids)
    plain = logits_of(load_base(os.path.join(models, base)), ids)
    print("%-16s moves a logit by %.3g" % (name, np.abs(with_adapter - plain).max()))
    write_logits(os.path.join(d, "logits.bin"), ids, with_adapter)


def save_gguf(name, arch, models, out):
    import gguf
    base, _, config = ADAPTERS[name]
    c = AutoConfig.from_pretrained(os.path.join(models, base))
    w = gguf.GGUFWriter(os.path.join(out, name + ".gguf"), arch)
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    alpha = config["lora_alpha"] * (config["r"] ** 0.5 if config.get("use_rslora") else 1.0)  # the reader divides by r
    w.add_float32("adapter.lora.alpha", float(alpha))
    for key, v in load_file(os.path.join(out, name, "adapter_model.safetensors")).items():
        parts = key.split(".")  # base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
        stem, half = NAMES[".".join(parts[5:7])], parts[7][-1].lower()
        a = v.numpy()
        if arch == "llama" and half == "b" and stem in ("attn_q", "attn_k"):
            a = permute(a, c.num_attention_heads if stem == "attn_q" else c.num_key_value_heads)
        w.add_tensor("blk.%s.%s.weight.lora_%s" % (parts[4], stem, half), np.ascontiguousarray(a))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def add_scaled(model, folder, scale):
    """Merge an adapter into the weights by the definition: W += scale * alpha / r * B A."""
    c = json.load(open(os.path.join(folder, "adapter_config.json")))
    t = load_file(os.path.join(folder, "adapter_model.safetensors"))
    state = model.state_dict()
    for key in t:
        if not key.endswith("lora_A.weight"):
            continue
        module = key[len("base_model.model."):-len(".lora_A.weight")]
        a, b = t[key].double(), t[key.replace("lora_A", "lora_B")].double()
        r = a.shape[0]
        factor = c["lora_alpha"] / (r ** 0.5 if c["use_rslora"] else r)
        with torch.no_grad():
            w = state[module + ".weight"]
            w.copy_((w.double() + scale * factor * (b @ a)).float())


def main():
    models, out = sys.argv[1], sys.argv[2]
    os.makedirs(out, exist_ok=True)
    for name in ADAPTERS:
        make(name, models, out)
    for name, arch in GGUF.items():
        save_gguf(name, arch, models, out)
    model = load_base(os.path.join(models, "llama"))
    add_scaled(model, os.path.join(out, "llama_all"), 0.5)
    add_scaled(model, os.path.join(out, "llama_some"), 0.75)
    ids = tokens_of(os.path.join(models, "llama"))
    write_logits(os.path.join(out, "sum.bin"), ids, logits_of(model, ids))


if __name__ == "__main__":
    main()

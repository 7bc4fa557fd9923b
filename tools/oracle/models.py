"""Writes tiny random models with the logits that Hugging Face transformers computes.

Needs: pip install torch transformers safetensors gguf numpy
Use:   models.py OUT [--faults]
OUT/NAME/ holds config.json, model.safetensors, logits.bin (int32 n, n_vocab, then n token
ids, then n*n_vocab f32) and values.bin (the hidden state after the embedding, after each
layer's attention, after each layer; n*d f32 each, in that order).  OUT/NAME.gguf holds the
same weights in the family's GGUF form (q and k permuted where it is).  With --faults it shows that each part matters: every
fault must move some logit by more than the tests' tolerance of 1e-4.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config, SmolLM3Config)

BASE = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=61, max_position_embeddings=256, rms_norm_eps=1e-5)


def base(**k):
    return {**BASE, **k}


YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
MODELS = {
    "llama": LlamaConfig(**base(tie_word_embeddings=False)),
    "llama_tied_mqa": LlamaConfig(**base(tie_word_embeddings=True, num_key_value_heads=1)),
    "llama_mha_bias": LlamaConfig(**base(num_key_value_heads=4, attention_bias=True, mlp_bias=True)),
    "llama_linear": LlamaConfig(**base(rope_parameters=dict(rope_type="linear", factor=3.0, rope_theta=10000.0))),
    "llama_llama3": LlamaConfig(**base(rope_parameters=dict(LLAMA3, rope_theta=500000.0))),
    "llama_yarn": LlamaConfig(**base(rope_parameters=dict(YARN, rope_theta=10000.0))),
    "llama_odd": LlamaConfig(**base(hidden_size=8, intermediate_size=13, num_attention_heads=2, num_key_value_heads=1, head_dim=6, vocab_size=11, num_hidden_layers=2)),
    "mistral_window": MistralConfig(**base(sliding_window=5, head_dim=10)),
    "qwen2": Qwen2Config(**base(use_sliding_window=False, tie_word_embeddings=True)),
    "qwen2_window": Qwen2Config(**base(use_sliding_window=True, sliding_window=4, max_window_layers=1)),
    "qwen3": Qwen3Config(**base(head_dim=12, tie_word_embeddings=False)),
    "qwen3_yarn": Qwen3Config(**base(head_dim=16, rope_parameters=dict(YARN, rope_theta=10000.0, original_max_position_embeddings=64))),
    "smollm3_window": SmolLM3Config(**base(num_hidden_layers=4, no_rope_layer_interval=2, pad_token_id=0, use_sliding_window=True, sliding_window=3)),
    "smollm3": SmolLM3Config(**base(num_hidden_layers=4, no_rope_layer_interval=4, pad_token_id=0, use_sliding_window=False)),
}
MODELS["llama_nested"] = LlamaConfig(**base(hidden_size=8, intermediate_size=13, num_attention_heads=2, num_key_value_heads=1, vocab_size=11, num_hidden_layers=1, tie_word_embeddings=False))
MODELS["llama_bf16"] = MODELS["llama_f16"] = MODELS["llama"]
HALF = {"llama_bf16": torch.bfloat16, "llama_f16": torch.float16}
SHARDED = ("qwen3",)
GGUF = {"llama": "llama", "llama_llama3": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "smollm3": "smollm3"}
TOKENS = 41


def randomize(model, seed):
    g = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        with torch.no_grad():
            if p.dim() == 1:
                p.copy_(torch.randn(p.shape, generator=g) * 0.3 + (1.0 if "norm" in name else 0.0))
            else:
                p.copy_(torch.randn(p.shape, generator=g) * (1.5 / p.shape[-1] ** 0.5))


def logits_of(model, ids):
    model.eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].float().numpy()


def values_of(model, ids):
    """Hidden states where layers meet, in the order of values.bin."""
    out, hooks = [], []
    keep = lambda x: out.append(x.detach()[0].float().numpy().copy())
    hooks.append(model.model.layers[0].register_forward_pre_hook(lambda m, a: keep(a[0])))
    for layer in model.model.layers:
        hooks.append(layer.post_attention_layernorm.register_forward_pre_hook(lambda m, a: keep(a[0])))
        hooks.append(layer.register_forward_hook(lambda m, a, r: keep(r[0] if isinstance(r, tuple) else r)))
    logits_of(model, ids)
    for h in hooks:
        h.remove()
    return out


def write_logits(path, ids, logits):
    with open(path, "wb") as f:
        f.write(struct.pack("<ii", len(ids), logits.shape[1]))
        f.write(np.array(ids, "<i4").tobytes())
        f.write(logits.astype("<f4").tobytes())


def make(name, config):
    torch.manual_seed(0)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).float()
    randomize(model, seed=len(name) * 7 + 1)
    if name in HALF:
        with torch.no_grad():  # the parameters alone: the rotary frequencies stay f32
            for p in model.parameters():
                p.copy_(p.to(HALF[name]).float())
    if getattr(config, "tie_word_embeddings", False):
        model.tie_weights()
    rng = np.random.RandomState(3)
    ids = [int(x) for x in rng.randint(0, config.vocab_size, TOKENS)]
    return model, ids


def save(name, model, ids, out):
    d = os.path.join(out, name)
    os.makedirs(d, exist_ok=True)
    state = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    if name == "llama_nested":  # as beside a vision tower
        state = {k.replace("model.", "model.language_model.", 1): v for k, v in state.items()}
        state["model.vision_tower.patch.weight"] = torch.ones(3, 2)
    state = {k: v.to(HALF.get(name, torch.float32)) for k, v in state.items()}
    if name in SHARDED:
        keys = sorted(state)
        parts = {"model-00001-of-00002.safetensors": keys[::2], "model-00002-of-00002.safetensors": keys[1::2]}
        for file, part in parts.items():
            save_file({k: state[k] for k in part}, os.path.join(d, file))
        with open(os.path.join(d, "model.safetensors.index.json"), "w") as f:
            json.dump({"weight_map": {k: file for file, part in parts.items() for k in part}}, f, indent=1, sort_keys=True)
    else:
        save_file(state, os.path.join(d, "model.safetensors"))
    with open(os.path.join(d, "values.bin"), "wb") as f:
        for v in values_of(model, ids):
            f.write(v.astype("<f4").tobytes())
    config = json.loads(model.config.to_json_string(use_diff=False))
    keep = {k: v for k, v in config.items() if v is not None and not k.startswith("_") and k not in ("transformers_version",)}
    if name == "smollm3_window":  # the rule of the family, not a list
        del keep["layer_types"]
    if name == "llama_nested":
        tied = keep.pop("tie_word_embeddings")
        keep = {"model_type": "llava", "text_config": keep, "vision_config": {"hidden_size": 2}, "tie_word_embeddings": tied}
    with open(os.path.join(d, "config.json"), "w") as f:
        json.dump(keep, f, indent=1, sort_keys=True)
    write_logits(os.path.join(d, "logits.bin"), ids, logits_of(model, ids))


def permute(w, n_head):
    """Half-split rotary rows to neighbouring pairs, as GGUF stores Llama's q and k."""
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def save_gguf(name, model, path, arch):
    import gguf
    c = model.config
    w = gguf.GGUFWriter(path, arch)
    d_head = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    w.add_key_length(d_head)
    w.add_value_length(d_head)
    w.add_rope_dimension_count(d_head)
    w.add_name(name)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    theta = c.rope_parameters["rope_theta"]
    w.add_rope_freq_base(theta)
    if c.rope_parameters["rope_type"] == "llama3":  # GGUF holds the divisors of the frequencies
        plain = 1.0 / theta ** (np.arange(0, d_head, 2) / d_head)
        w.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq.numpy()).astype(np.float32))
    w.add_vocab_size(c.vocab_size)
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    permutes = arch in ("llama", "smollm3")
    for key, v in model.state_dict().items():
        if key == "lm_head.weight" and c.tie_word_embeddings:
            continue
        stem, kind = key.rsplit(".", 1)
        parts = stem.split(".")
        out = names[stem] if stem in names else "blk.%s.%s" % (parts[2], names[".".join(parts[3:])])
        a = v.numpy()
        if permutes and out.endswith("attn_q"):
            a = permute(a, c.num_attention_heads)
        if permutes and out.endswith("attn_k"):
            a = permute(a, c.num_key_value_heads)
        w.add_tensor("%s.%s" % (out, kind), np.ascontiguousarray(a))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def fault(name, change):
    """Largest change of a logit when the configuration or the weights are changed."""
    model, ids = make(name, MODELS[name])
    want = logits_of(model, ids)
    broken = change(model)
    return float(np.abs(logits_of(broken or model, ids) - want).max())


def with_config(**k):
    def change(model):
        config = type(model.config)(**{**model.config.to_dict(), **k})
        config._attn_implementation = "eager"
        other = AutoModelForCausalLM.from_config(config).float()
        other.load_state_dict(model.state_dict())
        return other
    return change


def swap(a, b):
    def change(model):
        s = model.state_dict()
        with torch.no_grad():
            t = s[a].clone()
            s[a].copy_(s[b])
            s[b].copy_(t)
    return change


def faults():
    layer = "model.layers.1."
    table = [
        ("llama", "theta", with_config(rope_parameters=dict(rope_type="default", rope_theta=10010.0))),
        ("llama", "eps", with_config(rms_norm_eps=2e-5)),
        ("llama", "gate and up", swap(layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight")),
        ("llama", "k and v", swap(layer + "self_attn.k_proj.weight", layer + "self_attn.v_proj.weight")),
        ("llama", "norms", swap(layer + "input_layernorm.weight", layer + "post_attention_layernorm.weight")),
        ("llama_linear", "factor", with_config(rope_parameters=dict(rope_type="linear", factor=3.01, rope_theta=10000.0))),
        ("llama_llama3", "low factor", with_config(rope_parameters=dict(LLAMA3, rope_theta=500000.0, low_freq_factor=1.1))),
        ("qwen3_yarn", "beta", with_config(rope_parameters=dict(YARN, rope_theta=10000.0, original_max_position_embeddings=64, beta_slow=4.0))),
        ("llama_yarn", "attention factor", with_config(rope_parameters=dict(YARN, rope_theta=10000.0, attention_factor=1.0))),
        ("llama_mha_bias", "bias", swap(layer + "self_attn.q_proj.bias", layer + "self_attn.k_proj.bias")),
        ("mistral_window", "window", with_config(sliding_window=6)),
        ("qwen2_window", "first windowed layer", with_config(max_window_layers=2, layer_types=None)),
        ("qwen2", "k bias", swap(layer + "self_attn.k_proj.bias", layer + "self_attn.v_proj.bias")),
        ("qwen3", "q and k norm", swap(layer + "self_attn.q_norm.weight", layer + "self_attn.k_norm.weight")),
        ("smollm3_window", "windows", with_config(sliding_window=4)),
        ("smollm3", "layers without positions", with_config(no_rope_layers=[1, 1, 1, 1])),
    ]
    bad = 0
    for name, what, change in table:
        moved = fault(name, change)
        bad += moved <= 1e-3
        print("%-16s %-26s moves a logit by %.4g%s" % (name, what, moved, "" if moved > 1e-3 else "  NOT SEEN"))
    sys.exit(bad > 0)


def main():
    if "--faults" in sys.argv:
        faults()
    out = sys.argv[1]
    for name, config in MODELS.items():
        model, ids = make(name, config)
        save(name, model, ids, out)
        if name in GGUF:
            save_gguf(name, model, os.path.join(out, name + ".gguf"), GGUF[name])
        print(name)


if __name__ == "__main__":
    main()

"""Writes tests/data/tok_*.json and tests/data/tok_golden.json: tiny tokenizers with the ids
and texts that Hugging Face tokenizers gives.

Needs: pip install tokenizers
Use:   tokenizer_golden.py TEXT OUT
"""
import json
import os
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from unicode_strings import strings

TEXT, OUT = sys.argv[1], sys.argv[2]


def byte_level(pre, norm=None, use_regex=False):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence(pre + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)])
    tok.decoder = decoders.ByteLevel()
    if norm:
        tok.normalizer = norm
    tok.train([TEXT], trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "</s>"], show_progress=False,
                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tok


def llama2():
    tok = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    tok.train([TEXT], trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False))
    state = json.loads(tok.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    tok = Tokenizer.from_str(json.dumps(state))
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tok


def main():
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
              r"\s+(?!\S)|\s+")
    split = pre_tokenizers.Split(Regex(llama3), "isolated")
    added = byte_level([split], normalizers.NFC())
    added.add_special_tokens(["<|im_start|>", AddedToken("<mask>", lstrip=True, rstrip=True)])
    added.add_tokens([AddedToken("foo_bar", single_word=True), AddedToken("Hello", normalized=True), AddedToken("...", normalized=False)])
    toks = {"llama3": byte_level([split]), "added": added, "llama2": llama2(),
            "smollm": byte_level([pre_tokenizers.Digits(individual_digits=True)], use_regex=True)}
    golden = []
    for name, tok in toks.items():
        file = "tok_%s.json" % name
        with open(os.path.join(OUT, file), "w") as f:
            json.dump(json.loads(tok.to_str()), f, ensure_ascii=True)
        for text in list(strings(60, seed=17)) + ["", " ", "<s>Hello foo_bar</s> <mask> x", "a" * 300]:
            ids = tok.encode(text).ids
            golden.append({"file": file, "text": text, "ids": ids, "plain": tok.encode(text, add_special_tokens=False).ids,
                           "decoded": tok.decode(ids, skip_special_tokens=False), "skipped": tok.decode(ids, skip_special_tokens=True)})
    with open(os.path.join(OUT, "tok_golden.json"), "w") as f:
        json.dump(golden, f, ensure_ascii=True, indent=0)


main()

"""Compares `hone tokens` with Hugging Face tokenizers, SentencePiece and tiktoken.

Needs: pip install tokenizers sentencepiece protobuf tiktoken gguf
Use:   tokenizer_diff.py HONE TEXT [STRINGS [FILE.gguf | FILE.tiktoken ...]]
TEXT is a file that small tokenizers are trained on.  Prints a line a tokenizer and every
difference; exit status 1 if there is any.
"""
import json
import os
import subprocess
import sys
import tempfile

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

from unicode_strings import strings

HONE, TEXT = sys.argv[1], sys.argv[2]
N = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
failures = 0
LIMIT = int(os.environ.get("LIMIT", "20")) # differences that are printed


def hone(path, args, lines):
    data = "".join(json.dumps(x) + "\n" for x in lines)
    p = subprocess.run([HONE, "tokens", path, "--jsonl"] + args, input=data.encode(), capture_output=True)
    if p.returncode:
        sys.exit("hone tokens %s: %s" % (path, p.stderr.decode()))
    return [json.loads(x) for x in p.stdout.decode().split("\n") if x]


def report(name, what, text, want, got):
    global failures
    failures += 1
    if failures < LIMIT:
        print("  %s: %s of %r\n    expected %r\n    found    %r" % (name, what, text, want, got))


def compare(name, path, texts, encode, decode=None, args=()):
    want = [encode(t) for t in texts]
    got = hone(path, list(args), texts)
    before = failures
    for t, w, g in zip(texts, want, got):
        if w != g:
            report(name, "ids", t, w, g)
    if decode:
        for skip in (False, True):
            flags = ["--decode"] + (["--no-special"] if skip else [])
            for t, ids, g in zip(texts, want, hone(path, flags, want)):
                w = decode(ids, skip)
                if w != g:
                    report(name, "text (skip=%s) of ids" % skip, ids, w, g)
    print("%-28s %d strings, %d differences" % (name, len(texts), failures - before))


def hf(name, tok, directory, extra=()):
    path = os.path.join(directory, name + ".json")
    tok.save(path)
    texts = list(strings(N, seed=len(name), extra=extra))
    compare(name, path, texts, lambda t: tok.encode(t).ids, lambda i, s: tok.decode(i, skip_special_tokens=s))
    tok.encode_special_tokens = True
    compare(name + " no-parse", path, texts[:N // 4], lambda t: tok.encode(t).ids, args=["--no-parse-special"])


def train(tok, text_files, size=600, special=("<s>", "</s>", "<unk>"), byte_alphabet=False):
    tok.train(text_files, trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte_alphabet else []))


def byte_level(pre, norm=None, add_prefix_space=False, use_regex=True):
    tok = Tokenizer(models.BPE())
    parts = list(pre) + [pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)]
    tok.pre_tokenizer = pre_tokenizers.Sequence(parts) if len(parts) > 1 else parts[0]
    tok.decoder = decoders.ByteLevel()
    if norm:
        tok.normalizer = norm
    train(tok, [TEXT], byte_alphabet=True)
    return tok


def llama2_like(scheme="legacy"):
    tok = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if scheme == "legacy":
        tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    else:
        tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=scheme != "first")
    special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    train(tok, [TEXT], size=900, special=special)
    state = json.loads(tok.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    state["model"]["byte_fallback"] = True
    tok = Tokenizer.from_str(json.dumps(state))
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(" ", 1, 0)])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                       special_tokens=[("<s>", tok.token_to_id("<s>"))])
    return tok


def with_added(tok):
    tok.add_special_tokens(["<|im_start|>", "<|endoftext|>", AddedToken("<mask>", lstrip=True, rstrip=True)])
    tok.add_tokens([AddedToken("foo_bar", single_word=True), AddedToken("Hello", normalized=True),
                    AddedToken("...", normalized=False), AddedToken("na\u00efve", normalized=True), AddedToken("  ", rstrip=True)])
    return tok


def sentencepiece_models(directory):
    import sentencepiece as spm
    from sentencepiece import sentencepiece_model_pb2
    for name, options in {
        "sp-bpe": dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
        "sp-bpe-squeeze": dict(byte_fallback=True, normalization_rule_name="identity"),
        "sp-bpe-unk": dict(byte_fallback=False, normalization_rule_name="identity", add_dummy_prefix=False),
        "sp-bpe-symbols": dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                               user_defined_symbols=["<mask>", "foo_bar"]),
        "sp-bpe-nmt_nfkc": dict(byte_fallback=True),
        "sp-bpe-nmt_nfkc_cf": dict(byte_fallback=False, normalization_rule_name="nmt_nfkc_cf", user_defined_symbols=["Foo", "\ufb01x", "the"]),
        "sp-bpe-nfkc": dict(byte_fallback=True, normalization_rule_name="nfkc", remove_extra_whitespaces=False),
        "sp-bpe-nfkc_cf": dict(byte_fallback=True, normalization_rule_name="nfkc_cf", add_dummy_prefix=False),
        "sp-bpe-digits": dict(byte_fallback=True, split_digits=True, allow_whitespace_only_pieces=True, remove_extra_whitespaces=False),
    }.items():
        prefix = os.path.join(directory, name)
        spm.SentencePieceTrainer.train(input=TEXT, model_prefix=prefix, model_type="bpe", vocab_size=1000,
                                       minloglevel=3, hard_vocab_limit=False, **options)
        sp = spm.SentencePieceProcessor(model_file=prefix + ".model")
        # SentencePiece itself never parses control symbols, and cuts at NUL nothing
        texts = [t for t in strings(N, seed=5) if "<s>" not in t and "</s>" not in t]
        compare(name, prefix + ".model", texts, lambda t: [sp.bos_id()] + sp.encode(t))
        proto = sentencepiece_model_pb2.ModelProto()
        with open(prefix + ".model", "rb") as f:
            proto.ParseFromString(f.read())
        charsmap = proto.normalizer_spec.precompiled_charsmap
        if charsmap and name != "sp-bpe-digits":
            hf("precompiled" + name[2:], byte_level([], normalizers.Precompiled(charsmap)), directory)


def spm_gguf(name, path, tokens, types, scores):
    """SentencePiece BPE as the converters of transformers write it: a merge for every way to cut a piece."""
    ids = {t: i for i, t in enumerate(tokens)}
    merges = []
    for t, i in ids.items():
        if types[i] in (1, 4):
            cuts = [(t[:k], t[k:]) for k in range(1, len(t)) if t[:k] in ids and t[k:] in ids]
            merges += [(-scores[i], i, ids[a], ids[b], a, b) for a, b in cuts]
    merges = [(m[4], m[5]) for m in sorted(merges)]
    tok = Tokenizer(models.BPE(ids, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tok.add_special_tokens([t for t, k in zip(tokens, types) if k == 3])
    tok.add_tokens([AddedToken(t, normalized=False) for t, k in zip(tokens, types) if k == 4])
    texts = [t for t in strings(N, seed=9) if "<unk>" not in t]
    compare(name, path, texts, lambda t: tok.encode(t).ids, lambda i, s: tok.decode(i, skip_special_tokens=s), ["--no-add-special"])


def tiktoken_file(path):
    """llama3.tiktoken through tiktoken itself."""
    import base64
    import tiktoken
    with open(path) as f:
        ranks = {base64.b64decode(a): int(b) for a, b in (line.split() for line in f if line.strip())}
    enc = tiktoken.Encoding("llama3", pat_str=LLAMA3, mergeable_ranks=ranks, special_tokens={"<|begin_of_text|>": len(ranks)})
    texts = [t for t in strings(N, seed=4) if "<|" not in t]
    compare(os.path.basename(path), path, texts, lambda t: [len(ranks)] + enc.encode(t, disallowed_special=()),
            lambda i, s: enc.decode(i[1:] if s else i))


def files(paths, directory):
    """Vocabularies of GGUF files as Hugging Face tokenizers, and tiktoken's files."""
    import gguf
    for path in paths:
        if path.endswith(".tiktoken"):
            tiktoken_file(path)
            continue
        r = gguf.GGUFReader(path)

        def strs(key):
            f = r.fields[key]
            return [bytes(f.parts[i]).decode("utf-8") for i in f.data]

        def numbers(key):
            f = r.fields[key]
            return [f.parts[i][0].item() for i in f.data]

        pre = bytes(r.fields["tokenizer.ggml.pre"].parts[-1]).decode() if "tokenizer.ggml.pre" in r.fields else ""
        model = bytes(r.fields["tokenizer.ggml.model"].parts[-1]).decode()
        tokens, types = strs("tokenizer.ggml.tokens"), numbers("tokenizer.ggml.token_type")
        if model == "llama":
            spm_gguf(os.path.basename(path), path, tokens, types, numbers("tokenizer.ggml.scores"))
        if model != "gpt2":
            continue
        merges = strs("tokenizer.ggml.merges")
        tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]))
        digits = [pre_tokenizers.Digits(individual_digits=True)] if pre == "smollm" else []
        tok.pre_tokenizer = pre_tokenizers.Sequence(digits + [pre_tokenizers.ByteLevel(add_prefix_space=False)])
        tok.decoder = decoders.ByteLevel()
        tok.add_special_tokens([t for t, k in zip(tokens, types) if k == 3])
        compare(os.path.basename(path), path, list(strings(N, seed=9)), lambda t: tok.encode(t).ids,
                lambda i, s: tok.decode(i, skip_special_tokens=s))


def main():
    with tempfile.TemporaryDirectory() as d:
        split = lambda p, b="isolated": pre_tokenizers.Split(Regex(p), b)
        hf("gpt2", byte_level([]), d)
        hf("gpt2-prefix", byte_level([], add_prefix_space=True), d)
        hf("llama3", byte_level([split(LLAMA3)], use_regex=False), d)
        hf("qwen2-nfc", byte_level([split(QWEN2)], normalizers.NFC(), use_regex=False), d)
        hf("smollm", byte_level([pre_tokenizers.Digits(individual_digits=True)]), d)
        hf("falcon", byte_level([pre_tokenizers.Punctuation(behavior="contiguous")]), d)
        hf("digits", byte_level([pre_tokenizers.Digits(individual_digits=False), split(r"[0-9][0-9][0-9]")]), d)
        for b in ("removed", "merged_with_previous", "merged_with_next", "contiguous"):
            hf("split-" + b, byte_level([split(r"[\s.,]", b)], use_regex=False), d)
        hf("nfkc-lower", byte_level([], normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])), d)
        hf("nfd-accents", byte_level([], normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(),
                                                                normalizers.Strip()])), d)
        hf("replace", byte_level([], normalizers.Replace(Regex(r"\s+"), " ")), d)
        hf("added", with_added(byte_level([])), d)
        hf("added-nfc", with_added(byte_level([split(QWEN2)], normalizers.NFC(), use_regex=False)), d)
        hf("added-lower", with_added(byte_level([], normalizers.Lowercase())), d)
        hf("llama2", llama2_like(), d)
        hf("llama2-added", with_added(llama2_like()), d)
        for scheme in ("first", "always", "never"):
            hf("metaspace-" + scheme, llama2_like(scheme), d)
        tok = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
        tok.pre_tokenizer = pre_tokenizers.Whitespace()
        tok.train([TEXT], trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>"], end_of_word_suffix="</w>",
                                              show_progress=False))
        tok.decoder = decoders.BPEDecoder()
        hf("whitespace-suffix", tok, d)
        sentencepiece_models(d)
        files(sys.argv[4:], d)
    print("%d differences" % failures)
    sys.exit(failures > 0)


main()

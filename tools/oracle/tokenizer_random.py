"""Tokenizers put together at random from every part, through Hugging Face and `hone tokens`.

Needs: pip install tokenizers
Use:   tokenizer_random.py HONE TEXT [COUNT [SEED [STRINGS]]]
TEXT is what the vocabularies are trained on.  Prints every difference; exit status 1 if
there is any.  FIND=N runs the N-th tokenizer alone and keeps its file in /tmp.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from unicode_strings import strings

HONE, TEXT = sys.argv[1], sys.argv[2]
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 200
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
N = int(sys.argv[5]) if len(sys.argv) > 5 else 60
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
KIMI = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
DEEPSEEK = [r"[\r\n]", r"\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u0391-\u03c9\u0400-\u0481]+", r"\s?[!-/:-~\uff01-\uff0f\u2018-\u201f\u3000-\u3002]+",
            r"\s+$", r"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"[!-/:-@\[-`{-~\p{P}\p{S}]+"]
PATTERNS = [LLAMA3, GPT4O, KIMI, CL100K, r"\s+", r"\w+|[^\w\s]+", r"[0-9][0-9][0-9]", r"\p{N}", r"(?=(\d{3})+(?!\d))", r"\d{1,3}(?=(?:\d{3})*\b)", r"[^\S\n]+", r"\W",
            r"[\s.,]", r" ?\p{L}+", r"[[:space:]]", r"[^a-z]", r"\S+", r"(?i)the", r"a|e", r"\p{Lu}", r"[\p{P}\p{S}]", r"x*"] + DEEPSEEK
R = random.Random(SEED)
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def flip():
    return R.random() < 0.5


def pattern():
    if R.random() < 0.25:
        return R.choice([" ", "a", "e ", "\n", ".", "th", "\u2581", "$"])
    return Regex(R.choice(PATTERNS))


def one_normalizer():
    return R.choice([
        normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.Lowercase, normalizers.StripAccents,
        normalizers.Nmt, lambda: normalizers.Strip(flip(), flip()),
        lambda: normalizers.Replace(pattern(), R.choice(["", " ", "\u2581", "ab", "\\1", "$0"])),
        lambda: normalizers.Prepend(R.choice(["\u2581", " ", "x"])),
        lambda: normalizers.BertNormalizer(flip(), flip(), R.choice([None, True, False]), flip()),
    ])()


def one_pre():
    return R.choice([
        lambda: pre_tokenizers.Split(pattern(), R.choice(BEHAVIORS), flip()),
        lambda: pre_tokenizers.Split(pattern(), R.choice(BEHAVIORS), False),
        lambda: pre_tokenizers.Digits(flip()),
        lambda: pre_tokenizers.ByteLevel(flip(), trim_offsets=flip(), use_regex=flip()),
        lambda: pre_tokenizers.Metaspace(R.choice(["\u2581", "_"]), R.choice(["always", "first", "never"]), flip()),
        lambda: pre_tokenizers.Metaspace("\u2581", R.choice(["always", "first", "never"]), flip()),
        lambda: pre_tokenizers.Punctuation(R.choice(BEHAVIORS)),
        pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit, pre_tokenizers.BertPreTokenizer,
        lambda: pre_tokenizers.CharDelimiterSplit(R.choice([" ", "e", "."])),
        lambda: pre_tokenizers.FixedLength(R.choice([1, 3, 5])),
    ])()


def one_decoder():
    return R.choice([
        decoders.ByteLevel, decoders.ByteFallback, decoders.Fuse,
        lambda: decoders.Strip(R.choice([" ", "a"]), R.randint(0, 2), R.randint(0, 2)),
        lambda: decoders.Replace(pattern(), R.choice(["", " ", "x"])),
        lambda: decoders.Metaspace("\u2581", R.choice(["always", "first", "never"]), flip()),
        lambda: decoders.BPEDecoder(R.choice(["</w>", "e"])),
        lambda: decoders.WordPiece(R.choice(["##", "@@"]), flip()),
        lambda: decoders.CTC(R.choice(["e", "<unk>"]), R.choice(["|", " "]), flip()),
    ])()


def sequence(kind, one, most):
    n = R.choice([0] + list(range(1, most + 1)) * 2)
    if n == 0:
        return None
    parts = [one() for _ in range(n)]
    return parts[0] if n == 1 else kind(parts)


def post(tok):
    ids = [(t, tok.token_to_id(t)) for t in ("<s>", "</s>")]
    return R.choice([
        lambda: None,
        lambda: processors.ByteLevel(trim_offsets=flip()),
        lambda: processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=ids),
        lambda: processors.TemplateProcessing(single="<s> <s> $0", special_tokens=ids),
        lambda: processors.TemplateProcessing(single="$A:1 </s>", special_tokens=ids),
        lambda: processors.BertProcessing(ids[1], ids[0]),
        lambda: processors.RobertaProcessing(ids[1], ids[0], flip(), flip()),
        lambda: processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(single="<s> $A", special_tokens=ids)]),
        lambda: processors.Sequence([processors.TemplateProcessing(single="<s> $A", special_tokens=ids), processors.ByteLevel()]),
    ])()


def added(tok):
    words = ["Hello", "foo_bar", "...", "na\u00efve", "  ", "<mask>", "\n", "the", "\u00e9", "e", "Th", " world", "\u4e2d", "12", "<|im_start|>", "I", "\u2581", "don't"]
    for w in R.sample(words, R.randint(0, 6)):
        special = flip()
        t = AddedToken(w, single_word=R.random() < 0.3, lstrip=R.random() < 0.3, rstrip=R.random() < 0.3, normalized=flip(), special=special)
        (tok.add_special_tokens if special else tok.add_tokens)([t])


def build():
    prefix = R.choice([None, None, None, "##"])
    suffix = R.choice([None, None, None, "</w>"])
    fallback = R.random() < 0.4
    special = ["<unk>", "<s>", "</s>"] + (["<0x%02X>" % i for i in range(256)] if fallback else [])
    tok = Tokenizer(models.BPE(unk_token=R.choice([None, "<unk>", "<unk>"]), fuse_unk=flip()))
    norm = sequence(normalizers.Sequence, one_normalizer, 3)
    pre = sequence(pre_tokenizers.Sequence, one_pre, 3)
    if norm:
        tok.normalizer = norm
    if pre:
        tok.pre_tokenizer = pre
    options = {k: v for k, v in (("continuing_subword_prefix", prefix), ("end_of_word_suffix", suffix)) if v}
    alphabet = pre_tokenizers.ByteLevel.alphabet() if flip() else []
    tok.train([TEXT], trainers.BpeTrainer(vocab_size=len(special) + 500, special_tokens=special, show_progress=False,
                                          initial_alphabet=alphabet, limit_alphabet=R.choice([40, 1000]), **options))
    state = json.loads(tok.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x") and not (t["content"] == "<unk>" and flip())]
    state["model"]["byte_fallback"] = fallback
    state["model"]["ignore_merges"] = R.random() < 0.3
    if R.random() < 0.2:
        for k in R.sample(["type", "dropout", "fuse_unk", "byte_fallback", "ignore_merges"], 2):
            if k in ("type", "dropout") or not state["model"][k]:
                state["model"].pop(k, None)
    tok = Tokenizer.from_str(json.dumps(state))
    decoder = sequence(decoders.Sequence, one_decoder, 3)
    if decoder:
        tok.decoder = decoder
    processor = post(tok)
    if processor:
        tok.post_processor = processor
    added(tok)
    if "type" not in state["model"]:
        state2 = json.loads(tok.to_str())
        del state2["model"]["type"]
        return tok, json.dumps(state2)
    return tok, tok.to_str()


def known(text):
    """Characters younger than this Python's Unicode are left out: the libraries do not agree on them."""
    return "".join(c for c in text if unicodedata.category(c) != "Cn" or ord(c) & 0xFFFE == 0xFFFE)


def is_defined(tok, text):
    """False where the reference depends on the order of a hash map, or on offsets of characters that one
    original character became."""
    state = json.loads(text)
    seen = set()
    for t in state["added_tokens"]:
        if t["normalized"]:
            s = tok.normalizer.normalize_str(t["content"]) if tok.normalizer else t["content"]
            if s in seen:
                return False
            seen.add(s)
    pre = state["pre_tokenizer"] or {}
    steps = pre.get("pretokenizers", [pre])
    later = any(s.get("prepend_scheme") == "first" for s in steps[1:])
    grows = any(x in json.dumps(state["normalizer"]) for x in ("NF", "Bert", "Replace", "Prepend"))
    return not (later or (grows and any(s.get("prepend_scheme") == "first" for s in steps)))


def hone(path, args, lines):
    data = "".join(json.dumps(x) + "\n" for x in lines)
    p = subprocess.run([HONE, "tokens", path, "--jsonl"] + args, input=data.encode(), capture_output=True)
    if p.returncode:
        return p.stderr.decode().strip()
    return [json.loads(x) for x in p.stdout.decode().split("\n") if x]


def first_difference(tok, path, texts):
    """One line on the first thing that differs, or None; and how many strings do."""
    out, n = None, 0
    tok.encode_special_tokens = False
    plain = lambda t: tok.encode(t, add_special_tokens=False).ids
    ids = [tok.encode(t).ids for t in texts]
    bare = [plain(t) for t in texts]
    tok.encode_special_tokens = True
    literal = [plain(t) for t in texts]
    tok.encode_special_tokens = False
    rng = random.Random(5)
    size = tok.get_vocab_size()
    some = bare[:N // 2] + [[rng.randrange(size) for _ in range(rng.randint(0, 12))] for _ in range(N)]
    checks = [("ids", [], texts, ids), ("no-add-special", ["--no-add-special"], texts, bare),
              ("no-parse-special", ["--no-parse-special", "--no-add-special"], texts, literal),
              ("decode", ["--decode"], some, [tok.decode(i, skip_special_tokens=False) for i in some]),
              ("decode no-special", ["--decode", "--no-special"], some, [tok.decode(i, skip_special_tokens=True) for i in some])]
    for what, args, given, want in checks:
        got = hone(path, args, given)
        if isinstance(got, str):
            return "%s: %s" % (what, got), 1
        for g, w, h in zip(given, want, got):
            if w != h:
                n += 1
                out = out or "%s of %r\n    expected %r\n    found    %r" % (what, g, w, h)
    return out, n


def main():
    wrong = strings_wrong = built = 0
    find = int(os.environ.get("FIND", "-1"))
    with tempfile.TemporaryDirectory() as d:
        for k in range(COUNT):
            R.seed(SEED * 100003 + k)
            if find >= 0 and k != find:
                continue
            try:
                tok, text = build()
                Tokenizer.from_str(text)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as e:  # what Hugging Face itself does not train or load, panics included
                if find >= 0:
                    print(e)
                continue
            if not is_defined(tok, text):
                continue
            built += 1
            path = os.path.join("/tmp" if find >= 0 else d, "t%d.json" % k)
            with open(path, "w") as f:
                f.write(text)
            try:
                out, n = first_difference(tok, path, [known(t) for t in strings(N, seed=SEED * 1000 + k)])
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as e:
                print("# %d: reference failed: %s" % (k, str(e)[:100]))
                continue
            if out:
                wrong += 1
                strings_wrong += n
                with open("/tmp/fail-%d.json" % k, "w") as f:
                    f.write(text)
                s = json.loads(text)
                brief = {x: s[x] for x in ("normalizer", "pre_tokenizer", "decoder")}
                brief["model"] = {x: y for x, y in s["model"].items() if x not in ("vocab", "merges")}
                print("%d (%d strings): %s\n    %s" % (k, n, out[:700], json.dumps(brief) if find >= 0 else ""))
    print("%d tokenizers of %d strings, %d differ in %d strings" % (built, N, wrong, strings_wrong))
    sys.exit(wrong > 0)


main()

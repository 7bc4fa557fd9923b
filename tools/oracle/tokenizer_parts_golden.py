"""Writes tests/data/parts_*.json, parts_sp.model and parts_golden.json: tiny tokenizers of rarer parts
with the ids and texts that Hugging Face tokenizers and SentencePiece give.

Needs: pip install tokenizers sentencepiece protobuf
Use:   tokenizer_parts_golden.py OUT
"""
import io
import json
import os
import random
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from unicode_strings import strings

OUT = sys.argv[1]
WORDS = "the them then 12 1234 don't won't low lower lowest new newer na\u00efve caf\u00e9 Hello World foo_bar x=1; a.b,c! \u4e2d\u6587 \u03a3\u03c3 e\u0301".split()
R = random.Random(11)
TEXT = [" ".join(R.choice(WORDS) for _ in range(12)) for _ in range(60)]
# SentencePiece compiles rules like these: source and target code points in hexadecimal
RULES = "FB01\t66 69\nFF21\t41\n41\t61\n3A3\t3C3\n65 301\tE9\n78 301\t71\n78\t6B\n3000\t20\n9\t20\nB2\t32\n31 2044 32\tBD\n200B\t\n"
EXTRA = ["a\nb \n c\n\n", " \n \n x  \n", "\ufb01x \uff21A e\u0301e\u200b\u3000\u3000\u00b2", "x \t<mask> the<mask>\n\nthe", "\u00bd\u2167\u24d0 a\u200db", "12345678", "",
         " ", "\u0001\u0002", "x\u0301x x\u0323\u0301", "\x1f\ufffdAb", "don't \u4e2d1\u6587", "ThE the them Hello!", "##low </w> <0x41>", "[]^-a-z", "e\u0301\u0301 \U0001f468\u200d\U0001f469"]


def sentencepiece_model(**options):
    with tempfile.TemporaryDirectory() as d:
        rules = os.path.join(d, "rules.tsv")
        with open(rules, "w") as f:
            f.write(RULES)
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXT), model_writer=out, model_type="bpe", vocab_size=400, minloglevel=3,
                                                 hard_vocab_limit=False, normalization_rule_tsv=rules, **options)
        return out.getvalue()


def bpe(special=(), alphabet=(), byte_fallback=False, normalizer=None, pre=None, decoder=None, post=None, affixes=None, size=140, **model):
    special = ["<unk>", "<s>", "</s>"] + list(special) + (["<0x%02X>" % i for i in range(256)] if byte_fallback else [])
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    if normalizer:
        tok.normalizer = normalizer
    if pre:
        tok.pre_tokenizer = pre
    tok.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=size + len(special), special_tokens=special, initial_alphabet=list(alphabet),
                                                      limit_alphabet=max(30, len(alphabet)), show_progress=False, **(affixes or {})))
    state = json.loads(tok.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    state["model"].update(byte_fallback=byte_fallback, **model)
    tok = Tokenizer.from_str(json.dumps(state))
    if decoder:
        tok.decoder = decoder
    if post:
        tok.post_processor = post
    return tok


def tokenizers():
    split = lambda p, b="isolated", invert=False: pre_tokenizers.Split(Regex(p), b, invert)
    ends = [("<s>", 1), ("</s>", 2)]
    yield "bert", bpe(byte_fallback=True, normalizer=normalizers.BertNormalizer(True, True, None, True), pre=pre_tokenizers.BertPreTokenizer(),
                      decoder=decoders.WordPiece("##", True), post=processors.BertProcessing(("</s>", 2), ("<s>", 1)),
                      affixes=dict(continuing_subword_prefix="##"))
    yield "nmt", bpe(normalizer=normalizers.Nmt(), pre=pre_tokenizers.Metaspace(prepend_scheme="first"), decoder=decoders.CTC("<unk>", "\u2581", True),
                     post=processors.TemplateProcessing(single="$A </s>", special_tokens=ends), fuse_unk=True)
    yield "split", bpe(pre=pre_tokenizers.Sequence([split(r"(?=(\d{3})+(?!\d))"), split(r"\s+$", "merged_with_previous"), split(r"[[:punct:]&&[^']]", "merged_with_next"),
                                                    split(r"[\w&&[^\d]]+|\h{2}+|[^\S\n]", "contiguous"), split(r"\bthe|[^a-z[\W]]{2}+", "removed"), split(r"\p{Han}|\u03c3", "isolated", True)]),
                       decoder=decoders.BPEDecoder("</w>"), affixes=dict(end_of_word_suffix="</w>"), ignore_merges=True)
    added = bpe(normalizer=normalizers.Sequence([normalizers.Strip(True, False), normalizers.Lowercase(), normalizers.Prepend("_")]),
                pre=pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.Metaspace("_", "always", False)]), decoder=decoders.Replace("_", " "))
    added.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True), AddedToken("ThE", normalized=True, single_word=True), AddedToken("\n", rstrip=True, lstrip=True)])
    added.add_tokens([AddedToken("Hello", single_word=True), AddedToken("\u4e2d", rstrip=True, normalized=False), AddedToken("a", single_word=True, lstrip=True)])
    yield "added", added
    yield "fixed", bpe(alphabet=pre_tokenizers.ByteLevel.alphabet(), pre=pre_tokenizers.Sequence([pre_tokenizers.FixedLength(4), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]),
                       decoder=decoders.ByteLevel(), size=330, post=processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)]))
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(sentencepiece_model())
    yield "precompiled", bpe(byte_fallback=True, normalizer=normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), pre=pre_tokenizers.Whitespace(),
                             decoder=decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()]))


def main():
    texts = list(strings(25, seed=23)) + EXTRA
    golden = []
    for name, tok in tokenizers():
        file = "parts_%s.json" % name
        with open(os.path.join(OUT, file), "w") as f:
            json.dump(json.loads(tok.to_str()), f, ensure_ascii=True)
        for text in texts:
            ids = tok.encode(text).ids
            golden.append({"file": file, "text": text, "ids": ids, "plain": tok.encode(text, add_special_tokens=False).ids,
                           "decoded": tok.decode(ids, skip_special_tokens=False), "skipped": tok.decode(ids, skip_special_tokens=True)})
    for name, options in (("sp", dict(byte_fallback=True, remove_extra_whitespaces=False, user_defined_symbols=["Ax", "foo_bar"])), ("sp_squeeze", {})):
        model = sentencepiece_model(**options)
        file = "parts_%s.model" % name
        with open(os.path.join(OUT, file), "wb") as f:
            f.write(model)
        sp = sentencepiece.SentencePieceProcessor(model_proto=model)
        for text in texts + ["xAx Ax ax AAx"]:
            if "<s>" in text or "</s>" in text:
                continue  # SentencePiece itself never parses them
            ids = sp.encode(text)
            golden.append({"file": file, "text": text, "ids": [sp.bos_id()] + ids, "plain": ids})
    with open(os.path.join(OUT, "parts_golden.json"), "w") as f:
        f.write("[" + ",\n".join(json.dumps(g, ensure_ascii=True) for g in golden) + "]\n")


main()

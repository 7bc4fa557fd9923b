"""Random strings that tokenizers and templates stumble over; same seed, same strings."""
import random

POOLS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "       ",
    "\t\n\r\v\f \u00a0\u1680\u2000\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u0085",
    ".,;:!?'\"()[]{}<>/\\|@#$%^&*-_=+~`", "\u00e4\u00f6\u00fc\u00df\u00e9\u00e8\u00f1\u0130\u0131\u017f\ufb01",
    "\u0391\u03b2\u03b3\u03a3\u03c3\u03c2", "\u0416\u0434\u0438\u0439", "\u05d0\u05d1\u05d2\u0627\u0628\u062a",
    "\u0905\u0915\u094d\u0937\u0e01\u0e32\u0e33", "\u4e2d\u6587\u65e5\u672c\u8a9e\u3042\u30ab\uac00\ud55c\u1100\u1161\u11a8",
    "\u0300\u0301\u0308\u0323\u20dd", "\U0001f600\U0001f44d\U0001f3fd\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f\U0001f1e9\U0001f1ea",
    "\u200b\u200c\u200d\ufeff\u00ad\u180e\u2060", "\u0000\u0001\u001c\u001d\u001e\u001f\u007f\u0080\u009f",
    "\u2581\u0120\u010a", "\u00b2\u00bd\u2167\u0661\u096b\U0001d7d8", "\ue000\ufffd\uffff\U0010ffff\U000e0041",
]
WORDS = ["the", "don't", "I'LL", "we've", "it's", "it'\u017f", "http://x.y/z?q=1", "foo_bar", "x=1;", "  ", "\n\n", "\r\n", "   \n",
         "1234567", "3.14", "na\u00efve", "e\u0301", "\u00e9", "Hello", "world", " world", "...", "!!!", "----", "\t\t", "<s>", "</s>",
         "<|im_start|>", "<|endoftext|>", "<unk>", "[INST]", "<0x0A>", "<mask>", " <mask> "]


def strings(n, seed=1, extra=()):
    r = random.Random(seed)
    words = WORDS + list(extra)
    for _ in range(n):
        kind = r.random()
        parts = []
        for _ in range(r.choice([1, 1, 2, 3, 5, 8, 13, 30])):
            if kind < 0.4:
                parts.append(r.choice(words))
                if r.random() < 0.5:
                    parts.append(" ")
            elif kind < 0.8:
                pool = r.choice(POOLS)
                parts.append("".join(r.choice(pool) for _ in range(r.randint(1, 6))))
            elif kind < 0.95:
                pool = r.choice(POOLS + WORDS)
                parts.append(r.choice(pool) * r.randint(1, 12))
            else:
                c = r.randrange(0x110000)
                parts.append(chr(c) if not 0xD800 <= c < 0xE000 else "?")
        yield "".join(parts)

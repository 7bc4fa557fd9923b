"""Writes tests/data/dequant.bin: random blocks of every type with what they decode to.

Needs: pip install gguf numpy
Use:   dequant_vectors.py > tests/data/dequant.bin
For each type: int32 GGUF id, int32 n_bytes, int32 n_values, the bytes, the f32 values.
Expected values come from the gguf package's own numpy decoders.
"""
import struct
import sys

import gguf
import numpy as np

TYPES = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4"]
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64]}


def main():
    rng = np.random.RandomState(1)
    for name in TYPES:
        t = gguf.GGMLQuantizationType[name]
        block, size = gguf.GGML_QUANT_SIZES[t]
        n = 64 if block == 1 else 6
        raw = rng.randint(0, 256, (n, size)).astype(np.uint8)
        for at in HALVES.get(name, []):
            halves = (rng.randn(n) * 0.5).astype("<f2")
            halves[0] = np.float16(6e-8)  # subnormal
            halves[1] = np.float16(-0.0)
            raw[:, at:at + 2] = halves.view(np.uint8).reshape(n, 2)
        if name == "MXFP4":
            raw[:, 0] = [0, 1, 2, 120, 127, 200]
        if name in ("F16", "BF16"):
            values = (rng.randn(n)).astype("<f4")
            raw = gguf.quants.quantize(values, t).view(np.uint8).reshape(n, 2)
        values = gguf.quants.dequantize(raw.reshape(1, -1) if block > 1 else raw.reshape(1, -1), t).astype("<f4").reshape(-1)
        sys.stdout.buffer.write(struct.pack("<iii", int(t), raw.size, values.size) + raw.tobytes() + values.tobytes())


main()

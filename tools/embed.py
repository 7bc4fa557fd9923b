#!/usr/bin/env python3
"""embed.py OUT FILE...: the files as C, one hone_page_file (src/serve/page.h) each, in the
order given.  The same files give the same bytes."""
import hashlib
import os
import sys


def rows(data):
    for i in range(0, len(data), 20):
        yield "    " + "".join(f"{byte}," for byte in data[i:i + 20])


def main(out, names):
    arrays, table = [], []
    for i, name in enumerate(names):
        with open(name, "rb") as file:
            data = file.read()
        tag = hashlib.sha256(data).hexdigest()[:16]
        arrays.append(f"static const unsigned char file_{i}[] = {{\n"
                      + "\n".join(rows(data)) + "\n};\n")
        table.append(f'    {{"{os.path.basename(name)}", "\\"{tag}\\"", file_{i}, '
                     f"{len(data)}}},\n")
    with open(out, "w", encoding="ascii") as file:
        file.write("/* Written by tools/embed.py. */\n"
                   '#include "serve/page.h"\n\n')
        file.writelines(arrays)
        file.write("const hone_page_file hone_page_files[] = {\n")
        file.writelines(table)
        file.write(f"}};\nconst size_t hone_n_page_file = {len(names)};\n")


main(sys.argv[1], sys.argv[2:])

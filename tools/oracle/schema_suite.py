#!/usr/bin/env python3
"""The JSON Schema test suite (draft 2020-12) through `hone grammar`.

Use:   schema_suite.py HONE [FOLDER]     FOLDER: tests/draft2020-12 of the suite; without it, the
                                         copy in the source archive of the package jsonschema is
                                         fetched with pip
A schema may be refused: then it is counted.  A compiled one must accept exactly the valid
instances, but for what hone documents: properties come in a fixed order, formats are asserted,
`dependencies` is unknown in this draft, and :60 seconds are refused.  Prints every other
difference; exit status 1 if there is any.
"""
import collections
import glob
import json
import os
import subprocess
import sys
import tarfile
import tempfile

# file of the suite, words of the test's description: valid there, refused here (True), or the reverse
KNOWN = [
    ("format.json", "is only an annotation by default", True),
    ("dependencies-compatibility.json", "", False),
    ("time.json", "leap second", True),
    ("date-time.json", "leap second", True),
    ("vocabulary.json", "no validation", True),  # of a meta-schema at another address
    ("float-overflow.json", "", True),           # an exponent beside multipleOf
    ("const.json", "different property order", True),
    ("allOf.json", "allOf", True),               # the rest is order, too
    ("allOf.json", "valid", True),
    ("dependentRequired.json", "with dependenc", True),
    ("dependentRequired.json", "quoted quotes", True),
]


def is_known(name, test):
    return any(name == n and words in test["description"] and test["valid"] == valid for n, words, valid in KNOWN)


def fetch(folder):
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "jsonschema==4.26.0",
                    "-d", folder], check=True)
    with tarfile.open(glob.glob(os.path.join(folder, "jsonschema-*.tar.gz"))[0]) as t:
        t.extractall(folder)
    return glob.glob(os.path.join(folder, "jsonschema-*/json/tests/draft2020-12"))[0]


def judge(hone, schema, texts):
    """Whether each text is accepted; or why the schema is refused."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(schema, f)
        f.flush()
        run = subprocess.run([hone, "grammar", "--schema", f.name, "--jsonl"], capture_output=True, text=True,
                             input="".join(json.dumps(t) + "\n" for t in texts), timeout=60)
    if run.returncode not in (0, 1):
        raise SystemExit(f"exit status {run.returncode} for {json.dumps(schema)}")
    return run.stderr.strip() if run.returncode else [json.loads(x)["accepted"] for x in run.stdout.splitlines()]


def check_group(hone, name, group, count):
    verdict = judge(hone, group["schema"], [json.dumps(t["data"], ensure_ascii=False) for t in group["tests"]])
    if isinstance(verdict, str):
        nothing = "no value satisfies it" in verdict and not any(t["valid"] for t in group["tests"])
        count["schemas that nothing satisfies" if nothing else "schemas refused"] += 1
        return
    count["schemas compiled"] += 1
    for test, accepted in zip(group["tests"], verdict, strict=True):
        count["instances"] += 1
        if accepted == test["valid"]:
            continue
        known = is_known(name, test)
        count["documented differences" if known else "wrong"] += 1
        if not known:
            print(f"{name}: {group['description']}: {test['description']}: "
                  f"{'accepted' if accepted else 'refused'}: {json.dumps(test['data'])[:200]}")


def main():
    hone, *rest = sys.argv[1:]
    count = collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = rest[0] if rest else fetch(scratch)
        for path in sorted(glob.glob(os.path.join(folder, "**/*.json"), recursive=True)):
            with open(path, encoding="utf-8") as f:
                for group in json.load(f):
                    check_group(hone, os.path.basename(path), group, count)
    print(", ".join(f"{n} {what}" for what, n in sorted(count.items())))
    sys.exit(bool(count["wrong"] or not count["instances"]))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Chat templates of real models through jinja2 and `hone render`, each with ten conversations.

Needs: pip install jinja2
Use:   template_real.py HONE FOLDER     FOLDER holds *.jinja, as models/templates in the source
                                        of llama.cpp does
Prints every difference; exit status 1 if there is any.
"""
import collections
import glob
import json
import os
import subprocess
import sys
import tempfile

from jinja_reference import render

CLOCK = "1700000000"
CITY = {"type": "object", "properties": {"city": {"type": "string", "description": "a city"},
                                         "unit": {"type": "string", "enum": ["c", "f"]}}, "required": ["city"]}
PAIR = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
TOOLS = [{"type": "function", "function": {"name": n, "description": d, "parameters": p}}
         for n, d, p in (("get_weather", "Weather of a <city>", CITY), ("add", "Adds", PAIR))]


def says(role, content, **more):
    return {"role": role, "content": content, **more}


def call(number, name, arguments):
    return {"id": f"abcdefgh{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def chat(*messages, **more):
    return {"messages": list(messages), "bos_token": "<s>", "eos_token": "</s>", **more}


USER = says("user", "Hi <b>&'\"\u00e9")
KOELN = call(1, "get_weather", {"city": "K\u00f6ln", "unit": "c"})
CONVERSATIONS = {
    "plain": chat(USER, add_generation_prompt=True),
    "system": chat(says("system", "Be brief."), USER, says("assistant", "Hello"), says("user", "Again?"),
                   add_generation_prompt=True),
    "finished": chat(USER, says("assistant", "<think>\nhm\n</think>\n\nYo")),
    "reasoning": chat(USER, says("assistant", "Yo", reasoning_content="hm"), USER, add_generation_prompt=True),
    "no thinking": chat(USER, add_generation_prompt=True, enable_thinking=False),
    "parts": chat(says("user", [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]),
                  add_generation_prompt=True),
    "tools": chat(USER, tools=TOOLS, add_generation_prompt=True),
    "call": chat(says("system", "S"), USER, says("assistant", "", tool_calls=[KOELN]),
                 says("tool", "12 C", tool_call_id="abcdefgh1", name="get_weather"), says("assistant", "12"), USER,
                 tools=TOOLS, add_generation_prompt=True),
    "two calls": chat(USER, says("assistant", None, tool_calls=[KOELN, call(2, "add", {"a": 1, "b": 2.5})]),
                      says("tool", '{"t": 1}', tool_call_id="abcdefgh1", name="get_weather"),
                      says("tool", "3.5", tool_call_id="abcdefgh2", name="add"), tools=TOOLS, add_generation_prompt=True),
    "arguments as text": chat(USER, says("assistant", "", tool_calls=[call(1, "get_weather", '{"city":"X"}')]),
                              says("tool", "1", tool_call_id="abcdefgh1"), tools=TOOLS, add_generation_prompt=True),
}


def hone_render(hone, template, conversation):
    """The text, or None where hone refuses."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(conversation, f)
        f.flush()
        run = subprocess.run([hone, "render", "--template", template, "--chat", f.name], capture_output=True,
                             env={**os.environ, "SOURCE_DATE_EPOCH": CLOCK})
    if run.returncode not in (0, 1):
        raise SystemExit(f"{template}: exit status {run.returncode}")
    return run.stdout.decode() if run.returncode == 0 else None


def main():
    hone, folder = sys.argv[1:3]
    count = collections.Counter()
    for path in sorted(glob.glob(os.path.join(folder, "*.jinja"))):
        with open(path, encoding="utf-8") as f:
            source = f.read()
        for name, conversation in CONVERSATIONS.items():
            want, reason = render(source, conversation, clock=int(CLOCK))
            got = hone_render(hone, path, conversation)
            if got == want:
                count["refused by both" if want is None else "same"] += 1
                continue
            count["different"] += 1
            print(f"{os.path.basename(path)}: {name}: {str(got)[:300]!r}, expected {str(want or reason)[:300]!r}")
    print(", ".join(f"{n} {what}" for what, n in sorted(count.items())))
    sys.exit(bool(count["different"] or not count["same"]))


if __name__ == "__main__":
    main()

"""Random templates through jinja2 and `hone render`.

Needs: pip install jinja2
Use:   template_diff.py HONE [COUNT [SEED]]
Prints every difference; exit status 1 if there is any.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

import template_cases
from jinja_reference import render

HONE = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
R = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
NAMES = list(template_cases.VARS) + ["missing", "x", "ns"]
FILTERS = ["upper", "lower", "trim", "length", "string", "list", "first", "last", "tojson", "default('d')", "default('d',true)", "join(',')",
           "join", "int", "float", "abs", "reverse", "sort", "unique|list", "items|list", "dictsort", "capitalize", "title", "replace('a','b')",
           "safe", "e", "sum", "max", "min", "select|list", "reject('none')|list", "map('string')|list", "tojson(indent=2)", "round", "indent(2)",
           "map(attribute='name')|list", "selectattr('role','equalto','user')|list", "rejectattr('age')|list", "batch(2)|list", "wordcount"]
TESTS = ["defined", "undefined", "none", "string", "number", "mapping", "sequence", "iterable", "true", "false", "boolean", "integer", "float",
         "odd", "even", "divisibleby(2)", "eq(3)", "in([1,3])", "lower", "upper", "callable"]
METHODS = ["split()", "split(',')", "split('a',1)", "strip()", "lstrip('a')", "rstrip()", "upper()", "lower()", "startswith('a')", "endswith('b')",
           "replace('a','b')", "items()|list", "keys()|list", "get('a')", "get('zz','y')", "title()", "capitalize()", "count('a')", "find('l')",
           "splitlines()", "isdigit()", "join(['a','b'])", "format(1)", "append(1)", "index(1)"]
ATTRS = ["a", "b", "items", "name", "x", "k", "content", "role", "upper"]


def atom(d):
    k = R.random()
    if k < 0.45:
        return R.choice(NAMES)
    if k < 0.6:
        return R.choice(["0", "1", "2", "-1", "3", "1.5", "1e16", "10", "7"])
    if k < 0.75:
        return R.choice(["'a'", "'ab c'", "''", "\"it's\"", "'<b>'", "'\\n'", "'\u00e4\u4e2d'", "'a,b'", "' pad '"])
    if k < 0.82:
        return R.choice(["true", "false", "none"])
    if k < 0.92 and d:
        return "[" + ", ".join(expr(d - 1) for _ in range(R.randint(0, 3))) + "]"
    if d:
        return "{" + ", ".join("'%s': %s" % (R.choice("abc"), expr(d - 1)) for _ in range(R.randint(0, 2))) + "}"
    return "n"


def expr(d=3):
    k = R.random()
    if d == 0 or k < 0.2:
        return atom(d)
    if k < 0.4:
        return "%s %s %s" % (expr(d - 1), R.choice(["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">", "<=", ">=", "in", "not in", "and", "or"]), expr(d - 1))
    if k < 0.6:
        return "%s|%s" % (expr(d - 1), R.choice(FILTERS))
    if k < 0.68:
        return "%s is %s%s" % (expr(d - 1), R.choice(["", "not "]), R.choice(TESTS))
    if k < 0.76:
        return "%s.%s" % (atom(0), R.choice(METHODS))
    if k < 0.82:
        return "%s.%s" % (expr(d - 1) if R.random() < 0.3 else atom(0), R.choice(ATTRS))
    if k < 0.88:
        return "%s[%s]" % (atom(0), R.choice(["0", "-1", "1:", ":2", "::-1", "'a'", "n", "5", "'items'", "0", "1:2", "::2"]))
    if k < 0.92:
        return "(%s)" % expr(d - 1)
    if k < 0.96:
        return "%s if %s else %s" % (expr(d - 1), expr(d - 1), expr(d - 1))
    return "%s %s" % (R.choice(["not", "-"]), atom(d))


def ws():
    return R.choice(["", "", "", " ", "\n", "  \n", "\n  ", "text", "\t", " \n\n"])


def sign():
    return R.choice(["", "", "", "-", "-", "+"])


def tag(body):
    return "{%" + sign() + " " + body + " " + R.choice(["", "", "-", "+"]) + "%}"


def block(d):
    k = R.random()
    out = ws()
    if d == 0 or k < 0.4:
        out += "{{" + R.choice(["", "-"]) + " " + expr() + " " + R.choice(["", "-"]) + "}}"
    elif k < 0.55:
        out += tag("if " + expr(2)) + body(d - 1) + (tag("elif " + expr(1)) + body(d - 1) if R.random() < 0.3 else "")
        out += (tag("else") + body(d - 1) if R.random() < 0.5 else "") + tag("endif")
    elif k < 0.7:
        inner = body(d - 1) + R.choice(["{{ x }}", "{{ loop.index }}", "{{ loop.last }}", "{{ loop.previtem }}", ""])
        out += tag("for x in " + expr(1) + R.choice(["", "", " if x"])) + inner + tag("endfor")
    elif k < 0.8:
        out += tag("set x = " + expr(2)) + ws() + "{{ x }}"
    elif k < 0.84:
        out += tag("set ns = namespace(a=0)") + tag("for i in l") + tag("set ns.a = ns.a + i") + tag("endfor") + "{{ ns.a }}"
    elif k < 0.9:
        out += tag("macro f(p, q=%s)" % atom(0)) + body(d - 1) + "{{ p }}{{ q }}" + tag("endmacro") + "{{ f(%s) }}" % expr(1)
    elif k < 0.94:
        out += tag("set x") + body(d - 1) + tag("endset") + "{{ x|length }}"
    elif k < 0.97:
        out += "{#" + R.choice(["", "-"]) + " c " + R.choice(["", "-"]) + "#}"
    else:
        out += tag("filter " + R.choice(["upper", "trim", "length", "indent(2)"])) + body(d - 1) + tag("endfilter")
    return out + ws()


def body(d):
    return "".join(block(d) for _ in range(R.randint(0, 2)))


def addresses(text):
    return any(x in text for x in (" at 0x", "<built-in", "<bound", "generator object", "jinja2.", "dict_items", "dict_keys", "<Macro", "<function"))


def main():
    wrong = ran = 0
    with tempfile.TemporaryDirectory() as d:
        chat, path = os.path.join(d, "c.json"), os.path.join(d, "t.jinja")
        with open(chat, "w") as f:
            json.dump(template_cases.VARS, f)
        for _ in range(COUNT):
            source = body(2) or block(1)
            want, why = render(source, template_cases.VARS)
            if want is not None and (addresses(want) or len(want) > 1 << 20):
                continue
            with open(path, "w", newline="") as f:
                f.write(source)
            p = subprocess.run([HONE, "render", "--template", path, "--chat", chat], capture_output=True)
            got = p.stdout.decode() if p.returncode == 0 else None
            ran += 1
            if got != want:
                wrong += 1
                if wrong <= 25:
                    print("%r\n  expected %r %s\n  found    %r %s" % (source[:500], want, why or "", got, p.stderr.decode().strip()))
    print("%d templates, %d differences" % (ran, wrong))
    sys.exit(wrong > 0)


main()

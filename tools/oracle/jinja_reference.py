"""jinja2 set up as transformers sets it up for chat templates.

Needs: pip install jinja2
"""
import copy
import datetime
import json

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """{% generation %} prints its body."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class Raised(Exception):
    pass


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise Raised(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def render(source, variables, clock=None):
    """(text, None) or (None, reason).  clock: seconds since 1970, what strftime_now tells in UTC."""
    try:
        given = {"tools": None, "documents": None, "add_generation_prompt": False}
        if clock is not None:
            now = datetime.datetime.fromtimestamp(clock, datetime.timezone.utc)
            given["strftime_now"] = now.strftime
        given.update(copy.deepcopy(variables)) # some filters change lists in place
        return environment().from_string(source).render(**given), None
    except RecursionError:
        return None, "recursion"
    except Exception as e:  # whatever Python raises is an error of the template
        return None, "%s: %s" % (type(e).__name__, e)

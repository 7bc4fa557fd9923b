"""Writes tests/data/template_cases.json: templates with what jinja2 makes of them.

Needs: pip install jinja2
Use:   template_cases.py > tests/data/template_cases.json
An expected text of null means that jinja2 fails.
"""
import json

from jinja_reference import render

VARS = {
    "s": "Hello World", "e": "", "u": "\u00e4\u00df\u4e2d\U0001f600 \u00ad\u2028x", "n": 3, "z": 0, "neg": -7, "f": 2.5, "big": 1e16, "tiny": 1e-5,
    "t": True, "no": False, "nil": None, "l": [1, 2, 3], "m": [3, "b", None, 1.0, True], "d": {"b": 1, "a": "x'y", "items": 5},
    "users": [{"name": "bob", "age": 5, "on": True}, {"name": "Al", "age": 9}, {"name": "cy", "age": 1, "on": False}],
    "q": "it's \"q\"\n\t\\", "html": "<a href='x'>&\"</a>", "lines": "a\nb\r\nc\n", "sp": "  pad\t\n", "nested": {"k": [{"v": [1, [2]]}]},
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": None}],
}

EXPRESSIONS = """
s|e|u|n|f|big|tiny|t|nil|l|m|d|q|html|missing|nested
1+2*3|7//2|-7//2|7/2|7%3|-7%3|2**10|2**-1|2**0.5|1.0+1|n*2.0|'a'*3|3*'ab'|[1]*2|'a'+'b'|'a'~1~none~1.5|[1]+[2]|(1,)+(2,)|not n|not z
n==3.0|1==true|'a'=='a'|none==none|missing==missing|l==[1,2,3]|(1,2)==[1,2]|1<2<3|1<3<2|'a'<'b'|[1,2]<[1,3]|n>=3|n!=3|1 in l|4 not in l|'ell' in s|'a' in d|1 in missing
n and s|z and s|z or s|z or e|nil or 'x'|s if t else e|s if no|(s if no) is defined|1 if missing else 2
s[0]|s[-1]|s[99]|s[1:4]|s[::-1]|s[:-2]|u[2]|u[1:3]|l[0]|l[-1]|l[7]|l[1:]|l[::2]|l[:0]|d['a']|d.a|d.items|d['items']|d.nope|d['nope']|d.nope.x|nil.x|nil['x']|s.x|users[0].name|users[0]['age']|users.0.name|nested.k[0].v[1][0]|l[10:]|l[-2:]|l[5:1:-1]
s|upper;s|lower;s|title;s|capitalize;u|upper;u|lower;'\u00df'|upper;s|length;l|length;d|length;missing|length;nil|length;n|length
sp|trim;'xxaxx'|trim('x');s|replace('l','L');s|replace('l','L',1);s|reverse;l|reverse|list;s|first;l|last;[]|first;e|first;l|sum;l|max;l|min;[]|max;m|length;s|list;d|list;missing|list
l|join(', ');m|join('-');users|join(',',attribute='name');users|map(attribute='name')|list;users|map(attribute='on',default='?')|list;l|map('string')|join;s|map('upper')|join('.')
users|selectattr('on')|list;users|selectattr('on','defined')|list;users|rejectattr('on')|map(attribute='name')|list;users|selectattr('age','gt',3)|list;l|select('odd')|list;l|reject('eq',2)|list;l|select('in',[1,3])|list
users|sort(attribute='age')|map(attribute='name')|list;users|sort(attribute='name')|map(attribute='name')|list;['b','A','c']|sort;['b','A','c']|sort(case_sensitive=true);l|sort(reverse=true);[1,'a']|sort
d|dictsort;d|items|list;d|dictsort(by='value');[1,1,2,'A','a']|unique|list;l|batch(2)|list;l|batch(2,0)|list;l|slice(2)|list;users|groupby('on')|list
d|tojson;l|tojson;u|tojson;q|tojson;html|tojson;nil|tojson;t|tojson;f|tojson;big|tojson;d|tojson(indent=2);[]|tojson(indent=2);{}|tojson(indent=2);[[],{}]|tojson(indent=1);u|tojson(ensure_ascii=true);d|tojson(sort_keys=true);d|tojson(separators=(',',':'));missing|tojson;(1,2)|tojson;{1:2,none:3,true:4,1.5:5}|tojson
missing|default('x');nil|default('x');nil|default('x',true);e|default('x',true);e|d('x');s|string;n|string;f|string;d|string;'5'|int;'5.7'|int;'x'|int;'x'|int(7);f|int;'2.5'|float;'x'|float;n|float;'0x1F'|int(base=16);nil|int;l|int
-3|abs;neg|abs;(-2.5)|abs;2.5|round;3.5|round;2.567|round(2);2.1|round(method='ceil');n|round;1234|round(-2)
html|e;html|escape|e;html|safe;html|safe+'<';('<'|safe)~'<';html|forceescape;'<b>'|safe|upper
'a b'|urlencode;{'a':'b c','d':1}|urlencode;'%s-%d'|format('x',3);'%05.1f|%5s|%-5s|'|format(2.25,'a','b');'a\nb\n\nc'|indent(2);'a\nb'|indent(2,true);'a\n\nb'|indent(2,blank=true);'a'|indent('>>',first=true)
s|center(21);'one two three four'|truncate(9);'one two three'|truncate(7,true,'!');'a b-c_d e'|wordcount;1000|filesizeformat;123456789|filesizeformat;1|filesizeformat
s|nope;s is nope;l|attr('x');s|attr('upper') is defined
s is string;n is number;t is number;t is integer;n is integer;f is float;t is boolean;l is sequence;s is sequence;d is sequence;nil is sequence;missing is sequence;d is mapping;l is mapping;l is iterable;s is iterable;nil is iterable;missing is iterable
nil is none;missing is none;missing is undefined;s is defined;n is odd;n is even;4 is divisibleby 2;n is divisibleby(2);'a' is lower;'A' is upper;'aB' is lower;n is eq 3;n is ne 3;n is gt 2;n is in [3];s is not string;t is true;n is true;no is false;z is false;s is callable;range is callable;n is sameas 3;nil is sameas none;'upper' is filter;l is escaped
s.split();s.split('o');s.split('o',1);s.rsplit('o',1);'a,,b'.split(',');''.split();''.split(',');' a  b '.split();' a  b '.split(None,1);sp.strip();sp.lstrip();sp.rstrip();'xxaxx'.strip('x');'abcba'.lstrip('ab');lines.splitlines();lines.splitlines(true)
s.startswith('He');s.endswith(('x','ld'));s.startswith('l',2);s.find('o');s.find('zz');s.rfind('o');s.index('W');s.index('zz');s.count('l');s.upper();s.lower();s.title();s.capitalize();'they\'re bill'.title();s.replace('l','');s.replace('','-');'a-b'.partition('-');'a-b-c'.rpartition('-');'ab'.join(['1','2']);','.join([1]);'7'.zfill(3);'-7'.zfill(4);'a'.center(4,'*');'a'.ljust(3)~'|';'a'.rjust(3);'abc'.removeprefix('ab');'abc'.removesuffix('bc')
'a1'.isalnum();'a'.isalpha();'1'.isdigit();' '.isspace();''.isspace();'A'.isupper();'a'.islower();'{} {}'.format(1,'x');'{0}{1}{0}'.format('a','b');'{x}'.format(x=3);'{!r}'.format('a');'{{}}'.format()
d.get('a');d.get('zz');d.get('zz',4);d.keys()|list;d.values()|list;d.items()|list;d['keys']()|list;l.index(2);l.index(9);l.count(1);l.append(4);d.pop('a');d.update({});s.nope()
range(3)|list;range(1,7,2)|list;range(5,0,-2)|list;range(0)|list;range(1000000)|list;dict(a=1)|tojson;dict({'a':1},b=2);namespace(a=1).a;[1,2,][0];(1,);();{'a':1,};{};[[1]]
true;True;false;none;None;1_000;0x1f;0b101;0o17;1e3;1.5e-3;1.0;100000000000000000000.0;1e15;123456789.125;0.1+0.2;1e22;-0.0;1/3
'a\\nb';'a\\'b';"a\\"b";'\\u00e9';'\\x41';'\\q';'a' 'b';"it's";'\\\\';'\\101'
nil+1;s+1;l+1;s+nil;s-1;1+'a';missing+1;-s;l*l;1/0;1%0;1//0;nil<1;'a'<1;1 in 5;1 in nil;'a' in 5;1 in 'a';{}[[]];missing();nil();5();s.x.y;missing.x;missing['x'];missing[0];l['a'];d[l];{l:1};raise_exception('boom');raise_exception()
1 if 1;1 +;(;[1;{'a' 1};'a;1 2;{% x %};|;s|;is;in;not;.a;a..b;a[];a(b c);f(a=1,2)
[1,2]|join|int + 1;-1|abs;-n|abs;2*-3;--n;not not n;not n == 3;n is not none and s;1 ~ 2 + 3;2 + 3 ~ 1;2 ** 3 ** 2;-2 ** 2;(1,2)[0];'a' if n else 'b' if z else 'c';l|first + 1;s|length > 3;'x' in s|lower;n is odd or z;1 == 1 == 1;1 < n <= 3 < 4
"""

STATEMENTS = [
    "{% for x in l %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem }}|{{ loop.nextitem }};{% endfor %}", "{% for x in l %}{{ loop.cycle('a','b') }}{% endfor %}",
    "{% for x in [1,1,2] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in [] %}x{% else %}none{% endfor %}", "{% for x in missing %}x{% endfor %}",
    "{% for x in nil %}x{% endfor %}", "{% for x in n %}x{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|items %}{{ k }}{% endfor %}", "{% for a, b in [[1,2],[3]] %}{{ a }}{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% break %}", "{% for x in [[1,[2]],[3]] recursive %}{{ x if x is number else loop(x) }}{% endfor %}",
    "{% for x in l %}{{ loop }}{% endfor %}", "{% for a in l %}{% for b in l %}{{ loop.index }}{{ a }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns }}",
    "{% set d.x = 1 %}", "{% set x.y = 1 %}", "{% set a, b = 1, 2 %}{{ b }}{{ a }}", "{% set a, b = 1 %}", "{% set x %}a{{ n }}b{% endset %}{{ x }}{{ x|length }}", "{% set x|upper %}abc{% endset %}{{ x }}",
    "{% if n %}a{% elif z %}b{% else %}c{% endif %}", "{% if z %}a{% elif n %}b{% else %}c{% endif %}", "{% if z %}a{% elif z %}b{% else %}c{% endif %}", "{% if missing %}a{% endif %}",
    "{% if missing.x %}a{% endif %}", "{% if missing.x is defined %}a{% endif %}", "{% if n %}{% set y = 5 %}{% endif %}{{ y }}",
    "{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(b=1, a=2) }} {{ f() }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(c=2) }}",
    "{% macro f(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}", "{% macro f(n) %}{% if n %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ later }}{% endmacro %}{% set later = 7 %}{{ f() }}", "{% macro f() %}{{ i }}{% endmacro %}{% for i in l %}{{ f() }}{% endfor %}", "{% for i in l %}{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f() %}{% set n = 9 %}{{ n }}{% endmacro %}{{ f() }}{{ n }}", "{% macro f() %}x{% endmacro %}{{ f }}{{ f.name }}", "{% macro f() %}<b>{% endmacro %}{{ f()|upper }}{{ f() ~ 'x' }}{{ f() is string }}",
    "{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}in{{ n }}{% endcall %}", "{% macro f() %}[{{ caller(5) }}]{% endmacro %}{% call(x) f() %}{{ x }}{% endcall %}", "{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a','b')|upper %}aac{% endfilter %}", "{% with x = 1, y = x %}{{ x }}{{ y }}{% endwith %}{{ x }}", "{% with %}{% set q2 = 1 %}{{ q2 }}{% endwith %}{{ q2 }}",
    "{% raw %}{{ x }}{% y %}{% endraw %}", "a {%- raw -%}  {{ x }}  {%- endraw -%} b", "{% generation %}a{{ n }}{% endgeneration %}b", "{# comment #}x{#- y -#} z", "a\n{# c #}\nb", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}",
    "{% do l %}", "{% endif %}", "{% if n %}", "{% for x in l %}", "{{ n", "{% if n", "{{ }}", "{% set %}", "{% unknown %}", "{{ 'a' }", "}} %} #}", "{ { n } }", "{{ '{{' }}{{ '%}' }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': 1}['a'] }}",
    "{%- if n -%}  a  {%- endif -%}  b", "  {% if n %}\n  a\n  {% endif %}\n  b\n", "x  {% if n %}\ny\n{% endif %}  \nz", "{% if n +%}\nx{% endif %}", "  {%+ if n %}x{% endif %}", "  {{- n -}}  x", "  {{ n }}\n", "\n\n{{ n }}\n\n", "a\r\nb\r\n", "a\rb",
    "{% for x in l -%}\n  {{ x }}\n{%- endfor %}", "\t{% set a = 1 %}\t\n{{ a }}", "{{ n }}{% if n %}\n\n{% endif %}", "a{# x #}  \n  {# y #}\n b", "{{ n -}}\n\n  b", "\u3000{%- if n %}x{% endif %}", "a \u00a0{%- if n %}x{% endif -%}\u2003 b",
    "{{ messages|selectattr('role','equalto','user')|list|length }}", "{% for m in messages %}{{ '<|' + m['role'] + '|>' + (m['content'] or '') }}{% endfor %}", "{% for m in messages %}{{ m.content + 'x' }}{% endfor %}",
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}{{ system }}{{ loop_messages|length }}",
    "{{ tools }}{{ tools is none }}{{ tools is defined }}{{ documents is none }}{{ add_generation_prompt }}{{ bos_token }}", "{% set j = joiner(',') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}",
    "{{ raise_exception('no ' ~ n) }}", "{% if true %}{{ raise_exception('x') }}{% endif %}", "{{ (1,2,3)|list }}{{ (1) }}{{ 1, 2 }}", "{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }},{% endfor %}{% endfor %}", "{% set x = [] %}{% for i in l %}{% set x = x + [i] %}{% endfor %}{{ x }}",
    "{{ '%s' % 'a' }}{{ '%d%%' % 5 }}{{ '%s %s' % (1, 2) }}", "{{ '%d' % 'a' }}", "{% set x = '' %}{% if x is not none and x | length == 0 %}empty{% endif %}", "{{ [1, 2, 3][1:][0] }}{{ 'abc'[1:]|upper }}", "{{ users | map('attr', 'name') | list }}",
    "{% for i in [] %}{{ 1|nope }}{% endfor %}", "{% if no %}{{ 1|nope }}{% endif %}a", "{% if no %}{% for i in [] %}{{ 1|nope }}{% endfor %}{% endif %}a", "{% if no %}{% macro f() %}{{ 1 is nope }}{% endmacro %}{% endif %}a",
    "{% for i in l %}{% if no %}{{ i|from_json }}{% endif %}{% endfor %}a", "{{ 2 if t else 1|nope }}", "{{ n or 1|nope }}", "{{ true or 1|nope }}", "{% if no %}{% set x %}{{ 1|nope }}{% endset %}{% endif %}a", "{% if no %}{% for i in 1|nope %}{% endfor %}{% endif %}a",
    "{% if no %}{% generation %}{{ 1|nope }}{% endgeneration %}{% endif %}a", "{% if no %}{% elif no and 1|nope %}{% endif %}a",
    "{{ '%5s|%-5s|%.1s|%.3s' % (u[:2], u[0], u[2], 'abcdef') }}", "{{ '%x %X %#x %o %#o %d % d %+d' % (-255, 255, 255, 8, -8, -3.9, 5, 5) }}", "{{ '%05d|%-5d|%5.1f|%05.1f|%+.2e|%g' % (-42, 7, 2.25, -2.25, 12345.678, 0.0001) }}",
    "{{ '%d' % 1e300 }}", "{{ '%c%c' % ('x', 228) }}", "{{ '%c' % 'xy' }}", "{{ '%.60f' % 0.1 }}", "{{ '%450d' % 1 }}", "{{ '%f %e' % (-0.0, 0) }}", "{{ 'abc' % missing }}{{ 'a' % {} }}{{ 'b' % [1] }}", "{{ '%s' % missing }}|{{ '%(a)s' % missing }}",
    "{% macro g(p, q=1) %}{{ p }}{{ q }}{{ kwargs }}{% endmacro %}{{ g(1, 2, q=3) }}{{ g(1, caller=4) }}{{ g(p=5) }}", "{% macro g(p, q=1) %}{{ p }}{{ q }}{% endmacro %}{{ g(1, 2, q=3) }}",
    "{% macro g(p) %}{{ p }}{% endmacro %}{{ g(1, caller=4) }}", "{% macro g(p) %}{{ p }}{% endmacro %}{% call g(1) %}x{% endcall %}", "{% macro g(p) %}{{ p }}{{ kwargs|length }}{% endmacro %}{% call g(1) %}x{% endcall %}",
    "{% macro g(p) %}{{ p }}{{ caller() }}{% endmacro %}{{ g(1) }}", "{% macro g() %}{{ caller(1) }}{% endmacro %}{% call(a, b=2) g() %}{{ a }}{{ b }}{% endcall %}",
    "{% set ns = namespace() %}{{ ns.x }}{{ ns.x is defined }}", "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}", "{{ {'a': 1} == {'a': 1.0} }}", "{{ users | map(attribute='name') | join(', ') }}", "{{ nested | tojson }}{{ nested.k[0].v | tojson(indent=4) }}",
]


def main():
    templates = []
    for line in EXPRESSIONS.strip("\n").split("\n"):
        # a line is separated by ; where it holds filters, else by |
        parts = line.split(";") if ";" in line else line.split("|")
        templates += ["{{ %s }}" % p for p in parts]
    templates += STATEMENTS
    cases = []
    for t in templates:
        text, why = render(t, VARS)
        if text is not None and (" at 0x" in text or "<built-in" in text or "<bound" in text or "generator object" in text or "jinja2." in text):
            continue  # prints addresses or classes
        cases.append({"template": t, "text": text})
    print(json.dumps({"variables": VARS, "cases": cases}, ensure_ascii=True, indent=0))


if __name__ == "__main__":
    main()

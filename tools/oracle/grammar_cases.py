#!/usr/bin/env python3
"""grammar_cases.py: texts and whether a schema accepts them, judged by the Python package
jsonschema (with its format checks, `pip install jsonschema[format-nongpl]`).

    grammar_cases.py > tests/data/grammar_cases.json      hand-made and some random cases
    grammar_cases.py --diff build/release/hone N [MODEL]  N random schemas against `hone grammar`

Objects are written in the order that hone documents: listed properties in the order of
the schema, then others."""
import json
import random
import subprocess
import sys
import tempfile

import jsonschema

FORMATS = jsonschema.FormatChecker()


def validator(schema):
    cls = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    return cls(schema, format_checker=FORMATS)


def accepted(schema, text):
    def no_constant(_):
        raise ValueError
    try:
        value = json.loads(text, parse_constant=no_constant)
    except ValueError:
        return False
    return validator(schema).is_valid(value)


# -- hand-made: schema, texts ---------------------------------------------------------------

D4 = 'http://json-schema.org/draft-04/schema#'
D7 = 'http://json-schema.org/draft-07/schema#'
LIST = {'type': 'object', 'properties': {'v': {'type': 'integer'}, 'next': {'$ref': '#'}},
        'required': ['v'], 'additionalProperties': False}
ANIMALS = {'oneOf': [
    {'type': 'object', 'properties': {'kind': {'const': 'cat'}, 'lives': {'type': 'integer'}},
     'required': ['kind', 'lives'], 'additionalProperties': False},
    {'type': 'object', 'properties': {'kind': {'const': 'dog'}, 'name': {'type': 'string'}},
     'required': ['kind'], 'additionalProperties': False}]}

SHAPES = {'type': 'object', 'required': ['type'], 'oneOf': [
    {'required': ['at'], 'properties': {'type': {'enum': [name]},
                                        'at': {'type': 'array', 'minItems': n, 'items': {'type': 'number'}}}}
    for n, name in ((1, 'point'), (2, 'line'), (3, 'ring'))]}  # told apart by what only the frame requires

HAND = [
    (SHAPES, ['{"type": "point", "at": [1]}', '{"type": "line", "at": [1]}', '{"type": "ring", "at": [1, 2, 3]}',
              '{"type": "ring"}', '{"at": [1, 2, 3]}', '{"type": "box", "at": [1]}']),
    (True, ['1', 'null', '{"a": [1, {"b": ""}]}', '', '[', '01', '1.', '.5', '+1', 'nul', '"\\x"',
            '"\\ud83e\\udd99"', '"a\tb"', '-0', '1e5', '1E+2', '-', '[1,]', '{"a":1,}',
            '{"a" : 1}', '[\n  1,\n  2\n]', 'tru', 'NaN', '"\u007f\u2028"', '"\\/"']),
    ({'type': 'null'}, ['null', '0', '""', 'nul']),
    ({'type': 'boolean'}, ['true', 'false', '0', '"true"']),
    ({'type': 'string'}, ['""', '"a\\n"', '1', '"', '"\\u0061"', '"\u00e9"']),
    ({'type': 'integer'}, ['1', '-7', '0', '-0', '1.0', '1.5', '00', '12345678901234567890', '1.00']),
    ({'type': 'number'}, ['1', '1.5', '1e5', '-2.5E-3', '75.0', '1.', '"1"']),
    ({'type': ['string', 'null']}, ['null', '"x"', '1']),
    ({'$schema': D4, 'type': 'integer'}, ['1', '-12', '1.0']),
    ({'enum': [1, 'a', None, True, [1, 2], {'k': 'v'}]},
     ['1', '1.0', '"a"', '"\\u0061"', 'null', 'true', 'false', '[1, 2]', '[1,2.0]', '[1]', '[1, 2, 3]',
      '{"k": "v"}', '{"k":"w"}', '{"\\u006b":"v"}', '{}', '2']),
    ({'const': 1.5}, ['1.5', '1.50', '15', '1', '"1.5"']),
    ({'const': 'a"b\n\u00e9'}, ['"a\\"b\\n\u00e9"', '"a\\u0022b\\u000a\\u00e9"', '"a\\"b\\n"', '"a"']),
    ({'const': False}, ['false', '0', 'true']),
    ({'minimum': 5, 'type': 'number'}, ['5', '4', '12', '4.999', '5.0', '-5', '100', '5.001']),
    ({'minimum': -1.5, 'maximum': 15, 'type': 'number'},
     ['-1.5', '-1.51', '-1.50', '-0', '0.0', '15', '15.0', '15.01', '14.999', '-2', '150', '9']),
    ({'exclusiveMinimum': 0, 'type': 'number'}, ['0', '0.0', '-0', '0.000', '0.001', '1', '-1', '0.10']),
    ({'exclusiveMaximum': 0.25, 'exclusiveMinimum': -0.25, 'type': 'number'},
     ['0', '0.25', '0.250', '0.249', '-0.249', '-0.25', '0.2500001', '-0']),
    ({'type': 'integer', 'minimum': 10, 'maximum': 120}, ['9', '10', '99', '100', '120', '121', '1000', '1']),
    ({'type': 'integer', 'maximum': -3}, ['-3', '-2', '-4', '-30', '0', '3']),
    ({'minimum': -9223372036854775808, 'maximum': 9223372036854775807, 'type': 'integer'},
     ['9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809', '0']),
    ({'multipleOf': 3}, ['0', '3', '4', '-9', '300', '301', '3.0', '"x"', '3.5']),
    ({'multipleOf': 0.25, 'type': 'number'}, ['0.25', '75.0', '1', '0.3', '0.125', '2.50', '-0.75']),
    ({'multipleOf': 7, 'minimum': 15, 'maximum': 40, 'type': 'integer'},
     ['14', '21', '28', '35', '42', '22', '2']),
    ({'minLength': 2, 'maxLength': 3},
     ['"a"', '"ab"', '"abc"', '"abcd"', '"\U0001f999\U0001f999"', '"\\ud83e\\udd99\\n"', '"\\n"', '"e\u0301"', '5']),
    ({'type': 'string', 'maxLength': 32767}, ['""', '"' + 'x' * 300 + '"']),
    ({'pattern': '^x'}, ['"x"', '"xy"', '"yx"', '"\\u0078"', '1']),
    ({'type': 'string', 'pattern': 'b+c'}, ['"abbcd"', '"bc"', '"ac"', '"\\u0062c"', '"b\\nc"', '"bbb"']),
    ({'type': 'string', 'pattern': '^.$'}, ['"\U0001f999"', '"ab"', '"\\n"', '"\\""', '""']),
    ({'type': 'string', 'pattern': '^[^A]$'}, ['"\\""', '"A"', '"\\u0041"', '"\\n"', '"\u00e9"']),
    ({'type': 'string', 'pattern': '^(?:[a-z]{2,3}|\\d+)(-[A-Z]{2})?$'},
     ['"en"', '"eng-GB"', '"e"', '"12-AB"', '"engl"', '"en-G"']),
    ({'type': 'string', 'pattern': '^(?!foo)[a-z]+$'}, ['"foo"', '"food"', '"bar"', '"fo"', '""']),
    ({'type': 'string', 'pattern': '^(?=.*\\d)(?=.*[a-z]).{4,8}$'},
     ['"a1"', '"abc1"', '"abcd"', '"1234"', '"12345678a"', '"abcdefg7"']),
    ({'type': 'string', 'pattern': '^a|b$'}, ['"a"', '"ax"', '"xb"', '"xa"', '"xbx"', '"b"']),
    ({'type': 'string', 'pattern': '^\\s+\\w\\W$'}, ['" a-"', '"\\ta-"', '"a-"', '" ab"']),
    ({'type': 'string', 'pattern': '^[a-c]{1,3}$', 'maxLength': 2}, ['"a"', '"ab"', '"abc"', '""', '"d"']),
    ({'format': 'date', 'type': 'string'},
     ['"2024-02-29"', '"2023-02-29"', '"1900-02-29"', '"2000-02-29"', '"2024-04-31"', '"2024-13-01"', '"2024-1-1"']),
    ({'format': 'date-time', 'type': 'string'},
     ['"2024-02-29T12:00:00Z"', '"2024-02-29T12:00:00.5+01:00"', '"2024-02-30T12:00:00Z"', '"2024-02-29 12:00"']),
    ({'format': 'uuid', 'type': 'string'},
     ['"2eb8aa08-aa98-11ea-b4aa-73b441d16380"', '"2eb8aa08aa9811eab4aa73b441d16380"', '"x"']),
    ({'format': 'ipv4', 'type': 'string'}, ['"1.2.3.4"', '"256.1.1.1"', '"1.2.3"', '"01.2.3.4"']),
    ({'format': 'ipv6', 'type': 'string'},
     ['"::1"', '"1:2:3:4:5:6:7:8"', '"1::2::3"', '"::ffff:1.2.3.4"', '"12345::"', '"1:2:3:4:5:6:7"', '"::"']),
    ({'format': 'no-such-format', 'type': 'string'}, ['"x"', '1']),
    ({'items': {'type': 'integer'}, 'minItems': 1, 'maxItems': 3, 'type': 'array'},
     ['[]', '[1]', '[1, 2, 3]', '[1,2,3,4]', '["a"]', '[1, ]']),
    ({'prefixItems': [{'type': 'string'}, {'type': 'integer'}], 'items': False, 'type': 'array'},
     ['[]', '["a"]', '["a", 1]', '["a", 1, 2]', '[1]']),
    ({'prefixItems': [{'type': 'string'}], 'items': {'type': 'boolean'}, 'minItems': 2, 'type': 'array'},
     ['["a"]', '["a", true]', '["a", true, false]', '["a", 1]', '[true, true]']),
    ({'$schema': D7, 'items': [{'type': 'string'}], 'additionalItems': False, 'type': 'array'},
     ['[]', '["a"]', '["a", 1]', '[1]']),
    ({'contains': {'const': 5}, 'type': 'array'}, ['[]', '[5]', '[1, 5, 2]', '[1]', '[5, 5]', '["5"]']),
    ({'contains': {'type': 'string'}, 'minContains': 2, 'maxItems': 4, 'type': 'array'},
     ['["a"]', '["a", "b"]', '[1, "a", 2, "b"]', '[1, "a", 2, 3, "b"]', '["a", 1, "b"]', '[]']),
    ({'uniqueItems': True, 'maxItems': 1, 'type': 'array'}, ['[]', '[1]', '[1, 1]']),
    ({'type': 'object', 'properties': {'a': {'type': 'integer'}, 'b': {'type': 'string'}}},
     ['{}', '{"a": 1}', '{"b": "x"}', '{"a": 1, "b": "x"}', '{"a": "x"}', '{"\\u0061": "x"}', '{"c": [1]}',
      '{"a": 1, "\\u0061": "x"}', '{"aa": "x"}', '{"": 0}']),
    ({'type': 'object', 'properties': {'a': True, 'b': True, 'c': True}, 'required': ['b'],
      'additionalProperties': False},
     ['{}', '{"b": 1}', '{"a": 1, "b": 2}', '{"a": 1, "b": 2, "c": 3}', '{"b": 2, "c": 3}', '{"a": 1}', '{"b":1,"d":2}']),
    ({'type': 'object', 'required': ['q', 'p']}, ['{"q": 1, "p": 2}', '{"q": 1}', '{}', '{"q":1,"p":2,"z":3}']),
    ({'type': 'object', 'patternProperties': {'^x': {'type': 'integer'}, 'y$': {'minimum': 5}},
      'additionalProperties': {'type': 'null'}},
     ['{"x": 1}', '{"x": "a"}', '{"xy": 7}', '{"xy": 3}', '{"ay": 9}', '{"b": null}', '{"b": 1}', '{"\\u0078": "a"}']),
    ({'type': 'object', 'properties': {'xa': {'maximum': 3}}, 'patternProperties': {'^x': {'type': 'integer'}},
      'additionalProperties': False}, ['{"xa": 3}', '{"xa": 4}', '{"xa": 2.5}', '{"xb": 9}', '{"c": 1}']),
    ({'propertyNames': {'pattern': '^[a-z]+$', 'maxLength': 3}, 'type': 'object'},
     ['{}', '{"abc": 1}', '{"abcd": 1}', '{"A": 1}', '{"\\u0061": 1}']),
    ({'minProperties': 1, 'maxProperties': 2, 'type': 'object'},
     ['{}', '{"a": 1}', '{"a": 1, "b": 2}', '{"a": 1, "b": 2, "c": 3}']),
    ({'type': 'object', 'properties': {'a': True, 'b': True, 'c': True}, 'additionalProperties': False,
      'minProperties': 2, 'maxProperties': 2},
     ['{"a": 1}', '{"a": 1, "c": 2}', '{"b": 1, "c": 2}', '{"a": 1, "b": 2, "c": 3}', '{}']),
    ({'type': 'object', 'properties': {'a': True, 'b': True}, 'dependentRequired': {'a': ['b']}},
     ['{}', '{"a": 1}', '{"b": 1}', '{"a": 1, "b": 2}', '{"c": 1}']),
    ({'$schema': D4, 'dependencies': {'a': ['b']}, 'properties': {'a': {}, 'b': {}}, 'type': 'object'},
     ['{"a": 1}', '{"b": 1}', '{"a": 1, "b": 2}']),
    ({'dependencies': {'a': ['b']}, 'type': 'object'}, ['{"a": 1}']),
    ({'$schema': D7, 'dependencies': {'a': {'properties': {'b': {'type': 'string'}}}},
      'properties': {'a': True, 'b': True}}, ['{"a": 1, "b": 2}', '{"a": 1, "b": "x"}', '{"b": 2}', '3']),
    ({'properties': {'a': {'type': 'integer'}}}, ['1', '"x"', '[1]', '{"a": 1}', '{"a": "x"}', 'null']),
    ({'maxLength': 2}, ['"abc"', '"ab"', '123456', '{"abc": 1}']),
    ({'anyOf': [{'type': 'integer', 'minimum': 10}, {'type': 'string', 'maxLength': 1}]},
     ['10', '9', '"a"', '"ab"', 'null']),
    ({'properties': {'k': {'type': 'string'}}, 'type': 'object',
      'anyOf': [{'required': ['k']}, {'required': ['z']}]}, ['{"k": "a"}', '{"z": 1}', '{}', '{"k": 1, "z": 1}']),
    ({'oneOf': [{'type': 'integer'}, {'minimum': 2}]}, ['1', '2', '2.5', '1.5', '"a"']),
    ({'oneOf': [{'multipleOf': 2}, {'multipleOf': 3}], 'type': 'integer'}, ['2', '3', '6', '1', '12', '9']),
    ({'oneOf': [{'pattern': '^a'}, {'pattern': 'z$'}], 'type': 'string'}, ['"a"', '"z"', '"az"', '"b"', '"abz"']),
    (ANIMALS, ['{"kind": "cat", "lives": 9}', '{"kind": "dog"}', '{"kind": "dog", "lives": 1}', '{"kind": "cat"}',
               '{"kind": "cow"}']),
    ({'type': 'object', 'properties': {'a': {}, 'b': {}}, 'oneOf': [{'required': ['a']}, {'required': ['b']}]},
     ['{"a": 1}', '{"b": 1}', '{"a": 1, "b": 1}', '{}', '{"c": 1}']),
    ({'allOf': [{'properties': {'a': {'type': 'integer'}}, 'required': ['a']},
                {'properties': {'a': {'minimum': 3}, 'b': {'type': 'null'}}}], 'type': 'object'},
     ['{"a": 3}', '{"a": 2}', '{"a": 3.5}', '{"a": 5, "b": null}', '{"b": null}']),
    ({'allOf': [{'anyOf': [{'minimum': 5}, {'maximum': -5}]}, {'anyOf': [{'multipleOf': 2}, {'multipleOf': 7}]}],
      'type': 'integer'}, ['6', '4', '-6', '7', '9', '-7', '0', '-4']),
    ({'not': {'type': 'string'}}, ['1', '"a"', 'null', '{}']),
    ({'not': {'enum': ['a', 1]}, 'type': ['string', 'integer']}, ['"a"', '"\\u0061"', '"b"', '1', '2', '""', '1.0']),
    ({'type': 'string', 'not': {'pattern': 'x'}}, ['"a"', '"ax"', '"\\u0078"', '""']),
    ({'type': 'number', 'not': {'minimum': 3}}, ['2', '3', '2.999', '-7', '30']),
    ({'type': 'object', 'not': {'required': ['a']}}, ['{}', '{"b": 1}', '{"a": 1}', '{"\\u0061": 1}']),
    ({'type': 'object', 'not': {'properties': {'a': {'type': 'string'}}, 'required': ['a']}},
     ['{}', '{"a": 1}', '{"a": "x"}', '{"b": 1}']),
    ({'type': 'object', 'properties': {'a': {}}, 'not': {'properties': {'a': {}}, 'additionalProperties': False}},
     ['{}', '{"a": 1}', '{"b": 1}', '{"a": 1, "b": 2}', '{"\\u0061": 1}', '{"a": 1, "b": 2, "c": 3}']),
    ({'oneOf': [{'type': 'object', 'properties': {'a': {'type': 'string'}}, 'additionalProperties': False},
                {'type': 'object', 'properties': {'b': {'type': 'string'}}, 'additionalProperties': False}]},
     ['{}', '{"a": "x"}', '{"b": "x"}', '{"a": "x", "b": "y"}', '{"a": 1}', '{"c": "x"}']),
    ({'oneOf': [{'type': 'object', 'properties': {'a': {'type': 'string'}}},
                {'type': 'object', 'properties': {'a': {'type': 'string'}, 'b': {}}, 'additionalProperties': False}]},
     ['{}', '{"a": "x"}', '{"a": "x", "b": 1}', '{"a": "x", "c": 1}', '{"c": 1}', '{"a": 1, "c": 1}']),
    ({'type': 'object', 'not': {'patternProperties': {'^x': False}}}, ['{}', '{"x": 1}', '{"a": 1}', '{"a": 1, "xy": 2}']),
    ({'type': 'array', 'not': {'items': {'type': 'integer'}}}, ['[]', '[1]', '["a"]', '[1, "a", 2]']),
    ({'not': {'anyOf': [{'type': 'object'}, {'type': 'array'}, {'minimum': 10}]}}, ['{}', '[]', '9', '10', '"a"']),
    ({'if': {'properties': {'t': {'const': 'n'}}, 'required': ['t']}, 'then': {'properties': {'v': {'type': 'number'}}},
      'else': {'properties': {'v': {'type': 'string'}}}, 'properties': {'t': {'enum': ['n', 's']}, 'v': True},
      'required': ['t', 'v'], 'type': 'object'},
     ['{"t": "n", "v": 1}', '{"t": "n", "v": "a"}', '{"t": "s", "v": "a"}', '{"t": "s", "v": 1}', '{"t": "x", "v": 1}']),
    ({'type': 'integer', 'if': {'minimum': 10}, 'then': {'multipleOf': 10}}, ['9', '10', '11', '20', '-3']),
    (LIST, ['{"v": 1}', '{"v": 1, "next": {"v": 2}}', '{"v": 1, "next": {}}', '{"v":1,"next":{"v":2,"next":{"v":3}}}']),
    ({'$ref': '#/$defs/a%20b', '$defs': {'a b': {'type': 'integer'}}}, ['1', '"x"']),
    ({'$ref': '#/$defs/t', 'minimum': 3, '$defs': {'t': {'type': 'integer'}}}, ['3', '2', '3.5']),
    ({'$schema': D7, '$ref': '#/definitions/t', 'minimum': 3, 'definitions': {'t': {'type': 'integer'}}}, ['3', '2']),
    ({'$defs': {'tree': {'type': 'object', 'properties': {'kids': {'type': 'array', 'items': {'$ref': '#/$defs/tree'}}},
                         'additionalProperties': False}}, '$ref': '#/$defs/tree'},
     ['{}', '{"kids": []}', '{"kids": [{}, {"kids": [{}]}]}', '{"kids": [1]}', '{"kids": [{"x": 1}]}']),
    ({'type': 'object', 'properties': {'a"b\\': {'type': 'integer'}, '\u00e9\n': {'type': 'null'}},
      'additionalProperties': False},
     ['{"a\\"b\\\\": 1}', '{"a\\u0022b\\u005c": 1}', '{"\u00e9\\n": null}', '{"\\u00E9\\u000A": null}', '{"a": 1}']),
    ({'_format': 'date', 'x-any': 3, 'description': 'd', 'type': 'string'}, ['"x"']),
]


# -- random schemas ---------------------------------------------------------------------------

NAMES = ['a', 'b', 'ab', 'id', '\u00e9', 'x"y']
WORDS = ['', 'a', 'b', 'ab', 'abc', 'foo', 'x1', '42', '\u00e9', 'a"b', 'line\n', '\U0001f999', 'zz-top']
PATTERNS = ['^a', 'b$', '^[a-c]*$', '\\d', '^(foo|x\\d)$', '^[^a]*$', '^.{2,3}$', '^$|z']
NUMBERS = [0, 1, 2, 3, 5, 7, 10, 12, 99, 100, 101, -1, -2, -10, 0.5, 2.5, -0.25, 1000, 10.0]


def random_number(r):
    s = {'type': r.choice(['integer', 'number'])}
    for key in ('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'):
        if r.random() < 0.3:
            s[key] = r.choice(NUMBERS)
    if r.random() < 0.2:
        s['multipleOf'] = r.choice([2, 3, 5, 10, 0.5, 0.25])
    return s


def random_string(r):
    s = {'type': 'string'}
    if r.random() < 0.3:
        s['minLength'] = r.randrange(3)
    if r.random() < 0.3:
        s['maxLength'] = r.randrange(1, 5)
    if r.random() < 0.4:
        s['pattern'] = r.choice(PATTERNS)
    return s


def random_array(r, depth):
    s = {'type': 'array'}
    if r.random() < 0.8:
        s['items'] = random_schema(r, depth - 1)
    if r.random() < 0.3:
        s['prefixItems'] = [random_schema(r, depth - 1) for _ in range(r.randrange(1, 3))]
    if r.random() < 0.3:
        s['minItems'] = r.randrange(3)
    if r.random() < 0.3:
        s['maxItems'] = r.randrange(4)
    if r.random() < 0.15:
        s['contains'] = random_schema(r, depth - 1)
    return s


def random_object(r, depth):
    s = {'type': 'object'}
    names = r.sample(NAMES, r.randrange(4))
    if names:
        s['properties'] = {n: random_schema(r, depth - 1) for n in names}
        s['required'] = [n for n in names if r.random() < 0.4]
    if r.random() < 0.3:
        s['patternProperties'] = {p: random_schema(r, depth - 1) for p in r.sample(PATTERNS, r.randrange(1, 3))}
    if r.random() < 0.5:
        s['additionalProperties'] = r.choice([False, False, True, random_schema(r, depth - 1)])
    if r.random() < 0.15:
        s['maxProperties'] = r.randrange(1, 4)
    if r.random() < 0.15:
        s['minProperties'] = r.randrange(1, 3)
    if r.random() < 0.1:
        s['propertyNames'] = random_string(r)
    if r.random() < 0.1:
        s['dependentRequired'] = {r.choice(NAMES): [r.choice(NAMES)]}
    return s


def random_schema(r, depth):
    kind = r.random()
    if depth <= 0 or kind < 0.5:
        return r.choice([random_number, random_string])(r) if kind > 0.1 else r.choice([
            True, {'type': 'null'}, {'type': ['boolean', 'string']}, {'enum': r.sample(WORDS + NUMBERS + [None, True], 3)},
            {'const': r.choice(WORDS + NUMBERS)}, {'type': 'integer'}, {}])
    if kind < 0.6:
        return random_array(r, depth)
    if kind < 0.8:
        return random_object(r, depth)
    key = r.choice(['anyOf', 'oneOf', 'allOf', 'not', 'if'])
    s = random_schema(r, depth - 1) if r.random() < 0.5 else {}
    s = dict(s) if isinstance(s, dict) else {}
    if key == 'not':
        s['not'] = random_schema(r, depth - 1)
    elif key == 'if':
        s['if'], s['then'], s['else'] = (random_schema(r, depth - 1) for _ in range(3))
    else:
        s[key] = [random_schema(r, depth - 1) for _ in range(r.randrange(1, 4))]
    return s


def random_value(r, schema, depth=4):
    """A value that is near to satisfying the schema."""
    if not isinstance(schema, dict) or depth == 0 or r.random() < 0.08:
        return r.choice(WORDS + NUMBERS + [None, True, False, [], {}, [1], {'a': 1}, ['a', None]])
    if 'const' in schema:
        return schema['const']
    if 'enum' in schema:
        return r.choice(schema['enum'])
    for key in ('anyOf', 'oneOf', 'allOf'):
        if key in schema and r.random() < 0.8:
            return random_value(r, r.choice(schema[key]), depth)
    if 'if' in schema and r.random() < 0.8:
        return random_value(r, schema[r.choice(['if', 'then', 'else'])], depth)
    kind = schema.get('type', r.choice(['string', 'number', 'object', 'array']))
    kind = r.choice(kind) if isinstance(kind, list) else kind
    if kind == 'object':
        v = {}
        for name, sub in schema.get('properties', {}).items():
            if name in schema.get('required', []) or r.random() < 0.6:
                v[name] = random_value(r, sub, depth - 1)
        for name in WORDS:
            if r.random() < 0.06 and name not in v:
                sub = schema.get('additionalProperties', True)
                v[name] = random_value(r, sub, depth - 1)
        return v
    if kind == 'array':
        n = r.choice([0, 1, 1, 2, 3])
        prefix = schema.get('prefixItems', [])
        return [random_value(r, prefix[i] if i < len(prefix) else schema.get('items', schema.get('contains', True)), depth - 1)
                for i in range(n)]
    if kind == 'null':
        return None
    if kind == 'boolean':
        return r.random() < 0.5
    if kind in ('integer', 'number'):
        bounds = [schema[k] for k in ('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum') if k in schema]
        step = schema.get('multipleOf', r.choice([1, 1, 0.5]))
        v = r.choice(bounds + [0]) + step * r.randrange(-2, 3) if r.random() < 0.8 else r.choice(NUMBERS)
        return int(v) if v == int(v) and r.random() < 0.9 else v
    return r.choice(WORDS)


def listed(schema, out):
    """Names in the order in which the schema lists them."""
    if isinstance(schema, dict):
        for key, v in schema.items():
            if key == 'properties':
                out += v
            elif key in ('allOf', 'anyOf', 'oneOf'):
                for s in v:
                    listed(s, out)
            elif key in ('if', 'then', 'else'):
                listed(v, out)
    return out


def simple(schema):
    """No combinator: only then is the order of names one order."""
    if isinstance(schema, dict):
        return all(k not in ('allOf', 'anyOf', 'oneOf', 'not', 'if', 'patternProperties', 'dependentRequired', 'contains', 'minProperties') and simple(v)
                   for k, v in schema.items() if k not in ('enum', 'const'))
    return not isinstance(schema, list) or all(simple(s) for s in schema)


def permutations(value, names):
    """Spellings of the value with its members in several orders, the likeliest first."""
    if isinstance(value, list):
        parts = [permutations(v, names) for v in value]
        n = max([len(p) for p in parts], default=1)
        return [[p[i % len(p)] for p in parts] for i in range(n)]
    if not isinstance(value, dict):
        return [value]
    import itertools
    first = sorted(value, key=lambda n: names.index(n) if n in names else 99)
    out = []
    for order in itertools.islice(itertools.permutations(first), 24):
        subs = [permutations(value[n], names) for n in order]
        for i in range(max([len(s) for s in subs], default=1)):
            out.append({n: s[i % len(s)] for n, s in zip(order, subs)})
            if len(out) >= 48:
                return out
    return out


def spell(r, value):
    text = json.dumps(value, ensure_ascii=False)
    if r.random() < 0.1:
        text = json.dumps(value, ensure_ascii=False, separators=(',', ':'))
    elif r.random() < 0.1:
        text = json.dumps(value, indent=2)
    elif r.random() < 0.1 and 'a' in text:
        text = text.replace('"a', '"\\u0061')
    return text


def random_case(r, n_text=6):
    schema = random_schema(r, 3)
    values = [random_value(r, schema) for _ in range(n_text)]
    names = listed(schema, [])
    return schema, [[spell(r, p) for p in permutations(v, names)] for v in values]


# -- against the program ------------------------------------------------------------------------

def run_hone(hone, model, schema, texts):
    with tempfile.NamedTemporaryFile('w', suffix='.json') as f:
        json.dump(schema, f)
        f.flush()
        cmd = [hone, 'grammar'] + ([model] if model else []) + ['--schema', f.name, '--jsonl']
        r = subprocess.run(cmd, input=''.join(json.dumps(t) + '\n' for t in texts), capture_output=True,
                           text=True, timeout=300)
    if r.returncode:
        return None, r.stderr.strip()
    return [json.loads(line)['accepted'] for line in r.stdout.splitlines()], ''


def diff(hone, n, model, seed):
    r = random.Random(seed)
    refused, checked, wrong, positive, reasons = 0, 0, 0, 0, {}
    for i in range(n):
        schema, groups = random_case(r)
        texts = [t for g in groups for t in g]
        got, why = run_hone(hone, model, schema, texts)
        want = [accepted(schema, g[0]) for g in groups]
        if got is None:
            if 'no value satisfies' in why and any(want):
                print('WRONG: unsatisfiable?', json.dumps(schema), groups[want.index(True)][0])
                wrong += 1
            elif 'no value satisfies' not in why:
                refused += 1
                key = why.split("': ", 1)[-1] + ' ' + why.rsplit(": '", 1)[-1].split("'")[0]
                reasons[key] = reasons.get(key, 0) + 1
            continue
        at = 0
        for g, w in zip(groups, want):
            have = any(got[at:at + len(g)])
            at += len(g)
            checked += 1
            positive += w
            if have != w:
                wrong += 1
                print('WRONG: expected', w, json.dumps(schema), g[0])
    print(f'{n} schemas, {refused} refused, {checked} texts ({positive} valid), {wrong} wrong')
    for why, k in sorted(reasons.items(), key=lambda x: -x[1]):
        print(f'  {k:5} {why}')


def main():
    if len(sys.argv) > 3 and sys.argv[1] == '--diff':
        diff(sys.argv[2], int(sys.argv[3]), (sys.argv[4] if len(sys.argv) > 4 else "") or None,
             int(sys.argv[5]) if len(sys.argv) > 5 else 1)
        return
    cases = [{'schema': s, 'texts': [[t, accepted(s, t)] for t in texts]} for s, texts in HAND]
    r = random.Random(7)
    while len(cases) < len(HAND) + 150:
        schema, groups = random_case(r, 4)
        if simple(schema):
            cases.append({'schema': schema, 'texts': [[g[0], accepted(schema, g[0])] for g in groups]})
    print('[')
    print(',\n'.join(json.dumps(c) for c in cases))
    print(']')


main()

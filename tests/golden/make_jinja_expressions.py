#!/usr/bin/env python3
"""Writes jinja_expressions.json: small templates and what jinja2 makes of them, in transformers' environment.

Usage: make_jinja_expressions.py   (needs transformers 5 and jinja2; no model, no network)

A case is [template, text], or [template, null] where jinja2 raises. The variables are VARIABLES.
"""
import copy
import itertools
import json
import pathlib
import random

from transformers.utils.chat_template_utils import _compile_jinja_template

OUT = pathlib.Path(__file__).resolve().parent / "jinja_expressions.json"
VARIABLES = {
    "text": " The Quick-brown fox,\n jumps (over) it's \"dog\" ", "word": "añb漢🙂", "empty": "", "n": 7, "neg": -3, "zero": 0,
    "x": 2.5, "yes": True, "no": False, "nothing": None, "names": ["b", "A", "c", "a"], "nums": [3, 1, 2.5, 1],
    "none_at_all": [], "user": {"name": "Ann", "age": 31, "items": "own", "tags": ["p", "q"]},
    "rows": [{"k": "x", "v": 1, "in": {"w": "u"}}, {"k": "Y", "v": 2, "in": {"w": "t"}}, {"k": "z", "v": 0}],
}
VALUES = ["text", "word", "empty", "n", "neg", "zero", "x", "yes", "no", "nothing", "names", "nums", "none_at_all", "user",
          "rows", "missing"]
PLAIN_FILTERS = ["trim", "length", "upper", "lower", "title", "capitalize", "first", "last", "list", "string", "int", "float",
                 "abs", "round", "reverse", "join", "join('-')", "tojson", "default('d')", "default('d', true)", "d",
                 "sort|join(' ')", "unique|list", "items|list", "dictsort", "max", "min", "sum", "replace('a', 'XY')",
                 "indent", "count", "map('string')|list", "select|list", "reject('none')|list", "safe"]
OTHER_FILTERS = [
    "text|trim(' T\"')", "text|replace(' ', '_', 2)", "text|indent(2, true)", "text|indent('> ', first=True, blank=true)",
    "word|replace('', '.')", "names|join(d=', ')", "rows|join('|', attribute='k')", "rows|map(attribute='v')|sum",
    "rows|map(attribute='in.w')|list|length", "rows|map(attribute='in.w', default='?')|join", "rows|sum(attribute='v')",
    "rows|selectattr('v')|map(attribute='k')|join", "rows|selectattr('v', 'gt', 0)|list|length",
    "rows|rejectattr('k', 'in', 'xz')|map(attribute='k')|join", "rows|rejectattr('in')|list", "rows|sort(attribute='k')|map(attribute='v')|list",
    "rows|selectattr('in', 'defined')|map(attribute='in')|map('tojson')|join", "names|sort", "names|sort(reverse=true)",
    "names|sort(case_sensitive=true)|join", "names|unique(case_sensitive=true)|list", "names|max", "nums|unique|list", "nums|sort|first",
    "names|map('upper')|join", "names|map('replace', 'a', 'o')|list", "names|select('in', 'ab')|list", "names|reject('equalto', 'A')|list",
    "user|dictsort(reverse=true)|first", "user.tags|tojson", "user|tojson(indent=2)", "user|tojson(sort_keys=true)",
    "nums|tojson(indent=1)", "none_at_all|tojson(indent=2)", "user|tojson(separators=(',', ':'))", "word|tojson", "word|tojson(ensure_ascii=true)",
    "text|tojson", "[1e100, 1e-7, 0.1, 100.0, 1e16, 123456789012345680.0, -0.0]|tojson", "x|round", "2.675|round(2)", "2.5|round", "-7.55|round(1, 'floor')",
    "7.1|round(method='ceil')", "'42.9'|int", "'z'|int(5)", "' 12 '|int", "'3.5e2'|float", "'q'|float(1.5)", "true|int", "-3.9|int",
    "'%s|%d|%r|%%' % ('a', 3.9, 'b')", "'%s' % names", "'%s-%s'|format(1, none)", "'a%sc' % 'b'", "'%d' % 'x'", "'%s %s' % 'x'",
    "'a-b c(d'|title", "'hello wORLD'|capitalize", "'hello wORLD'.title()", "'x'|safe + '<'", "'<' + 'x'|safe", "('a'|safe) ~ '<b>'",
    "missing|default", "nothing|default(1)", "user.nope|default('n')", "user|length", "user|list", "user|first", "word|first", "word|last", "word|list",
    "word|reverse", "word|length", "range(3)|list|string", "range(2, 8, 3)|join", "range(3)|length", "range(1000000)|length", "(1, 2)|last",
    "user|items|first", "user.items()|list", "[['a', 1], ['b', 2]]|map('first')|join", "rows|map(attribute=0)|list|length",
]
METHODS = [
    "strip()", "strip(' T')", "lstrip()", "rstrip()", "rstrip(' \"')", "split()", "split(',')", "split(' ', 1)", "split(none, 1)", "rsplit('o', 1)",
    "rsplit('o')", "startswith(' The')", "startswith(('x', ' '))", "endswith('dog')", "replace('o', '0')", "replace('o', '0', 1)", "upper()", "lower()",
    "title()", "capitalize()", "count('o')", "find('o')", "rfind('o')", "find('zz')", "index('o')", "index('zz')", "join(names)", "join(nums)", "partition(',')",
    "rpartition('o')", "partition('zz')", "rpartition('zz')", "splitlines()", "isalpha()", "isdigit()", "isspace()", "removeprefix(' The')", "removesuffix('zz')",
    "ljust(60)|length", "rjust(55, '*')", "nonesuch()", "split('')", "format(1)", "islower()", "isupper()", "isalnum()",
]
OTHER = [
    "user.items", "user['items']", "user.name", "user['name']", "user.get('name')", "user.get('q')", "user.get('q', 1)", "user.keys()|list", "user.values()|list",
    "user.keys()", "user.items()", "user.tags[0]", "user.tags.0", "user.tags[-1]", "user.tags[9]", "user.tags['0']", "user[0]", "user[nothing]", "user.nope.deeper", "missing.deeper",
    "missing[0]", "missing()", "user()", "user.tags.append('r')", "user.update({})", "names.pop()", "names.index('c')", "names.count('a')", "names.nope", "word[0]", "word[-1]", "word[5]",
    "word[1:3]", "word[::-1]", "word[::2]", "word[-2:]", "word[:-2]", "word[10:]", "word[3:1]", "names[1:]", "names[:-1]", "names[::-2]", "names[5:1:-1]", "names[missing:]", "names['a':]",
    "nums[0:2] + names[:1]", "(1, 2, 3)[1:]", "user[1:]", "(1,)", "()", "(1, 'a')", "[1, [2, none]]", "{'a': {'b': 1}, 1: 2}", "{'a': 1, 'a': 2}", "{[]: 1}", "'a' 'b'", "'it\\'s'", "\"\\x41\\u00e9\\n\"",
    "'a\\qb'", "1_000", "1.5e3", "1e3", "0", "012", "'\\101'", "true", "True", "none", "None", "1 if yes", "1 if no", "1 if no else 2", "(1 if no) is defined", "(1 if no).x", "1 if yes else missing.x",
    "yes and no or 'z'", "not yes", "not missing", "yes and missing", "missing or 'm'", "not no and no", "1 < 2 < 3", "1 < 3 < 2", "3 > 2 >= 2 != 1", "1 == 1.0", "1 == true", "'1' == 1", "none == missing",
    "missing == other", "missing != 1", "names == ['b', 'A', 'c', 'a']", "(1, 2) == [1, 2]", "{'a': 1} == {'a': 1.0}", "[1, 2] < [1, 3]", "(1, 'a') < (1, 'b')", "[1] < (2,)", "'a' < 'b'", "'Z' < 'a'", "'é' > 'z'",
    "'a' < 1", "missing < 1", "none < 1", "1 in nums", "'b' in names", "'own' in user", "'items' in user", "'ox' in text", "1 in text", "1 in 5", "'a' in missing", "missing in names", "missing in text", "'q' not in names",
    "[] in user", "2 + 3", "2 - 3.5", "'a' + 'b'", "'a' + 1", "1 + 'a'", "'a' + missing", "missing + 'a'", "[1] + [2]", "[1] + (2,)", "(1,) + (2,)", "2 * 3", "'ab' * 3", "3 * [0]", "'ab' * -1", "2.0 * 'a'", "7 / 2", "8 / 2",
    "1 / 0", "1 // 0", "1 % 0", "1.0 / 0", "7 // 2", "-7 // 2", "7 // -2", "7.5 // 2", "-7.5 // 2", "7 % 3", "-7 % 3", "7 % -3", "-7.5 % 2", "7.5 % -2", "2 ** 10", "2 ** -1", "2 ** 3 ** 2", "-2 ** 2", "4 ** 0.5", "+5", "-x", "-'a'",
    "+yes", "--3", "- 3|abs", "-3|abs", "(-3)|abs", "1 ~ 2 ~ 'c' ~ none ~ missing ~ 1.0 ~ true", "1 ~ 2 + 3", "1 + 2 ~ 3", "'a' ~ 'b' * 2", "2 * 3 ~ 4", "10 - 2 - 3", "100 / 10 / 2", "1 + 2 * 3", "(1 + 2) * 3", "7 is odd", "7 is even",
    "6 is divisibleby 3", "6 is divisibleby(4)", "x is odd", "'a' is odd", "1 is eq 1", "1 is ne(1)", "2 is gt 1", "2 is lessthan 1", "1 is in [1]", "1 is not in [1]", "'a' is in 'abc'", "yes is sameas true", "nothing is sameas(none)", "1 is sameas true",
    "n is not none", "missing is not defined", "not n is defined", "n is defined and x is defined", "n is number and n is not string", "user.name is defined", "user.nope is defined", "user.a.b is defined", "text is upper", "'abc' is lower",
    "'ABC 1' is upper", "namespace(a=1).a", "namespace(a=1).b", "namespace({'a': 1}, b=2).b", "namespace(_a=1)", "dict(a=1, b=2)", "dict({'a': 1}, b=2)", "namespace is defined", "range is callable", "raise_exception('no')", "raise_exception()",
    "'{} {}'.format(1, 'b')", "'{1}{0}{{}}'.format('a', 'b')", "'{k}'.format(k=none)", "'{}'.format()", "[1, 2,]", "{'a': 1,}", "n|nonesuch", "n is nonesuch", "1 +", "(1", "[1", "{'a' 1}", "a b", "'a", "1..2", "n.", "|upper", "n is", "n if", "not",
    "1 is defined is defined", "f(a=1, 2)", "f(1 2)", "{{ 1 }}", "'a' in 'abc' in ['abc']", "names|length > 3", "names|length + 1", "(names|length) ~ 'x'", "names[0]|upper ~ '!'", "user['tags'][1]", "user.tags | first | upper", "rows[0].in.w", "rows[-1]['k']",
    "rows[1]['in']['w'][0]", "'a,b'.split(',')[1]", "text.strip().split()[0].upper()", "text|trim|length", "''|first", "[]|last", "[]|first is defined", "[]|max", "word.upper()", "'ß'.lower()", "'ÀÉ'.lower()", "'\\u2028x\\x85y'.splitlines()", "['\\u00a0', '\\u200b', 'é', '\\x7f', '\\\\', \"'\", '\"', '\\'\"']",
]
STATEMENTS = [
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if not n %}a{% elif x %}b{% endif %}", "{% if missing %}a{% endif %}.", "{% if n == 7 and 'A' in names %}y{% endif %}",
    "{% for i in nums %}{{ i }},{% endfor %}", "{% for i in missing %}{{ i }}{% else %}none{% endfor %}", "{% for i in nothing %}{% endfor %}", "{% for i in 5 %}{% endfor %}", "{% for c in 'añ' %}[{{ c }}]{% endfor %}", "{% for k in user %}{{ k }} {% endfor %}",
    "{% for k, v in user.items() %}{{ k }}={{ v }} {% endfor %}", "{% for a, b in nums %}{% endfor %}", "{% for a, b in [(1, 2), [3, 4]] %}{{ a + b }} {% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for i in range(5) if i % 2 %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% endfor %}", "{% for i in nums if i > 9 %}x{% else %}nothing{% endfor %}", "{% for i in nums %}{{ loop.first }}{{ loop.last }}{{ loop.revindex }}{{ loop.revindex0 }} {% endfor %}",
    "{% for i in nums %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}", "{% for i in nums %}{% if loop.index == 2 %}{% continue %}{% endif %}{% if loop.index == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in nums %}{% break %}{% else %}e{% endfor %}",
    "{% for i in nums %}{% continue %}{% else %}e{% endfor %}", "{% for i in nums %}{% if loop.index > 1 %}{% break %}{% endif %}{% else %}e{% endfor %}", "{% for i in [1, 2] %}{% for j in 'ab' %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }}{% endfor %}", "{% break %}", "{{ loop }}", "{% for i in [1] %}{{ loop.nope }}{% endfor %}",
    "{% for i in [1] %}{{ loop.nope.x }}{% endfor %}", "{% for i in nums %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in nums %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}", "{% for i in 1, 2 %}{{ i }}{% endfor %}", "{% for i in nums %}{% set z = i %}{% endfor %}{{ z }}", "{% set z = 1 %}{% for i in nums %}{% set z = z + i %}{{ z }} {% endfor %}{{ z }}",
    "{% set z = namespace(v=1) %}{% for i in nums %}{% set z.v = z.v + i %}{% endfor %}{{ z.v }}", "{% set user.name = 'B' %}", "{% set z = namespace() %}{% set z.a = [1] %}{% set z.b = z.a + [2] %}{{ z.a }}{{ z.b }}{{ z.c }}", "{% set z = namespace() %}{% set z._a = 1 %}", "{% set a, b = 1, 'c' %}{{ b }}{{ a }}", "{% set a = 1, 2 %}{{ a }}", "{% set a, b = 1 %}",
    "{% set a %}  x {{ n }}\n{% endset %}[{{ a }}]", "{% set a | upper | trim %} x {{ n }} {% endset %}[{{ a }}]", "{% set a %}{% set b = 1 %}{% endset %}{{ b }}", "{% if n %}{% set b = 1 %}{% endif %}{{ b }}", "{% if no %}{% set n = 1 %}{% endif %}{{ n }}", "{% set true = 1 %}", "{% set n %}{% endset %}[{{ n }}]", "{% set names = names + ['z'] %}{{ names|join }}",
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(b=5, a=4) }}", "{% macro m(a) %}{{ a }}{% endmacro %}[{{ m() }}]", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(z=2) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, z=2) }}", "{% macro m(a) %}{{ n }}{% set n = 1 %}{{ n }}{% endmacro %}{{ m(1) }}{{ n }}",
    "{% macro m(k) %}{% if k > 0 %}{{ k }}{{ m(k - 1) }}{% endif %}{% endmacro %}{{ m(3) }}", "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{{ n }}{% endcall %}", "{% macro m() %}<{{ caller(1, 2) }}>{% endmacro %}{% call(a, b) m() %}{{ a }}-{{ b }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}in{% endcall %}", "{% macro m() %}{{ caller is defined }}{{ caller }}{% endmacro %}{{ m() }}", "{{ m() }}{% macro m() %}{% endmacro %}",
    "{% macro m() %}{{ late }}{% endmacro %}{% set late = 1 %}{{ m() }}", "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m() %} a {% endmacro %}{{ m()|trim ~ '!' }}", "{% filter upper %}a{{ n }}b{% endfilter %}", "{% filter replace('a', 'b')|title %}a{{ n }} ab{% endfilter %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}", "{% with a=1, b=2 %}{{ a + b }}{% endwith %}{{ a }}", "{% with a=n, n=1 %}{{ a }}{{ n }}{% endwith %}",
    "{% generation %}a{{ n }}{% endgeneration %}", "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q }}", "{% raw %}{{ a }}{% b %}{# c #}{% endraw %}", "a\n  {% raw %}\n x \n  {% endraw %}\nb", "a {%- raw -%} x {%- endraw -%} b", "{# a {{ b }} #}c", "a {#- b -#} c", "a\n  {# b #}\n  c", "a\n  {#+ b +#}\nc", "{#", "{% raw %}", "{% if %}{% endif %}", "{% if n %}", "{% endif %}", "{% nonesuch %}", "{% for %}{% endfor %}",
    "{% if n %}{% endfor %}", "{{ }}", "{%", "{{ n", "a }} b %} c #}", "{ {n} { % if % }", "{{ '}}' }}{{ '%}' }}", "{{ {'a': {'b': 1}}.a.b }}", "{{ {'a': {}}}}", "a\r\nb\rc\n", "a\n\n", "\n", "a\\nb", "{{ n }}\n", "{{ n }}\n\n", "{% if n %}\n\na\n\n{% endif %}\n\n", "  {% if n %}  a  {% endif %}  b", "a{% if n -%}\n\n b {%- endif %}\nc", "x  {{- n -}}  y", "x\n  {{ n }}\n  y", "x\n  {%+ if n %}a{% endif %}",
    "{% if n +%}\na{% endif %}", "x\u00a0{%- if n %}a{% endif %}", "\u00a0{% if n %}a{% endif %}", "{{ 'a' if n else }}", "{{ (1, 2)|join }}{{ 1, 2 }}", "{% set ns = namespace(a=1) %}{% if ns.a %}{% set ns.a = 0 %}{% endif %}{{ ns.a }}", "{%- set s = '' -%}\n{%- for i in names -%}\n{%- set s = s ~ i -%}\n{{- s -}}\n{%- endfor -%}", "{% for m in rows %}{{ m.k }}{{ '' if loop.last else ', ' }}{% endfor %}",
    "{% for i in range(3) %}\n  {{ i }}\n{% endfor %}\nend", "{% for i in range(2) -%}\n  {{ i }}\n{%- endfor %}\nend", "{% for i in range(2) %}{% set loop = 5 %}{{ loop }}{% endfor %}", "{{ n if n is defined and n > 5 else 'z' }}", "{% if n is defined and n > 5 or missing.x %}y{% endif %}", "{% if yes %}{% if no %}a{% else %}b{% endif %}{% endif %}", "{% do n %}", "{{ n }}",
    "{% for k in user|dictsort %}{{ k[0] }}{% endfor %}", "{% for i in names|map('upper') %}{{ i }}{{ loop.last }}{% endfor %}", "{% set g = names|map('upper') %}{{ g|list }}{{ g|list }}", "{% set g = names|map('upper') %}{{ g|length }}", "{% set g = names|reverse %}{{ 'A' in g }}{{ g|join }}", "{% set g = names|select %}{{ g[0] }}", "{% set g = names|select %}{{ g|first }}{{ g|join }}", "{{ names|reverse|first }}", "{% if names|select('equalto', 'q') %}t{% endif %}",
]


def random_expression(rng, depth):
    """A tree of operators over names and literals."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(VALUES + ["1", "2", "-1", "0.5", "'a'", "'b c'", "[1, 'a']", "{'k': 1}", "true", "none"])
    one = lambda: random_expression(rng, depth - 1)
    shape = rng.randrange(9)
    if shape == 0:
        return f"({one()} {rng.choice(['+', '-', '*', '//', '%', '~', '/'])} {one()})"
    if shape == 1:
        return f"({one()} {rng.choice(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in'])} {one()})"
    if shape == 2:
        return f"({one()} {rng.choice(['and', 'or'])} {one()})"
    if shape == 3:
        return f"({one()} if {one()} else {one()})"
    if shape == 4:
        return f"({one()} is {rng.choice(['', 'not '])}{rng.choice(['defined', 'none', 'string', 'mapping', 'iterable', 'sequence', 'number', 'boolean', 'true', 'false', 'integer', 'float', 'undefined'])})"
    if shape == 5:
        return f"({one()}|{rng.choice(['length', 'string', 'list', 'first', 'last', 'upper', 'trim', 'int', 'tojson', 'join', 'default(1)'])})"
    if shape == 6:
        return f"({one()})[{rng.choice(['0', '-1', ':1', '1:', '::-1', repr('k'), repr('name')])}]"
    if shape == 7:
        return f"({one()}).{rng.choice(['name', 'k', 'strip()', 'items()|list', 'tags', 'upper()'])}"
    return f"(not {one()})"


def templates():
    for value, name in itertools.product(VALUES, PLAIN_FILTERS):
        yield f"{{{{ {value}|{name} }}}}"
    for name in ["boolean", "callable", "false", "float", "integer", "iterable", "mapping", "none", "number", "sequence", "string", "true", "undefined"]:
        yield "".join(f"{{{{ {value} is {name} }}}}," for value in VALUES)
    for value in ["text", "word"]:
        yield from (f"{{{{ {value}.{method} }}}}" for method in METHODS)
    yield from (f"{{{{ {expression} }}}}" for expression in OTHER_FILTERS + OTHER)
    yield from STATEMENTS
    rng = random.Random(20240726)
    for _ in range(150):
        yield f"{{{{ {random_expression(rng, 3)} }}}}"
    marks = ["", "-", "+"]
    gaps = ["", " ", "\n", " \n ", "x\n  "]
    for _ in range(80):
        gap = lambda: rng.choice(gaps)
        yield (f"{gap()}{{%{rng.choice(marks)} if n {rng.choice(marks)}%}}{gap()}{{{{{rng.choice(['', '-'])} n {rng.choice(['', '-'])}}}}}"
               f"{gap()}{{#{rng.choice(marks)} c {rng.choice(marks)}#}}{gap()}{{%{rng.choice(marks)} endif {rng.choice(marks)}%}}{gap()}y")


# jinja2 folds constants with other rules for a slice of a dict than it has when it renders.
EXCLUDED = {"{{ ((not ({'k': 1})[::-1])).tags }}"}


def expected(template):
    try:
        # A copy: jinja2's own indent filter appends to a list that it is given.
        return _compile_jinja_template(template).render(**copy.deepcopy(VARIABLES))
    except Exception:
        return None


def main():
    cases = {template: expected(template) for template in templates() if template not in EXCLUDED}
    rows = [json.dumps([template, text], ensure_ascii=False, separators=(",", ":")) for template, text in cases.items()
            if text is None or (" at 0x" not in text and len(text) < 400)]
    variables = json.dumps(VARIABLES, ensure_ascii=False)
    OUT.write_text(f'{{"variables": {variables},\n"cases": [\n' + ",\n".join(rows) + "\n]}\n")
    print(len(rows), "cases,", sum(row.endswith(",null]") for row in rows), "of them errors")


if __name__ == "__main__":
    main()

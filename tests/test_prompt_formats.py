"""Templates in all formats: what they are filled with, and what they never do, whoever writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.nodes.extras import MissingExtraError
from anabranch.nodes.prompts.string_prompts import PromptTemplate
from anabranch.nodes.prompts.template_formats import READERS, get_template_variables, read_template
from anabranch.nodes.prompts.templates import TemplateError

each_format = pytest.mark.parametrize("template_format", READERS)
HOLE = {"f-string": "{%s}", "mustache": "{{{%s}}}", "jinja2": "{{ %s }}"}


class Secret:
    """Shows itself, and betrays who reads more of it."""

    def __str__(self) -> str:
        return "shown"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # what Python and the libraries ask of every object
        raise AssertionError(f"read {name}")

    def __getitem__(self, key: object) -> Any:
        raise AssertionError(f"read {key!r}")

    def __call__(self, *args: object, **kwargs: object) -> Any:
        raise AssertionError("called")

    def secret(self) -> str:
        raise AssertionError("called a method")

    leak = "leaked"


class Hidden(Secret):
    """The same, with attributes that are there."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("secret", "leak", "upper", "items"):
            raise AssertionError(f"read {name}")
        return super().__getattribute__(name)


def filled(template: str, template_format: str, value: Any) -> str | None:
    """What becomes of a template, if it can be made and filled."""
    try:
        read = read_template(template, template_format)
        assert all(isinstance(name, str) for name in read.variables)
        assert set(read.variables) <= read.reads
        return read.fill(dict.fromkeys(read.variables, value))
    except TemplateError:
        return None


PIECES = """
    { } {{ }} {% %} {{{ }}} {# #} # ^ / > & ! = . [ ] ( ) | : ' " 0 1 , x y _ __class__ x.leak x['leak'] x[0] x.secret()
    x.__class__ |attr('leak') |map(attribute='leak') |list |format(x) |join(',') for in if endfor endif set macro
    endmacro range(3) loop.index loop self {{x}} {{#x}} {{/x}} {{^x}} {{.}} {x} {x!r} {x:>5} {x:{y}}
"""
pieces = st.sampled_from([*PIECES.split(), "\n"])


@each_format
@settings(max_examples=60)
@given(st.lists(pieces, max_size=9), st.sampled_from([Secret(), Hidden(), [Hidden()], {"leak": Hidden()}]))
@example(["{{x.leak}}"], Hidden())
@example(["{{x['leak']}}"], Hidden())
@example(["{{x|map(attribute='leak')|list}}"], [Hidden()])
@example(["{{#x}}", "{{leak}}", "{{/x}}"], [Hidden()])
@example(["{% for y in x %}{{ y.leak }}{% endfor %}"], [Hidden()])
@example(["{% macro m() %}{% endmacro %}{% for m in x %}{{ m() }}{% endfor %}"], [Hidden()])
@example(["{{ x|sort(attribute='leak') }}{{ x|groupby('leak') }}"], [Hidden()])
@example(["{% set y = x %}{{ y.leak }}"], Hidden())
@example(["{{ '{0.leak}'.format(x) }}"], Hidden())
@example(["{{ '%(leak)s' | format(leak=x) }}"], Hidden())
def test_no_template_reads_into_a_value_or_calls_it(template_format: str, parts: list[str], value: Any) -> None:
    filled(" ".join(parts), template_format, value)
    filled("".join(parts), template_format, value)


@each_format
@settings(max_examples=80)
@given(st.text("{}%#^/&!=.[]|:'\"x_ \n\\", max_size=20))
def test_any_text_is_a_template_or_refused_as_one(template_format: str, text: str) -> None:
    filled(text, template_format, "value")


@each_format
@settings(max_examples=50)
@given(st.text(max_size=20))
@example("{x} {{x}} {{{x}}} {% x %} {{ x.leak }}")
def test_values_stand_as_they_are_whatever_braces_they_have(template_format: str, value: str) -> None:
    prompt = PromptTemplate.from_template(f"<{HOLE[template_format] % 'x'}>", template_format=template_format)  # type: ignore[arg-type]
    assert prompt.format(x=value) == f"<{value}>"


@each_format
@pytest.mark.parametrize("inside", ["x.__class__", "x.__class__.__mro__", "x[0]", "x.__init__.__globals__"])
def test_what_reads_into_a_variable_is_refused_when_the_prompt_is_made(template_format: str, inside: str) -> None:
    with pytest.raises(TemplateError, match=r"can't be used"):
        PromptTemplate.from_template(HOLE[template_format] % inside, template_format=template_format)  # type: ignore[arg-type]


def test_an_unusable_prompt_is_a_value_error_that_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"\{a.b\} reads into a variable; pass what it should show") as caught:
        PromptTemplate.from_template("{a.b}")
    assert type(caught.value) is TemplateError


@each_format
def test_keys_of_dicts_are_read_where_the_format_has_them(template_format: str) -> None:
    if template_format == "f-string":
        return
    template = read_template(HOLE[template_format] % "user.name", template_format)
    assert template.variables == ("user",)
    assert template.structured == {"user"}
    assert template.fill({"user": {"name": "Ada"}}) == "Ada"
    assert template.fill({"user": {}}) == ""
    with pytest.raises(TemplateError, match="reads keys of dicts only; pass a dict"):
        template.fill({"user": Hidden()})


# Mustache

MUSTACHE: list[tuple[str, Mapping[str, Any], str]] = [
    ("{{x}} {{{x}}} {{&x}}", {"x": '<&>"'}, '&lt;&amp;&gt;&quot; <&>" <&>"'),
    ("{{#l}}{{.}},{{/l}}", {"l": [1, 2]}, "1,2,"),
    ("{{#p}}{{n}}{{out}};{{/p}}{{^p}}none{{/p}}", {"p": [{"n": 1}, {"n": 2}], "out": 5}, "15;25;"),
    ("{{#p}}{{n}}{{/p}}{{^p}}none{{/p}}", {"p": []}, "none"),
    ("{{#a}}{{b.c}}{{/a}}", {"a": {"b": {}}, "b": {"c": "outside"}}, "outside"),
    ("{{#a.b}}{{c}}{{/a.b}}", {"a": {"b": {"c": 3}}}, "3"),
    ("a{{! not shown }}b", {}, "ab"),
    ("a\n{{#x}}\nb\n{{/x}}\nc\n", {"x": True}, "a\nb\nc\n"),
    ("{{=<% %>=}}<% x %>{{x}}", {"x": 1}, "1{{x}}"),
    ("{{x}}{{y}}", {"x": None, "y": 0}, "0"),
    ("{{x}}", {"x": "{{y}}", "y": 1}, "{{y}}"),
    ("{{.}}", {}, ""),
]


@one_after_another(("template", "values", "expected"), MUSTACHE)
def test_mustache_is_filled_as_others_fill_it(template: str, values: Mapping[str, Any], expected: str) -> None:
    assert read_template(template, "mustache").fill(values) == expected


@one_after_another(
    ("template", "told"),
    [
        ("{{x", "unclosed tag"),
        ("{{#x}}", "never closed"),
        ("{{/x}}", "was not opened"),
        ("{{}}", "can't be used"),
        ("a {{", "isn't closed"),
        ("{{> other}}", "another template"),
        ("{{x.0}}", "neither the name of a variable nor keys"),
        ("{{#x}}" * 500 + "{{/x}}" * 500, "nested more than 100 deep"),
    ],
)
def test_what_is_no_mustache_is_refused(template: str, told: str) -> None:
    with pytest.raises(TemplateError, match=told):
        read_template(template, "mustache")


def test_a_missing_variable_of_mustache_is_an_error_and_a_missing_key_is_not() -> None:
    prompt = PromptTemplate.from_template("{{#user}}{{name}} {{age}}{{/user}}", template_format="mustache")
    assert prompt.input_variables == ["user"]
    assert prompt.format(user={"name": "Ada"}) == "Ada "
    with pytest.raises(KeyError, match="no value for 'user'"):
        prompt.format()


# Jinja

JINJA: list[tuple[str, Mapping[str, Any], str]] = [
    ("{{x}} {% for i in y %}{{loop.index}}{{i}},{% endfor %}", {"x": 1, "y": "ab"}, "1 1a,2b,"),
    ("{% if x %}yes{% else %}no{% endif %}", {"x": ""}, "no"),
    ("{{ x | upper }} {{ x | length }}", {"x": "ab"}, "AB 2"),
    ("{{ x['key'] }}{{ x.key }}", {"x": {"key": 1}}, "11"),
    ("{{ x.key | default('none') }} {{ x.a.b }}", {"x": {}}, "none "),
    ("{% for k, v in x | items %}{{k}}={{v}};{% endfor %}", {"x": {"a": 1}}, "a=1;"),
    ("{{ x | map(attribute='n') | join(',') }}", {"x": [{"n": 1}, {"n": 2}]}, "1,2"),
    ("{% macro f(a) %}<{{a}}>{% endmacro %}{{ f(x) }}", {"x": 1}, "<1>"),
    ("{{ range(3) | list }}", {}, "[0, 1, 2]"),
    ("{{x}}\n", {"x": "<"}, "<"),
]


@one_after_another(("template", "values", "expected"), JINJA)
def test_jinja_is_filled_as_others_fill_it(template: str, values: Mapping[str, Any], expected: str) -> None:
    assert read_template(template, "jinja2").fill(values) == expected


@one_after_another(
    ("template", "told"),
    [
        ("{{x", "unexpected end"),
        ("{% include 'x' %}", "another template"),
        ("{% extends 'x' %}", "another template"),
        ("{% import 'x' as y %}", "another template"),
        ("{{ x() }}", "calls a variable"),
        ("{{ x.upper() }}", "calls a variable, or a method"),
        ("{{ cycler('a') }}", "calls a variable"),
        ("{{ x[:2] }}", "position"),
        ("{{ x[y] }}", "position"),
        ("{{ x | attr('y') }}", "No filter named 'attr'"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "forever"),
        ("{{ x | unheard_of }}", "No filter"),
    ],
)
def test_what_jinja_may_not_do_here_is_refused(template: str, told: str) -> None:
    with pytest.raises(TemplateError, match=told):
        read_template(template, "jinja2")


def test_no_value_stands_for_what_jinja_has_itself() -> None:
    assert read_template("{{ range(2) | list }}", "jinja2").fill({"range": Hidden()}) == "[0, 1]"


# Both, and what is around them


@each_format
def test_templates_of_one_text_are_equal_and_their_variables_are_told(template_format: str) -> None:
    text = f"{HOLE[template_format] % 'b'} {HOLE[template_format] % 'a'}"
    assert get_template_variables(text, template_format) == ["a", "b"]
    assert READERS[template_format](text) == READERS[template_format](text)


@pytest.mark.parametrize(
    ("template_format", "template", "told"),
    [
        ("f-string", "{x:.2f}", "variable 'x' can't be written as '{x:.2f}': Unknown format code.*'word'"),
        ("mustache", "{{x.y}}", "{{x.y}} reads into a value of type str: 'word'"),
        ("jinja2", "{{ 1 + x }}", "{{ 1 \\+ x }}.*unsupported operand"),
    ],
)
def test_a_value_that_cannot_be_shown_as_wanted_is_told(template_format: str, template: str, told: str) -> None:
    read = read_template(template, template_format)
    with pytest.raises(TemplateError, match=told):
        read.fill({"x": "word"})


def test_an_unknown_format_is_told_with_those_that_are_known() -> None:
    with pytest.raises(TemplateError, match="'latex'; expected one of f-string, mustache, jinja2"):
        PromptTemplate.from_template("x", template_format="latex")  # type: ignore[arg-type]


@pytest.mark.parametrize(("template_format", "library"), [("mustache", "chevron"), ("jinja2", "jinja2")])
def test_a_library_that_is_missing_is_named_with_its_extra(
    template_format: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anabranch.nodes.extras.find_spec", lambda module: None)
    with pytest.raises(MissingExtraError, match=rf"{library}.*anabranch\[{template_format}\]"):
        READERS[template_format]("x")

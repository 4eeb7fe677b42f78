"""Output parsers."""

from __future__ import annotations

import asyncio

from documented_programs.expected import gives
from documented_programs.jokes import Joke, words
from documented_programs.plain_data import caught, plain


@gives([["a", " ", "b", " ", "c"], "text", "x"])
def text_parser(L):
    chain = words(L, "a b c") | L.StrOutputParser()
    return list(chain.stream("q")), L.StrOutputParser().invoke("text"), L.StrOutputParser().parse("x")


@gives([{"Joke": {"setup": "Why?", "punchline": "Because"}}, True])
def pydantic_parser(L):
    parser = L.PydanticOutputParser(pydantic_object=Joke)
    prompt = L.PromptTemplate(
        template="Answer.\n{format_instructions}\n{query}\n",
        input_variables=["query"],
        partial_variables={"format_instructions": parser.get_format_instructions()},
    )
    chain = prompt | words(L, '{"setup": "Why?", "punchline": "Because"}') | parser
    return plain(chain.invoke({"query": "a joke"})), '"punchline"' in parser.get_format_instructions()


@gives(["OutputParserException", "OutputParserException", "OutputParserException"])
def pydantic_parser_on_bad_output(L):
    parser = L.PydanticOutputParser(pydantic_object=Joke)
    return [
        caught(lambda text=text: parser.parse(text), L.OutputParserException)
        for text in ("no json", '{"setup": "Why"}', '{"setup": "Why", "punchline": "x"}')
    ]


@gives([{"setup": "Why?", "punchline": "Because"}, "OutputParserException"])
def json_parser(L):
    parser = L.JsonOutputParser(pydantic_object=Joke)
    chain = words(L, '```json\n{"setup": "Why?", "punchline": "Because"}\n```') | parser
    return chain.invoke("q"), caught(lambda: parser.parse("nothing"), L.OutputParserException)


@gives(
    [{}, {"a": "one"}, {"a": "one "}, {"a": "one two"}, {"a": "one two", "b": [1]}, {"a": "one two", "b": [1, 2]}],
    there="a space at the end of a chunk comes with the next one",
)
def json_parser_streams(L):
    chain = words(L, '{"a": "one two", "b": [1, 2]}') | L.JsonOutputParser()
    return list(chain.stream("q"))


@gives(
    [
        [{"op": "replace", "path": "", "value": {}}],
        [{"op": "add", "path": "/a", "value": "one"}],
        [{"op": "replace", "path": "/a", "value": "one "}],
        [{"op": "replace", "path": "/a", "value": "one two"}],
        [{"op": "add", "path": "/b", "value": [1]}],
        [{"op": "add", "path": "/b/1", "value": 2}],
    ],
    there="a space at the end of a chunk comes with the next one",
)
def json_parser_streams_patches(L):
    chain = words(L, '{"a": "one two", "b": [1, 2]}') | L.JsonOutputParser(diff=True)
    return [list(patch) for patch in chain.stream("q")]


@gives({"joke": "x"})
def json_parser_without_a_schema(L):
    chain = L.PromptTemplate.from_template("{q}") | words(L, '{"joke": "x"}') | L.SimpleJsonOutputParser()
    return chain.invoke({"q": 1})


@gives([[["fr", "es"]], ["fr", "es"]])
def functions_on_a_stream_of_json(L):
    """A function takes the whole; a generator keeps the stream."""

    def names_of(inputs):
        return [country["name"] for country in inputs.get("countries", [])]

    def names_as_they_come(input_stream):
        seen = set()
        for input in input_stream:
            for country in input.get("countries", []):
                name = country.get("name")
                if name and name not in seen and "population" in country:
                    seen.add(name)
                    yield name

    text = '{"countries": [{"name": "fr", "population": 67}, {"name": "es", "population": 47}]}'
    return list((words(L, text) | L.JsonOutputParser() | names_of).stream("q")), list(
        (words(L, text) | L.JsonOutputParser() | names_as_they_come).stream("q")
    )


@gives([["a", "b", "c"], [["red"], ["blue"], ["green"]], ["one", "two"], ["one", "two"], True])
def list_parsers(L):
    comma = L.CommaSeparatedListOutputParser()
    return (
        comma.parse("a, b,c"),
        list((words(L, "red, blue, green") | comma).stream("q")),
        L.NumberedListOutputParser().parse("1. one\n2. two"),
        L.MarkdownListOutputParser().parse("- one\n* two"),
        "comma" in comma.get_format_instructions(),
    )


@gives([["hELLO tHERE"], "RunnableSequence"])
def parser_as_a_function(L):
    def parse(message):
        return message.content.swapcase()

    chain = words(L, "Hello There") | parse
    return list(chain.stream("q")), chain.get_name()


@gives(["hELLO", " ", "tHERE"])
def parser_as_a_generator(L):
    def streaming_parse(chunks):
        for chunk in chunks:
            yield chunk.content.swapcase()

    chain = words(L, "Hello There") | L.RunnableGenerator(streaming_parse)
    return list(chain.stream("q"))


@gives([True, "OutputParserException", [True, False], True, False])
def parser_by_subclassing(L):
    class BooleanOutputParser(L.BaseOutputParser):
        true_val: str = "YES"
        false_val: str = "NO"

        def parse(self, text):
            cleaned = text.strip().upper()
            if cleaned not in (self.true_val, self.false_val):
                raise L.OutputParserException(f"expected {self.true_val} or {self.false_val}, got {cleaned}")
            return cleaned == self.true_val

        @property
        def _type(self):
            return "boolean_output_parser"

    parser = BooleanOutputParser(true_val="OKAY")
    return (
        parser.invoke("OKAY"),
        caught(lambda: parser.invoke("MEOW"), L.OutputParserException),
        parser.batch(["OKAY", "NO"]),
        (words(L, "okay") | parser).invoke("q"),
        asyncio.run(parser.ainvoke("no")),
    )


@gives("tELL mE")
def parser_of_generations(L):
    class StrInvertCase(L.BaseGenerationOutputParser):
        def parse_result(self, result, *, partial=False):
            if len(result) != 1:
                raise NotImplementedError("one at a time")
            generation = result[0]
            if not isinstance(generation, L.ChatGeneration):
                raise L.OutputParserException("only for chats")
            return generation.message.content.swapcase()

    return (words(L, "Tell Me") | StrInvertCase()).invoke("q")


@gives(["A", " ", "B"])
def parser_that_transforms(L):
    class Upper(L.BaseTransformOutputParser):
        def parse(self, text):
            return text.upper()

    chain = words(L, "a b") | Upper()
    return list(chain.stream("q"))


@gives([True, "text", "ValueError"])
def output_parser_exception(L):
    error = L.OutputParserException("no", llm_output="text")
    return (
        isinstance(error, ValueError),
        error.llm_output,
        caught(lambda: L.OutputParserException("no", send_to_llm=True), ValueError),
    )

"""Structured output of models."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from documented_programs.expected import gives
from documented_programs.jokes import Joke, JokeDict, words
from documented_programs.plain_data import gathered, plain
from documented_programs.scripted import calling, scripted_model


@gives([{"Joke": {"setup": "Why?", "punchline": "So"}}, 2])
def retry_with_the_parsing_error(L):
    """The fault is told to the model, which answers anew."""
    parser = L.PydanticOutputParser(pydantic_object=Joke)
    model = scripted_model(L, '{"setup": "Why?"}', '{"setup": "Why?", "punchline": "So"}')

    @L.chain
    def parse_or_ask_again(question):
        answer = model.invoke(question)
        try:
            return parser.invoke(answer)
        except L.OutputParserException:
            return model | parser

    return plain(parse_or_ask_again.invoke("joke")), len(model.asked)


@gives([{"Joke": {"setup": "Why?", "punchline": "So"}}, "Joke"])
def structured_output_of_a_model(L):
    model = scripted_model(L, calling(L, "Joke", {"setup": "Why?", "punchline": "So"}))
    structured = model.with_structured_output(Joke)
    return plain(structured.invoke("a joke")), model.asked[0][1]["tools"][0]["function"]["name"]


@gives(
    [
        {"setup": "Why?", "punchline": "So"},
        [
            {
                "type": "function",
                "function": {
                    "name": "JokeDict",
                    "description": "A joke to tell.",
                    "parameters": {
                        "properties": {
                            "setup": {"description": "The setup of the joke", "type": "string"},
                            "punchline": {"description": "The punchline", "type": "string"},
                            "rating": {
                                "anyOf": [{"type": "integer"}, {"type": "null"}],
                                "default": None,
                                "description": "How funny, 1 to 10",
                            },
                        },
                        "required": ["setup", "punchline"],
                        "type": "object",
                    },
                },
            }
        ],
    ],
    there="None is not told to be allowed",
)
def structured_output_as_a_dict(L):
    model = scripted_model(L, calling(L, "JokeDict", {"setup": "Why?", "punchline": "So"}))
    return plain(model.with_structured_output(JokeDict).invoke("q")), model.asked[0][1]["tools"]


@gives(
    [
        {"setup": "Why?", "rating": 7},
        [
            {
                "type": "function",
                "function": {
                    "name": "joke",
                    "description": "A joke to tell.",
                    "parameters": {
                        "type": "object",
                        "properties": {
                            "setup": {"type": "string", "description": "the setup"},
                            "rating": {"type": "integer"},
                        },
                        "required": ["setup"],
                    },
                },
            }
        ],
    ]
)
def structured_output_of_a_json_schema(L):
    schema = {
        "title": "joke",
        "description": "A joke to tell.",
        "type": "object",
        "properties": {"setup": {"type": "string", "description": "the setup"}, "rating": {"type": "integer"}},
        "required": ["setup"],
    }
    model = scripted_model(L, calling(L, "joke", {"setup": "Why?", "rating": 7}))
    return plain(model.with_structured_output(schema).invoke("q")), model.asked[0][1]["tools"]


@gives(
    [
        {
            "raw": [
                "ai",
                "",
                {"tool_calls": [{"name": "Joke", "args": {"setup": "Why?", "punchline": "So"}, "id": "call_1"}]},
            ],
            "parsed": {"Joke": {"setup": "Why?", "punchline": "So"}},
            "parsing_error": None,
        },
        None,
        True,
        ["parsed", "parsing_error", "raw"],
    ]
)
def structured_output_with_the_raw_message(L):
    model = scripted_model(L, calling(L, "Joke", {"setup": "Why?", "punchline": "So"}), calling(L, "Joke", {"x": 1}))
    chain = model.with_structured_output(Joke, include_raw=True)
    good, bad = chain.invoke("q"), chain.invoke("q")
    return plain([good, bad["parsed"], bad["parsing_error"] is not None, sorted(bad)])


@gives({"FinalResponse": {"final_output": {"response": "hi"}}})
def structured_output_of_several_schemas(L):
    class ConversationalResponse(BaseModel):
        """Respond in a conversational manner."""

        response: str

    class FinalResponse(BaseModel):
        final_output: Joke | ConversationalResponse

    answer = calling(L, "FinalResponse", {"final_output": {"response": "hi"}})
    return plain(scripted_model(L, answer).with_structured_output(FinalResponse).invoke("q"))


@gives([{"setup": "Why?", "punchline": "So"}])
def structured_output_streams(L):
    model = scripted_model(L, calling(L, "JokeDict", {"setup": "Why?", "punchline": "So"}))
    return list(model.with_structured_output(JokeDict).stream("q"))


@gives({"Joke": {"setup": "Who?", "punchline": "Me"}})
def structured_output_in_a_few_shot_chain(L):
    prompt = L.ChatPromptTemplate([("system", "jokes on {about}"), ("human", "{input}")])
    chain = prompt | scripted_model(L, calling(L, "Joke", {"setup": "Who?", "punchline": "Me"})).with_structured_output(
        Joke
    )
    return plain(chain.invoke({"about": "birds", "input": "a woodpecker"}))


@gives({"People": {"people": [{"name": "Anna", "height_in_meters": 1.8}]}})
def parsing_by_prompting(L):
    class Person(BaseModel):
        """Information about a person."""

        name: str = Field(..., description="The name")
        height_in_meters: float

    class People(BaseModel):
        people: list[Person]

    parser = L.PydanticOutputParser(pydantic_object=People)
    prompt = L.ChatPromptTemplate.from_messages(
        [("system", "Wrap the output in `json` tags\n{format_instructions}"), ("human", "{query}")]
    ).partial(format_instructions=parser.get_format_instructions())
    chain = prompt | words(L, '{"people": [{"name": "Anna", "height_in_meters": 1.8}]}') | parser
    return plain(chain.invoke({"query": "Anna is 1.8 m"}))


@gives([{"a": 1}, {"b": 2}])
def parsing_with_a_function_of_ones_own(L):
    import json
    import re

    def extract_json(message):
        return [json.loads(match) for match in re.findall(r"```json(.*?)```", message.content, re.DOTALL)]

    chain = words(L, 'first ```json{"a": 1}``` then ```json{"b": 2}```') | extract_json
    return chain.invoke("q")


@gives(
    [
        [{"Joke": {"setup": "Why?", "punchline": "So"}}, {"Joke": {"setup": "Who?", "punchline": "Me"}}],
        {"Joke": {"setup": "Why?", "punchline": "So"}},
        [
            {"args": {"setup": "Why?", "punchline": "So"}, "type": "Joke"},
            {"args": {"setup": "Who?", "punchline": "Me"}, "type": "Joke"},
        ],
        [
            {"args": {"setup": "Why?", "punchline": "So"}, "id": "1", "type": "Joke"},
            {"args": {"setup": "Who?", "punchline": "Me"}, "id": "2", "type": "Joke"},
        ],
        [{"setup": "Why?", "punchline": "So"}, {"setup": "Who?", "punchline": "Me"}],
    ]
)
def tool_calls_parsed(L):
    answer = L.AIMessage(
        "",
        tool_calls=[
            L.ToolCall(name="Joke", args={"setup": "Why?", "punchline": "So"}, id="1"),
            L.ToolCall(name="Joke", args={"setup": "Who?", "punchline": "Me"}, id="2"),
        ],
    )
    return plain(
        [
            L.PydanticToolsParser(tools=[Joke]).invoke(answer),
            L.PydanticToolsParser(tools=[Joke], first_tool_only=True).invoke(answer),
            L.JsonOutputToolsParser().invoke(answer),
            L.JsonOutputToolsParser(return_id=True).invoke(answer),
            L.JsonOutputKeyToolsParser(key_name="Joke").invoke(answer),
        ]
    )


@gives(
    [
        [{"args": {"setup": "Why?", "punchline": "So"}, "type": "Joke"}],
        [{"args": {"setup": "Why?", "punchline": "So"}, "type": "Joke"}],
    ],
    there="an empty list comes first",
)
def tool_calls_parsed_while_they_stream(L):
    model = scripted_model(L, calling(L, "Joke", {"setup": "Why?", "punchline": "So"}))
    chain = model.bind_tools([Joke]) | L.JsonOutputToolsParser(first_tool_only=True)
    return plain(list(chain.stream("q"))), plain(asyncio.run(gathered(chain.astream("q"))))

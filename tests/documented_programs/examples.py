"""Prompts with examples and images."""

from __future__ import annotations

from documented_programs.expected import gives
from documented_programs.plain_data import plain


@gives(
    "Answer these.\n\nQuestion: Who lived longer?\nAli\n\nQuestion: Who founded it?\nNewmark\n\nQuestion: Who was it?"
)
def few_shot_prompt(L):
    examples = [
        {"question": "Who lived longer?", "answer": "Ali"},
        {"question": "Who founded it?", "answer": "Newmark"},
    ]
    prompt = L.FewShotPromptTemplate(
        examples=examples,
        example_prompt=L.PromptTemplate.from_template("Question: {question}\n{answer}"),
        prefix="Answer these.",
        suffix="Question: {input}",
        input_variables=["input"],
    )
    return prompt.invoke({"input": "Who was it?"}).to_string()


@gives(
    [
        "Human: 2 🦜 2\nAI: 4\nHuman: 2 🦜 3\nAI: 5",
        [
            ["system", "a wizard"],
            ["human", "2 🦜 2"],
            ["ai", "4"],
            ["human", "2 🦜 3"],
            ["ai", "5"],
            ["human", "What is 2 🦜 9?"],
        ],
        ["input"],
    ]
)
def few_shot_chat_prompt(L):
    example_prompt = L.ChatPromptTemplate.from_messages([("human", "{input}"), ("ai", "{output}")])
    few_shot = L.FewShotChatMessagePromptTemplate(
        example_prompt=example_prompt,
        examples=[{"input": "2 🦜 2", "output": "4"}, {"input": "2 🦜 3", "output": "5"}],
    )
    final = L.ChatPromptTemplate.from_messages([("system", "a wizard"), few_shot, ("human", "{input}")])
    return few_shot.invoke({}).to_string(), plain(final.invoke({"input": "What is 2 🦜 9?"})), final.input_variables


@gives([[{"input": "moon", "output": "a poem"}], [["human", "moon"], ["ai", "a poem"]]])
def few_shot_by_likeness(L):
    examples = [{"input": "2 🦜 2", "output": "4"}, {"input": "moon", "output": "a poem"}]
    texts = [" ".join(example.values()) for example in examples]
    store = L.InMemoryVectorStore.from_texts(texts, L.DeterministicFakeEmbedding(size=6), metadatas=examples)
    selector = L.SemanticSimilarityExampleSelector(vectorstore=store, k=1)
    few_shot = L.FewShotChatMessagePromptTemplate(
        input_variables=["input"],
        example_selector=selector,
        example_prompt=L.ChatPromptTemplate.from_messages([("human", "{input}"), ("ai", "{output}")]),
    )
    return selector.select_examples({"input": "moon a poem"}), plain(few_shot.invoke({"input": "moon a poem"}))


@gives(["happy yppah|tall llat|big ", "big and huge and massive "])
def examples_chosen_by_length(L):
    examples = [{"input": word, "output": word[::-1]} for word in ("happy", "tall", "energetic")]
    selector = L.LengthBasedExampleSelector(
        examples=examples, example_prompt=L.PromptTemplate.from_template("{input} {output}"), max_length=5
    )
    prompt = L.FewShotPromptTemplate(
        example_selector=selector,
        example_prompt=selector.example_prompt,
        suffix="{adjective} ",
        input_variables=["adjective"],
        example_separator="|",
    )
    selector.add_example({"input": "big", "output": "gib"})
    return prompt.format(adjective="big"), prompt.format(adjective="big and huge and massive")


@gives("To Italian:\n\nbye -> arrivederci\n\nword -> ")
def example_selector_of_ones_own(L):
    class Nearest(L.BaseExampleSelector):
        def __init__(self, examples):
            self.examples = examples

        def add_example(self, example):
            self.examples.append(example)

        def select_examples(self, input_variables):
            wanted = len(input_variables["input"])
            return [min(self.examples, key=lambda example: abs(len(example["input"]) - wanted))]

    selector = Nearest([{"input": "hi", "output": "ciao"}, {"input": "bye", "output": "arrivederci"}])
    prompt = L.FewShotPromptTemplate(
        example_selector=selector,
        example_prompt=L.PromptTemplate.from_template("{input} -> {output}"),
        suffix="{input} -> ",
        prefix="To Italian:",
        input_variables=["input"],
    )
    return prompt.format(input="word")


@gives(
    [
        [
            ["system", "Describe the image"],
            [
                "human",
                [
                    {"type": "text", "text": "compare them"},
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QUJD"}},
                ],
            ],
        ],
        ["image_data", "what"],
    ]
)
def image_in_a_prompt(L):
    prompt = L.ChatPromptTemplate.from_messages(
        [
            ("system", "Describe the image"),
            (
                "user",
                [
                    {"type": "text", "text": "compare {what}"},
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,{image_data}"}},
                ],
            ),
        ]
    )
    return plain(prompt.invoke({"what": "them", "image_data": "QUJD"})), sorted(prompt.input_variables)


@gives([["human", [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]]])
def image_by_its_url(L):
    prompt = L.ChatPromptTemplate([("user", [{"type": "image_url", "image_url": "{image}"}])])
    return plain(prompt.invoke({"image": "https://example.com/a.png"}))


@gives([["human", [{"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "QUJD"}]]])
def image_block_with_variables(L):
    block = {"type": "image", "source_type": "base64", "mime_type": "{kind}", "data": "{data}"}
    prompt = L.ChatPromptTemplate([{"role": "user", "content": [block]}])
    return plain(prompt.invoke({"kind": "image/png", "data": "QUJD"}))

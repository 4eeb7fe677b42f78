"""A chat model without a model: it answers with the sentences of the context that answer the question best.

A term of the question *weighs* the more, the fewer passages of the context have it, and most when none has. A
passage *covers* the part of that weight whose terms stand in it. From the passages that cover the most,
the first sentence is quoted, which says what the rest is about, and those that have the most of the
question's terms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from anabranch.nodes.messages.chunks import AIMessageChunk
from anabranch.nodes.messages.generations import ChatGenerationChunk
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.models.chat_models import BaseChatModel
from anabranch.nodes.retrieval.terms import terms_of
from anabranch.nodes.stdlib.passages import Passage, is_definition, read_passages, split_prompt

NOTHING = "Nothing in the given context answers this question."


class ExtractiveChatModel(BaseChatModel):
    """Answers a question from the context that stands in the prompt, by quoting it; it knows nothing else.

    The answer is streamed sentence by sentence, the best source first, each source named in brackets. When
    nothing in the context fits, it says so. It needs no network, no weights and no key, and the same
    prompt always has the same answer.

    The question is what follows `Question:` in the last message, or else its last paragraph (or the whole
    message, if an earlier one holds the context); the context is the rest, after a line such as `Answer
    from this context:`. Sources are read from lines `Source: ...`, as `format_documents` writes them.

    Args:
        max_sources: how many sources are quoted at most; 3 by default.
        max_sentences: how many sentences of a source are quoted at most; 3 by default.
        min_coverage: the part of the question's weight that a source must cover, from 0 to 1; 0.5 by default.

    Example:
        >>> context = "Context:\\nSource: bears\\nBears like honey. They sleep in winter."
        >>> question = "\\n\\nQuestion: what do bears like?"
        >>> ExtractiveChatModel(max_sentences=1).invoke(context + question).content
        'Bears like honey. [bears]'
    """

    max_sources: int = 3
    max_sentences: int = 3
    min_coverage: float = 0.5

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        question, context = split_prompt(message.text for message in messages)
        texts = list(self._answer_texts(question, read_passages(context)))
        for text in _until(stop or [], texts):
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))

    def _answer_texts(self, question: str, passages: list[Passage]) -> Iterator[str]:
        weights = Weights(question, passages)
        best = weights.best(passages, self.min_coverage)[: self.max_sources]
        if not best:
            yield NOTHING
        for number, passage in enumerate(best):
            least = 2 if number == 0 else 1  # from the best, more than a headline
            quoted = weights.sentences(passage, min(least, self.max_sentences), self.max_sentences)
            for place, sentence in enumerate(quoted):
                yield (" " if place else "\n\n" if number else "") + sentence
            if passage.source:
                yield f" [{passage.source}]"


class Weights:
    """What the terms of a question weigh in a context."""

    def __init__(self, question: str, passages: list[Passage]) -> None:
        found = Counter(term for passage in passages for term in set(_terms_of(passage)))
        count = len(passages)
        self.of = {term: math.log(1 + (count + 1) / (found[term] + 0.5)) for term in terms_of(question)}
        self.total = sum(self.of.values())

    def cover(self, words: Iterable[str]) -> float:
        """The part of the question's weight that these terms cover, from 0 to 1."""
        present = set(words)
        return sum(weight for term, weight in self.of.items() if term in present) / (self.total or 1)

    def best(self, passages: list[Passage], least: float) -> list[Passage]:
        """The passages that cover enough of the question and have something to quote, the best first."""
        scored = []
        for place, passage in enumerate(passages):
            covered = self.cover(_terms_of(passage))
            named = self.cover(terms_of(passage.source or ""))
            in_prose = self.cover(terms_of(" ".join(passage.sentences)))
            if passage.sentences and covered >= least and named + in_prose > 0:
                summary = self.cover(terms_of(passage.sentences[0]))
                # Whoever found the passages put the best first; what lies deep in something is special.
                order = 0.3 * (1 - place / len(passages)) - 0.1 * (passage.source or "").count(".")
                scored.append((covered + named + 0.6 * summary + order, passage))
        scored.sort(key=lambda pair: -pair[0])
        return [passage for score, passage in scored if score >= 0.8 * scored[0][0]]

    def sentences(self, passage: Passage, least: int, most: int) -> list[str]:
        """The first sentence of a passage and those that cover the most, in their order."""
        # Who asks for a thing by its name wants to know what it is: then the beginning says it.
        by_name = self.cover(terms_of(passage.source or "")) > 0.6
        scored = []
        for place, sentence in enumerate(passage.sentences[1:], 1):
            covered = self.cover(terms_of(sentence))
            if is_definition(sentence):
                covered -= 0.3
            if by_name or covered > 0.3:
                scored.append((0.0 if by_name and covered >= 0 else -covered, place))
        chosen = [0, *sorted(place for _, place in sorted(scored)[: most - 1])]
        chosen += range(chosen[-1] + 1, min(chosen[-1] + 1 + least - len(chosen), len(passage.sentences)))
        return [passage.sentences[place] for place in chosen]


def _terms_of(passage: Passage) -> list[str]:
    return terms_of(f"{passage.source or ''} {passage.text}")


def _until(stops: list[str], texts: list[str]) -> Iterator[str]:
    """The texts up to the first place where one of the stops begins."""
    whole = "".join(texts)
    left = min((place for stop in stops if (place := whole.find(stop)) >= 0), default=len(whole))
    for text in texts:
        if left <= 0:
            return
        yield text[:left]
        left -= len(text)

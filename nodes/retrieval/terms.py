"""Terms: the words of an English text, or of one about programs, reduced so that forms of a word meet.

`reads`, `reading` and `read` are one term; `DictReader` and `dict_reader` have the terms of their words;
a dotted name such as `itertools.chain` is a term besides those of its parts.
"""

from __future__ import annotations

import re
from functools import lru_cache

WORD = re.compile(r"[^\W\d][\w.]*\w|\w")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")

_STOPWORDS = """
a about after all also am an and another any are as at be because been before being between both but by
can cannot could did differ difference different do does doing done each either else etc for from
further get gets getting give given gives had has have having he her here hers him his how i if in into
is it its itself just like made make makes many may me might more most much must my need no nor not now
of off on once one only several various onto or other otherwise our out over own per please python same
self shall she should show so some such tell than that the their them then there these they this those
through thus to too under until up upon us use used uses using via want was way we well were what when
where whether which while who whom whose why will with within without would yes you your
"""
STOPWORDS = frozenset(_STOPWORDS.split())

VOWEL = re.compile(r"[aeiouy]")
ENDINGS = ("ing", "ed", "er", "ers")


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The part of a lower-case English word that its forms have in common; not always a word.

    Example:
        >>> [stem(word) for word in ("parse", "parses", "parsing", "parsed", "parser")]
        ['pars', 'pars', 'pars', 'pars', 'pars']
    """
    word = _singular(word)
    for ending in ENDINGS:
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and VOWEL.search(rest):
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    return word.removesuffix("e") if len(word) > 3 else word


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    return word[:-1]


_STOPPED = frozenset(stem(word) for word in STOPWORDS)


@lru_cache(maxsize=65536)
def _terms_of_word(word: str) -> tuple[str, ...]:
    parts = [part.lower() for part in PART.findall(word)]
    stems = [stem(part) for part in parts if len(part) > 1]
    terms = [term for term in stems if term not in _STOPPED]
    if "." in word or "_" in word or len(parts) > 1:
        terms.append(word.lower())
    return tuple(terms)


def terms_of(text: str) -> list[str]:
    """The terms of a text in order, stopwords left out.

    Example:
        >>> terms_of("How do I read rows with csv.DictReader?")
        ['read', 'row', 'csv', 'dict', 'read', 'csv.dictreader']
    """
    return [term for word in WORD.findall(text) for term in _terms_of_word(word)]

"""The standard library as documents, and finding the right ones among them."""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from anabranch.nodes.retrieval.bm25 import BM25Retriever
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.terms import stem, terms_of
from anabranch.nodes.stdlib.answers import stdlib_retriever
from anabranch.nodes.stdlib.corpus import stdlib_documents
from anabranch.nodes.stdlib.passages import sentences

pytestmark = pytest.mark.together("stdlib")  # one process reads it, once


@cache
def corpus() -> dict[str, Document]:
    return {document.metadata["source"]: document for document in stdlib_documents()}


@cache
def retriever() -> BM25Retriever:
    return stdlib_retriever(k=8)


def test_there_are_several_thousand_documents_each_with_its_own_source() -> None:
    documents = stdlib_documents()
    assert len(documents) > 3000
    assert len(corpus()) == len(documents)


def test_reading_again_gives_the_same_in_the_same_order() -> None:
    folder = Path(asyncio.__file__).parent
    again = stdlib_documents(folder)
    assert len(again) > 100
    assert again == stdlib_documents(folder)


@pytest.mark.parametrize(
    ("source", "kind", "module", "path"),
    [
        ("subprocess.run", "function", "subprocess", "subprocess.py"),
        ("csv.Sniffer", "class", "csv", "csv.py"),
        ("os.walk", "function", "os", "os.py"),
        ("asyncio.wait_for", "function", "asyncio", "asyncio/tasks.py"),
        ("json.JSONDecoder", "class", "json", "json/decoder.py"),
        ("concurrent.futures.Executor.submit", "method", "concurrent.futures", "concurrent/futures/_base.py"),
        ("argparse", "module", "argparse", "argparse.py"),
        ("itertools.chain", "class", "itertools", None),
        ("csv.reader", "function", "csv", None),
        ("str.split", "method", "builtins", None),
        ("len", "function", "builtins", None),
    ],
)
def test_a_document_says_what_it_is_and_where_it_stands(source: str, kind: str, module: str, path: str | None) -> None:
    metadata = corpus()[source].metadata
    assert (metadata["kind"], metadata["module"], metadata.get("path")) == (kind, module, path)
    assert ("line" in metadata) == (path is not None)


def test_the_text_is_the_signature_and_the_docstring() -> None:
    text = corpus()["shutil.copytree"].page_content
    assert text.startswith("shutil.copytree(src, dst, ")
    assert "Recursively copy a directory tree" in text
    assert corpus()["csv.Sniffer.sniff"].page_content.startswith("csv.Sniffer.sniff(sample, ")
    assert corpus()["len"].page_content.startswith("len(obj, /)")


def test_only_public_names_are_there_and_no_tests() -> None:
    for source, document in corpus().items():
        assert not any(part.startswith("_") for part in source.split(".")), source
        folders = document.metadata.get("path", "").split("/")[:-1]
        assert not {"test", "tests", "idlelib"} & set(folders), source


def test_a_library_is_parsed_and_not_imported(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text('"""Sings."""\nraise SystemExit("imported")\n', encoding="utf-8")
    assert [document.page_content for document in stdlib_documents(tmp_path)] == ["module loud\n\nSings."]
    assert "loud" not in sys.modules


LIBRARY = {
    "pack/__init__.py": '"""A package."""\nfrom .inner import shown\nfrom pack._hidden import *\n',
    "pack/inner.py": 'def shown():\n    "Shown."\ndef own():\n    "Own."\ndef _not():\n    "Not."\n',
    "pack/_hidden.py": '__all__ = ["star"]\ndef star(a, *, b=1):\n    "Star."\ndef other():\n    "Other."\n',
    "listed.py": '__all__ = ["a"]\ndef a():\n    "A."\ndef b():\n    "B."\n',
    "computed.py": '__all__ = ["a"]\n__all__.extend(x)\ndef b():\n    "B."\n',
    "branches.py": 'if x:\n    def a(): "First."\nelse:\n    def a(): "Second."\n',
    "made.py": '__doc__ = "Made."\nclass C:\n    def __init__(self, x): "Takes x."\n    def m(self, y): "M."\n',
    "broken.py": "def (:\n",
    "_private.py": '"""Private."""\n',
    "test/test_a.py": '"""A test."""\n',
    "bare.py": "def undocumented(): pass\n",
}


def test_what_is_public_and_by_which_name(tmp_path: Path) -> None:
    for path, text in LIBRARY.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    made = stdlib_documents(tmp_path)
    assert [document.page_content.replace("\n\n", ": ") for document in made] == [
        "branches.a(): First.",
        "computed.b(): B.",
        "listed.a(): A.",
        "module made: Made.",
        "made.C(x): Takes x.",
        "made.C.m(y): M.",
        "module pack: A package.",
        "pack.star(a, *, b=1): Star.",
        "pack.shown(): Shown.",
        "pack.inner.own(): Own.",
    ]


def test_a_folder_without_sources_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no documented Python source"):
        stdlib_documents(tmp_path)


def test_forms_of_a_word_are_one_term() -> None:
    assert len({stem(word) for word in ("read", "reads", "reading", "reader", "readers")}) == 1
    assert len({stem(word) for word in ("copy", "copies", "copying", "copied")}) <= 2
    assert terms_of("csv.DictReader") == ["csv", "dict", "read", "csv.dictreader"]
    assert terms_of("How do I use it?") == []
    assert terms_of("Übergröße") == ["übergröß"]


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("how do I read rows from a csv file?", {"csv.reader"}),
        ("how can I run a subprocess and capture its output?", {"subprocess.run"}),
        ("how do I parse command line arguments?", {"argparse", "argparse.ArgumentParser"}),
        ("what does itertools.chain do?", {"itertools.chain"}),
        ("how do I compute a sha256 hash?", {"hashlib"}),
        ("how do I join path components?", {"os.path.join"}),
        ("how do I create a temporary file?", {"tempfile.NamedTemporaryFile"}),
        ("how do I list the files in a directory?", {"os.listdir", "pathlib.Path.iterdir"}),
        ("how can I copy a directory tree?", {"shutil.copytree"}),
        ("how do I cache the results of a function?", {"functools.lru_cache", "functools.cache"}),
        ("how do I compile a regular expression?", {"re.compile"}),
        ("how do I parse JSON?", {"json.loads", "json.load"}),
        ("how do I encode bytes as base64?", {"base64.b64encode"}),
        ("how do I get the current working directory?", {"os.getcwd", "pathlib.Path.cwd"}),
        ("how to measure the execution time of a small code snippet?", {"timeit", "timeit.Timer"}),
    ],
)
def test_the_retriever_finds_what_answers_the_question(question: str, answers: set[str]) -> None:
    found = [document.metadata["source"] for document in retriever().invoke(question)]
    assert answers & set(found), found


TEXTS = ["harrison worked at kensho", "bears like honey and fish", "cats like fish"]


def found(question: str, **arguments: Any) -> list[str]:
    chosen = BM25Retriever.from_texts(TEXTS, **arguments).invoke(question)
    return [document.page_content for document in chosen]


def test_bm25_puts_the_best_first_and_leaves_out_what_shares_no_word() -> None:
    assert found("where did harrison work?") == TEXTS[:1]
    assert found("who eats fish") == [TEXTS[2], TEXTS[1]], "the shorter text says it more clearly"
    assert found("fish", k=1) == [TEXTS[2]]
    assert found("nothing of that") == []
    assert found("") == []


def test_bm25_takes_words_as_it_is_told_to() -> None:
    assert found("HONEY") == []
    assert found("HONEY", preprocess_func=lambda text: text.lower().split()) == TEXTS[1:2]
    assert found("eating honeys", preprocess_func=terms_of) == TEXTS[1:2]


def test_bm25_keeps_metadata_and_ids() -> None:
    retriever = BM25Retriever.from_texts(["a b"], metadatas=[{"source": "x"}], ids=["1"])
    assert retriever.invoke("a") == [Document("a b", metadata={"source": "x"}, id="1")]
    with pytest.raises(ValueError, match="1 texts came with 2 metadatas"):
        BM25Retriever.from_texts(["a"], metadatas=[{}, {}])


@pytest.mark.parametrize("texts", [[], [""], ["", " "]])
def test_bm25_over_nothing_finds_nothing(texts: list[str]) -> None:
    assert BM25Retriever.from_texts(texts).invoke("a") == []


def test_bm25_wants_a_question_as_text() -> None:
    with pytest.raises(TypeError, match=r"BM25Retriever expected a question as text, got dict \{'q': 1\}"):
        BM25Retriever.from_texts(TEXTS).invoke({"q": 1})  # type: ignore[arg-type]


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(ImportError, match=r'BM25Retriever needs .* pip install "anabranch\[bm25\]"'):
        BM25Retriever.from_texts(TEXTS)


DOCSTRING = """Reads rows. Each row is a list, e.g. one of strings.

Arguments:
  - path: where the file is.
  timeout -- how long to wait, in seconds
      or fractions of them.

Some lines say more
than one line can. For example:

    for row in rows:
        print(row)

    >>> rows[0]
    ['a', 'b']

x = 1; y = 2
"""


def test_prose_is_told_from_code_and_headings() -> None:
    assert list(sentences(DOCSTRING)) == [
        "Reads rows.",
        "Each row is a list, e.g. one of strings.",
        "path: where the file is.",
        "timeout -- how long to wait, in seconds or fractions of them.",
        "Some lines say more than one line can.",
    ]

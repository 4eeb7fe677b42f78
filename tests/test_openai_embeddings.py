"""What `OpenAIEmbeddings` promises, held against the real client over real HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from openai_answers import vector_of
from openai_server import OpenAIServer, refusing

from anabranch.nodes.openai.embeddings import OpenAIEmbeddings

openai = pytest.importorskip("openai")

TEXTS = ["bears", "", "honey and milk", "ü"]


def embeddings_of(server: OpenAIServer, **settings: Any) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(**{"model": "small", "base_url": server.base_url, "api_key": "sk-test", **settings})


@pytest.mark.parametrize("settings", [{}, {"chunk_size": 1}, {"chunk_size": 3}, {"dimensions": 5}])
def test_each_text_has_its_vector_whatever_the_batches(server: OpenAIServer, settings: dict[str, Any]) -> None:
    embeddings = embeddings_of(server, **settings)
    expected = [vector_of(text, settings.get("dimensions", 3)) for text in TEXTS]
    assert embeddings.embed_documents(TEXTS) == expected
    assert asyncio.run(embeddings.aembed_documents(TEXTS)) == expected
    assert embeddings.embed_query(TEXTS[2]) == expected[2]
    assert asyncio.run(embeddings.aembed_query(TEXTS[2])) == expected[2]


def test_the_requests_say_what_was_set(server: OpenAIServer) -> None:
    embeddings = embeddings_of(server, chunk_size=2, dimensions=4, model_kwargs={"user": "u"})
    embeddings.embed_documents(["a", "bb", "ccc"])
    embeddings.embed_documents(["a", "bb", "ccc"], chunk_size=3)
    common = {"model": "small", "dimensions": 4, "user": "u", "encoding_format": "base64"}
    assert server.requests == [{**common, "input": texts} for texts in (["a", "bb"], ["ccc"], ["a", "bb", "ccc"])]


def test_no_texts_need_no_request(server: OpenAIServer) -> None:
    embeddings = embeddings_of(server)
    assert embeddings.embed_documents([]) == []
    assert asyncio.run(embeddings.aembed_documents([])) == []
    assert server.requests == []


def test_vectors_in_another_order_find_their_texts(server: OpenAIServer) -> None:
    vectors = [{"object": "embedding", "index": index, "embedding": [float(index)]} for index in (2, 0, 1)]
    server.replies.append(lambda exchange: exchange.send_json({"object": "list", "model": "m", "data": vectors}))
    assert embeddings_of(server).embed_documents(["a", "b", "c"]) == [[0.0], [1.0], [2.0]]


def test_a_missing_vector_is_an_error(server: OpenAIServer) -> None:
    vectors = [{"object": "embedding", "index": 0, "embedding": [1.0]}]
    server.replies.append(lambda exchange: exchange.send_json({"object": "list", "model": "m", "data": vectors}))
    with pytest.raises(ValueError, match="2 texts with 1 embeddings"):
        embeddings_of(server).embed_documents(["a", "b"])


def test_what_the_server_refuses_is_the_error_of_the_sdk(server: OpenAIServer) -> None:
    server.replies.extend([refusing(400, "too long"), refusing(400, "too long")])
    with pytest.raises(openai.BadRequestError, match="too long"):
        embeddings_of(server).embed_query("a")
    with pytest.raises(openai.BadRequestError, match="too long"):
        asyncio.run(embeddings_of(server).aembed_query("a"))


PROGRAM = """
import asyncio, sys
from blockbuster import blockbuster_ctx
from anabranch.nodes import OpenAIEmbeddings
embeddings = OpenAIEmbeddings(base_url=sys.argv[1], api_key="sk-test")
known = {*sys.modules}
with blockbuster_ctx():
    print(asyncio.run(embeddings.aembed_query("bears")))
print({name.partition(".")[0] for name in {*sys.modules} - known} & {"numpy", "openai"})
"""


def test_the_first_call_on_a_loop_reads_no_large_library(server: OpenAIServer) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, server.base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{vector_of('bears', 3)}\nset()\n"

"""Loaders and parsers of one's own give documents, from files and from data, and never hold up an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from anabranch.nodes import BaseBlobParser, BaseLoader, Blob, BlobLoader, Document


class Lines(BaseBlobParser):
    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        with blob.as_bytes_io() as lines:
            for line in lines:
                yield Document(line.decode(blob.encoding).strip(), metadata={"source": blob.source})


class Files(BaseLoader, BlobLoader):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def yield_blobs(self) -> Iterator[Blob]:
        yield from map(Blob.from_path, sorted(self.folder.iterdir()))

    def lazy_load(self) -> Iterator[Document]:
        for blob in self.yield_blobs():
            yield from Lines().lazy_parse(blob)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("so\nbé it", encoding="utf-8")
    (tmp_path / "b.json").write_text("{}")
    return tmp_path


def test_files_are_read_line_by_line(folder: Path) -> None:
    documents = Files(folder).load()
    assert [document.page_content for document in documents] == ["so", "bé it", "{}"]
    assert documents[0].metadata == {"source": str(folder / "a.txt")}
    assert asyncio.run(Files(folder).aload()) == documents
    assert next(iter(Files(folder).lazy_load())) == documents[0]
    assert [blob.mimetype for blob in Files(folder).yield_blobs()] == ["text/plain", "application/json"]


def test_a_loader_may_write_load_alone() -> None:
    class One(BaseLoader):
        def load(self) -> list[Document]:
            return [Document("so")]

    assert list(One().lazy_load()) == asyncio.run(One().aload()) == [Document("so")]
    with pytest.raises(NotImplementedError, match="Empty must write lazy_load"):
        type("Empty", (BaseLoader,), {})().load()


def test_a_blob_is_text_bytes_or_a_file(folder: Path) -> None:
    for blob in (Blob.from_data("so\nbé it"), Blob(data="so\nbé it".encode()), Blob.from_path(folder / "a.txt")):
        assert blob.as_string() == "so\nbé it"
        assert blob.as_bytes() == blob.as_bytes_io().read() == "so\nbé it".encode()
    assert Blob.from_data("é", encoding="latin-1").as_bytes() == b"\xe9"
    assert Blob.from_path("a.txt", guess_type=False).mimetype is None
    assert Blob.from_path("a.txt", mime_type="text/csv").mimetype == "text/csv"


def test_a_blob_tells_where_it_is_from_and_not_what_it_holds() -> None:
    assert Blob.from_path("a.txt", metadata={"source": "a letter"}).source == "a letter"
    assert Blob.from_data(b"x").source is None
    assert repr(Blob.from_data("long", path="a.txt")) == "Blob(path='a.txt')"
    with pytest.raises(ValueError, match="needs data, or the path of a file"):
        Blob()

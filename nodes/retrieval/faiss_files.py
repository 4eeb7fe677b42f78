"""The files of a `FAISS` store: the index as faiss writes it, and the documents as JSON. Nothing of it is a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anabranch.nodes.extras import import_extra
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.saved_documents import text_of, write_whole

FORMAT = "anabranch FAISS documents, 1"


def write_files(
    folder: Path, name: str, index: Any, documents: list[Document], distance_strategy: str, is_normalized: bool
) -> None:
    """Write an index, None if nothing was added, and its documents in the order of the index.

    Raises:
        TypeError: when the metadata of a document hold what JSON can't.
    """
    faiss = import_extra("faiss", "faiss", "FAISS")
    about = {"format": FORMAT, "distance_strategy": distance_strategy, "normalize_L2": is_normalized}
    told = ",\n".join(
        text_of({"id": each.id, "text": each.page_content, "metadata": each.metadata}, each.id) for each in documents
    )
    text = f'{json.dumps(about)[:-1]}, "documents": [{told}]}}'
    vectors = b"" if index is None else faiss.serialize_index(index).tobytes()
    write_whole({folder / f"{name}.faiss": vectors, folder / f"{name}.json": text.encode()})


def read_files(folder: Path, name: str, needed_by: str) -> tuple[Any, list[Document], dict[str, Any]]:
    """The index, its documents, and the arguments of the class that were saved.

    Raises:
        FileNotFoundError: when the files aren't there.
        ValueError: when they are no such files, or don't belong together.
    """
    library = import_extra("numpy", "faiss", needed_by), import_extra("faiss", "faiss", needed_by)
    path = folder / f"{name}.json"
    if not path.exists() and (folder / f"{name}.pkl").exists():
        raise ValueError(
            f"{folder} holds a pickle, which could run code and isn't read; make the store anew and call save_local"
        )
    documents, about = _documents(path)
    index = _index(folder / f"{name}.faiss", *library)
    count = 0 if index is None else index.ntotal
    if count != len(documents):
        raise ValueError(f"{folder / name}.faiss has {count} vectors, but {path} has {len(documents)} documents")
    return index, documents, about


def _documents(path: Path) -> tuple[list[Document], dict[str, Any]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise ValueError(f"its format is {told['format']!r:.80}")
        documents = [Document(each["text"], metadata=each["metadata"], id=each["id"]) for each in told["documents"]]
        about = {key: told[key] for key in ("distance_strategy", "normalize_L2")}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} doesn't hold what FAISS.save_local writes: {error!r}") from error
    if len({each.id for each in documents} - {None}) != len(documents):
        raise ValueError(f"{path} has documents without ids, or with the same one")
    return documents, about


def _index(path: Path, numpy: Any, faiss: Any) -> Any:
    content = path.read_bytes()
    if not content:
        return None
    try:
        return faiss.deserialize_index(numpy.frombuffer(content, dtype="uint8"))
    except RuntimeError as error:
        raise ValueError(f"{path} doesn't hold an index of faiss: {error}") from error

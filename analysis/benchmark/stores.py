"""The vectors of a task: one store a task and encoder, filled by the embedding job and read in the task's order."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32

from cladescope.analysis.benchmark.task_source import TaskSource
from cladescope.analysis.benchmark.tasks import Task
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.pipeline import EmbedConfig, EmbedSummary, Progress, embed
from cladescope.index.store import Store
from cladescope.index.vector_block import vector_block


def store_path(folder: Path, task: Task, card: EncoderCard) -> Path:
    """Where a task's vectors by an encoder lie below `folder`: a place of its own for each task, encoder and weights.

    Tasks are told apart by name and address, encoders by all of their cards.
    """
    identity = json.dumps(card.to_dict(), sort_keys=True)
    return folder / _name(task.name, task.address) / _name(short_name(card.name), identity)


def short_name(name: str) -> str:
    """An encoder's name without folders and options, for tables and file names.

    >>> short_name("timm:mobilenetv2_100@/data/imagenet.safetensors?size=224"), short_name("/runs/tiny/export")
    ('timm:mobilenetv2_100@imagenet.safetensors', 'tiny/export')
    """
    if name.startswith("timm:"):
        backbone, at, weights = name.partition("?")[0].partition("@")
        return f"{backbone}{at}{weights.rpartition('/')[2]}"
    return "/".join(name.split("/")[-2:]) if name.startswith("/") else name


def fill_store(
    task: Task,
    encoder: Encoder,
    folder: Path,
    *,
    config: EmbedConfig | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> tuple[Store, EmbedSummary]:
    """The store of a task's vectors, completed by what is missing; pictures that cannot be used are in its ledger."""
    store = Store.open_or_create(store_path(folder, task, encoder.card), encoder.card)
    return store, embed(TaskSource(task), encoder, store, config, progress=progress, stop=stop)


def stored_contents(store: Store, ids: pa.StringArray) -> tuple[Bool[np.ndarray, " n"], pa.StringArray]:
    """Whether the store holds each of these pictures, and the hashes of their contents, null where it does not."""
    stored = store.table(["image_id", "content_hash"])
    place = pc.index_in(ids, value_set=stored["image_id"].cast(ids.type).combine_chunks())
    contents = stored["content_hash"].cast(pa.string()).combine_chunks().take(place)
    return place.is_valid().to_numpy(zero_copy_only=False), contents


def stored_vectors(store: Store, ids: pa.StringArray) -> Float32[np.ndarray, "n d"]:
    """Vectors of some stored pictures, in the order asked for, each asked for once; 4 n d bytes."""
    vectors = np.full((len(ids), store.card.dim), np.nan, np.float32)
    for batch in store.scan(["image_id", "vector"]):
        rows = pc.index_in(batch.column("image_id"), value_set=ids).fill_null(-1).to_numpy()
        vectors[rows[rows >= 0]] = vector_block(batch)[rows >= 0]
    return vectors


def reasons(store: Store, task: Task, missing: Bool[np.ndarray, " n"]) -> Mapping[str, str]:
    """For each address of a missing picture, what the store's ledger says of it."""
    noted = {row["uri"]: f"{row['stage']}: {row['reason']}" for row in store.failures.to_pylist()}
    uris, problems = (task.table[name].filter(pa.array(missing)).to_pylist() for name in ("uri", "problem"))
    return {
        uri: noted.get(uri, problem or "listed twice, or not embedded")
        for uri, problem in zip(uris, problems, strict=True)
    }


def _name(text: str, identity: str) -> str:
    """A file name: what a text says, and eight digits of what it stands for."""
    readable = re.sub(r"[^\w.@-]+", "-", text).strip("-.")[:60]
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"

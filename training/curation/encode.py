"""The stage `encode`, which runs where an encoder is named: a vector of each picture that is still in, for guessing its kind and finding its duplicates."""

from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float16

from cladescope.embedding.encode import PixelEncoder, encoded
from cladescope.embedding.records import Record
from cladescope.errors import InputError
from cladescope.training.curation.columns import DROPPED, ENCODED, ROW
from cladescope.training.curation.flow import carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.look import Homes

GONE = "could not be read again"


@runtime_checkable
class KnownEncoder(PixelEncoder, Protocol):
    """An encoder that says which weights it has, as `embedding.encoder.Encoder` does."""

    @property
    def card(self) -> Any:
        """Its identity: `weight_hash`."""


def encode(job: Job) -> None:
    """Encode all pictures that are in. Memory: 2 d bytes a record of a part, and what `embedding.encode.encoded` says.

    Raises InputError where no encoder can be made, where the stage was begun with another, and where a source disappears; EncoderError as `Encoder.load`.
    """
    encoder = encoder_of(job)
    with job.stage("encode", settings_of(encoder, job)) as stage:
        if stage.is_done:
            return
        work = partial(_encode_part, stage, Homes(job))
        job.each(work, stage.unmade(), "encoding, in parts of records:", on_gpu=True)


def encoder_of(job: Job) -> KnownEncoder:
    """The encoder that the configuration names, loaded once a job. Raises InputError where nothing can make it."""
    name = job.config.kinds.encoder
    if job.load_encoder is None:
        raise InputError(
            f"kinds.encoder is {name}, and nothing was given that makes encoders: give load_encoder, or name none"
        )
    if name not in job.encoders:
        job.encoders[name] = job.load_encoder(name)
    encoder: KnownEncoder = job.encoders[name]
    return encoder


def settings_of(encoder: KnownEncoder, job: Job) -> dict[str, Any]:
    """What decides the vectors: the weights and how pictures become their input, not where these lie."""
    card = encoder.card
    name = job.config.kinds.encoder
    return {
        "encoder": Path(name).name if Path(name).is_absolute() else name,
        "weight_hash": card.weight_hash,
        "transform": encoder.transform.to_dict(),
        "dim": encoder.dim,
    }


def schema_of(dim: int) -> pa.Schema:
    """The columns that the stage leaves: `vector` is null for pictures that are out."""
    (name,) = ENCODED
    return pa.schema([ROW, pa.field(name, pa.list_(pa.float16(), dim)), DROPPED])


def vectors_of(column: pa.ChunkedArray) -> Float16[np.ndarray, "n d"]:
    """The vectors of a column, but for nulls."""
    there = column.drop_null()
    values = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in there.chunks]
    flat = np.concatenate(values) if values else np.empty(0, np.float16)
    found: Float16[np.ndarray, "n d"] = flat.reshape(-1, column.type.list_size)
    return found


def _encode_part(stage: Stage, homes: Homes, part: int) -> None:
    job = stage.job
    encoder = encoder_of(job)
    sources = job.read("gather", part, ["source"])["source"]
    table = job.read("look", part, ["row", "picture_at", "dropped"])
    places = table["picture_at"].to_pylist()
    asked = np.flatnonzero(table["dropped"].is_null().to_numpy()).tolist()
    vectors = np.zeros((table.num_rows, encoder.dim), np.float16)
    has_vector = np.zeros(table.num_rows, bool)
    records = (Record(image_id=str(row), uri=places[row] or "", source="curation") for row in asked)
    for batch in encoded(records, encoder, workers=job.config.workers):
        rows = [int(record.image_id) for record in batch.records]
        vectors[rows] = batch.vectors
        has_vector[rows] = True
    reasons: list[str | None] = [None] * table.num_rows
    for row in asked:
        if not has_vector[row]:
            homes.check(places[row] or "", sources[row].as_py(), is_read=False)
            reasons[row] = GONE
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), encoder.dim, mask=pa.array(~has_vector))
    made = [table["row"], column, carried("encode", table["dropped"], reasons)]
    stage.write(part, pa.Table.from_arrays(made, schema=schema_of(encoder.dim)))

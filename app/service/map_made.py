"""A map that is laid out and kept: which pictures, where they stand, and what is known of it, in one Arrow file."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from cladescope.files import replacing

FORMAT = 1
_ABOUT = b"cladescope"


@dataclass(frozen=True, kw_only=True)
class MapAbout:
    """What a reader should know of a map."""

    version: int
    """Version of the store whose pictures it shows."""
    method: str
    """`umap`; `pca` where UMAP could not run; `line` for pictures too few to be laid out."""
    encoder: str
    card: dict[str, Any]
    """The whole card of the encoder whose vectors were laid out."""
    notes: tuple[str, ...]
    n_left_out: int
    """Pictures of the store that are not on it, since their vectors cannot be laid out."""
    trustworthiness: tuple[float, float] | None
    """Value and standard error; None for pictures too few for the measure."""


@dataclass(frozen=True, eq=False)
class MadeMap:
    """n pictures in map order (`map_order`), by their ids, with their points."""

    image_ids: pa.StringArray
    points: Float32[np.ndarray, "n 2"]
    about: MapAbout

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def key(self) -> str:
        """What tells this map from any other."""
        found = hashlib.blake2b(self.points.tobytes(), digest_size=8)
        found.update(json.dumps(asdict(self.about), sort_keys=True, default=str).encode())
        for buffer in pa.concat_arrays([self.image_ids]).buffers()[1:]:
            found.update(b"" if buffer is None else buffer)
        return found.hexdigest()

    def save(self, path: Path) -> None:
        """Write it. Raises OSError where that cannot be done."""
        about = {"format": FORMAT, "key": self.key, **asdict(self.about)}
        x, y = (pa.array(np.ascontiguousarray(column)) for column in self.points.T)
        table = pa.table({"image_id": self.image_ids, "x": x, "y": y})
        table = table.replace_schema_metadata({_ABOUT: json.dumps(about, default=str)})
        path.parent.mkdir(exist_ok=True)  # not the store's own folder, if the store has been deleted meanwhile
        with replacing(path, durable=False) as draft:  # noqa: SIM117 - the file is closed before it takes its name
            with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)

    @classmethod
    def load(cls, path: Path) -> "MadeMap | None":
        """A map that `save` wrote; None where there is none, or one of another format or damaged."""
        try:
            with pa.OSFile(str(path), "rb") as source:
                table = pa.ipc.open_file(source).read_all().combine_chunks()
            about = json.loads((table.schema.metadata or {})[_ABOUT])
            if about.pop("format") != FORMAT:
                return None
            key = about.pop("key")
            trusted = about["trustworthiness"]
            about |= {"notes": tuple(about["notes"]), "trustworthiness": None if trusted is None else tuple(trusted)}
            points = np.column_stack([table.column(name).to_numpy() for name in ("x", "y")]).astype(np.float32)
            found = cls(_one(table.column("image_id")), points, MapAbout(**about))
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None
        return found if found.key == key else None


def _one(column: pa.ChunkedArray) -> pa.StringArray:
    return pa.concat_arrays([pa.array([], column.type), *column.chunks])

"""What was predicted of a store's pictures, in columns of the store that hold nothing else: `predicted_species`, `predicted_score` and so on.

They stand beside the given names and are never read as such; `--where` takes them as any column. Predicting again replaces them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cladescope.analysis.classify.answers import Prediction
from cladescope.analysis.classify.said import ASIDE, is_named, name_said
from cladescope.errors import InputError
from cladescope.schema import LABEL, PREDICTED, is_predicted

if TYPE_CHECKING:
    from cladescope.index.store import Store

VERB = "predict"
NAME, SCORE, BY, ON = PREDICTED, "predicted_score", "predicted_by", "predicted_on"
CLASS = "classification"
"""The column of an answer that is no taxon; in a store it is `predicted_label`."""
LEFT_OUT = ("species_epithet", *ASIDE)
ROWS_AT_ONCE = 4096


@dataclass(kw_only=True)
class Written:
    """What became of predictions that were written into a store."""

    store: str
    pictures: int = 0
    """Pictures of the store that have a prediction of this run."""
    replaced: int = 0
    """Of these, had one before."""
    not_known: int = 0
    """Of these, nothing was named on."""
    not_stored: int = 0
    """Pictures that the store does not have."""
    kept: int = 0
    """Other pictures of the store, which keep an earlier prediction."""
    columns: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def check_columns(store: "Store") -> None:
    """Raise InputError where a store has columns of these names that no prediction wrote."""
    there = [name for name in store.schema.names if is_predicted(name)]
    if there and VERB not in store.runs.column("verb").to_pylist():
        raise InputError(
            f"{store.path} has a column {there[0]!r} of its source, which predictions would be mixed with: rename it there"
        )


def write_predicted(
    store: "Store", predicted: Iterable[tuple[str, Prediction]], *, made_by: Mapping[str, str], source: str = ""
) -> Written:
    """Write what was said of pictures, by their addresses, into the store; all that stood there of them before is replaced.

    `predicted` has the whole name in `predicted`, each rank, `classification` or `common_name` of an answer in `predicted_...`, its score in
    `predicted_score`, what made it in `predicted_by` and the day in `predicted_on`. All changes of 4,096 pictures are one commit.

    Raises InputError where the store has such columns of its own, StoreError where it cannot be written.
    """
    began, found = datetime.now(UTC), Written(store=str(store.path))
    said = dict(predicted)
    answers = [name for one in said.values() for name in one]
    found.columns = [NAME, *(_column(name) for name in dict.fromkeys(answers) if name not in LEFT_OUT)]
    found.columns += [name for name in (SCORE, BY, ON) if name not in found.columns]
    with store.writing():
        check_columns(store)
        kinds = {name: pa.float64() if name == SCORE else pa.string() for name in found.columns}
        store.add_fields([pa.field(name, kind) for name, kind in kinds.items()])
        schema = store.schema
        written = [name for name in schema.names if is_predicted(name)]
        pictures: dict[str, str] = {}
        had: set[str] = set()
        for batch in store.scan(["image_id", "uri", NAME]):
            for row in batch.to_pylist():
                if row[NAME] is not None:
                    had.add(row["image_id"])
                if row["uri"] in said:
                    pictures[row["image_id"]] = row["uri"]
        found.not_stored = len(said.keys() - set(pictures.values()))
        found.replaced = len(had & pictures.keys())
        found.kept = len(had) - found.replaced
        table = pa.schema([schema.field(name) for name in ("image_id", *written)])
        ids = list(pictures)
        for start in range(0, len(ids), ROWS_AT_ONCE):
            rows = [_row(one, said[pictures[one]], made_by) for one in ids[start : start + ROWS_AT_ONCE]]
            found.not_known += sum(
                not is_named(said[uri]) for uri in list(pictures.values())[start : start + ROWS_AT_ONCE]
            )
            store.update(pa.Table.from_pylist(rows, schema=table))
        found.pictures = len(ids)
    if ids:
        told = {**found.to_dict(), "made_by": dict(made_by)}
        store.record_run(verb=VERB, source=source, started=began, status="done", manifest=told)
    return found


def _row(image_id: str, answer: Prediction, made_by: Mapping[str, str]) -> dict[str, object]:
    values = {_column(name): value or None for name, value in answer.items() if name not in ("score", *LEFT_OUT)}
    about = {"image_id": image_id, NAME: name_said(answer), SCORE: answer.get("score")}
    return {**about, **values, BY: _maker(made_by), ON: made_by.get("date", "")[:10] or None}


def _column(name: str) -> str:
    return f"{NAME}_{LABEL if name == CLASS else name}"


def _maker(made_by: Mapping[str, str]) -> str:
    """What made predictions, in one line: encoder and classes, each with the start of its hash."""
    parts = [
        " ".join(filter(None, (made_by.get(name, ""), made_by.get(f"{name}_hash", "")[:12])))
        for name in ("encoder", "classes", "backbone")
    ]
    return ", ".join(part for part in (*parts, f"cladescope {made_by.get('cladescope', '')}".strip()) if part)

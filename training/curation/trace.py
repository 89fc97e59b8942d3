"""All that is known of one picture, from the shard back to the raw row: where it is, what each stage found, or where it was dropped and why."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from cladescope.embedding.sources.walk import PICTURE_SUFFIXES
from cladescope.errors import InputError
from cladescope.nearest import did_you_mean
from cladescope.training.curation.columns import SCHEMAS
from cladescope.training.curation.job import BEGUN, MANIFEST, SUMMARY
from cladescope.training.curation.places import place_within
from cladescope.training.data.shard_index import index_shard

ORDER: Final = (*list(SCHEMAS)[:4], "encode", *list(SCHEMAS)[4:])
"""The stages that there may be, in their order."""
_APART: Final = ("row", "id", "source", "image_id", "raw", "as_written", "dropped")
"""What of a gathered record is told by itself; its `written_...` are names of the row."""
_NEAR: Final = 5000
"""Ids that begin alike among which the nearest is looked for."""


def trace(out: str | Path, ids: Sequence[str]) -> list[dict[str, Any]]:
    """What is known of each id, in the order asked: an id of the data set, the name of a file in a shard, an `image_id` of a source (of a picture without one its
    place in it), its address, or its place as the catalogue has it (`base_dataset_file_path`); all but the first two also as `SOURCE/...`.

    An `image_id` that several sources have is told once for each. An entry has `asked`, `id`, `row`, `source`, `image_id`, `split`, `shard` and `member` (null
    where it is in none), `problem` (a shard that is not as the catalogue says, a curation that is not finished), `dropped` (stage and reason, else null), `duplicate_of` (the id that is kept in its place), `stages` (what each stage found,
    by name, down to the one that dropped it) and `raw` (source, number of the record in it, address, the `row` as it was read, and `as_written`: the names in it that the source
    writes otherwise). A folder whose curation is not finished is traced as far as it is.
    Costs a read of two columns of all records for all ids together: 2 s for 10^7 records on two cores.

    Raises InputError for a folder without a curation, and for an id that nobody knows.
    """
    work = Path(out) / "work"
    parts = sorted((work / "gather").glob("part-*.parquet"))
    if not parts:
        raise InputError(f"{out} holds no curation: expected a folder that `curate` wrote")
    columns = _found(parts, ids)
    traces = []
    for asked in ids:
        rows = sorted(columns.filter(_meant(columns, asked))["row"].to_pylist()) or _at_place(work, parts, asked)
        if not rows:
            raise InputError(
                f"{out} knows no picture {asked!r}{_nearest(parts, asked)}: give an id, an image_id, a place in its source, or SOURCE/ and one of them"
            )
        traces += [{"asked": asked, **_told(Path(out), parts, row)} for row in rows]
    return traces


def _split_asked(asked: str) -> tuple[str, str] | None:
    source, slash, image_id = asked.partition("/")
    return (source, image_id) if slash else None


def _of_member(asked: str) -> str:
    """The id of a picture by the name of one of its files in a shard.

    >>> _of_member("8c1f7f8e-0c52-5a34-9d2e-0f6f2b2c7a11.com.txt")
    '8c1f7f8e-0c52-5a34-9d2e-0f6f2b2c7a11'
    """
    return asked.partition(".")[0]


def _found(parts: Sequence[Path], ids: Sequence[str]) -> pa.Table:
    """The records that any of the ids may mean."""
    words = pa.array([*ids, *map(_of_member, ids), *(pair[1] for asked in ids if (pair := _split_asked(asked)))])
    condition = ds.field("id").isin(words) | ds.field("image_id").isin(words)
    columns = {
        "row": ds.field("row"),
        "id": ds.field("id"),
        "image_id": ds.field("image_id"),
        "source": ds.field("source").cast(pa.string()),
    }
    return ds.dataset(list(map(str, parts))).to_table(columns=columns, filter=condition)


def _meant(table: pa.Table, asked: str) -> pa.ChunkedArray:
    meant = pc.or_(pc.is_in(table["id"], pa.array([asked, _of_member(asked)])), pc.equal(table["image_id"], asked))
    pair = _split_asked(asked)
    if pair is None:
        return meant
    return pc.or_(meant, pc.and_(pc.equal(table["source"], pair[0]), pc.equal(table["image_id"], pair[1])))


def _at_place(work: Path, parts: Sequence[Path], asked: str) -> list[int]:
    """Rows of the pictures at an address, or at a place in their source."""
    try:
        sources = json.loads((work / "gather" / BEGUN).read_text())["settings"]["sources"]
    except (OSError, ValueError, KeyError):
        sources = {}
    pair = _split_asked(asked)
    wanted = {asked: "", **({} if pair is None else {pair[1]: pair[0]})}
    found = []
    for place, source in wanted.items():
        condition = pc.ends_with(ds.field("uri"), place) | (ds.field("source_url") == place)
        columns = {name: ds.field(name) for name in ("row", "uri", "source_url")}
        columns["source"] = ds.field("source").cast(pa.string())
        for row, uri, said, own in zip(
            *ds.dataset(list(map(str, parts))).to_table(columns=columns, filter=condition).to_pydict().values(),
            strict=True,
        ):
            paths = sources.get(own, {}).get("path", "")
            if source in ("", own) and place in (uri, said, place_within(uri, paths)):
                found.append(row)
    return sorted(set(found))


def _nearest(parts: Sequence[Path], asked: str) -> str:
    """A question about what was meant, among ids that begin alike."""
    pair = _split_asked(asked)
    for word, before in ((asked, ""), *([(pair[1], f"{pair[0]}/")] if pair else [])):
        for name in ("id", "image_id"):
            condition = pc.starts_with(ds.field(name), word[:3])
            known = (
                ds.dataset(list(map(str, parts)))
                .scanner(columns=[name], filter=condition)
                .head(_NEAR)[name]
                .to_pylist()
            )
            if near := did_you_mean(word, known):
                return near.replace("(did you mean ", f"(did you mean {before}")
    return ""


def _told(out: Path, parts: Sequence[Path], row: int) -> dict[str, Any]:
    """All that is known of a record."""
    part, place = _place(parts, row)
    stages = {}
    for stage in ORDER:
        path = out / "work" / stage / parts[part].name
        if path.exists():
            stages[stage] = _line(path, place)
            if stages[stage]["dropped"]:
                break
    gathered = stages.pop("gather")
    dropped = next((one["dropped"] for one in (gathered, *stages.values()) if one["dropped"]), None)
    stage, _, reason = (dropped or "").partition(": ")
    other = stages.get("single", {}).get("duplicate_of")
    shard = None if dropped else _shard(out, gathered["id"])
    member = None if shard is None else _member(out / shard, gathered["id"])
    raw = _values(gathered["raw"])
    return {
        **{name: gathered[name] for name in ("id", "row", "source", "image_id")},
        "split": None if dropped else stages.get("split", {}).get("split"),
        "shard": shard,
        "member": member,
        "problem": None if dropped else _problem(out, shard, member),
        "dropped": None if dropped is None else {"stage": stage, "reason": reason},
        "duplicate_of": None if other is None else _line(parts[(found := _place(parts, other))[0]], found[1])["id"],
        "stages": {name: {key: value for key, value in one.items() if key not in ("row", "dropped", "vector")} for name, one in stages.items()},
        "raw": {
            **{name: value for name, value in gathered.items() if name not in _APART and not name.startswith("written_")},
            "source": gathered["source"],
            "row": raw,
            "as_written": _values(gathered.get("as_written") or "{}"),
        },
    }  # fmt: skip


def _values(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _problem(out: Path, shard: str | None, member: str | None) -> str | None:
    # A stage that is made anew takes all that follow away first, and this one.
    if not ((out / "work" / "write" / MANIFEST).is_file() and (out / SUMMARY).is_file()):
        before = "" if shard is None else ", the shard is of the data set as it was"
        return f"the curation is not finished: run it again{before}"
    return f"{shard} is gone, or lacks the picture" if shard is not None and member is None else None


def _place(parts: Sequence[Path], row: int) -> tuple[int, int]:
    """Part of a record, and its line there."""
    begin = 0
    for part, path in enumerate(parts):
        n = pq.read_metadata(path).num_rows
        if row < begin + n:
            return part, row - begin
        begin += n
    raise AssertionError(f"row {row} is in no part")


def _line(path: Path, place: int) -> dict[str, Any]:
    try:
        table = pq.read_table(path).slice(place, 1)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path} is damaged: make its stage anew with all that follows (redo {path.parent.name})"
        ) from error
    line: dict[str, Any] = table.to_pylist()[0]
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in line.items()}


def _shard(out: Path, picture: str) -> str | None:
    """The shard that the catalogue names; None where there is no catalogue yet."""
    path = out / "catalog.parquet"
    if not path.exists():
        return None
    found = ds.dataset(str(path)).to_table(columns=["shard_file_path"], filter=ds.field("uuid") == picture)
    name: str | None = found["shard_file_path"].to_pylist()[0] if found.num_rows else None
    return name


def _member(shard: Path, picture: str) -> str | None:
    """The picture's file in its shard."""
    names = (member.name for member in index_shard(shard).members)
    return next(
        (name for name in names if name.startswith(f"{picture}.") and Path(name).suffix in PICTURE_SUFFIXES), None
    )

"""What a person decided of doubtful pictures, applied to a store: see `analysis.decision_table`."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from cladescope.analysis.classify.relabelling import ROWS_AT_ONCE, SHOWN, Relabelled, put_labels
from cladescope.analysis.decision_table import DROP, FIX, KEEP, Decision, read_decisions
from cladescope.embedding.sources.rows import Row
from cladescope.errors import InputError, TaxonError
from cladescope.index.store import Store
from cladescope.schema import LABEL
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.name_parser import parse_name


def apply_decisions(store: Store, path: Path, *, dry_run: bool = False) -> Relabelled:
    """Apply a table of decisions to a store, or only count what that would do.

    Raises InputError as `read_decisions` does, and where a new label is no taxon or none of the pictures is in the store.
    """
    decisions = read_decisions(path)
    with contextlib.nullcontext() if dry_run else store.writing():
        return carry_out(store, decisions, source=str(path), dry_run=dry_run)


def carry_out(store: Store, decisions: Sequence[Decision], *, source: str, dry_run: bool = False) -> Relabelled:
    """Apply decisions, each of another picture, to a store that is being written, or only count what that would do.

    `source` is what they stand in, by lines, as errors tell it. Raises InputError where a new label is no taxon or none of the pictures is in the store.
    """
    began, found = datetime.now(UTC), Relabelled(dry_run=dry_run, is_of_decisions=True)
    stored: set[str] = set()
    ids = [one.image_id for one in decisions]
    for start in range(0, len(ids), ROWS_AT_ONCE):
        stored |= store.rows_by_id(ids[start : start + ROWS_AT_ONCE], []).keys()
    known = [one for one in decisions if one.image_id in stored]
    unknown = [one.image_id for one in decisions if one.image_id not in stored]
    if decisions and not known:
        raise InputError(
            f"none of the {len(ids):,} pictures of {source} is in {store.path}: was it made of another store?"
        )
    found.unknown, found.unused = len(unknown), unknown[:SHOWN]
    found.undecided = sum(not one.decision for one in known)
    found.left = sum(one.decision == KEEP for one in known)
    _fix(store, source, [one for one in known if one.decision == FIX], found)
    dropped = [one.image_id for one in known if one.decision == DROP]
    found.dropped = len(dropped)
    if dropped and not dry_run:
        told = {"decisions": source, "image_ids": len(dropped)}
        store.take_out(dropped, source="", began=began, told=told)
    return found


def _fix(store: Store, source: str, fixes: Sequence[Decision], found: Relabelled) -> None:
    """Give pictures their new labels."""
    labels = {one.image_id: dict(_labels(store, source, one, found)) for one in fixes}
    species = {str(one["species"]) for one in labels.values() if one.get("species")}
    common = _common_names(store, species)
    for one in labels.values():
        if LABEL not in one and (name := common.get(one.get("species") or "")):
            one["common_name"] = name
    for columns in ((LABEL,), (*RANKS, "common_name")):
        pairs = {
            image_id: _row(image_id, said)
            for image_id, said in labels.items()
            if (LABEL in said) == (columns == (LABEL,))
        }
        if pairs and not found.dry_run:
            store.add_fields([pa.field(LABEL, pa.string())] if columns == (LABEL,) else [])
        ids = list(pairs)
        for start in range(0, len(ids), ROWS_AT_ONCE):
            some = {one: pairs[one] for one in ids[start : start + ROWS_AT_ONCE]}
            put_labels(store, some, columns, found, clear=True)
    found.kept_above = 0  # the ranks above come with the taxon


def _labels(store: Store, source: str, one: Decision, found: Relabelled) -> Iterator[tuple[str, str]]:
    """Columns and values of a new label."""
    if one.level == LABEL:
        yield LABEL, one.new_label
        return
    try:
        is_of_rank = one.level in RANKS and ">" not in one.new_label
        taxon = max(
            store.taxonomy.resolve(f"{one.level}:{one.new_label}" if is_of_rank else one.new_label),
            key=lambda taxon: sum(name is not None for name in taxon.path),
        )
        yield from ((rank, name) for rank, name in zip(RANKS, taxon.path, strict=False) if name)
        return
    except TaxonError as error:
        parsed = parse_name(one.new_label)
        if parsed.species is None or parsed.genus is None:
            raise InputError(f"line {one.line} of {source}: {error}") from error
    found.new_taxa += 1
    with contextlib.suppress(TaxonError):
        above = store.taxonomy.resolve(f"genus:{parsed.genus}")[0]
        yield from ((rank, name) for rank, name in zip(RANKS, above.path, strict=False) if name)
    yield "genus", parsed.genus
    yield "species", parsed.species


def _common_names(store: Store, species: set[str]) -> dict[str, str]:
    """The common name that the store has for each of some species."""
    if not species:
        return {}
    names: dict[str, str] = {}
    for batch in store.scan(["species", "common_name"]):
        for row in batch.to_pylist():
            if row["species"] in species and row["common_name"]:
                names.setdefault(row["species"], row["common_name"])
    return names


def _row(image_id: str, labels: dict[str, str]) -> Row:
    return Row(image_id, None, None, None, labels, {}, False, {}, ())

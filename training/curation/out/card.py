"""What a data set is, how it was made, what each stage did with it, and what is known to be wrong with it: the words of its card."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cladescope.licences import short_form
from cladescope.shown import counted
from cladescope.taxonomy import RANKS
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.names import is_sure
from cladescope.training.curation.out.card_parts import Drawn, Section, Table
from cladescope.training.curation.out.flow_table import Flows, whys
from cladescope.training.curation.places import without_places
from cladescope.training.curation.split import missed_shares

MOST_LINES: Final = 40
"""Lines of a table of names or licences; all are in `statistics`."""
_TIES: Final = {
    "observation": "pictures of one observation", "specimen": "pictures of one specimen", "duplicates": "pictures that show the same",
    "place": "pictures of one place", "source": "pictures of one source",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the card is made of."""

    config: CurateConfig
    flows: Flows
    statistics: Mapping[str, Any]
    figures: Mapping[str, str]
    """SVG by name: flow, long_tail, phyla."""
    versions: Mapping[str, str]
    more: Mapping[str, Mapping[str, Any]]
    """What stages say of themselves beside their counts."""
    not_said: Sequence[str]
    """What Croissant asks for and nobody said."""


def card_of(facts: Facts) -> tuple[str, list[Section]]:
    """The title and the sections."""
    about = without_places(dict(facts.config.about))
    title = str(about.get("name") or facts.config.title) if isinstance(about, dict) else facts.config.title
    return title, [
        Section("What it is", list(_what(facts))),
        Section("What each stage did", list(_stages(facts))),
        Section("Taxa and pictures", list(_counts(facts))),
        Section("Licences", list(_licences(facts))),
        Section("Splits", list(_splits(facts))),
        Section("What is held out", list(_held_out(facts))),
        Section("Known limits", [list(_limits(facts))]),
        Section("How it was made", list(_made(facts))),
    ]


def _what(facts: Facts) -> Iterator[str | Table | list[str]]:
    found = facts.statistics
    n_sources = len(facts.flows.sources())
    yield (
        f"{counted(found['pictures'], 'picture')} of {counted(found['taxa'], 'taxon', 'taxa')} from {counted(n_sources, 'source')}; "
        f"{found['pictures_with_all_ranks']:,} have a name at all seven ranks."
    )
    size = facts.config.out.size
    side = f"squashed to {size} x {size} pixels" if size else "as they came"
    yield (
        f"Pictures are in WebDataset shards, {side}, each with ten texts in TreeOfLife's layout. catalog.parquet has a line for each, provenance.parquet "
        "where it came from and whose it is, dropped.parquet every record that is not in it, and why. croissant.json describes the files for programs."
    )
    about = without_places(dict(facts.config.about))
    if isinstance(about, dict) and about:
        yield Table(("property", "value"), [(key, str(value)) for key, value in sorted(about.items())])
    if facts.not_said:
        yield f"Croissant asks for, and nobody said: {', '.join(facts.not_said)}."


def _stages(facts: Facts) -> Iterator[str | Table | Drawn]:
    flows = facts.flows
    yield Drawn(
        facts.figures["flow"],
        "statistics/flow.svg",
        "From the sources through the stages to the splits; downwards what a stage dropped.",
    )
    rows = []
    for stage, flow in flows.stages.items():
        changed, dropped = whys(flow)
        taken = flow.taken_in.total()
        rows.append((stage, taken, sum(changed.values()), sum(dropped.values()), taken - sum(dropped.values())))
    yield Table(("stage", "took in", "changed", "dropped", "left"), rows, numbers_from=1)
    reasons = [
        (stage, what, why, n)
        for stage, flow in flows.stages.items()
        for what, words in zip(("changed", "dropped"), whys(flow), strict=True)
        for why, n in words.items()
    ]
    yield Table(("stage", "what", "why", "pictures"), reasons, numbers_from=3)
    yield "A record can be changed in several ways, and is dropped for one reason, the first. By source the same is in flow.csv."


def _counts(facts: Facts) -> Iterator[str | Table | Drawn]:
    found = facts.statistics
    yield Table(
        ("rank", "taxa", "pictures"),
        [(rank, found["ranks"][rank]["taxa"], found["ranks"][rank]["pictures"]) for rank in RANKS],
        numbers_from=1,
    )
    yield Drawn(facts.figures["phyla"], "statistics/phyla.svg", "Pictures by phylum.")
    yield Drawn(facts.figures["long_tail"], "statistics/long_tail.svg", "Pictures of each species.")
    tail = [
        (row["pictures_of_a_species"], row["species"], f"{row['share_of_species']:.1%}", row["pictures"])
        for row in found["long_tail"]
    ]
    yield Table(("pictures of a species", "species", "share of species", "pictures"), tail, numbers_from=1)
    for name, key, word in (
        ("phyla", "phylum", "phylum"),
        ("sources", "data_source", "source"),
        ("kinds", "img_type", "shown as"),
    ):
        yield from _group(found[name], key, word)


def _group(rows: Sequence[Mapping[str, Any]], key: str, word: str) -> Iterator[Table]:
    shown = [(row[key] or "not known", row["pictures"], row["taxa"]) for row in rows[:MOST_LINES]]
    if len(rows) > MOST_LINES:
        shown.append((f"{len(rows) - MOST_LINES:,} others", sum(row["pictures"] for row in rows[MOST_LINES:]), ""))
    yield Table((word, "pictures", "taxa"), shown, numbers_from=1)


def _licences(facts: Facts) -> Iterator[str | Table]:
    yield "Each picture keeps its own licence, which ID.json in the shards and provenance.parquet name, with whom to credit."
    yield from _group(facts.statistics["licences"], "licence", "licence")


def _splits(facts: Facts) -> Iterator[str | Table]:
    config = facts.config.splits
    yield from _group(facts.statistics["splits"], "split", "split")
    small = facts.statistics["pictures_in_train_small"]
    if small:
        yield f"{counted(small, 'picture')} of train are also listed in train_small.txt; they are counted once."
    ties = [*(_tie(one, facts.config) for one in config.together), "boxes of one picture"]
    yield f"Seed {facts.config.seed}. On one side stay {', '.join(ties)}."
    if config.held_out_sources:
        yield f"All pictures of {', '.join(config.held_out_sources)} are in test."
    yield from (f"{line}." for line in missed_shares(facts.more.get("split", {}).get("shares", {})))


def _tie(kind: str, config: CurateConfig) -> str:
    if kind == "duplicates" and config.duplicates.near in ("no", "copies"):
        return "pictures with the same bytes"
    return _TIES[kind]


def _held_out(facts: Facts) -> Iterator[str | Table]:
    lists = without_places(
        [
            {"taxa": one.taxa, "pictures": one.pictures, "ids": one.ids, "must_hit": one.must_hit}
            for one in facts.config.exclude
        ]
    )
    assert isinstance(lists, list)
    if not lists:
        yield "No list of taxa or pictures was excluded."
        return
    yield Table(
        ("excluded taxa", "excluded pictures", "excluded ids", "must be met"),
        [(one["taxa"], one["pictures"], one["ids"], "yes" if one["must_hit"] else "no") for one in lists],
    )
    hits = [
        (stage, why, n)
        for stage, flow in facts.flows.stages.items()
        for why, n in whys(flow)[1].items()
        if stage == "leaks" or "exclu" in why or "held out" in why
    ]
    yield (
        Table(("stage", "dropped because", "pictures"), hits, numbers_from=2)
        if hits
        else "The table of the stages tells what was dropped, and why: nothing there names these lists."
    )
    if met := _met(facts):
        yield Table(("list", "what is in it", "of which were met"), met, numbers_from=1)


def _met(facts: Facts) -> list[tuple[str, int, int]]:
    """Each list with how much is in it, and how much of that was met."""
    of_names = facts.more.get("screen", {}).get("exclusions", {})
    of_pictures = facts.more.get("leaks", {}).get("hits", {})
    return [
        *((name, one["entries"], one["met"]) for name, one in of_names.items()),
        *((name, one["pictures"], one["hit"]) for name, one in of_pictures.items()),
    ]


def _limits(facts: Facts) -> Iterator[str]:
    config, found = facts.config, facts.statistics
    unknown = sum(row["pictures"] for row in found["licences"] if row["licence"] is None)
    if unknown:
        yield f"Of {counted(unknown, 'picture')} no licence is said: ask before you pass them on."
    texts = [row for row in found["licences"] if row["licence"] is not None]
    unclear = sum(row["pictures"] for row in texts if short_form(row["licence"]) is None)
    if unclear:
        yield f"Of {counted(unclear, 'picture')} the licence is a text that is no known licence (licenses.csv has no short form for it): read it before you pass them on."
    short = found["pictures"] - found["ranks"]["species"]["pictures"]
    if short:
        yield f"{counted(short, 'picture')} {'is' if short == 1 else 'are'} not named to the species."
    single = found["long_tail"][0]
    if single["species"]:
        yield f"{counted(single['species'], 'species', 'species')} {'has' if single['species'] == 1 else 'have'} one picture only ({single['share_of_species']:.1%} of all species)."
    kinds = sum(row["pictures"] for row in found["kinds"] if row["img_type"] is None)
    if kinds:
        yield f"Of {counted(kinds, 'picture')} it is not known whether they show a live organism, a specimen, a drawing or another kind."
    if not config.names.backbone:
        yield "Names are as the sources write them: synonyms and misspellings were not looked for."
    elif unsure := sum(
        row["pictures"]
        for row in found["matches"]
        if row["taxon_match"] is not None and not is_sure(row["taxon_match"])
    ):
        yield f"Of {counted(unsure, 'picture')} the backbone was not sure of the name (taxon_match says why): it is as the source writes it."
    if config.duplicates.near == "no":
        yield "Pictures that are there twice were not looked for."
    elif config.duplicates.near == "copies":
        yield "Duplicates were looked for by their bytes alone: pictures that were resized, cropped or saved anew can be there twice."
    elif not config.kinds.encoder:
        sought = facts.more.get("single", {}).get("duplicates", {}).get("crops_sought", False)
        yield (
            "Duplicates were looked for by bytes, perceptual hash and parts, not by an encoder: heavy changes can be missed."
            if sought
            else "Duplicates were looked for by bytes and perceptual hash, not by an encoder: crops and heavy changes can be missed."
        )
    yield from (
        f"{name} met nothing: nothing was held out by it, or it is written otherwise than the data."
        for name, _, n_met in _met(facts)
        if not n_met
    )
    if not config.exclude:
        yield "Nothing was held out by a list: pictures of published benchmarks can be in train."
    elif any(one.pictures for one in config.exclude) and not facts.more["leaks"].get("crops_sought"):
        ways = "bytes, perceptual hash and nearest vectors" if config.kinds.encoder else "bytes and perceptual hash"
        yield f"Among so many pictures excluded ones were looked for by {ways}: parts of them, and copies with a frame, can be in train."
    people = facts.more.get("flag", {}).get("people", {})
    if not config.people.detections:
        yield "People, faces and hands were not looked for."
    elif unseen := people.get("pictures not looked at"):
        yield f"No detector looked at {counted(unseen, 'picture')}: people, faces and hands may be in them."
    if config.people.act == "flag" and (flagged := people.get("pictures with people")):
        yield f"People, faces or hands were detected in {counted(flagged, 'picture')}, which the column people names."
    if config.names.common_names and config.names.fall_back:
        yield "A common name may be that of a genus or family: common_name_rank says which."
    if config.out.size:
        yield f"Pictures in the shards are squashed to a square of {config.out.size} pixels: the aspect ratio is lost."
    yield "Labels are those of the sources; nobody looked at each picture again."


def _made(facts: Facts) -> Iterator[str | Table]:
    yield Table(("what", "version"), sorted(facts.versions.items()))
    said = [(stage, key, value) for stage, more in facts.more.items() for key, value in _flat(more)]
    if said:
        yield Table(("stage", "what it says", "value"), said[: 10 * MOST_LINES], title="What stages say besides")
    settings = {key: value for key, value in facts.config.to_dict().items() if key != "workers"}
    yield Table(("setting", "value"), list(_flat(without_places(settings))), title="The configuration")


def _flat(values: object, before: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as lines of a dotted key and a value; empty ones are left out.

    >>> list(_flat({"splits": {"val": 0.05}, "sources": [{"name": "birds"}], "about": {}}))
    [('splits.val', '0.05'), ('sources.0.name', 'birds')]
    """
    if isinstance(values, Mapping) or (
        isinstance(values, list | tuple) and any(isinstance(one, Mapping) for one in values)
    ):
        pairs = values.items() if isinstance(values, Mapping) else enumerate(values)
        for key, value in pairs:
            yield from _flat(value, f"{before}.{key}" if before else str(key))
    elif isinstance(values, list | tuple):
        if values:
            yield before, ", ".join(map(str, values))
    elif values not in ("", None):
        yield before, str(values)

"""The card of an index as a page for people, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cladescope.index.ann.card import IndexCard, Measured, Step
from cladescope.index.ann.queries import WORDS
from cladescope.index.ann.recall import Share
from cladescope.shown import markdown


def page(card: IndexCard) -> str:
    """The whole card."""
    parts = [
        f"# Index `{markdown(card.kind)}`",
        _made(card),
        _target(card),
        _table(["queries", "n", *_at(card), "consensus changed", "q/s"], _kinds(card)),
        _list("Not measured", card.not_measured),
        _slices("Left-out pictures by class, the worst first", card.classes, card),
        _slices("Left-out pictures by source, the worst first", card.sources, card),
        _filters(card),
        _curve("Recall@10 and speed of other parameters, over the queries that chose (tradeoff.png)", card.curve),
        _curve("Kinds that were compared", card.candidates),
        _list("Notes", card.notes),
        _list("Added since", [f"{one['n_added']:,} vectors at {one['at']}" for one in card.refreshed]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _made(card: IndexCard) -> str:
    version = f"from version {card.store_version} of the store"
    if card.built_version != card.store_version:
        version += f" (measured at {card.built_version})"
    return (
        f"{card.n_vectors:,} vectors of {card.dim} numbers, {version}; `{card.factory}`.\n"
        f"Built in {card.build_seconds:.1f} s, measured in {card.tune_seconds:.1f} s; {card.bytes_per_vector:.0f} bytes a vector.\n"
        f"{'; '.join(map(_step, card.steps))}."
    )


def _step(step: Step) -> str:
    if not step.near:
        return f"Up to {step.k} hits: every vector is compared"
    far, composed = ("exact" if one is None else _parameters(one) for one in (step.far, step.composed))
    midway = "" if step.midway is None else f"{_parameters(step.midway)}, farther ones: "
    return f"Up to {step.k} hits: {_parameters(step.near)}; far queries: {midway}{far}; composed ones: {composed}"


def _target(card: IndexCard) -> str:
    said = f"The target, {card.target_recall} at k = {card.target_k} for every kind of query, was "
    if card.target_met:
        return f"{said}met."
    reached = "; ".join(
        f"{name} reached {card.queries[name].recall[str(card.target_k)].mean:.4f}" for name in card.failing
    )
    return f"{said}NOT met: {reached}."


def _at(card: IndexCard) -> list[str]:
    return [f"ann_recall@{k}" for k in card.ann_recall]


def _kinds(card: IndexCard) -> list[list[str]]:
    return [
        [WORDS.get(name, name), *_row(measured), "" if measured.per_second is None else f"{measured.per_second:,.0f}"]
        for name, measured in card.queries.items()
    ]


def _row(measured: Measured) -> list[str]:
    return [f"{measured.n:,}", *map(str, measured.recall.values()), _text(measured.consensus_changed)]


def _text(share: Share | None) -> str:
    return "" if share is None else str(share)


def _slices(title: str, slices: Mapping[str, Measured], card: IndexCard) -> str:
    rows = [[markdown(name), *_row(measured)] for name, measured in slices.items()]
    return "" if not rows else f"## {title}\n\n" + _table(["", "n", *_at(card), "consensus changed"], rows)


def _filters(card: IndexCard) -> str:
    if not card.filters:
        return ""
    rows = [
        [
            markdown(one["of"]),
            f"{one['rows']:,}",
            f"{100 * one['share']:.3g} %",
            f"{one['recall']:.4f}",
            f"{one['index_ms']:.2f}",
            f"{one['exact_ms']:.2f}",
            one["answered"],
        ]
        for one in card.filters
    ]
    head = ["rows that the filter leaves", "n", "of all", "ann_recall@10 by the index", "ms", "ms exactly", "answered"]
    return f"## Filters\n\nUp to {card.exact_below:,} rows are compared one by one.\n\n" + _table(head, rows)


def _curve(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [
        ["exact" if name == "parameters" and row[name] is None else _cell(row.get(name)) for name in names]
        for row in rows
    ]
    return f"## {title}\n\n" + _table([name.replace("_", " ") for name in names], cells)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _parameters(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _list(title: str, lines: Iterable[str]) -> str:
    listed = "\n".join(f"- {markdown(line)}" for line in lines)
    return f"## {title}\n\n{listed}" if listed else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""Results as a Markdown page: for each protocol one table, encoders as rows beside the published rows, tasks as columns."""

from collections.abc import Sequence
from typing import Any

from cladescope.analysis.benchmark import tables
from cladescope.analysis.benchmark.field_tasks import (
    AWA2,
    BELUGA,
    CONFUSABLE,
    ECDYSIS,
    FISHNET,
    FUNGICLEF,
    HERBARIUM19,
    INQUIRE,
    INQUIRE_RERANK,
    KABR,
    LIFE_STAGES,
    MAMMALNET,
    NEWT,
)
from cladescope.analysis.benchmark.protocol import FEW_SHOT, LINEAR_PROBE, RETRIEVAL, ZERO_SHOT
from cladescope.analysis.benchmark.tables import gain, label_of, measures, percent, settings_line
from cladescope.shown import markdown

_TITLES = {
    ZERO_SHOT: "Zero-shot: the nearest class name",
    FEW_SHOT: "Few-shot: SimpleShot",
    RETRIEVAL: "Retrieval: leave-one-out",
    LINEAR_PROBE: "Linear probe",
    ECDYSIS: "Ecdysis: insects, biobench",
    BELUGA: "Beluga whales, biobench: five neighbours",
    FUNGICLEF: "FungiCLEF 2023, biobench: species, strangers and poison",
    KABR: "KABR, biobench: what giraffes and zebras do",
    MAMMALNET: "MammalNet, biobench: what mammals do",
    HERBARIUM19: "Herbarium19: species to be discovered",
    NEWT: "NeWT: 164 tasks of two classes",
    FISHNET: "FishNet: nine traits",
    AWA2: "AwA2: attributes of animals that were not taught",
    INQUIRE: "INQUIRE: pictures by text",
    INQUIRE_RERANK: "INQUIRE-Rerank: a hundred pictures of each text in order",
    LIFE_STAGES: "BioTrove: life stages",
    CONFUSABLE: "BioTrove: species taken for each other",
}
_HEAD = """# Evaluation

Percent, with the 95 % interval of a bootstrap over pictures (or the clips, observations or queries that are asked), and for few-shot ± the
population standard deviation over the folds. Written by `cladescope evaluate`; all figures, encoders with the hashes of their weights, and what was left out are in
`results.json`.
"""
_SECONDARY, _NOT_COMPARABLE = "‡", "†"


def page(evaluations: Sequence[dict[str, Any]]) -> str:
    """The whole page."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for protocol in _TITLES:
        for one in evaluations:
            if one["protocol"] == protocol:
                groups.setdefault(f"{_TITLES[protocol]} ({settings_line(one['settings'])})", []).append(one)
    parts = [_HEAD, *(_section(title, group) for title, group in groups.items())]
    return "\n".join(parts)


def _section(title: str, group: list[dict[str, Any]]) -> str:
    columns = [(one, measure) for one in group for measure in measures(one)]
    encoders = dict.fromkeys(label_of(result) for one in group for result in one["results"])
    head = ["encoder", *(f"{one['task']['name']}: {measure}" for one, measure in columns)]
    rows = [[label, *(_of_encoder(one, measure, label) for one, measure in columns)] for label in encoders]
    models = dict.fromkeys(figure["model"] for one in group for figure in _figures(one))
    for model in models:
        cells = [_of_model(one, measure, model) for one, measure in columns]
        if any(text != "-" for text in cells):
            rows.append([f"*{model}, published*", *cells])
    parts = [f"## {title}\n", _table(head, rows), *_notes(group, rows), *_differences(group, columns)]
    for one in group:
        for table in tables.details(one):
            parts += [f"{one['task']['name']}, {table.head[0]}:\n", _table(["", *table.head[1:]], table.rows), ""]
    return "\n".join(parts)


def _of_encoder(evaluation: dict[str, Any], measure: str, label: str) -> str:
    result = next((one for one in evaluation["results"] if label_of(one) == label), None)
    return "-" if result is None else percent(result["figures"].get(measure))


def _figures(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    return evaluation["published"]["figures"] if evaluation["published"] else []


def _of_model(evaluation: dict[str, Any], measure: str, model: str) -> str:
    wanted = (model, measure)
    figure = next((one for one in _figures(evaluation) if (one["model"], one["figure"]) == wanted), None)
    if figure is None:
        return "-"
    marks = _NOT_COMPARABLE * bool(evaluation["published"]["not_comparable"]) + _SECONDARY * figure["secondary"]
    return f"{figure['percent']:.1f} {marks}".strip()


def _notes(group: list[dict[str, Any]], rows: list[list[str]]) -> list[str]:
    """What the reader of a table must know."""
    notes = []
    for one in group:
        task = one["task"]
        failed = f", {n:,} more could not be used" if (n := task["n_images"] - task["n_used"]) else ""
        notes.append(f"- {task['name']}: {task['n_used']:,} pictures of {task['n_classes']:,} classes{failed}.")
        notes += [f"- {task['name']}, {note}." for note in tables.notes(one)]
        for result in one["results"]:
            for measure, reason in result["not_applicable"].items():
                what = label_of(result) if measure == "all" else f"{label_of(result)}, {measure}"
                notes.append(f"- {task['name']}, {what}: not applicable, {reason}.")
        if _figures(one) and one["published"]["not_comparable"]:
            notes.append(f"- {_NOT_COMPARABLE} {task['name']}: {one['published']['not_comparable']}: not comparable.")
    sources = dict.fromkeys(figure["source"] for one in group for figure in _figures(one))
    text = str(rows)
    if _SECONDARY in text:
        notes.append(f"- {_SECONDARY} secondary: read in a summary by others, not in the paper or its code.")
    if "published*" in text:
        notes.append(f"- Published figures: {'; '.join(sources)}.")
    return ["", *map(markdown, dict.fromkeys(notes)), ""]


def _differences(group: list[dict[str, Any]], columns: list[tuple[dict[str, Any], str]]) -> list[str]:
    """Differences between encoders on the same pictures, where several were evaluated together."""
    pairs = dict.fromkeys(
        (label_of(result), result["difference_from"])
        for one in group
        for result in one["results"]
        if result["difference_from"]
    )
    if not pairs:
        return []
    names = {r["encoder"]["name"]: label_of(r) for one in group for r in one["results"]}
    rows = []
    for label, first in pairs:
        cells = []
        for one, measure in columns:
            result = next((r for r in one["results"] if label_of(r) == label and r["difference_from"] == first), None)
            cells.append("-" if result is None else gain(result["differences"].get(measure)))
        rows.append([f"{label} minus {names.get(first, first)}", *cells])
    head = ["difference", *(f"{one['task']['name']}: {measure}" for one, measure in columns)]
    return [
        "Differences on the same pictures, points of percent, with the p-value of McNemar's test or of a permutation; real "
        "where the interval leaves out 0 (and p is small, where few pictures were asked):\n",
        _table(head, rows),
        "",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(markdown, line))} |" for line in lines)

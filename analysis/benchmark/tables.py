"""Results as tables of text: what the page and the command line show of a described evaluation (see `results`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cladescope.analysis.benchmark.protocol import RETRIEVAL
from cladescope.analysis.benchmark.stores import short_name
from cladescope.analysis.measures.by_class import FEW, MANY
from cladescope.analysis.shares import TOO_FEW, ends
from cladescope.taxonomy.taxon import RANKS

_PARTS = {
    "head": f"head: more than {MANY} pictures",
    "middle": f"middle: {FEW} to {MANY} pictures",
    "tail": f"tail: fewer than {FEW} pictures",
}


@dataclass(frozen=True)
class Table:
    """A table of text, its first column the name of each row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def label_of(result: Mapping[str, Any]) -> str:
    """What an encoder is called in tables."""
    return short_name(str(result["encoder"]["name"]))


def measures(evaluation: Mapping[str, Any]) -> list[str]:
    """Measures of an evaluation that are shown; results.json has all."""
    names = dict.fromkeys(
        name
        for result in evaluation["results"]
        for name in (*result["figures"], *result["not_applicable"])
        if name != "all"
    )
    shown = ("recall@1", "mAP")
    return [name for name in names if evaluation["protocol"] != RETRIEVAL or name.endswith(shown)]


def heading(evaluation: Mapping[str, Any]) -> str:
    """What was evaluated, in a line."""
    task = evaluation["task"]
    failed = f", {n:,} more could not be used" if (n := task["n_images"] - task["n_used"]) else ""
    pictures = f"{task['n_used']:,} pictures of {task['n_classes']:,} classes{failed}"
    return f"{task['name']}: {pictures}; {evaluation['protocol']}, {settings_line(evaluation['settings'])}"


def settings_line(settings: Mapping[str, object]) -> str:
    """Settings of a protocol in a line.

    >>> settings_line({"shots": [1, 5], "draws": "v2"})
    'shots 1, 5; draws v2'
    """
    return "; ".join(
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}" for name, value in settings.items()
    )


def not_applicable(evaluation: Mapping[str, Any]) -> list[str]:
    """A line for each measure that the task or an encoder does not allow."""
    return [
        f"{label_of(result) if measure == 'all' else measure}: not applicable, {reason}"
        for result in evaluation["results"]
        for measure, reason in result["not_applicable"].items()
    ]


def notes(evaluation: Mapping[str, Any]) -> list[str]:
    """What is to be known of a score of the field: its share of missing pictures, and in what it is not the published protocol's."""
    if not evaluation.get("deviations"):  # other protocols, and results of earlier versions
        return []
    n, used = evaluation["task"]["n_images"], evaluation["task"]["n_used"]
    missing = [f"{n - used:,} of {n:,} pictures ({100 * (n - used) / n:.1f} %) could not be used"] if n > used else []
    # Clips that are too short are left out by the published protocol itself.
    partly = [one for one in evaluation["task"]["left_out"] if "fewer than" not in one and "are kept" not in one]
    whole = [f"not comparable with published figures: {'; '.join((*missing, *partly))}"] if missing or partly else []
    return [*whole, *(f"unlike the published protocol: {one}" for one in evaluation["deviations"])]


def figures(evaluation: Mapping[str, Any]) -> Table:
    """A measure a row, an encoder a column."""
    results = evaluation["results"]
    rows = [(name, *(percent(result["figures"].get(name)) for result in results)) for name in measures(evaluation)]
    return Table(["percent", *map(label_of, results)], rows)


def differences(evaluation: Mapping[str, Any]) -> Table | None:
    """A measure a row, each other encoder less the first a column; None where one was evaluated alone."""
    results = [result for result in evaluation["results"] if result["difference_from"]]
    if not results:
        return None
    names = {result["encoder"]["name"]: label_of(result) for result in evaluation["results"]}
    first = {result["difference_from"]: names.get(result["difference_from"]) for result in results}
    rows = [(name, *(gain(result["differences"].get(name)) for result in results)) for name in measures(evaluation)]
    return Table([f"minus {', '.join(filter(None, first.values()))}, points", *map(label_of, results)], rows)


def details(evaluation: Mapping[str, Any]) -> list[Table]:
    """For each measure that gives a picture one class, what lies behind it: a figure a row, an encoder a column."""
    results = [result for result in evaluation["results"] if result.get("details")]
    names = dict.fromkeys(name for result in results for name in result["details"])
    return [_detail(name, [one for one in results if name in one["details"]]) for name in names]


def _detail(measure: str, results: Sequence[Mapping[str, Any]]) -> Table:
    found = [result["details"][measure] for result in results]
    rows: list[tuple[str, ...]] = []

    def add(group: str, name: str, text: str, cell: Callable[[Mapping[str, Any] | None], str]) -> None:
        values = [one.get(group, {}).get(name) for one in found]
        if any(value is not None for value in values):
            rows.append((text, *map(cell, values)))

    add("by_class", "macro", "mean over classes, %", percent)
    if any(len(one["by_class"]) > 2 for one in found):  # classes of one part only are all classes
        for name, text in _PARTS.items():
            add("by_class", name, f"{text}, %", percent)
    for rank in RANKS:
        add("by_rank", rank, f"right {rank}, %", percent)
    deep = [one["by_tree"] for one in found if "by_tree" in one]
    differ = any(one["precision"]["value"] != one["recall"]["value"] for one in deep)
    for name in ("precision", "recall", "F") if differ else ("F",):  # as deep as the truth, answers have one for all
        add("by_tree", name, f"hierarchical {name}, %", percent)
    add("by_tree", "severity", "mistakes: ranks up to the shared taxon", number)
    add("by_tree", "height", "all answers: ranks up to the shared taxon", number)
    add("confidence", "calibration error", "calibration error", number)
    add("confidence", "Brier", "Brier score", number)
    return Table([f"{measure} in detail", *map(label_of, results)], rows)


def percent(figure: Mapping[str, Any] | None) -> str:
    """A figure in percent with its interval, a dash where there is none.

    >>> percent({"value": 0.5, "low": 0.41, "high": 0.592, "std": 0.0123}), percent({"value": 1.0, "low": 1.0, "high": 1.0})
    ('50.0 ±1.2 [41.0, 59.2]', '100.0 (too few for an interval)')
    """
    if figure is None:
        return "-"
    std = "" if figure.get("std") is None else f" ±{100 * figure['std']:.1f}"
    return f"{100 * figure['value']:.1f}{std} {_interval(100 * figure['low'], 100 * figure['high'], 1)}"


def number(figure: Mapping[str, Any] | None) -> str:
    """A figure that is no share, with its interval where it has one.

    >>> number({"value": 2.5, "low": 2.25, "high": 3}), number({"value": 0.125})
    ('2.50 [2.25, 3.00]', '0.12')
    """
    if figure is None:
        return "-"
    interval = f" {_interval(figure['low'], figure['high'], 2)}" if "low" in figure else ""
    return f"{figure['value']:.2f}{interval}"


def gain(figure: Mapping[str, Any] | None) -> str:
    """A difference in points of percent, with its interval and the p-value of its test.

    >>> gain({"value": 0.05, "low": 0.01, "high": 0.092, "p": 0.0312}), gain({"value": 0.4, "low": 0.3, "high": 0.5, "p": 1e-9})
    ('+5.0 [+1.0, +9.2] p 0.031', '+40.0 [+30.0, +50.0] p <0.001')
    """
    if figure is None:
        return "-"
    chance = ""
    if "p" in figure:  # results of earlier versions have none
        chance = " p <0.001" if figure["p"] < 0.001 else f" p {figure['p']:.3f}"
    if figure["low"] == figure["high"] == 0:
        return "no difference"
    return f"{100 * figure['value']:+.1f} {_interval(100 * figure['low'], 100 * figure['high'], 1, sign=True)}{chance}"


def _interval(low: float | int, high: float | int, digits: int, *, sign: bool = False) -> str:
    found = ends(float(low), float(high), digits, sign=sign)
    return f"({TOO_FEW})" if found is None else f"[{found[0]}, {found[1]}]"

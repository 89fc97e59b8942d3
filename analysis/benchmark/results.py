"""Results on disk: results.json, which gathers evaluations, and the Markdown page made from it.

An evaluation is known by protocol, settings and the hash of the pictures used; a result in it by the encoder's card. What is
evaluated again takes the earlier result's place, everything else stays.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cladescope.analysis.benchmark import published
from cladescope.analysis.benchmark.details import Details
from cladescope.analysis.benchmark.deviations import deviations
from cladescope.analysis.benchmark.evaluation import Evaluation
from cladescope.analysis.benchmark.protocol import FEW_SHOT
from cladescope.analysis.benchmark.scoring import Result
from cladescope.analysis.measures.macro_f1 import MacroF1
from cladescope.analysis.measures.outcomes import Figure, Measured, Outcome
from cladescope.analysis.measures.paired import Difference, difference
from cladescope.errors import InputError
from cladescope.files import write_json
from cladescope.packages import versions_of

FORMAT_VERSION = 1
RESULTS, PAGE = "results.json", "results.md"
_PACKAGES = ("cladescope", "torch", "open_clip_torch", "timm", "pillow", "numpy", "lancedb")


def describe(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as plain values for JSON, with what papers publish for its task."""
    task = evaluation.task
    return {
        "protocol": evaluation.config.protocol,
        "settings": evaluation.config.settings(task),
        "task": {
            "name": task.name,
            "address": task.address,
            "hash": evaluation.task_hash,
            "n_images": len(task),
            "n_used": int(evaluation.used.sum()),
            "n_classes": evaluation.n_classes,
            "lost_classes": list(evaluation.lost_classes),
            "failed": [{"uri": uri, "reason": reason} for uri, reason in evaluation.failed.items()],
            "left_out": list(task.left_out),
        },
        "deviations": list(deviations(evaluation.config.protocol, evaluation.config.learnt_by)),
        "results": [_result(result, evaluation.results[0]) for result in evaluation.results],
        "published": _published(evaluation),
    }


def _result(result: Result, first: Result) -> dict[str, Any]:
    differences = {}
    if result is not first:
        for name in result.outcomes.keys() & first.outcomes.keys():
            differences[name] = asdict(_difference(first.outcomes[name], result.outcomes[name]))
    return {
        "encoder": result.card.to_dict(),
        "figures": {name: asdict(Figure.of(outcome)) for name, outcome in result.outcomes.items()},
        "details": {name: _details(details) for name, details in result.details.items()},
        "not_applicable": dict(result.not_applicable),
        "difference_from": first.card.name if differences else None,
        "differences": {name: differences[name] for name in result.outcomes if name in differences},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions_of(_PACKAGES),
    }


def _difference(first: Measured, other: Measured) -> Difference:
    """`other` less `first`."""
    if isinstance(first, MacroF1) and isinstance(other, MacroF1):
        return other.minus(first)
    if isinstance(first, Outcome) and isinstance(other, Outcome):
        return difference(first, other)
    raise InputError("two encoders have measures of two kinds under one name: their difference means nothing")


def _details(details: Details) -> dict[str, Any]:
    """What lies behind a measure: groups of figures, and the calibration error, which has no interval."""
    groups = {
        "by_class": details.by_class,
        "by_rank": details.by_rank,
        "by_tree": details.by_tree,
        "confidence": details.confidence,
    }
    found: dict[str, Any] = {
        group: {name: asdict(Figure.of(outcome)) for name, outcome in outcomes.items()}
        for group, outcomes in groups.items()
        if outcomes
    }
    if details.calibration_error is not None:
        found["confidence"]["calibration error"] = {"value": details.calibration_error}
    return found


def _published(evaluation: Evaluation) -> dict[str, Any] | None:
    """What papers publish for the task, and why it is not comparable, if so."""
    task, config = evaluation.task, evaluation.config
    found = published.match(task.name, config.protocol)
    if found is None:
        return None
    reasons = [found.differs(classes=len(task.classes), images=len(task))]
    if evaluation.failed:
        reasons.append(f"{len(evaluation.failed)} pictures could not be used")
    if config.protocol == FEW_SHOT and task.has_parts and not config.pool_parts:
        reasons.append("pictures are given from its training part")
    return {
        "task": found.name,
        "not_comparable": "; ".join(reason for reason in reasons if reason) or None,
        "figures": [asdict(figure) for figure in published.published(found, config.protocol, head=config.learnt_by)],
    }


def save(documents: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Add described evaluations to those in a folder's results.json, and return all of them.

    Raises InputError where results.json is not ours or of a newer format.
    """
    evaluations = _read(folder / RESULTS)
    for document in documents:
        known = next((one for one in evaluations if _key(one) == _key(document)), None)
        if known is None:
            evaluations.append(document)
            continue
        fresh = [result["encoder"] for result in document["results"]]
        kept = [one for one in known["results"] if not any(_is_one(one["encoder"], other) for other in fresh)]
        known |= {**document, "results": kept + document["results"]}
    write_json(folder / RESULTS, {"format_version": FORMAT_VERSION, "evaluations": evaluations})
    return evaluations


def check_folder(folder: Path) -> None:
    """Make a folder for results. Raises InputError where it holds a results.json that is not ours."""
    if folder.is_file():
        raise InputError(f"{folder} is a file, expected a folder for results: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    _read(folder / RESULTS)


def _key(document: dict[str, Any]) -> tuple[str, str, str, str]:
    settings = json.dumps(document["settings"], sort_keys=True)
    return document["protocol"], settings, document["task"]["name"], document["task"]["hash"]


def _is_one(card: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two cards are of one encoder: all that both know is the same. Earlier versions knew less."""
    return all(
        card[field] == other[field] or None in (card[field], other[field]) for field in card.keys() & other.keys()
    )


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        found = json.loads(path.read_text())
        if found["format_version"] > FORMAT_VERSION:
            raise InputError(
                f"{path} has format {found['format_version']}, this version of cladescope reads {FORMAT_VERSION}"
            )
        evaluations: list[dict[str, Any]] = found["evaluations"]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} holds no results of an evaluation: choose another folder") from error
    return evaluations

"""The classifiers of a store: learnt from pictures that have names or that a person has named, and kept in the store's folder.

Each is a file of `cladescope fit`, with the labels that it was learnt from as CSV and what was measured of it as JSON beside it.
"""

import csv
import json
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cladescope.analysis.classify.classifier_file import Classifier, load_classifier, save_classifier
from cladescope.analysis.classify.fit import Fitted, fit_store
from cladescope.app.service.plain import plain
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.files import replacing, write_json
from cladescope.index import remote
from cladescope.nearest import did_you_mean
from cladescope.schema import LEVELS

FOLDER = "classifiers"
"""Within a store's folder."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
CLASSIFIER, LABELS, REPORT = ".safetensors", ".labels.csv", ".report.json"
SHOWN = ("name", "rank", "method", "classes", "images", "accuracy", "interval", "made")
"""What a list says of each."""
_FITTING = threading.Lock()
"""One is learnt at a time: each reads all vectors, and two could take one name."""


def listed(served: ServedStore) -> list[dict[str, Any]]:
    """Every classifier of a store, by name."""
    if not (folder := _folder(served)).is_dir():
        return []
    names = sorted(file.name.removesuffix(CLASSIFIER) for file in folder.iterdir() if file.name.endswith(CLASSIFIER))
    reports = [report_of(served, name) for name in names if NAME.fullmatch(name)]
    return [{word: one[word] for word in SHOWN} for one in reports]


def report_of(served: ServedStore, name: str) -> dict[str, Any]:
    """All that was measured of a classifier; of a file that came without a report, what the file says.

    Raises RefusalError where there is no such classifier, or its report cannot be read.
    """
    file = file_of(served, name)
    try:
        found: dict[str, Any] = json.loads(file.with_name(f"{name}{REPORT}").read_text(encoding="utf-8"))
        return {**dict.fromkeys(SHOWN), "said": [], **found, "name": name}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError) as error:
        raise RefusalError(500, f"the report of the classifier {name} cannot be read: fit it anew") from error
    held = loaded(served, name)
    return {
        "name": name, "rank": held.target, "method": held.method, "classes": len(held.labels), "images": int(held.counts.sum()),
        "accuracy": None, "interval": None, "made": held.created, "said": ["no report came with this file: how often it is right is not known"],
    }  # fmt: skip


def loaded(served: ServedStore, name: str) -> Classifier:
    """A classifier by its name. Raises RefusalError where there is none, or it does not fit the store's vectors."""
    file = file_of(served, name)
    with served.reading() as store:
        held = load_classifier(file)
        held.check(store.card)
        return held


def file_of(served: ServedStore, name: str, kind: str = CLASSIFIER) -> Path:
    """The file of a classifier, of its labels or of its report. Raises RefusalError where there is none."""
    folder = _folder(served)
    if NAME.fullmatch(name) and (file := folder / f"{name}{kind}").is_file():
        return file
    names = [file.name.removesuffix(CLASSIFIER) for file in folder.glob(f"*{CLASSIFIER}")] if folder.is_dir() else []
    if name in names:
        raise RefusalError(404, f"the classifier {name} of {served.name} came without this file: fit it anew")
    there = f"there are {', '.join(sorted(names))}{did_you_mean(name, names)}" if names else "there is none yet"
    raise RefusalError(404, f"no classifier {name[:100]!r} of {served.name}: {there}")


def fitted(
    served: ServedStore,
    name: str,
    *,
    labels: Mapping[str, Sequence[str]] | None,
    rank: str | None,
    method: str,
) -> dict[str, Any]:
    """Learn a classifier from labelled pictures, or from the names of a rank, keep it and return its report.

    Raises RefusalError for a name that is taken, a picture with two labels, an unknown one, and what cannot be learnt.
    """
    if labels is not None and rank is not None:
        raise RefusalError(422, "give one of labels and rank")
    if rank is not None and rank not in LEVELS:
        raise RefusalError(422, f"rank is {rank[:100]!r}: expected one of {', '.join(LEVELS)}")
    given = None if labels is None else label_of_each(labels)
    if given is not None:
        served.check_ids(list(given))
    folder = _folder(served)
    with _FITTING, served.reading() as store:
        file = folder / f"{name}{CLASSIFIER}"
        if file.exists():
            raise RefusalError(
                409, f"there is a classifier {name} of {served.name}: choose another name, or delete it first"
            )
        made = fit_store(store, rank=rank, labels=given, method=method)
        try:
            folder.mkdir(exist_ok=True)
            n_labelled = _write_labels(served, folder / f"{name}{LABELS}", given, made.classifier.target)
            report = _report(name, made)
            write_json(folder / f"{name}{REPORT}", {**report, "labelled": n_labelled})
        except OSError as error:
            raise RefusalError(
                500, f"the folder of {served.name} cannot be written: {error.strerror or error}"
            ) from error
        save_classifier(made.classifier, file)
        return {**report, "labelled": n_labelled}


def removed(served: ServedStore, name: str) -> None:
    """Delete a classifier with its labels and its report. Raises RefusalError where there is none."""
    with _FITTING:
        file = file_of(served, name)
        try:
            file.unlink()
            for kind in (LABELS, REPORT):
                file.with_name(f"{name}{kind}").unlink(missing_ok=True)
        except OSError as error:
            raise RefusalError(
                500, f"the folder of {served.name} cannot be written: {error.strerror or error}"
            ) from error


def label_of_each(labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The label of each picture. Raises RefusalError for a picture in two classes."""
    found: dict[str, str] = {}
    for label, ids in labels.items():
        for image_id in ids:
            if found.setdefault(image_id, label) != label:
                raise RefusalError(
                    422,
                    f"the picture {image_id!r} is in two classes, {found[image_id]!r} and {label!r}: leave it in one",
                )
    return found


def _report(name: str, made: Fitted) -> dict[str, Any]:
    interval = made.accuracy_interval
    return plain({
        "name": name, "rank": made.classifier.target, "method": made.classifier.method, "classes": len(made.classifier.labels),
        "images": int(made.classifier.counts.sum()), "accuracy": made.accuracy, "interval": None if interval is None else list(interval),
        "made": datetime.now(UTC).isoformat(timespec="seconds"), "said": list(made.notes),
        "labels": list(made.classifier.labels), "measured": made.summary,
    })  # type: ignore[return-value]  # fmt: skip


def _write_labels(served: ServedStore, path: Path, given: Mapping[str, str] | None, column: str) -> int:
    """Write the label of each picture, and return how many there are: those given, or the names in a column."""
    with served.reading() as store:
        names = ["image_id", "uri", *([column] if given is None else [])]
        found = served.rows_of(list(given), names).values() if given is not None else store.table(names).to_pylist()
        rows = [
            (row["image_id"], row["uri"], row[column] if given is None else given[row["image_id"]]) for row in found
        ]
    rows = [row for row in rows if row[2]]
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(("image_id", "uri", "label"))
        writer.writerows(rows)
    return len(rows)


def _folder(served: ServedStore) -> Path:
    if remote.url_of(served.path) is not None:
        raise RefusalError(
            422,
            f"{served.name} is on object storage, where no classifier is kept: fit one from Python or the command line, and keep its file",
        )
    return served.path / FOLDER

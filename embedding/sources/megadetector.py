"""Batch results of MegaDetector: a JSON file of pictures with boxes of animals, people and vehicles.

Format: https://lila.science/megadetector-output-format. Boxes are shares of width and height.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa

from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.regions import read_box, region_address
from cladescope.embedding.schemes import leads_elsewhere, table_address
from cladescope.errors import PictureError

MIN_CONFIDENCE = 0.2
"""Detections below it are passed over and counted: MegaDetector writes them down to 0.005, and advises 0.2 for its version 5."""


class Detection(NamedTuple):
    """One box of a picture."""

    kind: str
    """What it is said to show: `animal`, `person`, `vehicle`."""
    confidence: float
    """As it is written; not a number where there is none."""
    said: Mapping[str, Any]
    """All that the file says of it."""


class Answer(NamedTuple):
    """What the detector says of one picture."""

    file: str | None
    """As it is written; None where it names none."""
    failure: str | None
    """Why the picture could not be read."""
    detections: list[Detection]


def answers(document: Mapping[str, Any]) -> Iterator[Answer]:
    """What a file of results says of each picture, in its order.

    >>> found = next(answers({"images": [{"file": "a.jpg", "detections": [{"category": "2", "conf": 0.9}]}], "detection_categories": {"2": "person"}}))
    >>> found.file, found.detections[0][:2]
    ('a.jpg', ('person', 0.9))
    """
    categories = document.get("detection_categories") or {}
    for image in document["images"]:
        if not isinstance(image, Mapping) or not isinstance(image.get("file"), str):
            yield Answer(None, None, [])
            continue
        said = [one for one in image.get("detections") or [] if isinstance(one, Mapping)]
        kinds = [str(one.get("category")) for one in said]
        detections = [
            Detection(str(categories.get(kind, kind)), _confidence(one), one)
            for kind, one in zip(kinds, said, strict=True)
        ]
        yield Answer(image["file"], str(image["failure"]) if image.get("failure") else None, detections)


class MegaDetectorSource:
    """A record for each detection of at least `MIN_CONFIDENCE`, as a region of its picture; memory: the whole file."""

    extra_fields: tuple[pa.Field, ...] = (pa.field("detection", pa.string()), pa.field("confidence", pa.float64()))

    def __init__(self, uri: str, document: Mapping[str, Any], *, name: str, allowed: Collection[str] = ()) -> None:
        """`document` is the file at `uri`, read; `allowed` are schemes that its addresses may have beside the usual ones."""
        self.name = name
        self.left_out: Mapping[str, int] = {}
        self._uri, self._allowed = uri, allowed
        self._document = document

    def count(self) -> int | None:
        """None: how many detections count is known after reading all."""
        return None

    def records(self) -> Iterator[Record]:
        """Detections in the file's order; a picture that MegaDetector could not read is one record with a `problem`."""
        n_weak = n_silent = n_empty = 0
        for number, answer in enumerate(answers(self._document)):
            if answer.file is None:
                yield self._problem(f"{self._uri}#image={number}", "it names no file")
                continue
            uri, rule, problem = table_address(answer.file, self._uri, self._allowed)
            if problem or answer.failure:
                yield self._problem(uri, problem or f"MegaDetector failed on it: {answer.failure}")
                continue
            strong = [one for one in answer.detections if one.confidence >= MIN_CONFIDENCE]
            silent = sum(math.isnan(one.confidence) for one in answer.detections)
            n_silent += silent
            n_weak += len(answer.detections) - len(strong) - silent
            n_empty += not strong
            for detection in strong:
                yield replace(self._record(uri, detection), path_rule=rule, public_only=leads_elsewhere(uri, self._uri))
        found = {
            f"detections below {MIN_CONFIDENCE}": n_weak,
            "detections without a confidence": n_silent,
            "pictures without a stronger detection": n_empty,
        }
        self.left_out = {words: n for words, n in found.items() if n}

    def _record(self, uri: str, detection: Detection) -> Record:
        address, problem = uri, None
        try:
            box = read_box(detection.said, ["bbox"])
            address = uri if box is None else region_address(uri, box)
        except PictureError as error:
            address, problem = f"{uri}#box={detection.said.get('bbox')}", str(error)
        extra = {"detection": detection.kind, "confidence": detection.confidence}
        return Record(image_id=id_of_uri(address), uri=address, source=self.name, extra=extra, problem=problem)

    def _problem(self, uri: str, problem: str) -> Record:
        extra = dict.fromkeys(("detection", "confidence"))
        return Record(image_id=id_of_uri(uri), uri=uri, source=self.name, extra=extra, problem=problem)


def _confidence(detection: Mapping[str, Any]) -> float:
    """As it is written; not a number where there is none."""
    try:
        return float(detection.get("conf", "nan"))
    except (TypeError, ValueError):
        return math.nan

"""Annotations in COCO's JSON, iNaturalist 2021's among them: pictures, categories, and which picture shows which, with a box or none.

Format: https://cocodataset.org/#format-data; ranks of the categories: https://github.com/visipedia/inat_comp/tree/master/2021.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa

from cladescope.embedding.labels import clean_labels, is_respelt
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.regions import read_box, region_address
from cladescope.embedding.schemes import Address, leads_elsewhere, table_address
from cladescope.errors import PictureError
from cladescope.taxonomy import RANKS


class CocoSource:
    """A record for each annotation, and one for each picture without any; memory: the whole file."""

    extra_fields: tuple[pa.Field, ...] = (pa.field("category", pa.string()),)

    def __init__(self, uri: str, document: Mapping[str, Any], *, name: str, allowed: Collection[str] = ()) -> None:
        """`document` is the file at `uri`, read; `allowed` are schemes that its addresses may have beside the usual ones."""
        self.name = name
        self._uri, self._allowed = uri, allowed
        self._images = [image for image in document["images"] if isinstance(image, Mapping)]
        self._categories = {one.get("id"): one for one in document.get("categories") or [] if isinstance(one, Mapping)}
        self._of_image: dict[object, list[Mapping[str, Any]]] = {}
        for one in document["annotations"]:
            self._of_image.setdefault(one.get("image_id"), []).append(one)
        images = {image.get("id") for image in self._images}
        n_stray = sum(len(of) for image, of in self._of_image.items() if image not in images)
        self.left_out = {"annotations of pictures that are not listed": n_stray} if n_stray else {}

    def count(self) -> int | None:
        """Number of annotations and of pictures without any."""
        return sum(max(1, len(self._of_image.get(image.get("id"), ()))) for image in self._images)

    def records(self) -> Iterator[Record]:
        """Annotations, picture by picture in the file's order."""
        for image in self._images:
            address = table_address(str(image.get("file_name")), self._uri, self._allowed)
            for annotation in self._of_image.get(image.get("id"), [{}]):
                yield self._record(address, annotation)

    def _record(self, at: Address, annotation: Mapping[str, Any]) -> Record:
        uri, rule, problem = at
        try:
            box = read_box(annotation, ["bbox"])
            address = uri if box is None else region_address(uri, box)
        except PictureError as error:
            address, problem = f"{uri}#annotation={annotation.get('id')}", str(error)
        category = self._categories.get(annotation.get("category_id"), {})
        raw = {rank: category.get(rank) for rank in (*RANKS[:-1], "common_name")}
        raw |= {"epithet": category.get("specific_epithet")}
        if category.get("specific_epithet") is None and str(category.get("name", "")).count(" ") == 1:
            raw["scientific_name"] = category.get("name")
        texts = {role: str(value) for role, value in raw.items() if value is not None}
        labels = clean_labels(texts)
        name = category.get("name")
        return Record(
            image_id=id_of_uri(address),
            uri=address,
            source=self.name,
            labels=labels,
            respelt=is_respelt(texts, labels),
            path_rule=rule,
            public_only=leads_elsewhere(uri, self._uri),
            extra={"category": None if name is None else str(name)},
            problem=problem,
        )

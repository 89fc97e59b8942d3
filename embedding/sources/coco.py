"""Annotations in COCO's JSON, iNaturalist 2021's among them: pictures, categories, and which picture shows which, with a box or none.

Format: https://cocodataset.org/#format-data; ranks of the categories: https://github.com/visipedia/inat_comp/tree/master/2021.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from cladescope.embedding.labels import MISSING, clean_labels, is_respelt, missing_words, written_otherwise
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.regions import read_box, region_address
from cladescope.embedding.schemes import Address, leads_elsewhere, table_address
from cladescope.errors import PictureError
from cladescope.taxonomy import RANKS

NOT_LISTED: Final = "category not listed"
"""What stands for the labels of an annotation whose category the file does not describe; counted as a missing label."""
STRAY: Final = "annotations of pictures that are not listed"
AGAIN: Final = "further annotations of a category that a picture or box shows already"
DAMAGED: Final = "images and annotations that are no objects of keys"
_TOLD: Final = (*RANKS[:-1], "common_name", "specific_epithet")
_SHOWN: Final = 5
_OF_PICTURE: Final = {
    "date": pa.string(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    "location_uncertainty": pa.float64(),
}
"""What iNaturalist 2021 says of a picture beside its rights."""


class CocoSource:
    """A record for each annotation, and one for each picture without any; memory: the whole file.

    Annotations of one category at one place, a picture or a box, are one record. Those of other categories at that place have
    ids of their own. Licence, holder of the rights, place and date are those of the picture.
    """

    def __init__(
        self,
        uri: str,
        document: Mapping[str, Any],
        *,
        name: str,
        allowed: Collection[str] = (),
        missing: Set[str] = MISSING,
    ) -> None:
        """`document` is the file at `uri`, read; `allowed` are schemes that its addresses may have beside the usual ones.

        `missing` are words that say that a label is not known.
        """
        self.name = name
        self._uri, self._allowed, self._missing = uri, allowed, missing
        self._images, annotations = _objects(document["images"]), _objects(document["annotations"])
        self._categories = {_key(one.get("id")): one for one in _objects(document.get("categories") or [])}
        self._of_image: dict[str, list[Mapping[str, Any]]] = {}
        for one in annotations:
            self._of_image.setdefault(_key(one.get("image_id")), []).append(one)
        self._licences = {_key(one.get("id")): _licence(one) for one in _objects(document.get("licenses") or [])}
        there = [name for name in _OF_PICTURE if any(image.get(name) is not None for image in self._images)]
        self._own = {name: _OF_PICTURE[name] for name in there}
        self.extra_fields: tuple[pa.Field, ...] = (
            pa.field("category", pa.string()),
            *(pa.field(name, type_) for name, type_ in self._own.items()),
        )
        images = {_key(image.get("id")) for image in self._images}
        n_damaged = len(document["images"]) + len(document["annotations"]) - len(self._images) - len(annotations)
        n_stray = sum(len(of) for image, of in self._of_image.items() if image not in images)
        self._lacking = {STRAY: n_stray, DAMAGED: n_damaged}
        self.left_out = {words: n for words, n in self._lacking.items() if n}
        self.notes = _by_name_alone(self._categories, annotations)

    def count(self) -> int | None:
        """Number of annotations and of pictures without any; annotations that say the same again are not told apart."""
        return sum(max(1, len(self._of_image.get(_key(image.get("id")), ()))) for image in self._images)

    def records(self) -> Iterator[Record]:
        """Annotations, picture by picture in the file's order."""
        n_again = 0
        for number, image in enumerate(self._images):
            address = self._address(number, image)
            seen: dict[str, set[str]] = {}
            for annotation in self._of_image.get(_key(image.get("id")), [{}]):
                record, category = self._record(address, image, annotation), _key(annotation.get("category_id"))
                there = seen.setdefault(record.uri, set())
                if category in there:
                    n_again += 1
                    continue
                there.add(category)
                yield record if len(there) == 1 else _apart(record, category)
        self.left_out = {words: n for words, n in {**self._lacking, AGAIN: n_again}.items() if n}

    def _address(self, number: int, image: Mapping[str, Any]) -> Address:
        written = image.get("file_name")
        if not isinstance(written, str) or not written.strip():
            return Address(f"{self._uri}#image={number}", problem="it names no file")
        return table_address(written, self._uri, self._allowed)

    def _record(self, at: Address, image: Mapping[str, Any], annotation: Mapping[str, Any]) -> Record:
        uri, rule, problem = at
        address = uri
        try:
            box = read_box(annotation, ["bbox"])
            address = uri if box is None else region_address(uri, box)
        except PictureError as error:
            address, problem = f"{uri}#annotation={annotation.get('id')}", problem or str(error)
        category = self._categories.get(_key(annotation.get("category_id")))
        texts = _texts(category or {})
        rights = {
            "licence": self._licences.get(_key(image.get("license"))),
            "rights_holder": image.get("rights_holder"),
        }
        told = {role: str(value) for role, value in rights.items() if value is not None}
        labels = clean_labels({**texts, **told}, self._missing)
        is_lost = category is None and annotation.get("category_id") is not None
        name = None if category is None else category.get("name")
        return Record(
            image_id=id_of_uri(address),
            uri=address,
            source=self.name,
            labels=labels,
            respelt=is_respelt(texts, labels),
            written=written_otherwise(texts, labels),
            missing=(NOT_LISTED,) if is_lost else missing_words(texts, self._missing),
            path_rule=rule,
            public_only=leads_elsewhere(uri, self._uri),
            extra={
                "category": None if name is None else str(name),
                **{own: _value(image.get(own), type_) for own, type_ in self._own.items()},
            },
            problem=problem,
        )


def _objects(found: object) -> Sequence[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _key(value: object) -> str:
    """An id as files write it: as a number in one place and as its text in another.

    >>> _key(7) == _key("7"), _key(None) == _key("None")
    (True, False)
    """
    return "" if value is None else f"={value}"


def _licence(one: Mapping[str, Any]) -> str | None:
    """A licence by its address, which says its version, else by its name."""
    return next((value for name in ("url", "name") if isinstance(value := one.get(name), str) and value.strip()), None)


def _value(value: object, type_: pa.DataType) -> object:
    """A value of a picture's own column; None for what is not of its type."""
    if type_ == pa.string():
        return None if value is None else str(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _apart(record: Record, category: str) -> Record:
    """A record of another category than one before it at the same place."""
    return replace(record, image_id=id_of_uri(f"{record.uri}\n{category}"), apart=category)


def _texts(category: Mapping[str, Any]) -> dict[str, str]:
    """Raw values of the labels in a category; a name of two words is the scientific name where no epithet is said."""
    raw = {rank: category.get(rank) for rank in (*RANKS[:-1], "common_name")}
    raw |= {"epithet": category.get("specific_epithet")}
    if category.get("specific_epithet") is None and str(category.get("name", "")).count(" ") == 1:
        raw["scientific_name"] = category.get("name")
    return {role: str(value) for role, value in raw.items() if value is not None}


def _by_name_alone(
    categories: Mapping[str, Mapping[str, Any]], annotations: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """A line on categories that are taken for species by a name of two words, with nothing beside it that says so."""
    found: Counter[str] = Counter()
    for key, n in Counter(_key(one.get("category_id")) for one in annotations).items():
        category = categories.get(key, {})
        species = clean_labels(_texts(category)).get("species")
        if species and not any(category.get(column) for column in _TOLD):
            found[species] += n
    if not found:
        return ()
    shown = ", ".join(name for name, _ in found.most_common(_SHOWN)) + (", ..." if len(found) > _SHOWN else "")
    return (
        f"{len(found)} categories are taken for species by their name alone, in {found.total()} annotations: {shown}; "
        "relabel those that are none",
    )

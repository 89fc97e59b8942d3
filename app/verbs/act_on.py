"""Doing something with what is said of pictures: sorting them into folders."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cladescope.analysis.classify.naming import NamedPicture, Predictions
from cladescope.analysis.classify.said import first_said
from cladescope.analysis.sort_log import WAYS, By
from cladescope.analysis.sort_pictures import UNREADABLE, Sorted, check_sort_folder, sort_pictures
from cladescope.app.verbs.arguments import checked
from cladescope.errors import InputError
from cladescope.paths import local_path


@dataclass(kw_only=True)
class Acted:
    """What was done with predictions."""

    pictures: int = 0
    unreadable: int = 0
    sorting: Sorted | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, of what was asked for."""
        return {"sorted": self.sorting.to_dict()} if self.sorting is not None else {}


@dataclass(kw_only=True)
class Acts:
    """What is to be done with predictions, checked before any is made."""

    sort_into: Path | None = None
    by: By = "link"
    _named: list[tuple[str, str]] = field(default_factory=list)
    acted: Acted = field(default_factory=Acted)

    def __post_init__(self) -> None:
        if self.by not in WAYS:
            raise InputError(f"by is {self.by!r}: use one of {', '.join(WAYS)}")
        if self.sort_into is not None:
            check_sort_folder(self.sort_into)

    def noting(self, predictions: Predictions) -> Predictions:
        """The same predictions; what is said of each picture is kept as they are made. About 300 bytes a picture."""

        def make(failures: list[str]) -> Iterator[NamedPicture]:
            for picture in predictions.make(failures):
                self._note(picture)
                yield picture

        return replace(predictions, make=make)

    def _note(self, picture: NamedPicture) -> None:
        self.acted.pictures += 1
        self.acted.unreadable += picture.problem is not None
        if self.sort_into is not None:
            name = UNREADABLE if picture.problem is not None else first_said(picture.answers)
            self._named.append((picture.uri, name))

    def done(self, predictions: Predictions) -> Acted:
        """Do it, once all predictions were made."""
        if self.sort_into is not None:
            self.acted.sorting = sort_pictures(self._named, self.sort_into, by=self.by, made_by=predictions.made_by)
        return self.acted


@checked
def act_on(predictions: Predictions, *, sort_into: str | Path | None = None, by: By = "link") -> Acted:
    """Make predictions and do something with them; returns how many pictures what became of.

    `sort_into` is a folder in which the pictures are placed, in folders of what each was named first: `by` links, copies or
    a move. Pictures that no name was found for lie in `not known`, those that cannot be read in `unreadable`. Nothing is overwritten, and
    `cladescope.undo` turns it back by the log in the folder.

    Raises InputError where a folder cannot be written.

    >>> import cladescope
    >>> fitted = cladescope.fit("photos.store", rank="genus", out="genus.safetensors")
    >>> said = cladescope.predict("photos", classifier="genus.safetensors", rank="genus")
    >>> done = cladescope.act_on(said, sort_into="sorted", by="copy")
    >>> done.sorting.placed
    24
    """
    acts = Acts(sort_into=None if sort_into is None else local_path(sort_into), by=by)
    noted = acts.noting(predictions)
    for _ in noted.pictures():
        pass
    return acts.done(noted)

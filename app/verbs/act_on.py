"""Doing something with what is said of pictures: folders, columns of a store, a sheet, sidecars."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cladescope.analysis.classify.answers import Prediction
from cladescope.analysis.classify.naming import NamedPicture, Predictions
from cladescope.analysis.classify.predicted_columns import Written, check_columns, write_predicted
from cladescope.analysis.classify.said import first_said, in_words, is_named
from cladescope.analysis.classify.xmp_sidecars import Sidecars, write_sidecars
from cladescope.analysis.sort_log import WAYS, By
from cladescope.analysis.sort_pictures import UNREADABLE, Sorted, check_sort_folder, sort_pictures
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.embedding.regions import split_region
from cladescope.errors import InputError
from cladescope.outputs import check_out_file
from cladescope.paths import local_path
from cladescope.shown import counted
from cladescope.steps import step

SHEET = 100
"""Pictures on a sheet."""


@dataclass(kw_only=True)
class Acted:
    """What was done with predictions; None is what was not asked for."""

    pictures: int = 0
    unreadable: int = 0
    sorting: Sorted | None = None
    written: Written | None = None
    sidecars: Sidecars | None = None
    sheet: Path | None = None
    on_sheet: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, of what was asked for."""
        done = {"sorted": self.sorting, "written": self.written, "xmp": self.sidecars}
        sheet = {} if self.sheet is None else {"sheet": str(self.sheet)}
        return {name: one.to_dict() for name, one in done.items() if one is not None} | sheet


class Acts:
    """What is to be done with predictions, checked before any is made."""

    def __init__(
        self, *, sort_into: str | Path | None = None, by: By = "link", write_to: AnyStore | None = None, xmp: bool = False,
        sheet: str | Path | None = None, overwrite: bool = False,
    ) -> None:  # fmt: skip
        """As `act_on`."""
        if by not in WAYS:
            raise InputError(f"by is {by!r}: use one of {', '.join(WAYS)}")
        self.by, self.xmp, self.acted = by, xmp, Acted()
        self.sort_into = None if sort_into is None else local_path(sort_into)
        self.sheet = None if sheet is None else local_path(sheet)
        if self.sort_into is not None:
            check_sort_folder(self.sort_into)
        if self.sheet is not None:
            if self.sheet.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
                raise InputError(f"cannot draw {self.sheet}: expected a name that ends in .png or .jpg")
            check_out_file(self.sheet, overwrite=overwrite)
        self.store = None if write_to is None else opened(write_to)
        if self.store is not None:
            check_columns(self.store)
        self._named: list[tuple[str, str]] = []
        self._first: list[tuple[str, Prediction]] = []
        self._tiles: list[tuple[str, tuple[str, ...]]] = []

    def noting(self, predictions: Predictions) -> Predictions:
        """The same predictions; what is said of each picture is kept as they are made. Up to 1 kB a picture."""

        def make(failures: list[str]) -> Iterator[NamedPicture]:
            for picture in predictions.make(failures):
                self._note(picture)
                yield picture

        return replace(predictions, make=make)

    def _note(self, picture: NamedPicture) -> None:
        self.acted.pictures += 1
        self.acted.unreadable += (is_unread := picture.problem is not None)
        if self.sort_into is not None:
            self._named.append((picture.uri, UNREADABLE if is_unread else first_said(picture.answers)))
        if (self.store is not None or self.xmp) and picture.answers:
            self._first.append((picture.uri, picture.answers[0]))
        if self.sheet is not None and len(self._tiles) < SHEET:
            file, first = split_region(picture.name)[0], picture.answers[0] if picture.answers else {}
            score, surely = first.get("score"), "cannot be read" if is_unread else ""
            near = f"nearest: {first['nearest']}" if first.get("nearest") else ""
            if score is not None and is_named(first):
                surely = in_words(float(score))
            elif near:
                surely, near = near, ""
            said = UNREADABLE if is_unread else first_said(picture.answers)
            self._tiles.append((picture.uri, (said, str(first.get("common_name") or near), surely, file)))

    def done(self, predictions: Predictions) -> Acted:
        """Do it, once all predictions were made; files are moved last."""
        if self.store is not None:
            self.acted.written = write_predicted(self.store, self._first, made_by=predictions.made_by)
        if self.sheet is not None and self._tiles:
            from cladescope.analysis.audit.contact_sheet import Tile, draw, save
            from cladescope.analysis.duplicates.answer import shown_names

            total, n = self.acted.pictures, len(self._tiles)
            title = f"{n:,} of {counted(total, 'picture')}" if n < total else counted(n, "picture")
            files = shown_names([lines[-1] for _, lines in self._tiles])
            tiles = [Tile(uri, (*lines[:-1], files[lines[-1]])) for uri, lines in self._tiles]
            with step(f"drawing {self.sheet.name}"):
                self.acted.sheet = save(draw([], tiles, title=f"{title}, and what they were named"), self.sheet)
            self.acted.on_sheet = n
        if self.xmp:
            self.acted.sidecars = write_sidecars(self._first, made_by=predictions.made_by)
        if self.sort_into is not None:
            self.acted.sorting = sort_pictures(self._named, self.sort_into, by=self.by, made_by=predictions.made_by)
        return self.acted


@checked
def act_on(
    predictions: Predictions, *, sort_into: str | Path | None = None, by: By = "link", write_to: AnyStore | None = None,
    xmp: bool = False, sheet: str | Path | None = None, overwrite: bool = False,
) -> Acted:  # fmt: skip
    """Make predictions and do something with them; returns how many pictures what became of.

    `sort_into` is a folder in which the pictures are placed, in folders of what each was named first: `by` links, copies or
    a move. Pictures that no name was found for lie in `not known`, those that cannot be read in `unreadable`. Nothing is overwritten, and
    `cladescope.undo` turns it back by the log in the folder. `write_to` is a store that keeps what was said of its pictures in columns of
    their own, `predicted_species` and so on, in place of earlier predictions. `sheet` is a picture of the first 100 with their names; `overwrite` lets it
    replace a file. `xmp` writes the names as keywords into a sidecar beside each picture; into one of another program they are inserted, and all else in it stays.

    Raises InputError where something cannot be written, StoreError where there is no such store.

    >>> import cladescope
    >>> fitted = cladescope.fit("photos.store", rank="genus", out="genus.safetensors")
    >>> said = cladescope.predict("photos.store", classifier="genus.safetensors", rank="genus")
    >>> done = cladescope.act_on(said, sort_into="sorted", by="copy", write_to="photos.store")
    >>> done.sorting.placed, done.written.pictures
    (24, 24)
    """
    acts = Acts(sort_into=sort_into, by=by, write_to=write_to, xmp=xmp, sheet=sheet, overwrite=overwrite)
    noted = acts.noting(predictions)
    for _ in noted.pictures():
        pass
    return acts.done(noted)

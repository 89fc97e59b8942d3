"""What to label next."""

import csv
from collections.abc import Sequence
from pathlib import Path

from cladescope.analysis.classify import choosing
from cladescope.analysis.classify.classifier_file import Classifier
from cladescope.analysis.classify.next_pictures import Strategy
from cladescope.analysis.classify.suggest import Suggested, curve_in_store, suggest_in_store
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, opened_for, within_of
from cladescope.errors import InputError
from cladescope.files import replacing
from cladescope.outputs import check_out_file
from cladescope.paths import local_path
from cladescope.shown import counted, formula_safe

CURVE_KINDS = (".png", ".svg", ".pdf")


@checked
def suggest(
    store: AnyStore,
    *,
    classifier: str | Path | Classifier | None = None,
    n: int = 50,
    strategy: Strategy | None = None,
    rank: str | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    vectors: str | None = None,
    out: str | Path | None = None,
    sheet: str | Path | None = None,
    curve: str | Path | None = None,
    seed: int = 0,
    safe_csv: bool = False,
    overwrite: bool = False,
) -> Suggested:
    """Propose up to `n` pictures of a store to label next; the names that you give them go back by `relabel`, or by `fit(labels=...)`.

    With a `classifier`, pictures that it is unsure of and that are unlike each other (`strategy` "both"); without one, pictures that are typical of many
    ("typical"). "uncertainty", "diverse" and "random" are the other strategies. Not proposed are pictures that have a name at the `rank` (default: the
    classifier's, else species or label) or that the classifier was made with, and copies. `within` keeps a clade or the union of several, `where` the rows that meet an SQL
    condition; `vectors` names those of a further encoder of the store. `out` is a CSV file with a row a picture and an empty column for its name, with `safe_csv` one in
    which a spreadsheet reads no text as a formula; `sheet` a picture file on which they are drawn with what the classifier takes them for; `overwrite` lets both
    replace files.

    `curve` is a picture file (.png, .svg or .pdf): nothing is proposed then, but what suggestions of `n` pictures at a time would have saved is measured on the pictures that have
    a name at the `rank`, by a simulated user beside one who names pictures at random, each asked about a third that takes no part. See `Suggested.curve`.

    Raises InputError where nothing is left to label, for a strategy that needs a classifier without one, or a file that cannot be written; StoreError if the
    classifier is of another encoder; TaxonError for an unknown rank or clade.

    >>> import cladescope
    >>> found = cladescope.suggest("photos.store", rank="label", n=5)
    >>> len(found.suggestions), found.strategy
    (5, 'typical')
    """
    if n < 1:
        raise InputError(f"n is {n}: expected a number of pictures from 1 on")
    listed, drawn, curved = (None if path is None else local_path(path) for path in (out, sheet, curve))
    if curved is not None and (
        given := [name for name, one in (("classifier", classifier), ("out", out), ("sheet", sheet)) if one]
    ):
        raise InputError(
            f"curve proposes nothing, and asks the names that the store has: leave out {' and '.join(given)}"
        )
    if curved is not None and curved.suffix.lower() not in CURVE_KINDS:
        raise InputError(
            f"{curved.name} is no picture file that a curve can be drawn in: expected {', '.join(CURVE_KINDS)}"
        )
    for path in (listed, drawn, curved):
        if path is not None:
            check_out_file(path, overwrite=overwrite)
    if curved is not None:
        told = curve_in_store(
            opened(store, vectors=vectors),
            n=n,
            strategy=strategy,
            rank=rank,
            within=within_of(within),
            where=where,
            seed=seed,
        )
        _draw_curve(told, curved)
        return told
    fitted = None if classifier is None else choosing.fitted(classifier)
    held = opened(store, vectors=vectors)
    if fitted is not None and vectors is None:
        held = opened_for(held, fitted.card)
    found = suggest_in_store(
        held, fitted, n=n, strategy=strategy, rank=rank, within=within_of(within), where=where, seed=seed
    )
    if listed is not None:
        _write(found, listed, safe_csv=safe_csv)
    if drawn is not None:
        _draw(found, drawn)
    return found


def _write(found: Suggested, path: Path, *, safe_csv: bool) -> None:
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image_id", "uri", found.column))
        for one in found.suggestions:
            row = (one.image_id, one.uri, "")
            writer.writerow([formula_safe(text) for text in row] if safe_csv else row)


def _draw(found: Suggested, path: Path) -> None:
    from cladescope.analysis.audit.contact_sheet import Tile, draw, save
    from cladescope.analysis.classify.said import in_words
    from cladescope.analysis.duplicates.answer import shown_names

    names = shown_names([one.uri for one in found.suggestions])
    tiles = []
    for place, one in enumerate(found.suggestions, 1):
        said = ("", "") if one.chance is None else (f"perhaps {one.guess}", in_words(one.chance))
        tiles.append(Tile(one.uri, (f"{place}.", *said, names[one.uri])))
    save(draw([], tiles, title=f"{counted(len(tiles), 'picture')} to label next"), path)


def _draw_curve(found: Suggested, path: Path) -> None:
    from cladescope.analysis.classify.learning_figure import draw_learning_curve

    assert found.curve is not None
    with replacing(path) as draft:
        draw_learning_curve(found.curve, title=f"what suggestions save, by {found.column}").savefig(
            draft, format=path.suffix[1:].lower()
        )

"""Naming pictures, or the pictures of a store without encoding them again."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

from cladescope.analysis.classify import choosing
from cladescope.analysis.classify.answers import columns
from cladescope.analysis.classify.choosing import Labels, Taxa
from cladescope.analysis.classify.classifier_file import Classifier
from cladescope.analysis.classify.known import DOUBT, check_doubt
from cladescope.analysis.classify.made_by import made_by
from cladescope.analysis.classify.naming import NamedPicture, Predictions, name_pictures, name_stored
from cladescope.analysis.classify.stopping import stops
from cladescope.analysis.classify.zero_shot import TEXT_TYPE
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.backboned import labels_by, naming_of, write_conflicts
from cladescope.app.verbs.given import (
    AnyStore,
    clades_of,
    encoder_beside,
    is_store,
    opened,
    opened_for,
    pictures_of,
    vector_notes,
)
from cladescope.app.verbs.meant import opened_places, records_of
from cladescope.embedding.encoder import Encoder, Runtime
from cladescope.embedding.given import AnyPicture
from cladescope.embedding.web import introduce
from cladescope.errors import InputError
from cladescope.outputs import check_is_folder
from cladescope.paths import local_path


@checked
def predict(
    pictures: AnyStore | AnyPicture | Sequence[AnyPicture],
    *,
    rank: str = "species",
    taxa: Taxa | None = None,
    labels: Labels | None = None,
    classifier: str | Path | Classifier | None = None,
    within: str | Sequence[str] | None = None,
    k: int = 5,
    risk: float | None = None,
    calibrate_on: AnyStore | None = None,
    closed_set: bool = False,
    doubt: float = DOUBT,
    prior: str | Path | None = None,
    backbone: str | Path | None = None,
    conflicts: str | Path | None = None,
    text_type: str = TEXT_TYPE,
    templates: bool = False,
    vectors: str | None = None,
    where: str | None = None,
    limit: int | None = None,
    encoder: str | Encoder | None = None,
    runtime: Runtime = "auto",
    contact: str | None = None,
    allow: Sequence[str] = (),
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Name pictures by a classifier, or by comparison with the names of taxa or labels; answers come as you iterate.

    `pictures` is a store (its folder, or open), or one or several pictures: paths, folders, patterns, URLs, encoded bytes,
    Pillow images or arrays of uint8. The classes are `taxa`, `labels` or those of the `classifier`; by default the taxa of
    the store, or those that the encoder was trained on. `encoder` is by default the classifier's, else `tiny`. `within` keeps the classes of a clade or of several, or
    of those that a file lists.
    Each picture gets `k` answers at a `rank`, or one above it where none is sure enough for the usual risk of a wrong name, 0.02: pictures held out
    when the classifier was fitted decide that, and for the own list of `tiny` pictures of unlisted birds. With `risk` a picture gets one answer, as precise as that allows; the store `calibrate_on` may decide.
    A picture that is farther from everything known than all but the share `doubt` of pictures of known taxa gets no name: its
    verdict is "not known", or "empty" for a frame without an organism, and the nearest guess stands aside. `closed_set` says
    that every picture shows one of the taxa: all are named, down to the rank. `prior` is a CSV of prior odds. `backbone`, a folder of
    `cladescope.backbone`, gives classes their accepted names; what it is not sure of stays, and is written to the CSV file
    `conflicts`. `vectors` names those of a further encoder of the store; by default those that the classifier is of, else the store's own. `where` and `limit` select pictures, `text_type`
    and `templates` set how a taxon is described, `runtime` (`torch`, `compiled`, `onnx`, `openvino`) computes the encoder, `contact`, an
    e-mail or web address, is named in requests to servers, `allow` are schemes that a table may name beside the usual ones,
    `cache` is the folder of class vectors, and `progress` is called with how many of these are done.

    Raises InputError for options that contradict each other or files that cannot be used; TaxonError for an unknown rank or
    clade; EncoderError and StoreError if encoder, store or classifier cannot be loaded or do not fit each other.

    >>> import cladescope
    >>> fitted = cladescope.fit("photos.store", rank="genus", calibration=0.0, out="genus.safetensors")
    >>> for name, answers in cladescope.predict("query.jpg", classifier="genus.safetensors", rank="genus"):
    ...     print(name, answers[0]["genus"], round(answers[0]["score"], 2))
    query.jpg Dafimia 1.0
    """
    if sum(value is not None for value in (taxa, labels, classifier)) > 1:
        raise InputError("give one of taxa, labels and classifier")
    if classifier is not None and (prior or templates or text_type != TEXT_TYPE):
        raise InputError("prior, text_type and templates are for classes named by texts: leave out the classifier")
    if risk is None and calibrate_on is not None:
        raise InputError("calibrate_on is of risk: give one")
    check_doubt(doubt)
    if (folder := None if cache is None else local_path(cache)) is not None:
        check_is_folder(folder)
    introduce(contact)
    columns(rank)
    given: list[Any] = [pictures] if is_store(pictures) else pictures_of(cast(Sequence[AnyPicture], pictures))
    store = opened(given[0], runtime, vectors=vectors) if len(given) == 1 and is_store(given[0]) else None
    if store is None and (where is not None or vectors is not None):
        raise InputError(f"{'vectors are' if where is None else 'where is'} for a store")
    places = [] if store is not None else opened_places(given, allow)
    fitted = None if classifier is None else choosing.fitted(classifier)
    if store is not None and fitted is not None and vectors is None:
        store = opened_for(store, fitted.card)
    # Vectors are compared in the precision of those that are there.
    card = store.card if store is not None else None if fitted is None else fitted.card
    asked = store if store is not None else encoder_beside(encoder, card, runtime)
    if store is not None and encoder is not None:
        store.check(encoder_beside(encoder, card, runtime).card)
    named = labels_by(backbone, conflicts)
    if fitted is not None:
        choice = choosing.fitted_choice(fitted, asked, named, clades_of(within), decided_anew=calibrate_on is not None)
    else:
        choice = choosing.told_choice(
            asked, taxa=taxa, labels=labels, within=clades_of(within), prior=prior, rank=rank, text_type=text_type, templates=templates,
            backbone=named, cache=folder, decided_anew=calibrate_on is not None, progress=progress,
        )  # fmt: skip
    choice.check_rank(rank)
    write_conflicts(named, conflicts)
    stop = stops(
        choice, asked, risk=risk, calibrate_on=None if calibrate_on is None else opened_for(calibrate_on, asked.card), closed_set=closed_set, doubt=doubt, fitted=fitted is not None,
    )  # fmt: skip
    answers = stop.answers(choice, rank=rank, k=k, others=risk is None)

    def make(failures: list[str]) -> Iterator[NamedPicture]:
        if store is not None:
            return name_stored(store, answers, where=where, limit=limit)
        return name_pictures(islice(records_of(places, failures), limit), cast(Encoder, asked), answers)

    # Of a store whose pictures have no taxa the classes are those of its encoder.
    own_taxa = store is not None and classifier is None and taxa is None and labels is None and len(store.taxonomy) > 0
    by, notes = naming_of(named, fitted, store, own_taxa=own_taxa)
    own = store.path if store is not None and own_taxa else None
    made = made_by(asked.card, classifier, taxa, labels, own, within=clades_of(within), backbone=by)
    notes += asked.notes if isinstance(asked, Encoder) else (*asked.encoder_notes, *vector_notes(asked, where))
    return Predictions(answers.columns, make, (*choice.notes, *notes, *stop.notes), reasons=answers.why, made_by=made)

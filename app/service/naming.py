"""What pictures are called: by a classifier of the store, by the names that the store's own pictures have, or by those that its encoder knows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from cladescope.analysis.classify.answers import Answers, Prediction
from cladescope.analysis.classify.choosing import Choice, fitted_choice, told_choice
from cladescope.analysis.classify.fit import fit_store
from cladescope.analysis.classify.known import DOUBT
from cladescope.analysis.classify.made_with import picture_numbers
from cladescope.analysis.classify.said import NAMED, is_named, name_said
from cladescope.analysis.classify.stopping import stops
from cladescope.app.service import classifiers
from cladescope.app.service.encoding import Encoding
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.schema import LABEL, LEVELS
from cladescope.shown import counted
from cladescope.taxonomy import RANKS, Taxon

TEXTS = "texts"
"""The method of names that an encoder compares pictures with by their texts."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Namer:
    """Classes to name pictures by, and the rank of their names."""

    choice: Choice
    method: str
    rank: str | None
    """None for plain labels."""
    is_fitted: bool
    notes: tuple[str, ...] = ()


def named(
    served: ServedStore,
    encoding: Encoding,
    *,
    ids: Sequence[str] = (),
    vectors: Float[np.ndarray, "q d"] | None = None,
    classifier: str | None,
    rank: str | None,
    risk: float | None,
    k: int,
) -> dict[str, Any]:
    """Names of the pictures with some ids, or of pictures of some vectors, and what a reader should know of them.

    Raises RefusalError for an unknown picture, classifier or rank, a risk that cannot be kept, and where nothing says what to choose from.
    """
    if rank is not None and rank not in LEVELS:
        raise RefusalError(422, f"rank is {rank[:100]!r}: expected one of {', '.join(LEVELS)}")
    numbers = None
    if vectors is None:
        vectors, numbers = _stored(served, ids)
    namer = _of_classifier(served, classifier, rank) if classifier is not None else _of_store(served, encoding, rank)
    with served.reading() as store:
        stop = stops(
            namer.choice, store, risk=risk, calibrate_on=None, closed_set=False, doubt=DOUBT, fitted=namer.is_fitted
        )
        answers = stop.answers(namer.choice, rank=namer.rank or RANKS[-1], k=k, others=True)
        answers.start_over()
        found = [
            one
            for start in range(0, len(vectors), answers.block_rows)
            for one in answers.of(vectors[start : start + answers.block_rows])
        ]
    verdicts = Counter(str(one[0]["verdict"]) for one in found)
    above = sum(one[0]["verdict"] == NAMED and bool(one[0].get("nearest")) for one in found)
    notes = [*namer.choice.notes, *namer.notes, *stop.notes, *answers.why(verdicts, above)]
    if numbers is not None and namer.choice.made_with is not None:
        n = int(np.isin(numbers, namer.choice.made_with).sum())
        notes += (
            [
                f"{counted(n, 'of these pictures was', 'of these pictures were')} learnt from: what is said of them is no test"
            ]
            if n
            else []
        )
    names: Sequence[str | None] = ids if ids else [None] * len(vectors)
    return {
        "answers": [{"image_id": name, **_shown(one, answers)} for name, one in zip(names, found, strict=True)],
        "notes": notes,
        "risk": stop.risk,
        "method": namer.method,
    }


def _stored(served: ServedStore, ids: Sequence[str]) -> tuple[Float[np.ndarray, "q d"], np.ndarray]:
    """Vectors of stored pictures, and their numbers among those that a classifier is made with."""
    if len(set(ids)) < len(ids):
        raise RefusalError(422, f"{len(ids) - len(set(ids))} of {len(ids)} ids are given twice: give each once")
    names = ["image_id", "content_hash", "vector"]
    rows = served.rows_of(ids, names)
    if missing := [one for one in ids if one not in rows]:
        served.check_ids(missing)
    table = pa.table({name: [rows[one][name] for one in ids] for name in names[:2]})
    return np.array([rows[one]["vector"] for one in ids], np.float32), picture_numbers(table)


def _of_classifier(served: ServedStore, name: str, rank: str | None) -> Namer:
    held = classifiers.loaded(served, name)
    with served.reading() as store:
        choice = fitted_choice(held, store)
    own = held.target if held.target in RANKS else None
    if held.tree is None and rank in RANKS:
        raise RefusalError(
            422, f"rank is {rank!r}: the classes of the classifier {name} are plain labels, so leave the rank out"
        )
    return Namer(
        choice=choice,
        method=held.method,
        rank=None if held.tree is None else rank if rank in RANKS else own or RANKS[-1],
        is_fitted=True,
    )


def _of_store(served: ServedStore, encoding: Encoding, rank: str | None) -> Namer:
    """By the names of the store's own pictures; where there are not two, by the taxa that the encoder knows."""
    try:
        return served.of_version(f"names at {rank}", lambda store: _own_names(store, rank))
    except RefusalError as refusal:
        if not isinstance(refusal.__cause__, InputError) or not _knows_taxa(encoding):
            raise
    return served.of_version(f"texts at {rank}", lambda store: _texts(encoding, rank))


def _own_names(store: Store, rank: str | None) -> Namer:
    fitted = fit_store(store, rank=rank)
    held = fitted.classifier
    notes = (f"named by the {held.target} of the store's own pictures, {len(held.labels):,} in all", *fitted.notes)
    target = held.target if held.target in RANKS else None
    return Namer(choice=fitted_choice(held, store), method=held.method, rank=target, is_fitted=True, notes=notes)


def _knows_taxa(encoding: Encoding) -> bool:
    return encoding.encoder is not None and encoding.encoder.taxa_file is not None


def _texts(encoding: Encoding, rank: str | None) -> Namer:
    assert encoding.encoder is not None
    if rank == LABEL:
        raise InputError("no picture has a label: leave the rank out")
    choice = told_choice(encoding.encoder, rank=rank or RANKS[-1])
    return Namer(choice=choice, method=TEXTS, rank=rank or RANKS[-1], is_fitted=False)


def _shown(found: Sequence[Prediction], answers: Answers) -> dict[str, Any]:
    """What is said of one picture."""
    first = found[0]
    others = [_name(one) for one in found[1:]]
    if first.get("nearest"):
        others.insert(0, {"name": str(first["nearest"]), "taxon": None, "score": float(first["nearest_score"])})
    about = {"verdict": str(first["verdict"]), "alternatives": others}
    if not is_named(first):
        return {"name": None, "taxon": None, "rank": None, "score": None, **about}
    rank = LABEL if answers.tree is None else [one for one in RANKS if first.get(one)][-1]
    return {**_name(first), "rank": rank, **about}


def _name(answer: Prediction) -> dict[str, Any]:
    ranks = {rank: str(answer[rank]) for rank in RANKS if answer.get(rank)}
    taxon = Taxon.from_ranks(ranks)
    return {"name": name_said(answer), "taxon": None if taxon is None else str(taxon), "score": float(answer["score"])}

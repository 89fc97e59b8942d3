"""Pictures that are not in a store yet, for a verb that needs their vectors and keeps none of them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cladescope.app.verbs.filling import look_names_up
from cladescope.app.verbs.given import AnyStore, is_store, opened
from cladescope.embedding import pipeline
from cladescope.embedding.encoder import DEFAULT_ENCODER, Encoder, Runtime
from cladescope.embedding.locations import canonical
from cladescope.embedding.pipeline import EmbedSummary, Progress
from cladescope.embedding.records import ignored_said
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.shown import counted
from cladescope.taxonomy.backbone import Backbone

if TYPE_CHECKING:
    from cladescope.index.store import Store

SHOWN = 3


@contextmanager
def opened_or_encoded(
    store: AnyStore,
    encoder: str | Encoder | None,
    progress: Callable[[Progress], None] | None,
    runtime: Runtime = "auto",
    *,
    vectors: str | None = None,
    labels_from: str | None = None,
    backbone: Backbone | None = None,
) -> "Iterator[tuple[Store, str | None, list[str]]]":
    """A store as `opened` opens it; or pictures (a folder, a table, ...) in a store of the moment, with their place and what was left out.

    `vectors` names those of a further encoder of the store. What names of folders mean is looked up in the `backbone`, if one is given; `labels_from` is that of `open_source`. The store of the moment lies where temporary files do, 2 d bytes a picture, and is deleted at the end.

    Raises InputError for an encoder beside a store, which has its own, for vectors beside pictures, which have none, for pictures of which none can be used, and what `open_source` raises.
    """
    if is_store(store) or not isinstance(store, str | Path) or not Path(store).exists():
        if encoder is not None or labels_from is not None:
            what = "an encoder" if encoder is not None else "labels"
            raise InputError(f"a store has {what}: leave the other out, or give the pictures themselves")
        yield opened(store, runtime, vectors=vectors), None, []
        return
    if vectors is not None:
        raise InputError("vectors are of a store: name one, or give pictures and an encoder")
    from cladescope.index.store import Store as _Store

    source = open_source(store, labels_from=labels_from)
    loaded = encoder if isinstance(encoder, Encoder) else Encoder.load(encoder or DEFAULT_ENCODER, runtime=runtime)
    look_names_up(source, loaded, backbone)
    with tempfile.TemporaryDirectory(prefix="cladescope-") as folder:
        held = _Store.create(Path(folder) / "pictures.store", loaded.card)
        summary = pipeline.embed(source, loaded, held, progress=progress)
        if not held.count():
            why = "; ".join(_notes(summary, loaded)[1:]) or "it names none"
            raise InputError(f"{store} has no picture that can be used: {why}")
        yield held, canonical(str(store)), _notes(summary, loaded)


def _notes(summary: EmbedSummary, encoder: Encoder) -> list[str]:
    """What was encoded, and what could not be."""
    notes = [f"{counted(summary.embedded, 'picture')} encoded by {encoder.card.name}; nothing of that is stored"]
    notes += summary.notes
    if summary.failed:
        reasons = "; ".join(f"{reason} {n:,}" for reason, n in summary.failures_by_reason.most_common(SHOWN))
        notes.append(f"{counted(summary.failed, 'picture')} could not be used: {reasons}")
    if summary.missing:
        words = ", ".join(f"{word} {n:,}" for word, n in summary.missing.most_common())
        notes.append(f"missing {summary.missing.total():,}: {words}")
    if summary.left_out:
        notes.append("left out: " + ", ".join(f"{words} {n:,}" for words, n in summary.left_out.items()))
    if summary.ignored:
        notes.append(ignored_said(summary.ignored))
    return notes

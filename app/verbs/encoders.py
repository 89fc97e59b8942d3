"""The encoders of a job, the store that takes their vectors, and what of it lacks some of them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from cladescope.app.verbs.given import AnyStore
from cladescope.embedding.encoder import DEFAULT_ENCODER, UNKNOWN_ENCODER, Encoder, EncoderCard
from cladescope.embedding.job import Sink
from cladescope.embedding.pipeline import EmbedConfig, EmbedSummary, Progress
from cladescope.embedding.several import SeveralEncoders
from cladescope.embedding.stages import bottleneck_of, one_after_another
from cladescope.errors import EncoderError, InputError, StoreError
from cladescope.index.backfill import backfill, left_without
from cladescope.index.named_vectors import called
from cladescope.index.remote import folder_of
from cladescope.index.several_sink import SeveralSink
from cladescope.index.store import Store

AnyEncoder = str | Encoder | Sequence[str | Encoder]
"""One encoder or several, each by its name or loaded."""


@dataclass(frozen=True)
class Target:
    """A store, and the encoders whose vectors it is to take: its own, and others by the names of their vectors."""

    store: Store
    own: Encoder
    others: dict[str, Encoder]

    @property
    def encoder(self) -> Encoder:
        """What the pictures are encoded by."""
        return SeveralEncoders([self.own, *self.others.values()]) if self.others else self.own

    @property
    def sink(self) -> Sink:
        """What takes the vectors."""
        cards: dict[str | None, EncoderCard] = {None: self.own.card}
        cards |= {name: encoder.card for name, encoder in self.others.items()}
        return cast(Sink, SeveralSink(self.store, cards)) if self.others else self.store

    def complete(
        self,
        summary: EmbedSummary,
        config: EmbedConfig,
        *,
        progress: Callable[[Progress], None] | None,
        stop: threading.Event | None,
    ) -> None:
        """Give what the store held before the vectors that it lacks, and note what lacks some in the end.

        A job over a part of its source gives none.
        """
        if self.others and config.whole and config.limit is None and not summary.stopped:
            done = backfill(
                self.store, self.others, config=config, stop=stop, progress=None if progress is None else _going_on(summary, progress),
            )  # fmt: skip
            summary.filled, summary.stopped = done.filled, done.stopped
            summary.encode_seconds += done.encode_seconds
            summary.stages = one_after_another([(summary.stages, summary.seconds), (done.stages, done.seconds)])
            summary.bottleneck = bottleneck_of(summary.stages)
            summary.seconds += done.seconds
            summary.unfilled.update(done.left)
            summary.decoded.update(done.decoded)
            summary.notes += done.notes
        summary.notes += left_without(self.store)


def _going_on(summary: EmbedSummary, progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Progress of a job's second part, told as that of the whole."""
    before, n_seconds = summary.embedded + summary.already_stored + summary.failed, summary.seconds

    def tell(state: Progress) -> None:
        whole = replace(
            state, done=before + state.done, total=None if state.total is None else before + state.total,
            embedded=summary.embedded, failed=summary.failed, filled=state.embedded, unfilled=state.failed, to_fill=state.total or 0,
            seconds=n_seconds + state.seconds,
        )  # fmt: skip
        progress(whole)

    return tell


def target_of(store: AnyStore, encoder: AnyEncoder | None, by: Mapping[str, Any]) -> Target:
    """The store, made where there is none, and its encoders, loaded `by` device, precision, runtime, batch size and tuning: those asked for, by default all that it has, or `tiny` for a new one.

    Of several the first is a new store's own; that of a store that is there must be among them.

    Raises EncoderError where one cannot be loaded, InputError where one is given twice, StoreError where the store's own is not
    among them.
    """
    path = store.path if isinstance(store, Store) else folder_of(store)
    there: Store | None = None
    if isinstance(store, Store):
        there = store
    elif (path / "store.json").exists():
        there = Store.open(store)
    held = [] if there is None else [there.card, *there.named.values()]
    asked: list[str | Encoder] = [encoder] if isinstance(encoder, str | Encoder) else list(encoder or ())
    asked = asked or [card.name for card in held] or [DEFAULT_ENCODER]
    if UNKNOWN_ENCODER in asked:
        raise EncoderError(f"{path} holds vectors of an unknown encoder: embed these pictures into another store")
    loaded = [loaded_as(one, held, by, alone=len(asked) == 1) for one in asked]
    for place, one in enumerate(loaded):
        if any(one.card.difference(other.card) is None for other in loaded[:place]):
            raise InputError(f"the encoder {one.card.name!r} is given twice: name each once")
    if there is None:
        assert not isinstance(store, Store), "an open store is there"
        there = Store.open_or_create(store, loaded[0].card)
    own = next((one for one in loaded if there.card.difference(one.card) is None), None)
    if own is None:
        if len(loaded) == 1:
            there.check(loaded[0].card)
        raise StoreError(f"{path} has the encoder {there.card.name}, which is not among those given: give it, too")
    others = [one for one in loaded if one is not own]
    names = called([one.card for one in others], there.card, there.named)
    return Target(there, own, dict(zip(names, others, strict=True)))


def loaded_as(
    asked: str | Encoder, held: Sequence[EncoderCard], by: Mapping[str, Any], *, alone: bool = True
) -> Encoder:
    """An encoder, as the store's vectors of that name were made; one that is asked for alone as the store's own were."""
    if isinstance(asked, Encoder):
        return asked
    card = next((card for card in held if card.name == asked), held[0] if held and alone else None)
    how = {name: value for name, value in by.items() if name != "tuning"}
    loaded = Encoder.load(asked, **how) if card is None else Encoder.of(card, asked, **how)
    return loaded.for_a_job(compiles=by["runtime"] == "auto", tuning=by["tuning"])

"""The service behind the routes: stores by their names, and an encoder for each kind of vectors among them."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily

from cladescope.app.service.encoding import STATES, Encoding
from cladescope.app.service.map_kept import Maps
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.tally import Tally
from cladescope.app.service.work import Work
from cladescope.index.store import Store


class Service:
    """Stores that are served together. Stores whose vectors are of one encoder share it."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.tally = Tally()
        self.work = Work()
        self.maps = Maps(self.work)
        self._encodings: dict[str, Encoding] = {}
        self._lock = threading.Lock()
        self.warming = threading.Thread(target=self._warm, name="rows", daemon=True)
        """Reads the rows of the stores, once it is started."""
        self.stores: Mapping[str, ServedStore] = {
            name: ServedStore(name, store) for name, store in zip(names_of(stores), stores, strict=True)
        }
        self.tally.watch(self._gauges)

    def start(self) -> None:
        """Begin to load the encoders, and to read the rows, in threads of their own."""
        for served in self.stores.values():
            self.encoding_of(served.store)
        self.warming.start()

    def stop(self) -> None:
        """Stop the work in the background, and end the threads of the encoders once they have done what has queued."""
        self.work.stop()
        for encoding in self._encodings.values():
            encoding.stop()

    def served(self, name: str) -> ServedStore:
        """A store by its name. Raises RefusalError where there is none."""
        if name not in self.stores:
            raise RefusalError(404, f"no store {name!r}: there are {', '.join(self.stores)}")
        return self.stores[name]

    def encoding_of(self, store: Store) -> Encoding:
        """The encoder of a store's vectors; it begins to load where it was not asked for before."""
        key = json.dumps(store.card.to_dict(), sort_keys=True, default=str)
        with self._lock:
            if key not in self._encodings:
                self._encodings[key] = Encoding(store.card.name, lambda: store.encoder, self.tally)
            return self._encodings[key]

    @property
    def encodings(self) -> list[Encoding]:
        """All encoders, in the order in which they were asked for."""
        return list(self._encodings.values())

    def _gauges(self) -> Iterator[GaugeMetricFamily]:
        """What is served now; a store that can no longer be read has no rows to tell."""
        yield GaugeMetricFamily("cladescope_stores", "Stores that are served.", len(self.stores))
        rows = GaugeMetricFamily("cladescope_store_rows", "Rows of a store.", labels=["store"])
        for name, served in self.stores.items():
            try:
                with served.reading() as store:
                    rows.add_metric([name], store.count())
            except RefusalError:
                continue
        yield rows
        found = GaugeMetricFamily(
            "cladescope_encoders", "Encoders of a name that are loading, loaded or failed.", labels=["encoder", "state"]
        )
        counts = Counter((one.name, one.state) for one in self.encodings)
        for name in sorted({name for name, _ in counts}):
            for state in STATES:
                found.add_metric([name, state], counts[name, state])
        yield found

    def _warm(self) -> None:
        for served in self.stores.values():
            try:
                served.warm()
            except RefusalError:
                continue  # the first search says it


def names_of(stores: Sequence[Store]) -> list[str]:
    """A name for each store, that of its folder; a number behind one that is taken, and `-` for what an address would escape.

    `photos.store` is `photos`.
    """
    names: list[str] = []
    for store in stores:
        base = re.sub(r"[^\w.-]+", "-", store.path.absolute().name.removesuffix(".store")).strip(".") or "store"
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names

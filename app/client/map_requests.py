"""Requests about a store's map, its taxa and its vectors, and about work in the background. Numbers come as arrays."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from jaxtyping import Float32, UInt16, UInt32

from cladescope.app.client import map_answers
from cladescope.app.client.answers import TreeAnswer
from cladescope.app.client.asking import Asking, Picture, address_of

NO_VALUE = 2**16 - 1
"""The code of a picture without a value."""
NO_PICTURE = 2**32 - 1
"""Stands for no picture where indexes are answered."""


class MapRequests:
    """The part of a client that asks of maps. Pictures are known by their index on the map, and each request bears the map's `key`; `vectors` names further vectors."""

    _asking: Asking

    def work(self) -> list[map_answers.WorkJob]:
        """What is made in the background, begun last first."""
        return cast(list[map_answers.WorkJob], self._asking.json("/work")["jobs"])

    def taxa(self, store: str, letters: str, *, limit: int = 20) -> list[map_answers.FoundTaxon]:
        """Taxa by the letters of their names, Latin or common."""
        found = self._asking.json(address_of(store, "taxa"), {"q": letters, "limit": limit})
        return cast(list[map_answers.FoundTaxon], found["taxa"])

    def vectors(self, store: str) -> list[map_answers.VectorsOf]:
        """Which encoders' vectors a store holds, the main ones first."""
        return cast(list[map_answers.VectorsOf], self._asking.json(address_of(store, "vectors"))["vectors"])

    def map(self, store: str, *, vectors: str | None = None) -> map_answers.MapAnswer:
        """The map of a store; the first request begins to make it: ask again while `state` is `making`."""
        return cast(map_answers.MapAnswer, self._asking.json(address_of(store, "map"), {"vectors": vectors}))

    def remake_map(self, store: str, *, vectors: str | None = None) -> map_answers.MapAnswer:
        """Make the map anew, of the store as it is now."""
        found = self._asking.json(address_of(store, "map", "remake"), {"vectors": vectors}, method="POST")
        return cast(map_answers.MapAnswer, found)

    def map_points(self, store: str, key: str, *, vectors: str | None = None) -> Float32[np.ndarray, "n 2"]:
        """Where each picture stands."""
        return np.frombuffer(self._data(store, "points", key, vectors), "<f4").reshape(-1, 2)

    def map_codes(self, store: str, key: str, by: str, *, vectors: str | None = None) -> UInt16[np.ndarray, " n"]:
        """A code for each picture by a rank or column, `NO_VALUE` where it has no value; `map_legend` says what codes mean."""
        return np.frombuffer(self._data(store, "codes", key, vectors, by=by), "<u2")

    def map_legend(self, store: str, key: str, by: str, *, vectors: str | None = None) -> map_answers.Legend:
        """What the codes of a rank or column mean, and their colours."""
        return cast(map_answers.Legend, self._json(store, "legend", key, vectors, by=by))

    def map_labels(self, store: str, key: str, by: str, *, vectors: str | None = None) -> list[map_answers.MapLabel]:
        """Where names stand on the map, the most important first."""
        return cast(list[map_answers.MapLabel], self._json(store, "labels", key, vectors, by=by)["labels"])

    def map_rows(
        self, store: str, key: str, indexes: Sequence[int], *, vectors: str | None = None
    ) -> list[map_answers.MapRow]:
        """What is known of some pictures, at most 500; those that were deleted since are left out."""
        found = self._json(store, "rows", key, vectors, index=[int(one) for one in indexes])
        return cast(list[map_answers.MapRow], found["rows"])

    def map_selected(
        self,
        store: str,
        key: str,
        *,
        within: Sequence[str] = (),
        where: Sequence[str] = (),
        vectors: str | None = None,
    ) -> UInt32[np.ndarray, " m"]:
        """Indexes of the pictures that pass filters, ascending."""
        found = self._data(store, "selected", key, vectors, within=list(within), where=list(where))
        return np.frombuffer(found, "<u4")

    def map_indexes(self, store: str, key: str, ids: Sequence[str], *, vectors: str | None = None) -> list[int | None]:
        """The index of each picture by its id; None for one that is not on the map."""
        found = self._json(store, "indexes", key, vectors, method="POST", body={"ids": list(ids)})
        return cast(list[int | None], found["indexes"])

    def map_tree(
        self,
        store: str,
        key: str,
        indexes: Sequence[int] | UInt32[np.ndarray, " m"],
        *,
        under: str | None = None,
        rank: str | None = None,
        limit: int = 1000,
        offset: int = 0,
        vectors: str | None = None,
    ) -> TreeAnswer:
        """The children of a taxon, of some pictures alone."""
        body = np.asarray(indexes, "<u4").tobytes()
        asked = {"key": key, "under": under, "rank": rank, "limit": limit, "offset": offset, "vectors": vectors}
        found = self._asking.json(address_of(store, "map", "tree"), asked, method="POST", body=body)
        return cast(TreeAnswer, found)

    def map_place(self, store: str, key: str, picture: Picture, *, vectors: str | None = None) -> map_answers.Placed:
        """Where one's own picture stands, among those that it resembles most."""
        found = self._json(store, "place/image", key, vectors, method="POST", pictures=[picture])
        return cast(map_answers.Placed, found)

    def map_match(
        self,
        store: str,
        key: str,
        to: str,
        to_key: str,
        *,
        vectors: str | None = None,
        to_vectors: str | None = None,
    ) -> UInt32[np.ndarray, " n"]:
        """For each picture its index on another map, `NO_PICTURE` for none."""
        found = self._data(store, "match", key, vectors, to=to, to_key=to_key, to_vectors=to_vectors)
        return np.frombuffer(found, "<u4")

    def teach_codes(
        self,
        store: str,
        key: str,
        classes: Mapping[str, Sequence[str]],
        *,
        risk: float = 0.1,
        method: str = "simpleshot",
        vectors: str | None = None,
    ) -> UInt16[np.ndarray, " n"]:
        """What pictures by class say of each picture of a map: the position of its class, `NO_VALUE` where it has no name."""
        given = {label: list(ids) for label, ids in classes.items()}
        body = {"classes": given, "risk": risk, "next": 0, "method": method}
        asked = {"key": key, "vectors": vectors}
        return np.frombuffer(
            self._asking.data(address_of(store, "teach", "codes"), asked, method="POST", body=body), "<u2"
        )

    def _data(self, store: str, what: str, key: str, vectors: str | None, **asked: object) -> bytes:
        return self._asking.data(address_of(store, "map", what), {"key": key, "vectors": vectors, **asked})

    def _json(
        self,
        store: str,
        what: str,
        key: str,
        vectors: str | None,
        *,
        method: str = "GET",
        body: object = None,
        pictures: Sequence[Picture] = (),
        **asked: object,
    ) -> dict[str, object]:
        path = address_of(store, "map", *what.split("/"))
        given = {"key": key, "vectors": vectors, **asked}
        found = self._asking.json(path, given, method=method, body=body, pictures=pictures)
        return cast(dict[str, object], found)

"""The client: a method for each request of the service."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import pyarrow as pa

from cladescope.app.client import answers
from cladescope.app.client.asking import Asking, Picture, address_of
from cladescope.app.client.map_requests import MapRequests


class Client(MapRequests):
    """A service asked from Python. Each method is one request, named as its path is, and returns what the service answers, as dictionaries.

    Refusals are the errors of this package with the service's own sentence: InputError, TakenError, StoreError where the store was deleted,
    EncoderError while an encoder loads.

    >>> client = Client("http://127.0.0.1:8000")  # doctest: +SKIP
    >>> client.search("photos", text="a bird on a branch", k=3)["hits"][0]["uri"]  # doctest: +SKIP
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        """For the service at an address, and its token where it needs one. Nothing is asked yet.

        Raises InputError for what is no address of http or https.
        """
        self._asking = Asking(address, token)

    def __repr__(self) -> str:
        return f"Client({self._asking.address!r})"

    # The service and its stores

    def health(self) -> answers.Health:
        """Whether the service is ready, and its encoders loaded."""
        return cast(answers.Health, self._asking.json("/health"))

    def metrics(self) -> str:
        """What the service counts of itself, in Prometheus' text format."""
        return self._asking.data("/metrics").decode()

    def openapi(self) -> dict[str, object]:
        """The description of every request and answer."""
        return cast(dict[str, object], self._asking.json("/openapi.json"))

    def stores(self) -> list[answers.StoreSummary]:
        """The stores that are served."""
        return cast(list[answers.StoreSummary], self._asking.json("/stores")["stores"])

    def store(self, store: str) -> answers.StoreDetails:
        """What a store holds."""
        return cast(answers.StoreDetails, self._asking.json(address_of(store)))

    def tree(
        self, store: str, *, under: str | None = None, rank: str | None = None, limit: int = 1000, offset: int = 0
    ) -> answers.TreeAnswer:
        """The children of a taxon, those with the most pictures first."""
        asked = {"under": under, "rank": rank, "limit": limit, "offset": offset}
        return cast(answers.TreeAnswer, self._asking.json(address_of(store, "tree"), asked))

    def rows(
        self,
        store: str,
        *,
        within: Sequence[str] = (),
        where: Sequence[str] = (),
        cursor: str | None = None,
        limit: int = 100,
    ) -> answers.RowsAnswer:
        """A page of rows, in the order in which they came."""
        asked = {"within": list(within), "where": list(where), "cursor": cursor, "limit": limit}
        return cast(answers.RowsAnswer, self._asking.json(address_of(store, "rows"), asked))

    def all_rows(self, store: str, *, within: Sequence[str] = (), where: Sequence[str] = ()) -> Iterator[answers.Row]:
        """Every row that passes the filters, page by page."""
        cursor: str | None = None
        while True:
            page = self.rows(store, within=within, where=where, cursor=cursor, limit=1000)
            yield from page["rows"]
            cursor = page["next"]
            if cursor is None:
                return

    def rows_table(
        self,
        store: str,
        *,
        columns: Sequence[str] = (),
        within: Sequence[str] = (),
        where: Sequence[str] = (),
        cursor: str | None = None,
        limit: int = 10_000,
    ) -> pa.Table:
        """A page of rows in Arrow, up to 100,000: some columns, of which `vector` may be one, or all others.

        The schema's metadata has `total`, and `next`, the cursor of the next page, where there is one.
        """
        asked = {"within": list(within), "where": list(where), "cursor": cursor, "limit": limit}
        return self._asking.table(address_of(store, "rows"), asked | {"columns": list(columns)})

    def all_rows_table(
        self, store: str, *, columns: Sequence[str] = (), within: Sequence[str] = (), where: Sequence[str] = ()
    ) -> pa.Table:
        """Every row that passes the filters, in Arrow; all of it is held in memory."""
        pages: list[pa.Table] = []
        cursor: str | None = None
        while cursor is not None or not pages:
            page = self.rows_table(store, columns=columns, within=within, where=where, cursor=cursor, limit=100_000)
            cursor = (page.schema.metadata or {}).get(b"next", b"").decode() or None
            pages.append(page.replace_schema_metadata())
        return pa.concat_tables(pages, promote_options="default")

    def row(self, store: str, image_id: str) -> answers.Row:
        """All columns of one picture but the vector."""
        return cast(answers.Row, self._asking.json(address_of(store, "rows", image_id)))

    def thumbnail(self, store: str, image_id: str, *, side: int = 256) -> bytes:
        """A picture in small, as a JPEG: its longer side is 128, 256 or 512 pixels."""
        return self._asking.data(address_of(store, "thumbnails", image_id), {"side": side})

    def image(self, store: str, image_id: str) -> bytes:
        """The picture's own file."""
        return self._asking.data(address_of(store, "images", image_id))

    # Searches

    def search(
        self,
        store: str,
        *,
        text: str | None = None,
        ids: Sequence[str] = (),
        not_ids: Sequence[str] = (),
        taxa: Sequence[str] = (),
        k: int = 10,
        within: Sequence[str] = (),
        where: Sequence[str] = (),
        exact: bool = False,
    ) -> answers.SearchAnswer:
        """The pictures most similar to a text, stored pictures and taxa, and unlike those of `not_ids`."""
        asked = {"text": text, "id": list(ids), "not_id": list(not_ids), "taxon": list(taxa)}
        return cast(
            answers.SearchAnswer,
            self._asking.json(address_of(store, "search"), asked | _limits(k, within, where, exact)),
        )

    def search_image(
        self,
        store: str,
        pictures: Picture | Sequence[Picture],
        *,
        text: str | None = None,
        ids: Sequence[str] = (),
        not_ids: Sequence[str] = (),
        k: int = 10,
        within: Sequence[str] = (),
        where: Sequence[str] = (),
        exact: bool = False,
    ) -> answers.SearchAnswer:
        """The pictures most similar to one's own, which are files or encoded bytes; several are one query."""
        given = [pictures] if isinstance(pictures, Picture) else list(pictures)
        asked = {"text": text, "id": list(ids), "not_id": list(not_ids), **_limits(k, within, where, exact)}
        found = self._asking.json(address_of(store, "search", "image"), asked, method="POST", pictures=given)
        return cast(answers.SearchAnswer, found)

    def search_batch(
        self,
        store: str,
        queries: Sequence[answers.OneQuery],
        *,
        k: int = 10,
        within: Sequence[str] = (),
        where: Sequence[str] = (),
        exact: bool = False,
    ) -> list[answers.SearchAnswer]:
        """An answer to each of several queries, at most 100."""
        body = {"queries": list(queries), **_limits(k, within, where, exact)}
        found = self._asking.json(address_of(store, "search", "batch"), method="POST", body=body)
        return cast(list[answers.SearchAnswer], found["answers"])

    # Names

    def predict(
        self,
        store: str,
        ids: Sequence[str],
        *,
        classifier: str | None = None,
        rank: str | None = None,
        risk: float | None = None,
        k: int = 5,
    ) -> answers.NamesAnswer:
        """Names of stored pictures, at most 1,000."""
        body = {"ids": list(ids), "classifier": classifier, "rank": rank, "risk": risk, "k": k}
        return cast(answers.NamesAnswer, self._asking.json(address_of(store, "predict"), method="POST", body=body))

    def predict_image(
        self,
        store: str,
        picture: Picture,
        *,
        classifier: str | None = None,
        rank: str | None = None,
        risk: float | None = None,
        k: int = 5,
    ) -> answers.NamesAnswer:
        """The name of one's own picture: one answer."""
        asked = {"classifier": classifier, "rank": rank, "risk": risk, "k": k}
        found = self._asking.json(address_of(store, "predict", "image"), asked, method="POST", pictures=[picture])
        return cast(answers.NamesAnswer, found)

    def classifiers(self, store: str) -> list[answers.ClassifierSummary]:
        """The classifiers of a store."""
        return cast(list[answers.ClassifierSummary], self._asking.json(address_of(store, "classifiers"))["classifiers"])

    def fit_classifier(
        self,
        store: str,
        name: str,
        *,
        labels: Mapping[str, Sequence[str]] | None = None,
        rank: str | None = None,
        method: str = "simpleshot",
    ) -> answers.ClassifierDetails:
        """Learn a classifier from pictures by label, or from the names of a rank, and keep it with the store."""
        given = None if labels is None else {label: list(ids) for label, ids in labels.items()}
        body = {"name": name, "labels": given, "rank": rank, "method": method}
        return cast(
            answers.ClassifierDetails, self._asking.json(address_of(store, "classifiers"), method="POST", body=body)
        )

    def classifier(self, store: str, name: str) -> answers.ClassifierDetails:
        """One classifier."""
        return cast(answers.ClassifierDetails, self._asking.json(address_of(store, "classifiers", name)))

    def classifier_file(self, store: str, name: str) -> bytes:
        """The file of a classifier, which `cladescope.predict` takes."""
        return self._asking.data(address_of(store, "classifiers", name, "file"))

    def classifier_labels(self, store: str, name: str) -> bytes:
        """The pictures that a classifier was learnt from, as CSV."""
        return self._asking.data(address_of(store, "classifiers", name, "labels"))

    def classifier_report(self, store: str, name: str) -> dict[str, object]:
        """All that was measured of a classifier."""
        return cast(dict[str, object], self._asking.json(address_of(store, "classifiers", name, "report")))

    def delete_classifier(self, store: str, name: str) -> None:
        """Delete a classifier."""
        self._asking.data(address_of(store, "classifiers", name), method="DELETE")

    def teach(
        self,
        store: str,
        classes: Mapping[str, Sequence[str]],
        *,
        risk: float = 0.1,
        n_next: int = 12,
        method: str = "simpleshot",
    ) -> answers.TeachAnswer:
        """What pictures by class say of the whole store, and what to label next."""
        given = {label: list(ids) for label, ids in classes.items()}
        body = {"classes": given, "risk": risk, "next": n_next, "method": method}
        return cast(answers.TeachAnswer, self._asking.json(address_of(store, "teach"), method="POST", body=body))

    # Care

    def audit(self, store: str) -> answers.AuditAnswer:
        """Doubtful pictures; ask again while `state` is `making`."""
        return cast(answers.AuditAnswer, self._asking.json(address_of(store, "audit")))

    def decide(self, store: str, decisions: Sequence[answers.OneDecision]) -> answers.DecisionsAnswer:
        """Keep, fix or drop pictures: all of it or none."""
        body = {"decisions": list(decisions)}
        return cast(
            answers.DecisionsAnswer, self._asking.json(address_of(store, "decisions"), method="POST", body=body)
        )

    def decisions(self, store: str) -> list[answers.LogEntry]:
        """All that was decided, the newest first."""
        return cast(list[answers.LogEntry], self._asking.json(address_of(store, "decisions"))["entries"])

    def undo(self, store: str, entry: int) -> answers.UndoAnswer:
        """Turn an entry of decisions back."""
        return cast(
            answers.UndoAnswer, self._asking.json(address_of(store, "decisions", str(entry), "undo"), method="POST")
        )

    def probes(self, store: str, *, vectors: str | None = None) -> answers.ProbesAnswer:
        """What the encoder has learnt about the tree of life; ask again while `state` is `making`."""
        return cast(answers.ProbesAnswer, self._asking.json(address_of(store, "probes"), {"vectors": vectors}))


def _limits(k: int, within: Sequence[str], where: Sequence[str], exact: bool) -> dict[str, object]:
    return {"k": k, "within": list(within), "where": list(where), "exact": exact}

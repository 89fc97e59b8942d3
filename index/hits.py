"""What a search is asked, and what it gives back: hits, best first, and the taxon that they agree on."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypedDict

import numpy as np
from jaxtyping import Float

from cladescope.embedding.given import AnyPicture
from cladescope.embedding.kin import kin_of_few, vote_weights
from cladescope.index.consensus import Consensus, agreed
from cladescope.index.facets import Facet
from cladescope.schema import LABEL
from cladescope.taxonomy import RANKS, Taxon


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    position: int
    """Place in the list, from 1."""
    score: float
    """Cosine with the query, -1 to 1; off by up to 0.001, and so a trifle beyond, as stored numbers have 16 bits."""
    image_id: str
    uri: str
    taxon: Taxon | None
    common_name: str | None
    extra: dict[str, Any]
    """The source's own columns; one whose name is a result's own word is called `manifest_...` (`schema.shown_names`)."""
    observation_id: str | None = None
    """The occurrence that it is of, by which kin are known."""

    @property
    def label(self) -> str | None:
        """Its label, such as the name of the folder in which it lies; None where it has none."""
        found = self.extra.get(LABEL)
        return None if found in (None, "", "NA") else str(found)

    def to_dict(self) -> dict[str, Any]:
        """Flat values for JSON and CSV: each rank in a column of its own."""
        path = self.taxon.path if self.taxon is not None else ()
        ranks = {rank: path[place] if place < len(path) else None for place, rank in enumerate(RANKS)}
        own = {
            "position": self.position,
            "score": round(self.score, 6),
            "image_id": self.image_id,
            "uri": self.uri,
        }
        lineage = None if self.taxon is None else str(self.taxon)
        return {**own, "lineage": lineage, **ranks, "common_name": self.common_name, **self.extra}


class Query(TypedDict, total=False):
    """What may be asked of a store; `Searcher.search` tells what each word means."""

    images: Sequence[AnyPicture]
    text: str | None
    image_id: str | Sequence[str] | None
    vector: Float[np.ndarray, "*q d"] | None
    taxon: str | Sequence[str] | None
    not_images: Sequence[AnyPicture]
    not_text: str | None
    not_image_id: str | Sequence[str] | None
    not_taxon: str | Sequence[str] | None
    not_weight: float
    k: int
    at_most: int | None
    per: str
    min_score: float | None
    near: tuple[float, float, float] | None
    same_place: float | None
    same: str | Sequence[str] | None
    within: str | Sequence[str] | None
    where: str | None
    facets: str | None
    exact: bool
    keep_query: bool


class _Votes(NamedTuple):
    consensus: Consensus
    kin_of_query: int
    kin_of_hits: int


class SearchResult:
    """Hits, best first, and what they say together; both are made when they are first looked at."""

    def __init__(
        self,
        hits: Sequence[Hit] | Callable[[], Sequence[Hit]],
        method: str,
        *,
        kin: Sequence[tuple[str, str | None]] = (),
        notes: Sequence[str] = (),
        own_left_out: int = 0,
    ) -> None:
        """`kin` are address and observation of what the query shows."""
        self._made = hits
        self._kin = tuple(kin)
        self.method = method
        """`exact`, or the name of the index that answered."""
        self.notes = tuple(notes)
        """What a reader should know of the answer, a line each: why there are fewer hits than asked for, what was left out."""
        self.own_left_out = own_left_out
        """Stored rows of the query's own files that would have been among the hits and were left out, as was asked."""
        self.facets: tuple[Facet, ...] | None = None
        """How hits and gallery are spread over the taxa of a rank, where that was asked for."""

    @cached_property
    def hits(self) -> tuple[Hit, ...]:
        """The hits, best first."""
        return tuple(self._made() if callable(self._made) else self._made)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchResult) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    @property
    def consensus(self) -> Consensus:
        """The taxon that the hits agree on."""
        return self._votes.consensus

    @property
    def kin_of_query(self) -> int:
        """Hits that show the query's own picture or observation, as its row or other boxes of it do: they do not vote."""
        return self._votes.kin_of_query

    @property
    def kin_of_hits(self) -> int:
        """Other hits that show the picture or observation of a better hit: they share its vote."""
        return self._votes.kin_of_hits

    @cached_property
    def _votes(self) -> "_Votes":
        """What the hits agree on; kin of the query and of each other are no witnesses of their own."""
        hits = self.hits
        shown = [(hit.uri, hit.observation_id) for hit in hits] + list(self._kin)
        numbers = kin_of_few(shown)
        own, kin = set(numbers[len(hits) :]), numbers[: len(hits)]
        scores = [0.0 if group in own else hit.score for group, hit in zip(kin, hits, strict=True)]
        of_query = sum(group in own for group in kin)
        return _Votes(
            agreed([hit.taxon for hit in hits], [hit.label for hit in hits], vote_weights(kin, scores)),
            of_query,
            len(hits) - of_query - len(set(kin) - own),
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the hits as pictures, and what they agree on."""
        from cladescope.index.notebook import answer_cell  # stands above the hits

        return answer_cell(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = self.consensus
        votes = [{**asdict(vote), "taxon": str(vote.taxon), "name": vote.taxon.name} for vote in found.votes]
        facets = {} if self.facets is None else {"facets": [facet.to_dict() for facet in self.facets]}
        return {
            "method": self.method,
            "notes": list(self.notes),
            "kin": {"of_query": self.kin_of_query, "of_hits": self.kin_of_hits, "left_out": self.own_left_out},
            "hits": [hit.to_dict() for hit in self.hits],
            "consensus": {
                "taxon": None if found.taxon is None else str(found.taxon),
                "rank": found.taxon.rank if found.taxon is not None else None if found.label is None else LABEL,
                "label": found.label,
                "share": found.share,
                "votes": votes,
            },
            **facets,
        }

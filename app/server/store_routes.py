"""Routes that tell of the service and of its stores: health, metrics, what a store holds, its tree of taxa and its rows."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

import cladescope
from cladescope.app.server import map_models, models
from cladescope.app.server.arrow import NEXT_HEADER, TOTAL_HEADER, VARY, streamed, wants_arrow
from cladescope.app.server.parameters import (
    MOST_ARROW_ROWS,
    MOST_CHILDREN,
    MOST_ROWS,
    AnyServed,
    AnyService,
    WhereQuery,
    WithinQuery,
)
from cladescope.app.service import paging, taxa_search, taxa_tree
from cladescope.app.service.encoding import Encoding
from cladescope.app.service.plain import plain
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.tally import CONTENT_TYPE
from cladescope.index.store import Store

router = APIRouter(tags=["stores"])
_ROWS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {paging.ARROW: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            TOTAL_HEADER: {"schema": {"type": "string"}, "description": "Of Arrow: rows that pass the filters."},
            NEXT_HEADER: {
                "schema": {"type": "string"},
                "description": "Of Arrow: the cursor of the next page, if any.",
            },
        },
    }
}


@router.get("/health", response_model=models.Health)
async def health(service: AnyService, request: Request) -> Any:
    """Whether the service is ready, and whether its encoders are loaded. It needs no token."""
    # It waits for no thread, so that it is answered however busy the service is.
    return {
        "ready": True,
        "version": cladescope.__version__,
        "needs_token": request.app.state.rules.token is not None,
        "read_only": request.app.state.rules.read_only,
        "encoders": [_state(one) for one in service.encodings],
    }


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: AnyService) -> PlainTextResponse:
    """Requests and how long they took by route, batches of the encoders, stores and their rows, in Prometheus' text format."""
    return PlainTextResponse(service.tally.text(), media_type=CONTENT_TYPE)


@router.get("/stores", response_model=models.Stores)
def stores(service: AnyService) -> Any:
    """The stores that are served."""
    found = []
    for name, served in service.stores.items():
        try:
            with served.reading() as store:
                found.append({"name": name, "images": store.count(), "encoder": store.card.name})
        except RefusalError:
            found.append({"name": name, "images": None, "encoder": served.encoder_name})
    return {"stores": found}


@router.get("/stores/{name}", response_model=models.StoreDetails)
def store_details(served: AnyServed, service: AnyService) -> Any:
    """What a store holds: pictures, taxa by rank, columns, encoder and index."""
    with served.reading() as store:
        told = served.of_version("details", Store.describe)
        state = _state(service.encoding_of(store))
    index = told["index"]
    return {
        "name": served.name,
        **{word: told[word] for word in ("version", "images", "failures", "ranks")},
        "columns": [one for one in told["columns"] if one != "vector"],
        "encoder": state,
        "dim": told["encoder"]["dim"],
        "has_text": told["encoder"]["has_text"],
        "index": None if index is None else index["kind"],
    }


@router.get("/stores/{name}/tree", response_model=models.TreeAnswer)
def tree(
    served: AnyServed,
    under: Annotated[str | None, Query(description="A taxon by name or path; the roots without one.")] = None,
    rank: Annotated[str | None, Query(description="Rank of the children; the next one below without it.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_CHILDREN)] = 1000,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Any:
    """The children of a taxon with common names and counts, those with the most pictures first."""
    return taxa_tree.children(served, under=under, rank=rank, limit=limit, offset=offset)


@router.get("/stores/{name}/taxa", response_model=map_models.FoundTaxa)
def taxa(
    served: AnyServed,
    q: Annotated[str, Query(min_length=1, max_length=200, description="Letters of a name.", examples=["par"])],
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Any:
    """Taxa by the letters of their Latin or common names; labels where no picture has a rank."""
    return {"taxa": plain(taxa_search.find(served, q, limit))}


@router.get("/stores/{name}/vectors", response_model=map_models.VectorsAnswer)
def vectors(served: AnyServed) -> Any:
    """The vectors that a store holds: its main ones, and those of further encoders by name."""
    with served.reading() as store:
        further = [{"name": name, "encoder": card.name} for name, card in store.named.items()]
        return {"vectors": [{"name": None, "encoder": store.card.name}, *further]}


@router.get("/stores/{name}/rows", response_model=models.RowsAnswer, responses=_ROWS)
def rows(
    request: Request,
    response: Response,
    served: AnyServed,
    within: WithinQuery = None,
    where: WhereQuery = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MOST_ARROW_ROWS, description="Rows of a page: up to 1,000 as JSON, 100,000 as Arrow.")
    ] = 100,
    columns: Annotated[
        list[str] | None,
        Query(
            description="Only this column; repeat it for several. All but `vector` without it, which Arrow alone has.",
            examples=[["image_id", "species"]],
        ),
    ] = None,
) -> Any:
    """Rows in the order in which they came, a page at a time: JSON, or an Arrow stream for who asks so by `Accept`."""
    asked: dict[str, Any] = {
        "columns": columns or (),
        "within": within or (),
        "filters": where or (),
        "cursor": cursor,
        "limit": limit,
    }
    if wants_arrow(request):
        return streamed(paging.arrow_page(served, **asked))
    if limit > MOST_ROWS:
        more = f"expected at most {MOST_ROWS} as JSON; `Accept: {paging.ARROW}` brings up to {MOST_ARROW_ROWS}"
        raise RefusalError(422, f"limit is '{limit}': {more}")
    response.headers.update(VARY)
    return plain(paging.page(served, **asked))


def _state(encoding: Encoding) -> dict[str, Any]:
    return {"name": encoding.name, "state": encoding.state, "problem": encoding.problem}

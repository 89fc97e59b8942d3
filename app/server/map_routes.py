"""Routes of a store's map: its points, codes and names by the pictures' indexes in map order; and of what is made in the background."""

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from jaxtyping import UInt32

from cladescope.analysis.maps.layout import neighbour_weights
from cladescope.analysis.maps.order import bounds
from cladescope.analysis.maps.run import NEIGHBOURS
from cladescope.app.server import map_models, models
from cladescope.app.server.parameters import MOST_CHILDREN, AnyServed, AnyService, WhereQuery, WithinQuery
from cladescope.app.server.search_routes import UPLOAD
from cladescope.app.server.uploads import uploaded_picture
from cladescope.app.service import taxa_tree
from cladescope.app.service.map_columns import best, coded, columns, labels
from cladescope.app.service.map_made import MadeMap
from cladescope.app.service.map_rows import MapRows
from cladescope.app.service.plain import plain
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.service import Service
from cladescope.app.service.work import Job

router = APIRouter(tags=["map"])
MOST_CARDS = 500
BYTES = "application/octet-stream"
BYTES_SAID: dict[int | str, dict[str, Any]] = {
    200: {"content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}
_INDEXES = {"requestBody": {"required": True, "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}}
FOREVER = "private, max-age=31536000, immutable"
ASKED_AGAIN = "private, no-cache"
"""Of what depends on the rows of the store beside the map: a browser keeps it, and asks whether it still holds."""

KeyQuery = Annotated[str, Query(max_length=100, description="The key of the map.")]
VectorsQuery = Annotated[
    str | None, Query(max_length=200, description="The vectors that are laid out, by name; the main ones without it.")
]
ByQuery = Annotated[str, Query(max_length=200, description="A rank or column, one of `columns`.", examples=["species"])]


@router.get("/work", response_model=map_models.WorkAnswer, tags=["work"])
async def work(service: AnyService) -> Any:
    """What is made in the background, and how far it is."""
    return {"jobs": [job.shown() for job in service.work.jobs]}


@router.get(
    "/stores/{name}/map", response_model=map_models.MapReady | map_models.MapMaking | map_models.MapFailed
)  # fmt: skip
def map_of(served: AnyServed, service: AnyService, vectors: VectorsQuery = None) -> Any:
    """The map of a store's pictures. The first request begins to make it, in the background; ask again until it is ready."""
    found = service.maps.state(served, vectors)
    return _state(service, served, vectors, found)


@router.post("/stores/{name}/map/remake", response_model=map_models.MapMaking | map_models.MapFailed)
def remake(served: AnyServed, service: AnyService, vectors: VectorsQuery = None) -> Any:
    """Make the map anew, of the store as it is now."""
    return _making(service.maps.remake(served, vectors))


@router.get("/stores/{name}/map/points", response_class=Response, responses=BYTES_SAID)
def points(served: AnyServed, service: AnyService, key: KeyQuery, vectors: VectorsQuery = None) -> Response:
    """Float32, little endian: x and y of each picture."""
    made = service.maps.rows(served, vectors, key).made
    return Response(made.points.astype("<f4").tobytes(), media_type=BYTES, headers={"Cache-Control": FOREVER})


@router.get("/stores/{name}/map/codes", response_class=Response, responses=BYTES_SAID)
def codes(
    request: Request, served: AnyServed, service: AnyService, key: KeyQuery, by: ByQuery, vectors: VectorsQuery = None
) -> Response:
    """Uint16, little endian: a code for each picture; 65535 where it has no value."""
    rows = service.maps.rows(served, vectors, key)
    with served.reading():
        return _bytes(request, rows, lambda: coded(rows, by).codes.astype("<u2").tobytes())


@router.get("/stores/{name}/map/legend", response_model=map_models.Legend)
def legend(
    request: Request, served: AnyServed, service: AnyService, key: KeyQuery, by: ByQuery, vectors: VectorsQuery = None
) -> Any:
    """What the codes of a column mean, and their colours."""
    rows = service.maps.rows(served, vectors, key)
    with served.reading():
        return _json(request, rows, lambda: coded(rows, by).legend)


@router.get("/stores/{name}/map/labels", response_model=map_models.MapLabels)
def labels_of(
    request: Request, served: AnyServed, service: AnyService, key: KeyQuery, by: ByQuery, vectors: VectorsQuery = None
) -> Any:
    """Where names stand on the map, the most important first."""
    rows = service.maps.rows(served, vectors, key)
    with served.reading():
        return _json(request, rows, lambda: {"labels": labels(rows, by)})


@router.get("/stores/{name}/map/rows", response_model=map_models.MapRowsAnswer)
def cards(
    request: Request,
    served: AnyServed,
    service: AnyService,
    key: KeyQuery,
    index: Annotated[list[Annotated[int, Query(ge=0)]], Query(max_length=MOST_CARDS)],
    vectors: VectorsQuery = None,
) -> Any:
    """What a card says of some pictures."""
    rows = service.maps.rows(served, vectors, key)
    if max(index) >= len(rows.made):
        raise _no_such(max(index), len(rows.made))
    with served.reading():
        return _json(request, rows, lambda: {"rows": rows.shown(index)})


@router.get("/stores/{name}/map/selected", response_class=Response, responses=BYTES_SAID)
def selected(
    request: Request,
    served: AnyServed,
    service: AnyService,
    key: KeyQuery,
    within: WithinQuery = None,
    where: WhereQuery = None,
    vectors: VectorsQuery = None,
) -> Response:
    """Uint32, little endian: the indexes of the pictures that pass the filters, ascending."""
    rows = service.maps.rows(served, vectors, key)
    with served.reading():
        return _bytes(request, rows, lambda: rows.selected(within or (), where or ()).astype("<u4").tobytes())


@router.post("/stores/{name}/map/indexes", response_model=map_models.Indexes)
def indexes(
    served: AnyServed,
    service: AnyService,
    key: KeyQuery,
    asked: Annotated[map_models.AskedIds, Body()],
    vectors: VectorsQuery = None,
) -> Any:
    """The index of each picture by its id."""
    return {"indexes": service.maps.rows(served, vectors, key).indexes(asked.ids)}


@router.post("/stores/{name}/map/tree", response_model=models.TreeAnswer, openapi_extra=_INDEXES)
async def tree(
    request: Request,
    served: AnyServed,
    service: AnyService,
    key: KeyQuery,
    under: Annotated[str | None, Query(description="A taxon by name or path; the roots without one.")] = None,
    rank: Annotated[str | None, Query(description="Rank of the children; the next one below without it.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_CHILDREN)] = 1000,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    vectors: VectorsQuery = None,
) -> Any:
    """The children of a taxon, of some pictures alone; the body holds their indexes as Uint32, little endian."""
    body = await request.body()

    def answer() -> Any:
        rows = service.maps.rows(served, vectors, key)
        asked = _indexes(body, len(rows.made))
        with served.reading():
            table = rows.counted_lineages(asked)
            return taxa_tree.children_of(rows.reader, table, under=under, rank=rank, limit=limit, offset=offset)

    return await run_in_threadpool(answer)


@router.post("/stores/{name}/map/place/image", response_model=map_models.Placed, openapi_extra=UPLOAD)
async def place(
    request: Request, served: AnyServed, service: AnyService, key: KeyQuery, vectors: VectorsQuery = None
) -> Any:
    """Where an uploaded picture stands: among the pictures that it resembles most, which are told too."""
    picture = await uploaded_picture(request)
    store = await run_in_threadpool(served.with_vectors, vectors)
    rows = await run_in_threadpool(service.maps.rows, served, vectors, key)
    with served.reading():
        vector = await asyncio.wrap_future(service.encoding_of(store).submit(picture))

    def answer() -> Any:
        hits = served.search(vectors=[vector], k=NEIGHBOURS, named=vectors)["hits"]
        places = rows.indexes([hit["image_id"] for hit in hits])
        on_map = [(hit["score"], at) for hit, at in zip(hits, places, strict=True) if at is not None]
        if not on_map:
            raise RefusalError(
                422, f"the map of {served.name} has none of the pictures that this one resembles: remake it"
            )
        scores, found = np.array([score for score, _ in on_map]), np.array([at for _, at in on_map])
        distances = np.sqrt(np.maximum(2 - 2 * scores, 0)).astype(np.float32)
        x, y = (neighbour_weights(distances[None])[0] @ rows.made.points[found]).tolist()
        near = [
            {"image_id": hit["image_id"], "index": at, "score": hit["score"]}
            for hit, at in zip(hits, places, strict=True)
        ]
        return {"x": x, "y": y, "nearest": near}

    return await run_in_threadpool(answer)


@router.get("/stores/{name}/map/match", response_class=Response, responses=BYTES_SAID)
def match(
    request: Request,
    served: AnyServed,
    service: AnyService,
    key: KeyQuery,
    to: Annotated[str, Query(max_length=200, description="The store of the other map.")],
    to_key: Annotated[str, Query(max_length=100, description="The key of the other map.")],
    to_vectors: VectorsQuery = None,
    vectors: VectorsQuery = None,
) -> Response:
    """Uint32, little endian: for each picture its index on another map, by its id or its content; 4294967295 for none."""
    other = service.served(to)
    here, there = service.maps.rows(served, vectors, key), service.maps.rows(other, to_vectors, to_key)
    with served.reading(), other.reading():
        return _bytes(request, here, lambda: here.matched(there).astype("<u4").tobytes(), f"{there.version}")


def _state(service: Service, served: ServedStore, vectors: str | None, found: MadeMap | Job) -> Any:
    if isinstance(found, Job):
        return _making(found)
    rows = service.maps.rows_of(served, served.with_vectors(vectors), found)
    with served.reading():
        listed, color = columns(rows), best(rows)
    x, y = bounds(found.points)
    value = found.about.trustworthiness
    return plain(
        {
            "state": "ready",
            "key": found.key,
            "n": len(found),
            "version": found.about.version,
            "method": found.about.method,
            "encoder": found.about.encoder,
            "notes": list(found.about.notes) + _gone(rows),
            "trustworthiness": None if value is None else {"value": value[0], "standard_error": value[1]},
            "columns": listed,
            "color": color,
            "x": x,
            "y": y,
            "stale": rows.n_more > 0,
        }
    )


def _gone(rows: MapRows) -> list[str]:
    n = int((~rows.is_there).sum())
    return [f"{n:,} of its pictures were deleted from the store since"] if n else []


def _making(job: Job) -> dict[str, Any]:
    if job.state == "failed":
        return {"state": "failed", "problem": job.problem}
    done, total = job.done, job.total
    return {"state": "making", "done": None if done is None or not total else min(1.0, done / total)}


def _indexes(body: bytes, n: int) -> UInt32[np.ndarray, " m"]:
    """The indexes in a body. Raises RefusalError for what is none."""
    if len(body) % 4:
        raise RefusalError(422, f"the body has {len(body):,} bytes: expected indexes of 4 bytes each")
    found = np.frombuffer(body, "<u4").astype(np.uint32)
    if len(found) and found.max() >= n:
        raise _no_such(int(found.max()), n)
    return np.unique(found)


def _no_such(index: int, n: int) -> RefusalError:
    return RefusalError(422, f"index is {index}: the map has {n:,} pictures, which count from 0")


def _tag(rows: MapRows, more: str) -> str:
    return f'"{rows.made.key}-{rows.version}{more and "-"}{more}"'


def _is_held(request: Request, tag: str) -> bool:
    """Whether a browser holds an answer; a proxy that compresses answers marks their tags as weak, and it may name several."""
    held = request.headers.get("if-none-match", "").split(",")
    return tag in {one.strip().removeprefix("W/") for one in held}


def _bytes(request: Request, rows: MapRows, make: Any, more: str = "") -> Response:
    """What is made of the rows; nothing where the browser holds it already."""
    headers = {"ETag": _tag(rows, more), "Cache-Control": ASKED_AGAIN}
    if _is_held(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(make(), media_type=BYTES, headers=headers)


def _json(request: Request, rows: MapRows, make: Any) -> Response:
    headers = {"ETag": _tag(rows, ""), "Cache-Control": ASKED_AGAIN}
    if _is_held(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return JSONResponse(plain(make()), headers=headers)

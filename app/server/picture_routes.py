"""Routes of one picture: its row, its thumbnail and its file. Ids are looked up in the store, and only what it names is opened."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response

from cladescope.app.server.parameters import AnyServed
from cladescope.app.service.originals import original_of
from cladescope.app.service.plain import plain
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.thumbnails import SIDES, folder_for, thumbnail_of

router = APIRouter(tags=["pictures"])
STATE = "X-Cladescope-Picture"
"""Header of a thumbnail: `shown`, or why it is a plain tile: `gone`, `unreadable`, `remote`."""
KEPT_SECONDS = 3600
_JPEG = {200: {"content": {"image/jpeg": {}}, "headers": {STATE: {"schema": {"type": "string"}}}}}


@router.get("/stores/{name}/rows/{image_id:path}", response_model=dict[str, Any])
def row(served: AnyServed, image_id: str) -> Any:
    """All columns of one picture but the vector."""
    return plain(served.row(image_id))


@router.get("/stores/{name}/thumbnails/{image_id:path}", response_class=Response, responses=_JPEG)  # type: ignore[arg-type]
def thumbnail(
    served: AnyServed,
    image_id: str,
    side: Annotated[int, Query(description="Pixels of the longer side: 128, 256 or 512.")] = 256,
) -> Response:
    """A picture in small, as a JPEG. A plain tile stands for one that cannot be shown; the header says why."""
    if side not in SIDES:
        raise RefusalError(422, f"side is {side}: expected {', '.join(map(str, SIDES[:-1]))} or {SIDES[-1]}")
    found = served.row(image_id, ["uri", "content_hash"])
    made = thumbnail_of(found, side, folder=folder_for(served.path))
    kept = f"private, max-age={KEPT_SECONDS}" if made.state == "shown" else "no-store"
    return Response(made.data, media_type="image/jpeg", headers={STATE: made.state, "Cache-Control": kept})


@router.get("/stores/{name}/images/{image_id:path}", response_class=FileResponse)
def image(served: AnyServed, image_id: str) -> FileResponse:
    """The picture's own file, where it is one of this machine."""
    found = original_of(served.row(image_id, ["uri"]))
    return FileResponse(found.path, media_type=found.media_type)

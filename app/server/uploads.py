"""The pictures that a request carries: as a form with files, or one as the body itself; small enough, or refused."""

import asyncio

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from cladescope.app.service.refusal import RefusalError
from cladescope.embedding.bounds import max_pixels
from cladescope.embedding.damage import damage_refused
from cladescope.embedding.decode import MAX_PIXELS, MAX_PIXELS_GIF_TIFF, kind_of_bytes, opened_picture
from cladescope.errors import PictureError

BODY_SECONDS = 60.0
"""How long a body may take to come."""
FIELD = "file"
MOST_FILES = 20
"""Pictures of one request."""


async def uploaded_picture(request: Request) -> bytes:
    """The one encoded picture in a request's body. Raises RefusalError as `uploaded_pictures` does, and for several."""
    pictures = await uploaded_pictures(request)
    if len(pictures) > 1:
        raise RefusalError(422, f"{len(pictures)} pictures are sent: expected one")
    return pictures[0]


async def uploaded_pictures(request: Request) -> list[bytes]:
    """The encoded pictures in a request's body, at most `MOST_FILES`. The guard counts their bytes while they come.

    Raises RefusalError for a body without a picture, one that comes too slowly, and for a picture of too many pixels.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            found = await _body(request)
    except TimeoutError:
        raise RefusalError(408, f"the picture did not come within {BODY_SECONDS:.0f} seconds: send it again") from None
    except ClientDisconnect:
        raise RefusalError(400, "the picture did not come whole") from None
    if not found or not all(found):
        raise RefusalError(422, f"no picture is given: send it as the body, or as the field {FIELD!r} of a form")
    for data in found:
        check_pixels(data)
    return found


async def _body(request: Request) -> list[bytes]:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return [await request.body()]
    async with request.form(max_files=MOST_FILES, max_fields=4) as form:
        return [await given.read() for given in form.getlist(FIELD) if isinstance(given, UploadFile)]


def check_pixels(data: bytes) -> None:
    """Raise RefusalError for a picture whose header announces more pixels than the decoder takes; other faults are for it to tell."""
    kind = kind_of_bytes(data)
    if kind is None:
        return
    try:
        with damage_refused(kind, data):
            image = opened_picture(data)
            most = min(MAX_PIXELS_GIF_TIFF if kind in ("GIF", "TIFF") else MAX_PIXELS, max_pixels(kind, image))
            width, height = image.size
    except PictureError:
        return
    if width * height > most:
        raise RefusalError(
            413, f"the picture has {width} x {height} pixels: {most} are allowed in all, reduce it first"
        )

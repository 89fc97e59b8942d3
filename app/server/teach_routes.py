"""Routes of teaching by hand."""

from typing import Any

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response

from cladescope.analysis.classify.taught import UNSURE
from cladescope.analysis.maps.coded import NO_VALUE
from cladescope.app.server.answer_models import TeachAnswer
from cladescope.app.server.map_routes import BYTES, BYTES_SAID, KeyQuery, VectorsQuery
from cladescope.app.server.parameters import AnyServed, AnyService
from cladescope.app.service.asked_models import TeachAsked
from cladescope.app.service.plain import plain
from cladescope.app.service.teaching import shown, taught

router = APIRouter(tags=["names"])


@router.post("/stores/{name}/teach", response_model=TeachAnswer)
def teach(served: AnyServed, asked: TeachAsked) -> Any:
    """What pictures that were put into classes say of the whole store: names, how often they are right, and what to label next. It writes nothing.

    Of one class, or none, `said` tells what is missing.
    """
    _, found = taught(served, asked)
    return plain(shown(found))


@router.post("/stores/{name}/teach/codes", response_class=Response, responses=BYTES_SAID)
def teach_codes(
    served: AnyServed, service: AnyService, asked: TeachAsked, key: KeyQuery, vectors: VectorsQuery = None
) -> Response:
    """Uint16, little endian: what the same says of each picture of a map, as the position of its class; 65535 where it has no name."""
    made = service.maps.rows(served, vectors, key).made
    whole, found = taught(served, asked)
    places = whole.rows_of(made.image_ids)
    codes = np.where(places < 0, UNSURE, found.codes[places]) if len(found.codes) else np.full(len(made), UNSURE)
    return Response(np.where(codes == UNSURE, NO_VALUE, codes).astype("<u2").tobytes(), media_type=BYTES)

"""Routes of teaching by hand."""

from typing import Any

from fastapi import APIRouter

from cladescope.app.server.answer_models import TeachAnswer
from cladescope.app.server.asked_models import TeachAsked
from cladescope.app.server.parameters import AnyServed
from cladescope.app.server.plain import plain
from cladescope.app.server.teaching import shown, taught

router = APIRouter(tags=["names"])


@router.post("/stores/{name}/teach", response_model=TeachAnswer)
def teach(served: AnyServed, asked: TeachAsked) -> Any:
    """What pictures that were put into classes say of the whole store: names, how often they are right, and what to label next. It writes nothing.

    Of one class, or none, `said` tells what is missing.
    """
    _, found = taught(served, asked)
    return plain(shown(found))

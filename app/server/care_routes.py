"""Routes of care: doubtful pictures, what is decided of them, and how well the vectors follow the tree of life."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from cladescope.app.server.answer_models import AuditAnswer, DecisionsAnswer, LogAnswer, ProbesAnswer, UndoAnswer
from cladescope.app.server.parameters import AnyServed, AnyService, Writes
from cladescope.app.service import decisions
from cladescope.app.service.asked_models import DecisionsAsked
from cladescope.app.service.audit_lists import audit_of
from cladescope.app.service.plain import plain
from cladescope.app.service.probing import probes_of

router = APIRouter(tags=["care"])
_DECISIONS = "/stores/{name}/decisions"


@router.get("/stores/{name}/audit", response_model=AuditAnswer)
def audit(served: AnyServed, service: AnyService) -> Any:
    """Near-duplicates, outliers and labels that may be wrong, the gravest first. They are looked for in the background: ask again while `state` is `making`."""
    return plain(audit_of(service.work, served))


@router.post(_DECISIONS, response_model=DecisionsAnswer, dependencies=[Writes])
def decide(served: AnyServed, asked: DecisionsAsked) -> Any:
    """Keep pictures as they are, fix their names, or drop their rows: all of it or none. It is logged, and can be undone."""
    return plain(decisions.decide(served, asked.decisions))


@router.get(_DECISIONS, response_model=LogAnswer)
def log(served: AnyServed) -> Any:
    """All that was decided, the newest first."""
    return plain({"entries": decisions.log(served)})


@router.post(f"{_DECISIONS}/{{entry}}/undo", response_model=UndoAnswer, dependencies=[Writes])
def undo(served: AnyServed, entry: Annotated[int, Path(ge=1, le=2**31, description="Number of the entry.")]) -> Any:
    """Turn an entry back: names as they were, and dropped rows with all their vectors. What was changed since stays."""
    return plain(decisions.undo(served, entry))


@router.get("/stores/{name}/probes", response_model=ProbesAnswer)
def probes(
    served: AnyServed,
    service: AnyService,
    vectors: Annotated[str | None, Query(description="Vectors of a further encoder, by their name.")] = None,
) -> Any:
    """What the encoder has learnt about the tree of life, with intervals and null models. It is measured in the background: ask again while `state` is `making`."""
    return plain(probes_of(service.work, served, vectors))

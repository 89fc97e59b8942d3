"""Routes that name pictures and keep classifiers."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, Response

from cladescope.app.server.answer_models import (
    ClassifierDetails,
    Classifiers,
    NamesAnswer,
    Report,
)
from cladescope.app.server.parameters import AnyServed, AnyService, Writes
from cladescope.app.server.search_routes import UPLOAD
from cladescope.app.server.uploads import uploaded_picture
from cladescope.app.service import classifiers
from cladescope.app.service.asked_models import LEAST_RISK, ClassifierAsked, NamesAsked
from cladescope.app.service.naming import named
from cladescope.app.service.plain import plain

router = APIRouter(tags=["names"])
_CLASSIFIERS = "/stores/{name}/classifiers"


@router.post("/stores/{name}/predict", response_model=NamesAnswer)
def predict(served: AnyServed, service: AnyService, asked: NamesAsked) -> Any:
    """Names of stored pictures, as deep as the risk allows: by a classifier, else by the names that the store's pictures have, else by those that the encoder knows."""
    with served.reading() as store:
        encoding = service.encoding_of(store)
    return plain(
        named(served, encoding, ids=asked.ids, classifier=asked.classifier, rank=asked.rank, risk=asked.risk, k=asked.k)
    )


@router.post("/stores/{name}/predict/image", response_model=NamesAnswer, openapi_extra=UPLOAD)
async def predict_image(
    served: AnyServed,
    service: AnyService,
    request: Request,
    classifier: Annotated[str | None, Query(description="A classifier of the store.")] = None,
    rank: Annotated[str | None, Query(description="The narrowest rank of a name.", examples=["genus"])] = None,
    risk: Annotated[float | None, Query(ge=LEAST_RISK, lt=1, description="Share of names that may be wrong.")] = None,
    k: Annotated[int, Query(ge=1, le=100, description="Names, the likeliest and its alternatives.")] = 5,
) -> Any:
    """The name of an uploaded picture: one answer, whose `image_id` is null."""
    picture = await uploaded_picture(request)
    with served.reading() as store:
        encoding = service.encoding_of(store)
        vector = await asyncio.wrap_future(encoding.submit(picture))
    found = await run_in_threadpool(
        named, served, encoding, vectors=vector[None], classifier=classifier, rank=rank, risk=risk, k=k
    )
    return plain(found)


@router.get(_CLASSIFIERS, response_model=Classifiers)
def list_classifiers(served: AnyServed) -> Any:
    """The classifiers that are kept in the store's folder."""
    return plain({"classifiers": classifiers.listed(served)})


@router.post(_CLASSIFIERS, response_model=ClassifierDetails, dependencies=[Writes])
def fit_classifier(served: AnyServed, asked: ClassifierAsked) -> Any:
    """Learn a classifier from labelled pictures, or from the names that pictures have at a rank, and keep it in the store's folder."""
    found = classifiers.fitted(served, asked.name, labels=asked.labels, rank=asked.rank, method=asked.method)
    return _details(found)


@router.get(f"{_CLASSIFIERS}/{{classifier}}", response_model=ClassifierDetails)
def one_classifier(served: AnyServed, classifier: str) -> Any:
    """A classifier, and what was said when it was learnt."""
    return _details(classifiers.report_of(served, classifier))


@router.get(f"{_CLASSIFIERS}/{{classifier}}/file", response_class=FileResponse)
def classifier_file(served: AnyServed, classifier: str) -> FileResponse:
    """The file of a classifier, which `cladescope predict` takes."""
    return _download(served, classifier, classifiers.CLASSIFIER, "application/octet-stream")


@router.get(f"{_CLASSIFIERS}/{{classifier}}/labels", response_class=FileResponse)
def classifier_labels(served: AnyServed, classifier: str) -> FileResponse:
    """The pictures that a classifier was learnt from: image_id, uri and label as CSV, which `cladescope fit` takes."""
    return _download(served, classifier, classifiers.LABELS, "text/csv; charset=utf-8")


@router.get(f"{_CLASSIFIERS}/{{classifier}}/report", response_model=Report)
def classifier_report(served: AnyServed, classifier: str) -> Any:
    """All that was measured of a classifier."""
    return plain(classifiers.report_of(served, classifier))


@router.delete(f"{_CLASSIFIERS}/{{classifier}}", status_code=204, dependencies=[Writes])
def remove_classifier(served: AnyServed, classifier: str) -> Response:
    """Delete a classifier with its labels and its report."""
    classifiers.removed(served, classifier)
    return Response(status_code=204)


def _details(report: dict[str, Any]) -> object:
    return plain({word: report[word] for word in (*classifiers.SHOWN, "said")})


def _download(served: AnyServed, name: str, kind: str, media_type: str) -> FileResponse:
    file = classifiers.file_of(served, name, kind)
    return FileResponse(file, media_type=media_type, filename=file.name)

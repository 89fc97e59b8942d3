"""Requests that schemathesis draws from the OpenAPI document: whatever is sent, the answer is one that the document describes."""

import logging
from collections import Counter

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cladescope.app.server.guard import Rules
from tests.app.server.conftest import until

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HEADER = {"X-Cladescope": "1"}
HERE = "http://127.0.0.1:8000"
BYTES = "application/octet-stream"
FREE = {"rank", "under", "q", "to_vectors", "vectors", "cursor"}
"""Parameters that are drawn freely as often as from the values that lead on."""


def known(client, store):
    """Schemas of values that lead behind the first refusal, by the names of parameters and fields."""
    map_path = "/stores/clades/map"
    until(lambda: client.json(map_path)["state"] == "ready")
    key, ids = client.json(map_path)["key"], store.table(["image_id"]).column(0).to_pylist()[:4]
    several = {
        "where": ["width>=50", "genus in Parus,Pica", "width!=7"],
        "within": [store.table(["kingdom"]).column(0)[0].as_py()],
        "index": [0, 1, 47],
        **dict.fromkeys(["id", "not_id", "ids", "not_ids"], ids),
    }
    return {
        **{name: {"enum": ["clades"]} for name in ("name", "to")},
        **{name: {"enum": [key]} for name in ("key", "to_key")},
        **{name: {"enum": ["species", "genus", "width"]} for name in ("by", "q", "under")},
        "image_id": {"enum": ids},
        "rank": {"enum": ["species", "genus"]},
        **{name: {"enum": ["pixels"]} for name in ("vectors", "to_vectors")},
        "classifier": {"enum": ["kept"]},
        "cursor": {"enum": ["3", "47", "48"]},
        "entry": {"enum": [1, 2, 3]},
        "side": {"enum": [128, 256]},
        **{name: {"type": "array", "items": {"enum": one}, "minItems": 1} for name, one in several.items()},
    }


def document_of(client, values):
    """The OpenAPI document, narrowed to known values; of those that are FREE the values of the document stand beside them."""
    document = client.json("/openapi.json")
    for path in document["paths"].values():
        for method, operation in path.items():
            # The encoder of the store takes no text.
            operation["parameters"] = [one for one in operation.get("parameters", []) if one["name"] != "text"]
            for one in operation["parameters"]:
                if (found := values.get(one["name"])) is not None:
                    one["schema"] = {"anyOf": [found, one["schema"]]} if one["name"] in FREE else found
                if method == "delete" and one["name"] == "classifier":
                    one["schema"] = {"enum": ["none"]}
    models = document["components"]["schemas"]
    for model in ("NamesAsked", "AskedIds", "OneDecision", "OneQuery", "BatchAsked"):
        fields = models[model]["properties"]
        fields |= {name: values[name] for name in fields.keys() & values.keys()}
    for model, field in (("TeachAsked", "classes"), ("ClassifierAsked", "labels")):
        models[model]["properties"][field]["additionalProperties"] = values["ids"]
    models["ClassifierAsked"]["properties"]["name"] = {"enum": ["kept", "made"]}
    models["DecisionsAsked"]["properties"]["decisions"]["maxItems"] = 1
    models["OneQuery"]["required"] = ["ids"]
    del models["OneQuery"]["properties"]["text"], models["OneQuery"]["properties"]["taxa"]
    return document


def asked(client, document, mode, n_examples, raw):
    """Send drawn requests of every operation, and return how many were answered with each status.

    `raw` holds what stands for drawn bytes: a picture, and indexes of a map; an operation finds what it takes by the end of its path.
    """
    statuses = {}

    def of(operation):
        found = statuses[operation.label] = Counter()
        body = next((content for end, content in raw.items() if operation.path.endswith(end)), None)

        @settings(
            max_examples=n_examples,
            phases=[Phase.generate],
            database=None,
            suppress_health_check=[HealthCheck.filter_too_much],
        )
        @given(operation.as_strategy(generation_mode=mode))
        def answers(case):
            if body is not None and mode == GenerationMode.POSITIVE:
                case.body, case.media_type = body, BYTES
            answer = case.call(base_url=HERE, headers=HEADER)
            found[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        answers()

    schema = schemathesis.openapi.from_dict(document)
    schema.app = client.app
    for operation in (one.ok() for one in schema.get_all_operations()):
        if mode == GenerationMode.POSITIVE or operation.body or operation.query:
            of(operation)
    return statuses


@pytest.mark.parametrize(
    "read_only, mode, n_examples",
    [(True, GenerationMode.POSITIVE, 3), (False, GenerationMode.POSITIVE, 5), (False, GenerationMode.NEGATIVE, 6)],
)
def test_every_answer_is_one_that_the_document_describes(serving, store, caplog, query, read_only, mode, n_examples):
    client = serving(store, rules=Rules(read_only=read_only, rate=1e6, burst=10**6))
    if not read_only:
        fitted = client.post("/stores/clades/classifiers", json={"name": "kept", "rank": "genus"}, headers=HEADER)
        assert fitted.status_code == 200, fitted.text
    raw = {"/image": query.read_bytes(), "/map/tree": np.array([0, 5, 47], "<u4").tobytes()}
    statuses = asked(client, document_of(client, known(client, store)), mode, n_examples, raw)
    if mode == GenerationMode.POSITIVE and not read_only:
        refused = [label for label, found in statuses.items() if min(found) >= 300]
        assert refused == ["DELETE /api/v1/stores/{name}/classifiers/{classifier}"], statuses
    assert len(statuses) > 25
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_what_ends_a_request_before_its_route_is_described_too(client):
    paths = client.json("/openapi.json")["paths"]
    for operation in (one for path in paths.values() for one in path.values()):
        assert {"400", "401", "403", "404", "408", "413", "422", "429", "503"} <= operation["responses"].keys()


def test_an_interval_is_a_list_of_two_numbers(client):
    models = client.json("/openapi.json")["components"]["schemas"]
    for model in ("ClassifierSummary", "ClassifierDetails"):
        two, none = models[model]["properties"]["interval"]["anyOf"]
        assert two == {"items": {"type": "number"}, "type": "array", "minItems": 2, "maxItems": 2}
        assert none == {"type": "null"}

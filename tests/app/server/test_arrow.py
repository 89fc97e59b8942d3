"""Rows as Arrow: the same pages as JSON has, with the store's own types, sent batch by batch."""

import pyarrow as pa
import pytest

from cladescope.app.service import paging
from cladescope.app.service.plain import plain
from cladescope.index.store import Store
from tests.app.server.conftest import break_off

ARROW = "application/vnd.apache.arrow.stream"


def table_of(answer):
    """What an answer holds."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW
    return pa.ipc.open_stream(answer.content).read_all()


def asked(client, path="/stores/clades/rows", **params):
    return client.get(path, params=params, headers={"Accept": ARROW})


def test_all_rows_are_the_stores_own_table(client, store):
    found = table_of(asked(client, limit=100_000))
    assert found.replace_schema_metadata().equals(store.table())
    assert found.schema.metadata == {b"total": b"48"}


def test_chosen_columns_come_in_the_order_asked_for_and_the_vector_may_be_one(client, store):
    names = ["vector", "species", "image_id"]
    found = table_of(asked(client, limit=48, columns=[*names, "species"]))
    assert found.column_names == names
    assert found.replace_schema_metadata().equals(store.table(names))


@pytest.mark.parametrize("batch_rows", [3, 2048])
def test_pages_and_batches_miss_and_repeat_no_row(client, store, monkeypatch, batch_rows):
    monkeypatch.setattr(paging, "BATCH_ROWS", batch_rows)
    pages, cursor = [], {}
    while True:
        answer = asked(client, limit=7, **cursor)
        page = table_of(answer)
        told = page.schema.metadata
        assert answer.headers["x-cladescope-total"] == told[b"total"].decode() == "48"
        assert answer.headers.get("x-cladescope-next", "").encode() == told.get(b"next", b"")
        assert max(map(len, page.to_batches())) <= batch_rows
        pages.append(page.replace_schema_metadata())
        if b"next" not in told:
            break
        cursor = {"cursor": told[b"next"].decode()}
    assert [len(page) for page in pages] == [7] * 6 + [6]
    assert pa.concat_tables(pages).equals(store.table())


def test_a_page_is_that_of_json_under_the_same_filters(client, store):
    row = store.table(["genus", "kingdom"]).to_pylist()[0]
    params = {"where": f"genus!={row['genus']}", "within": row["kingdom"], "limit": 9}
    page = client.json("/stores/clades/rows", params=params)
    found = table_of(asked(client, **params))
    assert plain(found.to_pylist()) == page["rows"]
    assert found.schema.metadata == {b"total": str(page["total"]).encode(), b"next": page["next"].encode()}
    columns = client.json("/stores/clades/rows", params={**params, "columns": ["uri", "genus"]})["rows"]
    assert columns == plain(found.select(["uri", "genus"]).to_pylist())


def test_no_rows_are_a_table_without_rows(serving, client, store, tmp_path):
    found = table_of(asked(client, where="width<0"))
    assert (len(found), found.schema.names) == (0, store.table().column_names)
    empty = Store.create(tmp_path / "empty.store", store.card)
    assert len(table_of(asked(serving(empty), "/stores/empty/rows", columns="vector"))) == 0


@pytest.mark.parametrize(
    ("accept", "is_arrow"),
    [
        (ARROW, True),
        (f"{ARROW};q=0.9, */*;q=0.1", True),
        (f"application/json;q=0.2,{ARROW.upper()};q=0.8", True),
        ("*/*", False),
        ("", False),
        (f"{ARROW};q=0", False),
        (f"{ARROW};q=no", False),
        (f"application/json, {ARROW};q=0.5", False),
    ],
)
def test_who_asks_for_arrow_gets_it_and_all_others_json(client, accept, is_arrow):
    answer = client.get("/stores/clades/rows", headers={"Accept": accept})
    assert answer.headers["content-type"] == (ARROW if is_arrow else "application/json")
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_columns_that_cannot_be_answered_are_refused_before_anything_is_sent(client):
    path = "/stores/clades/rows"
    told = client.refused(path, 422, params={"columns": "vector"})
    assert told == f"vectors are answered as Arrow alone: ask for it by `Accept: {ARROW}`"
    for headers in ({}, {"Accept": ARROW}):
        told = client.refused(path, 422, params={"columns": ["uri", "specis"]}, headers=headers)
        assert told.startswith("no column 'specis': there are ")
        assert "did you mean species?" in told
        assert "no column '_rowid'" in client.refused(path, 422, params={"columns": "_rowid"}, headers=headers)
    assert "cursor is 'x'" in client.refused(path, 422, params={"cursor": "x"}, headers={"Accept": ARROW})


def test_an_answer_that_breaks_off_is_no_whole_answer(client, monkeypatch):
    break_off(monkeypatch)
    with pytest.raises(OSError, match="the disk is gone"):
        asked(client, limit=48)


def test_only_what_is_sent_is_read(client, monkeypatch):
    """A page is read batch by batch, as its parts are taken, and each batch is let go."""
    monkeypatch.setattr(paging, "BATCH_ROWS", 5)
    read, first = [], Store.rows_at

    def rows_at(self, row_ids, columns):
        read.append(len(row_ids))
        return first(self, row_ids, columns)

    monkeypatch.setattr(Store, "rows_at", rows_at)
    page = paging.arrow_page(client.service.served("clades"), cursor=None, limit=48)
    assert read == [5]
    next(page.batches)
    next(page.batches)
    assert read == [5, 5]
    assert sum(map(len, page.batches)) == 38


def test_openapi_states_both_forms(client):
    told = client.json("/openapi.json")["paths"]["/api/v1/stores/{name}/rows"]["get"]
    assert set(told["responses"]["200"]["content"]) == {"application/json", ARROW}
    assert told["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("RowsAnswer")
    assert {"X-Cladescope-Total", "X-Cladescope-Next"} == set(told["responses"]["200"]["headers"])
    assert "columns" in {one["name"] for one in told["parameters"]}

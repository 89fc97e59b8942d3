"""Publishing over HTTP: the requests of Qdrant's REST, a key in the header, and answers that may pass."""

import pytest

from cladescope.errors import StoreError
from cladescope.index.publishing import qdrant, target
from cladescope.index.publishing.publish import publish_store
from tests.index.publishing.rest_server import RestServer
from tests.index.publishing.stores import make


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(target, "WAITS", (0.0, 0.0))
    opened = RestServer()
    yield opened
    opened.close()


@pytest.fixture
def birds(tmp_path):
    return make(tmp_path / "birds.store")


def test_a_store_is_published_changed_and_published_again(server, birds, caplog):
    place = qdrant.connect(server.url, "birds", api_key="s3cret")
    assert "unencrypted" in caplog.text
    assert publish_store(birds, place, batch_size=25).added == 60
    assert server.base.count("birds").count == 60
    assert publish_store(birds, place).unchanged == 60
    birds.delete(within="Felidae")
    server.faults += [503]
    made = publish_store(birds, place, compare_all=True)
    assert (made.deleted, made.unchanged) == (20, 40)
    assert server.base.count("birds").count == 40
    assert server.keys == {"s3cret"}
    uploads = [number for number, (method, path) in enumerate(server.seen) if (method, path[-6:]) == ("PUT", "points")]
    indexes = [number for number, (_, path) in enumerate(server.seen) if path.endswith("/index")]
    assert len(uploads) == 3
    assert max(number for number in indexes if number < uploads[0]) < uploads[0]
    assert sum(number < uploads[0] for number in indexes) == 8
    place.close()


@pytest.mark.parametrize("status, said", [(413, "fewer points a request"), (401, "environment variable"), (507, "log")])
def test_a_refusal_says_what_to_do(server, birds, status, said):
    server.faults += [status]
    with pytest.raises(StoreError, match=said):
        publish_store(birds, qdrant.connect(server.url, "birds"))


def test_a_server_too_old_to_keep_a_record_gets_no_point(server, birds):
    server.keeps_metadata = False
    with pytest.raises(StoreError, match="use a newer version of the database"):
        publish_store(birds, qdrant.connect(server.url, "birds"))
    assert server.base.count("birds").count == 0

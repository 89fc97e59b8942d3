"""Pictures of URLs on a second run: not fetched unasked, and that is said; compared when asked; never lost to a server that is away."""

import pytest

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.sources import open_source
from cladescope.index.store import Store
from tests.embedding.encoding import encode, patches
from tests.embedding.test_web import Server, server

__all__ = ["server"]


def other_picture():
    """Another one than the server's usual."""
    return encode(patches().rotate(180), "PNG")


@pytest.fixture
def source(server: Server, tmp_path):
    """A table of three pictures of the server."""
    rows = "".join(f"{server.address}/{name}.png,Parus\n" for name in "abc")
    (tmp_path / "t.csv").write_text(f"url,genus\n{rows}")
    return tmp_path / "t.csv"


def run(source, path, **settings):
    encoder = Encoder.load("pixels")
    store = Store.open_or_create(path, encoder.card)
    return embed(open_source(source), encoder, store, EmbedConfig(address=str(source), workers=2, **settings)), store


def test_what_lies_at_urls_is_not_fetched_again_unasked_and_that_is_counted(server: Server, source, tmp_path):
    assert run(source, tmp_path / "s")[0].embedded == 3
    n_asked = len(server.asked)
    again, _ = run(source, tmp_path / "s")
    assert (again.already_stored, again.unchecked, again.unreachable) == (3, 3, 0)
    assert len(server.asked) == n_asked


def test_asked_to_it_fetches_each_once_and_encodes_what_changed(server: Server, source, tmp_path):
    _, store = run(source, tmp_path / "s")
    server.answers["/b.png"] = lambda: (200, {}, other_picture())
    before = {row["uri"]: row["content_hash"] for row in store.table().to_pylist()}
    n_asked = len(server.asked)
    again, store = run(source, tmp_path / "s", check_remote=True)
    assert (again.changed, again.already_stored, again.unchecked) == (1, 2, 0)
    asked = [path for method, path, _ in server.asked[n_asked:] if method == "GET"]
    assert sorted(asked) == ["/a.png", "/b.png", "/b.png", "/c.png"], (
        "one GET each, and one more of what is encoded anew"
    )
    after = {row["uri"]: row["content_hash"] for row in store.table().to_pylist()}
    assert [uri[-5] for uri in after if after[uri] != before[uri]] == ["b"]


def test_a_picture_that_cannot_be_had_stays_and_nothing_is_pruned(server: Server, source, tmp_path):
    run(source, tmp_path / "s")
    server.answers["/b.png"] = lambda: (404, {}, b"")
    again, store = run(source, tmp_path / "s", check_remote=True, prune=True)
    assert (again.unreachable, again.gone, again.pruned, again.failed, store.count()) == (1, 0, 0, 0, 3)

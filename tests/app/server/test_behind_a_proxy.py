"""What a proxy changes on the way: tags that it makes weak, because it compresses, still spare an answer."""

import pytest

from tests.app.server.test_map import M, made


@pytest.mark.parametrize("what", ["codes", "legend"])
def test_a_tag_that_a_proxy_made_weak_or_that_is_one_of_several_says_what_is_held(client, what):
    asked = {"key": made(client)["key"], "by": "species"}
    tag = client.get(f"{M}/{what}", params=asked).headers["etag"]
    for held, status in (
        (tag, 304),
        (f"W/{tag}", 304),
        (f'"another", W/{tag}', 304),
        ('"another"', 200),
        (tag.strip('"'), 200),
        ("", 200),
    ):
        answer = client.get(f"{M}/{what}", params=asked, headers={"If-None-Match": held})
        assert answer.status_code == status, held
        assert (answer.content == b"") == (status == 304)
        assert answer.headers["etag"] == tag

"""docs/serve.md: its requests are answered as they stand there, and it knows every route and every status."""

import json
import re
import shlex

import pytest

from tests.app.server.test_map import made
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "serve.md").read_text(encoding="utf-8")
REQUESTS = [line.partition("  #")[0] for line in PAGE.splitlines() if line.startswith("curl ") and "$A/" in line]


def asked(line, client, image_id, query):
    """What curl would ask, asked of a client."""
    line = line.replace("$A", "").replace("IMAGE_ID", image_id).replace("photos", "clades")
    words = shlex.split(line)[1:]
    address = next(word for word in words if word.startswith("/"))
    given = [words[place + 1] for place, word in enumerate(words) if word in ("-d", "--data-urlencode")]
    pairs = [tuple(one.split("=", 1)) for one in given]
    if "KEY" in address:
        address = address.replace("KEY", made(client)["key"])
    if "@indexes.u32" in words:
        return client.post(address, content=b"\0\0\0\0\1\0\0\0")
    if "-F" in words:
        return client.post(address, files={"file": ("query.jpg", query.read_bytes())})
    headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
    if "--json" in words:
        return client.post(address, json=json.loads(words[words.index("--json") + 1]), headers=headers)
    if "-X" in words:
        return client.request(words[words.index("-X") + 1], address, headers=headers)
    if "--data-binary" in words:
        return client.post(address, content=query.read_bytes())
    # An address that has a query of its own loses it where `params` is given.
    return client.get(address, params=pairs) if pairs else client.get(address, headers=headers)


@pytest.mark.parametrize("line", REQUESTS)
def test_a_request_of_the_page_is_answered(serving, store, query, line):
    client = serving(store, read_only=False)
    for kind, path in (("name", "/classifiers"), ("decisions", "/decisions")):
        if f"{path}/" in line:
            ids = store.table(["image_id"])["image_id"].to_pylist()
            body = (
                {"name": "mine", "rank": "genus"}
                if kind == "name"
                else {"decisions": [{"image_id": ids[1], "action": "keep"}]}
            )
            assert client.post(f"/stores/clades{path}", json=body, headers={"X-Cladescope": "1"}).status_code == 200
    line = line.replace("CLASSIFIER", "mine").replace("ENTRY", "1")
    row = store.table(["image_id", "species", "kingdom"]).to_pylist()[0]
    line = line.replace("Parus major", row["species"]).replace("Aves", row["kingdom"])
    answer = asked(line, client, row["image_id"], query)
    # `pixels` has no text side.
    expected = 422 if "text=" in line else 204 if "/session" in line or "DELETE" in line else 200
    assert answer.status_code == expected, answer.text


def test_the_page_knows_every_route(client):
    names = {"IMAGE_ID": "{image_id}", "CLASSIFIER": "{classifier}", "ENTRY": "{entry}", "$A": "/api/v1"}
    shown = {re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], line) for line in REQUESTS}
    for path in client.json("/openapi.json")["paths"]:
        pattern = re.escape(path.replace("{name}", "photos")) + r"(?=[?\"\s]|$)"
        assert any(re.search(pattern, one) for one in shown), path


def test_the_page_knows_every_status_that_openapi_tells(client):
    known = set(re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE))
    for methods in client.json("/openapi.json")["paths"].values():
        for told in methods.values():
            assert set(told["responses"]) - {"200", "204"} <= known


def test_the_readme_points_to_the_page():
    assert "](docs/serve.md)" in (REPOSITORY / "README.md").read_text(encoding="utf-8")

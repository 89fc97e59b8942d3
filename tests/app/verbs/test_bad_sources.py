"""Each kind of source with what may be wrong with it: one clear line or counted failures, and nothing lost that was stored."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cladescope.index.store import Store
from tests.app.cli.command_line import Ended
from tests.embedding.reading import put

INAT = "id,image_url,scientific_name,observed_on,taxon_family_name,taxon_genus_name\n"
WI = "deployment_id,image_id,filename,location,is_blank,wi_taxon_id,class,order,family,genus,species,common_name\n"
BIOSCAN = "processid,sampleid,image_file,chunk_number,phylum,class,order,family,genus,species,dna_bin\n"
MEDIA = "mediaID,deploymentID,timestamp,filePath,fileMediatype\n"
OBSERVATIONS = "observationID,deploymentID,mediaID,observationType,scientificName,bboxX,bboxY,bboxWidth,bboxHeight\n"


def manifest(folder: Path) -> Path:
    return put(
        folder / "t.csv",
        b"file,family,genus,species\na.png,Paridae,Parus,Parus major\nb.png,Paridae,Parus,Parus ater\n",
    )


def regions(folder: Path) -> Path:
    return put(folder / "t.csv", b"file,genus,x,y,w,h\na.png,Parus,0,0,20,20\nb.png,Parus,4,4,20,20\n")


def timelapse(folder: Path) -> Path:
    return put(folder / "t.csv", b"File,RelativePath,Genus\na.png,.,Parus\nb.png,.,Parus\n")


def inaturalist(folder: Path) -> Path:
    return put(
        folder / "t.csv",
        f"{INAT}1,a.png,Parus major,2024-05-01,Paridae,Parus\n2,b.png,Parus ater,2024-05-01,Paridae,Parus\n".encode(),
    )


def eol(folder: Path) -> Path:
    header = "EOL content ID,EOL page ID,Medium Source URL,EOL Full-Size Copy URL,License Name,Copyright Owner\n"
    return put(folder / "t.csv", f"{header}1,7,,a.png,cc-by,Ann\n2,7,,b.png,cc-by,Ben\n".encode())


def wildlife_insights(folder: Path) -> Path:
    rows = "d1,i1,a.png,,0,7,Aves,Passeriformes,Paridae,Parus,major,tit\nd1,i2,b.png,,0,7,Aves,Passeriformes,Paridae,Parus,ater,tit\n"
    return put(folder / "images.csv", f"{WI}{rows}".encode())


def bioscan(folder: Path) -> Path:
    rows = "P1,S1,a.png,1,Arthropoda,Insecta,Diptera,Phoridae,Phora,,BOLD:AAA1\nP2,S2,b.png,1,Arthropoda,Insecta,Diptera,Phoridae,Phora,,BOLD:AAA2\n"
    for name in ("a.png", "b.png"):
        put(folder / "images/cropped_256/part1" / name, (folder / name).read_bytes())
    return put(folder / "t.csv", f"{BIOSCAN}{rows}".encode())


def camtrap(folder: Path) -> Path:
    put(folder / "deployments.csv", b"deploymentID,latitude,longitude\nd1,51,4\n")
    put(
        folder / "observations.csv",
        f"{OBSERVATIONS}o1,d1,m1,animal,Parus major,,,,\no2,d1,m2,animal,Parus ater,,,,\n".encode(),
    )
    put(
        folder / "media.csv",
        f"{MEDIA}m1,d1,2020-06-01T10:00:00Z,a.png,image/png\nm2,d1,2020-06-01T10:01:00Z,b.png,image/png\n".encode(),
    )
    return folder / "media.csv"


def open_data(folder: Path) -> Path:
    put(folder / "observations.csv", b"observation_uuid\tobserver_id\ttaxon_id\no1\t7\t1\no2\t7\t1\n")
    put(folder / "taxa.csv", b"taxon_id\tancestry\trank_level\trank\tname\tactive\n1\t\t20\tgenus\tParus\tt\n")
    put(folder / "observers.csv", b"observer_id\tlogin\tname\n7\twren\t\n")
    for name in ("a", "b"):
        put(folder / f"photos/{name}/medium.png", (folder / f"{name}.png").read_bytes())
    rows = b"pu1\ta\to1\t7\tpng\tCC0\npu2\tb\to2\t7\tpng\tCC0\n"
    return put(
        folder / "photos.csv", b"photo_uuid\tphoto_id\tobservation_uuid\tobserver_id\textension\tlicense\n" + rows
    )


TABLES = {
    one.__name__: one
    for one in (manifest, regions, timelapse, inaturalist, eol, wildlife_insights, bioscan, camtrap, open_data)
}
PACKAGES = {
    "camtrap": ["deployments.csv", "observations.csv"],
    "open_data": ["observations.csv", "taxa.csv", "observers.csv"],
}
"""Tables that a package must have beside the one of its pictures."""


@pytest.fixture(scope="module")
def _stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of one picture, and two others beside it."""
    import cladescope

    folder = tmp_path_factory.mktemp("bad")
    random = np.random.default_rng(5)
    for name in ("a", "b", "stored"):
        Image.fromarray(random.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / f"{name}.png")
    cladescope.embed(folder / "stored.png", folder / "s", encoder="pixels")
    return folder


@pytest.fixture
def folder(_stored: Path, tmp_path: Path) -> Path:
    shutil.copytree(_stored, tmp_path / "f", symlinks=True)
    (tmp_path / "f" / "stored.png").unlink()
    shutil.move(tmp_path / "f" / "s", tmp_path / "s")
    return tmp_path / "f"


@pytest.fixture
def embedded(run, folder: Path):
    """Embed a source into the store that has one picture; gives how it ended. That picture must still be there."""

    def call(source: Path, *options: str):
        ended = run("embed", source, "--store", folder.parent / "s", *options)
        uris = [uri for batch in Store.open(folder.parent / "s").scan(["uri"]) for uri in batch["uri"].to_pylist()]
        assert any(uri.endswith("stored.png") for uri in uris)
        return ended

    return call


def source_of(kind: str, table: Path) -> Path:
    """What a user names: the folder of a package, else the table."""
    return table.parent if kind in PACKAGES else table


def refusal(ended: Ended) -> str:
    """The one line that says why nothing was done."""
    assert ended.status == 1
    *talk, reason = ended.err.splitlines()
    assert reason.startswith("error: ")
    assert "unexpected" not in reason
    assert all(line.startswith(("encoder ", "pictures are taken from ")) for line in talk)
    return reason


@pytest.mark.parametrize("kind", TABLES)
def test_a_good_source_is_embedded_and_again_is_there_already(kind: str, embedded, folder: Path) -> None:
    source = source_of(kind, TABLES[kind](folder))
    ended = embedded(source, "--json")
    assert (ended.status, ended.json["embedded"], ended.json["failed"]) == (0, 2, 0)
    assert embedded(source, "--json").json["already_stored"] == 2


def _empty(table: Path) -> None:
    table.write_bytes(b"")


def _header_only(table: Path) -> None:
    table.write_bytes(table.read_bytes().split(b"\n")[0] + b"\n")


def _wrong_delimiter(table: Path) -> None:
    table.write_bytes(table.read_bytes().replace(b",", b"^").replace(b"\t", b"^"))


def _cut_off(table: Path) -> None:
    content = table.read_bytes().rstrip(b"\n")
    mark = b"\t" if b"\t" in content else b","
    table.write_bytes(content[: content.rindex(mark)])


def _many_columns(table: Path) -> None:
    content = table.read_bytes()
    mark = b"\t" if b"\t" in content else b","
    header, _, rest = content.partition(b"\n")
    table.write_bytes(header + mark + mark.join(b"c%d" % n for n in range(100_000)) + b"\n" + rest)


def _long_field(table: Path) -> None:
    lines = table.read_bytes().split(b"\n")
    lines[1] += b"x" * 9 * 2**20  # stands for one of 100 MB; a row may have 4 MiB
    table.write_bytes(b"\n".join(lines))


def _a_binary_file(table: Path) -> None:
    table.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    "spoil, reason",
    [
        (_empty, r"is empty: expected a header and rows|give the table itself|nearest to"),
        (_header_only, r"has a header and no rows|has no rows|nearest to"),
        (_wrong_delimiter, r"found no column of pictures|has no column|nearest to"),
        (_cut_off, r"line 3 of .* has \d+ values, its header \d+"),
        (_many_columns, r"has 100,0\d\d columns: expected at most 4,096"),
        (_long_field, r"line \d of .* is longer than|longer"),
        (_a_binary_file, r"is not text|no UTF-8|give the table itself|nearest to"),
    ],
)
def test_a_bad_table_is_one_line_and_loses_nothing(
    kind: str, spoil: Callable[[Path], None], reason: str, embedded, folder: Path
) -> None:
    table = TABLES[kind](folder)
    spoil(table)
    shutil.rmtree(folder / "photos", ignore_errors=True)  # else the copies of photos are a folder of pictures
    for name in ("a.png", "b.png"):
        (folder / name).unlink(missing_ok=True)
    assert re.search(reason, refusal(embedded(source_of(kind, table))))


@pytest.mark.parametrize("kind", TABLES)
def test_no_file_is_one_line(kind: str, embedded, folder: Path) -> None:
    table = TABLES[kind](folder)
    table.unlink()
    for name in ("a.png", "b.png"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "photos", ignore_errors=True)
    reason = refusal(embedded(source_of(kind, table)))
    assert "no such file" in reason or "nearest to" in reason


@pytest.mark.parametrize("kind, member", [(kind, member) for kind, members in PACKAGES.items() for member in members])
@pytest.mark.parametrize(
    "spoil", [None, _empty, _header_only, _wrong_delimiter, _many_columns, _long_field, _a_binary_file]
)
def test_a_table_that_must_be_beside_it_is_missed_in_one_line(
    kind: str, member: str, spoil: Callable[[Path], None] | None, embedded, folder: Path
) -> None:
    source = TABLES[kind](folder).parent
    if kind == "camtrap":
        put(folder / "datapackage.json", json.dumps({"profile": "camtrap-dp"}).encode())
    if spoil is None:
        (source / member).unlink()
    else:
        spoil(source / member)
    if spoil is _header_only and member != "deployments.csv":
        assert embedded(source, "--json").json["missing"] in (
            {"no observation": 2},
            {"observation not listed": 2},
            {"taxon not listed": 2},
            {},
        )
    elif spoil is _header_only:
        assert embedded(source).status == 0
    else:
        assert member.removesuffix(".csv") in refusal(embedded(source))


@pytest.mark.parametrize("kind", [kind for kind in TABLES if kind not in ("bioscan", "open_data")])
def test_a_table_without_pictures_is_failures_and_not_done(kind: str, embedded, folder: Path) -> None:
    table = TABLES[kind](folder)
    lines = table.read_text().split("\n")
    table.write_text("\n".join([lines[0], *(re.sub(r"\b[ab]\.png\b", "", line) for line in lines[1:])]))
    ended = embedded(source_of(kind, table), "--json")
    assert (ended.status, ended.json["embedded"], ended.json["failed"]) == (1, 0, 2)
    assert [reason.split(" in column")[0] for reason in ended.json["failures"]] == ["list: nothing"]
    assert ended.err.splitlines()[-1].startswith("error: none of 2 records could be used")


@pytest.mark.parametrize("kind", [kind for kind in TABLES if kind not in ("bioscan", "open_data")])
def test_pictures_that_are_not_there_are_failures_of_their_own(kind: str, embedded, folder: Path) -> None:
    table = TABLES[kind](folder)
    (folder / "b.png").unlink()
    ended = embedded(source_of(kind, table), "--json")
    assert (ended.status, ended.json["embedded"], ended.json["failed"]) == (0, 1, 1)


def test_bioscan_without_its_pictures_says_where_it_looked(embedded, folder: Path) -> None:
    table = bioscan(folder)
    shutil.rmtree(folder / "images")
    for name in ("a.png", "b.png"):
        (folder / name).unlink()
    assert "found no picture of" in refusal(embedded(table))


def test_a_lineage_that_contradicts_itself_is_counted_and_strict_refuses_it(embedded, folder: Path) -> None:
    table = put(folder / "t.csv", b"file,family,genus\na.png,Paridae,Parus\nb.png,Sittidae,Parus\n")
    told = "genus 'Parus' in family 'Sittidae', in other records in 'Paridae'"
    assert told in refusal(embedded(table, "--strict"))
    ended = embedded(table)
    assert ended.status == 0
    assert "lineages that contradict others: 1 record" in ended.out
    assert f"contradiction, 1 record: {told}" in ended.err


@pytest.mark.parametrize("box", ["900,900,20,20", "0.9,0.9,0.9,0.9", "0,0,0,0", "-90,-90,20,20", "1,1,1,x"])
@pytest.mark.parametrize("kind", ["regions", "camtrap"])
def test_a_box_outside_its_picture_is_a_failure_of_its_own(kind: str, box: str, embedded, folder: Path) -> None:
    table = TABLES[kind](folder)
    changed = folder / ("t.csv" if kind == "regions" else "observations.csv")
    text = changed.read_text()
    changed.write_text(
        text.replace("0,0,20,20", box) if kind == "regions" else text.replace("major,,,,", f"major,{box}")
    )
    ended = embedded(source_of(kind, table), "--json")
    assert (ended.status, ended.json["embedded"], ended.json["failed"]) == (0, 1, 1)


def megadetector(boxes: list[list[float]]) -> dict[str, object]:
    found = [{"category": "1", "conf": 0.9, "bbox": box} for box in boxes]
    return {"images": [{"file": "a.png", "detections": found}], "detection_categories": {"1": "animal"}}


def coco(boxes: list[list[float]]) -> dict[str, object]:
    annotations = [{"id": n, "image_id": 1, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)]
    return {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "Parus"}],
    }


@pytest.mark.parametrize("kind", [megadetector, coco])
def test_annotations_have_failures_for_boxes_outside_and_one_line_for_damage(
    kind: Callable[[list[list[float]]], dict[str, object]], embedded, folder: Path
) -> None:
    content = json.dumps(kind([[0, 0, 20, 20], [900, 900, 20, 20]])).encode()
    ended = embedded(put(folder / "j.json", content), "--json")
    assert (ended.status, ended.json["embedded"], ended.json["failed"]) == (0, 1, 1)
    for damaged in (b"", content[:-9], b"[" * 10_000, b"\x00" * 100, b'{"images": []}'):
        assert "j.json" in refusal(embedded(put(folder / "j.json", damaged)))
    assert "no such file" in refusal(embedded(folder / "other.json"))


@pytest.mark.parametrize("content", [b"", b"\x89PNG" * 100, b"a.png" + bytes(95)])
def test_shards_that_are_none_are_a_failure_and_not_done(content: bytes, embedded, folder: Path) -> None:
    ended = embedded(put(folder / "s.tar", content))
    assert ended.status == 1
    assert "unexpected" not in ended.err


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("t.xlsx", "is a spreadsheet: save it as CSV"),
        ("t.jsonl", "save it as CSV or Parquet"),
        ("t.tar.gz", "is compressed: unpack it"),
        ("t.mp4", "is a video"),
        ("t.jpg.crdownload", "download it again"),
    ],
)
def test_a_file_of_a_known_other_kind_says_what_to_do(
    fails: Callable[..., str], tmp_path: Path, name: str, found: str
) -> None:
    put(tmp_path / name, b"PK\3\4")
    assert found in fails("embed", tmp_path / name, "--store", tmp_path / "s", "--encoder", "pixels")
    assert not (tmp_path / "s").exists()


def test_a_store_is_no_source_and_a_file_no_clade(
    run: Callable[..., Ended], fails: Callable[..., str], tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / name)
    store, orders = tmp_path / "s", put(tmp_path / "orders.csv", b"order\nAves\n")
    run("embed", manifest(tmp_path), "--store", store, "--encoder", "pixels")
    assert "is a store, expected pictures" in fails("embed", store, "--store", tmp_path / "t", "--encoder", "pixels")
    assert "is a file, expected a taxon" in fails("search", store, "--image", tmp_path / "a.png", "--within", orders)

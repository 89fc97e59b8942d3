"""`cladescope search`: the kinds of queries and what hits must meet, from the command line."""

import re

import pytest
from PIL import ExifTags, Image


def ids(ended):
    return [hit["image_id"] for hit in ended.json["hits"]]


@pytest.fixture
def asked(run, store):
    """Search the store, with JSON."""

    def call(*arguments):
        ended = run("search", store.path, *arguments, "--json")
        assert ended.status == 0, ended.err
        return ended

    return call


def test_pictures_ids_and_taxa_together_are_one_query(asked, store, query):
    first, second = (hit.image_id for hit in store.search(images=[query], k=48).hits[20:22])
    genus = store.search(image_id=first, k=1).hits[0].taxon.path[5]
    found = asked("--image", query, "--id", first, "--id", second, "--taxon", genus, "-k", 48)
    assert ids(found) == [
        hit.image_id for hit in store.search(images=[query], image_id=[first, second], taxon=genus, k=48).hits
    ]
    assert not {first, second} & set(ids(found))
    assert found.json["query"]["image_id"] == [first, second]


def test_what_is_not_wanted_moves_down(asked, store, query):
    plain = ids(asked("--image", query, "-k", 48))
    away = plain[1]
    without = asked("--image", query, "--not-image", store.row(away, ["uri"])["uri"], "--not-weight", 1.5, "-k", 48)
    assert ids(without).index(away) > 1
    assert away not in ids(asked("--image", query, "--not-id", away, "-k", 48))
    species = store.search(image_id=away, k=1).hits[0].taxon
    by_taxon = asked("--image", query, "--not-taxon", str(species), "-k", 48)
    assert ids(by_taxon) != plain


def test_at_most_so_many_hits_of_a_taxon_are_shown_and_it_is_said_why_there_are_no_more(run, asked, store, query):
    found = asked("--image", query, "--at-most", 2, "--per", "genus", "-k", 48).json
    genera = [hit["genus"] for hit in found["hits"]]
    assert max(map(genera.count, genera)) == 2
    assert set(genera) == {taxon.name for taxon in store.taxonomy.taxa("genus")}
    note = f"{len(genera)} of 48 hits: all 48 pictures were looked at, and at most 2 of each genus shown"
    assert found["notes"] == [note]
    for form in ((), ("--csv",)):
        assert (
            note in run("search", store.path, "--image", query, "--at-most", 2, "--per", "genus", "-k", 48, *form).err
        )


def test_only_hits_of_a_score_are_shown(run, asked, store, query):
    found = asked("--image", query, "--min-score", 0.9, "-k", 48).json["hits"]
    assert 0 < len(found) < 48
    assert all(hit["score"] >= 0.9 for hit in found)
    ended = run("search", store.path, "--taxon", store.taxonomy.taxa("species")[0].name, "--min-score", 1)
    assert (ended.status, ended.out) == (0, "")
    assert "no hits: the store is empty, or no picture meets what was asked for" in ended.err


@pytest.fixture
def placed(run, photos, tmp_path):
    """A store of six pictures on a line to the north, some 11 km apart; the last has no place."""
    rows = [f"photos/good{n}.jpg,{50 + n / 10 if n < 5 else ''},{11.5 if n < 5 else ''},site {n % 2}" for n in range(6)]
    (tmp_path / "table.csv").write_text("\n".join(["file,latitude,longitude,locality", *rows]))
    assert run("embed", tmp_path / "table.csv", "--store", tmp_path / "placed", "--encoder", "pixels").status == 0
    return tmp_path / "placed"


def test_more_from_the_same_place(run, placed):
    def names(*arguments):
        ended = run("search", placed, *arguments, "--json")
        assert ended.status == 0, ended.err
        return {hit["uri"][-5] for hit in ended.json["hits"]}, ended.json

    everything = run(
        "search", placed, "--near", "50,11.5,1000", "--image", placed.parent / "photos/good5.jpg", "--json"
    ).json
    by_name = {hit["uri"][-5]: hit["image_id"] for hit in everything["hits"]}
    assert set(by_name) == set("01234")
    assert everything["notes"] == ["1 of 6 pictures have no coordinates: they are left out"]
    assert names("--id", by_name["1"], "--same-place", 12)[0] == {"0", "2"}
    assert names("--id", by_name["1"], "--same", "locality")[0] == {"3", "5"}
    found, document = names("--id", by_name["1"], "--near", "50.4,11.5,12", "--facets", "genus")
    assert found == {"3", "4"}
    assert document["facets"] == [
        {"taxon": None, "name": None, "hits": 2, "best_score": document["hits"][0]["score"], "images": 2}
    ]
    assert document["query"]["near"] == [50.4, 11.5, 12.0]


def test_a_query_picture_whose_file_says_where_it_was_taken(run, fails, placed, tmp_path):
    made = Image.Exif()
    made.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (50.0, 12.0, 0.0), 3: "E", 4: (11.0, 30.0, 0.0)})
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "here.jpg", exif=made)
    ended = run("search", placed, "--image", tmp_path / "here.jpg", "--same-place", 12, "--json")
    assert {hit["uri"][-5] for hit in ended.json["hits"]} == {"1", "2", "3"}
    query = placed.parent / "photos/good0.jpg"
    said = f"the file of the query picture {query} says no place"
    assert said in fails("search", placed, "--image", query, "--same-place", 12)
    assert "no such file" in fails("search", placed, "--image", "gone.jpg", "--same-place", 12)


def test_the_taxa_of_a_rank_are_counted(run, store, query):
    ended = run("search", store.path, "--image", query, "--facets", "species")
    head = next(line for line in ended.out.splitlines() if line.startswith("taxon"))
    assert head.split() == ["taxon", "hits", "best", "score", "pictures"]
    assert len([line for line in ended.out.splitlines() if line.split()[-1:] == ["4"]]) == 12


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--id", "nobody"], "no image_id 'nobody'"),
        (["--taxon", "Nowhere"], "unknown taxon 'Nowhere'"),
        (["--image", "QUERY", "--not-image", "QUERY", "--not-weight", "1"], "cancel out and leave no direction"),
        (["--image", "QUERY", "--not-image", "QUERY", "--not-weight", "0"], "expected a number above 0"),
        (["--image", "QUERY", "--not-image", "gone.jpg"], "the query picture gone.jpg cannot be used"),
        (["--image", "QUERY", "--not-text", "a bird"], "encoder 'pixels' has no text side"),
        (["--image", "QUERY", "--near", "50,11,5"], "the store has no columns of coordinates"),
        (["--image", "QUERY", "--same-place", "5"], "the store has no columns of coordinates"),
        (["--taxon", "Nowhere", "--same-place", "5"], "same_place means the place of a picture of the query"),
        (["--image", "QUERY", "--same", "genus"], "same means what a column holds of a stored picture"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(fails, store, query, arguments, reason):
    assert reason in fails("search", store.path, *[str(query) if given == "QUERY" else given for given in arguments])


def test_a_query_that_is_stored_is_no_hit_of_a_table_and_it_is_said(run, asked, store, clades):
    picture = sorted(clades.glob("images/*/*.jpg"))[5]
    shown = run("search", store.path, picture, "-k", 4)
    assert str(picture) not in shown.out
    assert len(shown.out.splitlines()) == 6
    assert "1 stored picture is the query itself and left out of its hits: --keep-query shows it" in shown.err
    kept = run("search", store.path, picture, "-k", 4, "--keep-query")
    assert str(picture) in kept.out.splitlines()[1]
    assert "1 hit shows the query's own picture or observation: not counted in the consensus" in kept.err


def test_programs_get_a_stored_query_among_its_hits_unless_they_ask_otherwise(run, asked, store, clades):
    picture = sorted(clades.glob("images/*/*.jpg"))[5]
    document = asked("--image", picture, "-k", 4).json
    assert (document["hits"][0]["uri"], document["kin"]) == (str(picture), {"of_query": 1, "of_hits": 0, "left_out": 0})
    assert str(picture) in run("search", store.path, picture, "-k", 4, "--csv").out
    without = asked("--image", picture, "-k", 4, "--leave-out-query").json
    assert [hit["uri"] for hit in without["hits"][:3]] == [hit["uri"] for hit in document["hits"][1:]]
    assert (without["kin"]["left_out"], without["query"]["keep_query"]) == (1, False)
    assert without["consensus"]["taxon"] == document["consensus"]["taxon"]


def test_scores_of_pictures_have_words_in_a_table_and_scores_of_other_queries_none(run, store, clades):
    picture = sorted(clades.glob("images/*/*.jpg"))[5]
    lines = run("search", store.path, picture, "-k", 47).out.splitlines()
    assert lines[0].split()[:3] == ["score", "likeness", "taxon"]
    words = [re.search(r"very like|hardly like|like", line).group() for line in lines[1:-1]]
    assert words == sorted(words, key=["very like", "like", "hardly like"].index)
    assert words[-1] == "hardly like"
    other = run("search", store.path, picture, "--not-taxon", store.taxonomy.taxa("species")[0].name)
    assert "like" not in other.out
    assert "like" not in run("search", store.path, "--taxon", store.taxonomy.taxa("species")[0].name).out


def test_many_queries_have_the_same_words_and_leave_themselves_out(run, store, clades):
    folder = sorted(clades.glob("images/*"))[0]
    shown = run("search", store.path, "--queries", folder, "-k", 2)
    pictures = sorted(map(str, folder.glob("*.jpg")))
    assert [line for line in shown.out.splitlines() if not line.startswith(" ")] == pictures
    hits = [line.split("  ") for line in shown.out.splitlines() if line.startswith("  ")]
    assert len(hits) == 2 * len(pictures)
    assert {hit[2].strip() for hit in hits} <= {"very like", "like", "hardly like"}
    assert f"{len(pictures)} rows left out of the hits of their own pictures: --keep-query shows them" in shown.err
    kept = run("search", store.path, "--queries", folder, "-k", 2, "--json").json
    assert [hit["uri"] for hit in kept["hits"][::2]] == pictures
    assert kept["left_out"] == 0

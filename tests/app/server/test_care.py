"""Doubtful pictures over HTTP: found as `audit` finds them, decided of, logged and put back; and probes as `probe` measures them."""

import json
import shutil
import threading

import numpy as np
import pytest

import cladescope
from cladescope.app.service import probing
from cladescope.app.service.asked_models import OneDecision
from cladescope.app.service.decision_log import LOG
from cladescope.app.service.decisions import decide as carried_out
from cladescope.app.service.plain import plain
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS
from tests.app.server.conftest import until

HEADER = {"X-Cladescope": "1"}
DECISIONS, AUDIT, PROBES = "/stores/clades/decisions", "/stores/clades/audit", "/stores/clades/probes"


@pytest.fixture
def rows(store):
    """All rows of the store, in the order in which they came."""
    return store.table().to_pylist()


@pytest.fixture
def writer(serving, store):
    """A client of a service that may write."""
    return serving(store, read_only=False)


def posted(client, path, status=200, **body):
    answer = client.post(path, json=body, headers=HEADER)
    assert answer.status_code == status, answer.text
    return answer.json()


def decide(client, *decisions, status=200):
    return posted(client, DECISIONS, status, decisions=list(decisions))


def undo(client, entry, status=200):
    return posted(client, f"{DECISIONS}/{entry}/undo", status)


def ready(client, path):
    until(lambda: client.json(path)["state"] != "making")
    answer = client.json(path)
    assert answer["state"] == "ready", answer["problem"]
    return answer


def as_stored(path):
    """Rows and vectors of a store as another process sees them, by their ids."""
    store = Store.open(path)
    ids = store.table(["image_id"])["image_id"].to_pylist()
    return dict(zip(ids, zip(store.table().to_pylist(), store.matrix().tolist(), strict=True), strict=True))


def test_lists_are_those_of_audit(client, store):
    assert client.json(AUDIT)["state"] in ("making", "ready")
    answer, same = ready(client, AUDIT), cladescope.audit(store)
    assert answer["version"] == store.version
    assert answer["notes"] == same.summary["notes"]
    for name in ("duplicates", "outliers", "label_errors"):
        items, expected = answer["lists"][name], getattr(same, name)
        assert [(one["image_id"], one["uri"]) for one in items] == [(row["image_id"], row["uri"]) for row in expected]
        for one, row in zip(items, expected, strict=True):
            assert (one["list"], one["decided"]) == (name, None)
            assert row["lineage"].endswith(one["name"])
            assert one["why"].startswith(f"It is named {one['name']}")
            assert one["why"].endswith(".")
    assert len(answer["lists"]["label_errors"]) > 3
    for one, row in zip(answer["lists"]["label_errors"], same.label_errors, strict=True):
        assert row["suggested"].endswith(one["suggested"])
        assert one["score"] == row["confidence"]
        taxon = store.taxonomy.resolve(f"{one['rank']}:{one['suggested']}")[0]
        assert str(taxon) == row["suggested"]


def test_copies_are_one_group(serving, clades, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(clades / "images", folder)
    first = sorted(folder.glob("*/*.jpg"))[0]
    shutil.copy(first, first.with_name("copy.jpg"))
    cladescope.embed(folder, tmp_path / "clades.store", encoder="pixels")
    found = ready(serving(Store.open(tmp_path / "clades.store")), AUDIT)["lists"]["duplicates"]
    pair = [one for one in found if one["uri"] in (str(first), str(first.with_name("copy.jpg")))]
    assert len(pair) == 2
    assert {one["group"] for one in pair} == {pair[0]["group"]}
    assert all("the same file as others of its group" in one["why"] for one in pair)


def test_a_fix_gives_the_taxon_with_its_ranks_and_is_turned_back(writer, store, rows):
    before, target = as_stored(store.path), rows[-1]
    wrong = next(row for row in rows if row["genus"] != target["genus"])
    done = decide(
        writer,
        {
            "image_id": wrong["image_id"],
            "list": "label_errors",
            "action": "fix",
            "rank": "species",
            "value": target["species"],
        },
    )
    assert done == {"entry": 1, "kept": 0, "fixed": 1, "dropped": 0, "notes": []}
    now = writer.json(f"/stores/clades/rows/{wrong['image_id']}")
    assert [now[rank] for rank in RANKS] == [target[rank] for rank in RANKS]
    assert now["common_name"] == target["common_name"]
    (entry,) = writer.json(DECISIONS)["entries"]
    assert (entry["entry"], entry["fixed"], entry["undone"]) == (1, 1, False)
    assert entry["changes"] == [
        {
            "image_id": wrong["image_id"],
            "action": "fix",
            "rank": "species",
            "before": wrong["species"],
            "after": target["species"],
        }
    ]
    assert as_stored(store.path)[wrong["image_id"]][1] == before[wrong["image_id"]][1]
    assert undo(writer, 1) == {"restored": 1, "notes": []}
    assert as_stored(store.path) == before
    assert writer.json(DECISIONS)["entries"][0]["undone"] is True
    assert "undone already" in writer.refused(f"{DECISIONS}/1/undo", 409, method="POST", headers=HEADER)


def test_dropped_rows_leave_every_answer_and_come_back_whole(writer, store, rows):
    before = as_stored(store.path)
    gone = [rows[4]["image_id"], rows[40]["image_id"]]
    done = decide(writer, *({"image_id": one, "action": "drop"} for one in gone))
    assert (done["dropped"], done["entry"]) == (2, 1)
    assert "2 rows are out of the store" in done["notes"][0]
    assert writer.json("/stores/clades")["images"] == 46
    writer.refused(f"/stores/clades/rows/{gone[0]}", 404)
    hits = writer.json("/stores/clades/search", params={"id": rows[5]["image_id"], "k": 60, "exact": True})["hits"]
    assert len(hits) == 45
    assert not {one["image_id"] for one in hits} & set(gone)
    assert as_stored(store.path).keys() == before.keys() - set(gone)
    back = undo(writer, 1)
    assert back["restored"] == 2
    assert as_stored(store.path) == before
    hits = writer.json("/stores/clades/search", params={"id": rows[5]["image_id"], "k": 60, "exact": True})["hits"]
    assert set(gone) <= {one["image_id"] for one in hits}
    assert cladescope.verify(store.path).problems == ()


def test_lists_say_what_was_decided_and_are_not_made_anew(writer, store, rows):
    items = ready(writer, AUDIT)["lists"]["label_errors"]
    version = ready(writer, AUDIT)["version"]
    first, second, third = items[:3]
    decide(
        writer,
        {"image_id": first["image_id"], "list": "label_errors", "action": "keep"},
        {
            "image_id": second["image_id"],
            "list": "label_errors",
            "action": "fix",
            "rank": second["rank"],
            "value": second["suggested"],
        },
        {"image_id": third["image_id"], "list": "label_errors", "action": "drop"},
    )
    after = writer.json(AUDIT)
    assert (after["state"], after["version"], after["decided"]) == ("ready", version, 3)
    assert [one["decided"] for one in after["lists"]["label_errors"][:4]] == ["keep", "fix", "drop", None]
    assert store.version > version
    undo(writer, 1)
    assert writer.json(AUDIT)["decided"] == 0
    store.delete(image_ids=[rows[0]["image_id"]])
    writer.service.served("clades").store.refresh()
    assert ready(writer, AUDIT)["version"] > version


def test_what_was_changed_since_is_left_alone_and_counted(writer, store, rows):
    one, other = rows[0]["image_id"], rows[1]["image_id"]
    names = sorted({row["species"] for row in rows} - {rows[0]["species"], rows[1]["species"]})
    fix = {"action": "fix", "rank": "species"}
    decide(writer, {"image_id": one, "value": names[0], **fix}, {"image_id": other, "value": names[0], **fix})
    decide(writer, {"image_id": one, "value": names[1], **fix})
    back = undo(writer, 1)
    assert back["restored"] == 1
    assert "1 picture was changed since" in back["notes"][0]
    assert writer.json(f"/stores/clades/rows/{one}")["species"] == names[1]
    assert writer.json(f"/stores/clades/rows/{other}")["species"] == rows[1]["species"]


def test_an_entry_that_was_cut_short_can_be_undone(writer, store, rows, monkeypatch):
    before, ids = as_stored(store.path), [rows[0]["image_id"], rows[1]["image_id"]]
    value = rows[-1]["species"]

    def killed(self, *given, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "take_out", killed)
        fix = OneDecision(image_id=ids[0], action="fix", rank="species", value=value)
        with pytest.raises(KeyboardInterrupt):
            carried_out(writer.service.served("clades"), [fix, OneDecision(image_id=ids[1], action="drop")])
    assert as_stored(store.path) != before
    with (store.path / LOG).open("a") as file:
        file.write('{"what": "do')  # and the line that it wrote
    (entry,) = writer.json(DECISIONS)["entries"]
    assert (entry["fixed"], entry["dropped"], entry["undone"]) == (0, 0, False)
    assert undo(writer, 1)["restored"] == 1
    assert as_stored(store.path) == before
    assert decide(writer, {"image_id": ids[0], "action": "keep"})["entry"] == 2
    assert [one["undone"] for one in writer.json(DECISIONS)["entries"]] == [False, True]


def test_labels_are_fixed_in_a_store_without_ranks(serving, clades, tmp_path):
    folder = tmp_path / "sorted"
    for number, path in enumerate(sorted(clades.glob("images/*/*.jpg"))[:8]):
        (folder / f"heap {number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"heap {number % 2}" / f"{number}.jpg")
    cladescope.embed(folder, tmp_path / "heaps.store", encoder="pixels", labels_from="parent")
    store = Store.open(tmp_path / "heaps.store")
    client = serving(store, read_only=False)
    row = store.table(["image_id", "label"]).to_pylist()[0]
    path = "/stores/heaps/decisions"
    posted(client, path, decisions=[{"image_id": row["image_id"], "action": "fix", "value": "heap 9"}])
    assert client.json(f"/stores/heaps/rows/{row['image_id']}")["label"] == "heap 9"
    (change,) = client.json(path)["entries"][0]["changes"]
    assert (change["rank"], change["before"], change["after"]) == ("label", row["label"], "heap 9")
    posted(client, f"{path}/1/undo")
    assert client.json(f"/stores/heaps/rows/{row['image_id']}")["label"] == row["label"]


@pytest.mark.parametrize(
    ("decisions", "status", "said"),
    [
        ([], 422, "decisions"),
        ([{"image_id": "nowhere", "action": "drop"}], 404, "nowhere"),
        ([{"image_id": "FIRST", "action": "drop"}, {"image_id": "FIRST", "action": "keep"}], 422, "twice"),
        ([{"image_id": "FIRST", "action": "fix"}], 422, "no value"),
        ([{"image_id": "FIRST", "action": "fix", "rank": "tribe", "value": "x"}], 422, "species, label"),
        (
            [
                {"image_id": "SECOND", "action": "drop"},
                {"image_id": "FIRST", "action": "fix", "rank": "genus", "value": "Dodo"},
            ],
            422,
            "line 2 of the decisions",
        ),
        ([{"image_id": "FIRST", "action": "burn"}], 422, "action"),
        ([{"image_id": "FIRST", "action": "keep", "list": "mine"}], 422, "list"),
    ],
)
def test_decisions_that_cannot_be_carried_out_change_nothing(writer, store, rows, decisions, status, said):
    before = as_stored(store.path)
    ids = {"FIRST": rows[0]["image_id"], "SECOND": rows[1]["image_id"]}
    body = [{**one, "image_id": ids.get(one["image_id"], one["image_id"])} for one in decisions]
    assert said in writer.refused(DECISIONS, status, method="POST", json={"decisions": body}, headers=HEADER)
    assert as_stored(store.path) == before
    assert writer.json(DECISIONS) == {"entries": []}


def test_a_store_that_another_job_writes_is_left_alone(writer, store, rows):
    with Store.open(store.path).writing():
        said = writer.refused(
            DECISIONS,
            409,
            method="POST",
            json={"decisions": [{"image_id": rows[0]["image_id"], "action": "keep"}]},
            headers=HEADER,
        )
    assert said == "another job is writing to clades: wait for it to end"


def test_only_those_who_may_write_decide(client, writer, rows, store):
    body = {"decisions": [{"image_id": rows[0]["image_id"], "action": "drop"}]}
    assert "read-only" in client.refused(DECISIONS, 403, method="POST", json=body, headers=HEADER)
    assert "X-Cladescope" in writer.refused(DECISIONS, 403, method="POST", json=body)
    assert "read-only" in client.refused(f"{DECISIONS}/1/undo", 403, method="POST", headers=HEADER)
    assert "no entry 1" in writer.refused(f"{DECISIONS}/1/undo", 404, method="POST", headers=HEADER)
    assert store.count() == 48
    assert not (store.path / LOG).exists()


def test_a_damaged_log_is_told_and_nothing_is_decided(writer, store, rows):
    (store.path / LOG).write_text("no json\n" + json.dumps({"what": "undone", "entry": 1, "at": ""}) + "\n")
    assert "line 1 of decisions.jsonl" in writer.refused(DECISIONS, 500)
    body = {"decisions": [{"image_id": rows[0]["image_id"], "action": "drop"}]}
    writer.refused(DECISIONS, 500, method="POST", json=body, headers=HEADER)
    assert store.count() == 48


def test_decisions_and_searches_at_once_are_all_answered(writer, rows):
    problems: list[str] = []

    def search():
        for row in rows[20:40]:
            answer = writer.get("/stores/clades/search", params={"id": row["image_id"], "k": 3})
            if answer.status_code != 200:
                problems.append(answer.text)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for row in rows[:6]:
        decide(writer, {"image_id": row["image_id"], "action": "drop"})
    for thread in threads:
        thread.join()
    assert problems == []
    assert writer.json("/stores/clades")["images"] == 42
    assert len(writer.json(DECISIONS)["entries"]) == 6


def test_probes_are_those_of_probe_and_are_kept(serving, client, store):
    answer, same = ready(client, PROBES), cladescope.probe(store).reports[0]
    expected = [
        {"value": one.value, "low": one.low, "high": one.high, "null_low": one.null[1] if one.null else None,
         "null_high": one.null[2] if one.null else None, "p": one.p_value, "higher_is_better": one.higher_is_better, "said": one.meaning}
        for one in same.results
    ]  # fmt: skip
    shown = [{key: value for key, value in one.items() if key not in ("name", "title")} for one in answer["probes"]]
    assert shown == plain(expected)
    assert "1-NN purity species" in {one["name"] for one in answer["probes"]}
    assert len({one["name"] for one in answer["probes"]}) == len(answer["probes"])
    assert answer["notes"][0].startswith("pixels tells these 12 species apart")
    again = serving(Store.open(store.path)).json(PROBES)
    assert again == {**answer, "done": None}
    np.testing.assert_equal(len(list((store.path / "probes").iterdir())), 1)
    assert "there are its own alone" in client.refused(PROBES, 422, params={"vectors": "../x"})


def test_probes_of_a_store_that_is_deleted_meanwhile_do_not_bring_its_folder_back(store, tmp_path, monkeypatch):
    found = cladescope.probe(store)

    def deleting(stores):
        store.path.rename(tmp_path / "deleted")
        return found

    monkeypatch.setattr(probing, "probe_stores", deleting)
    assert probing._probed(store, None, store.path / "probes" / "own.json") is found.reports[0]
    assert not store.path.exists()


def test_what_cannot_be_audited_or_probed_says_why(serving, store, tmp_path):
    client = serving(Store.create(tmp_path / "empty.store", store.card))
    for path in ("/stores/empty/audit", "/stores/empty/probes"):
        until(lambda path=path: client.json(path)["state"] == "failed")
        problem = client.json(path)["problem"]
        assert "picture" in problem
        assert str(tmp_path) not in problem

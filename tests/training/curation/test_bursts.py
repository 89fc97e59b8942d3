"""Bursts: too many pictures of one observation are thinned evenly or dropped whole, and no taxon is lost."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.training.curation import bursts
from cladescope.training.curation.bursts import spread
from tests.training.curation.screening import BIRD, HERB, TIT, reasons, record, screened


def test_an_observation_is_thinned_evenly_by_date_then_record(tmp_path):
    dates = ["2020-01-03", "2020-01-01", None, "2020-01-02", "2020-01-02", "2020-01-05", "2020-01-04"]
    records = [record(n, observation_id="o", recorded=one) for n, one in enumerate(dates)]
    records += [record(7, observation_id="p"), record(8), record(9, observation_id="o", source="b")]
    job, rows = screened(tmp_path, "[bursts]\nmost = 4\n", records)
    # By date: 1, 3, 4, 0, 6, 5, 2; of these places 0, 2, 4, 6.
    kept = {1, 4, 6, 2} | {7, 8, 9}
    assert {n for n, why in enumerate(reasons(rows)) if why is None} == kept
    assert set(reasons(rows)) == {None, "one of many of its observation"}
    assert job.manifest("screen")["counts"]["dropped"] == [["a", "one of many of its observation", 3]]


def test_a_sequence_of_a_camera_is_thinned_as_an_observation_is(tmp_path):
    records = [
        record(n, observation_id=f"o{n}", sequence_id="D1/7", recorded=f"2020-01-01 10:00:0{n}") for n in range(5)
    ]
    records += [record(5 + n, observation_id="o", sequence_id=f"D1/{8 + n % 2}") for n in range(4)]
    _, rows = screened(tmp_path, "[bursts]\nmost = 2\n", records)
    assert {n for n, why in enumerate(reasons(rows)) if why is None} == {0, 4, 5, 6, 7, 8}


def test_dates_that_do_not_sort_are_counted_and_thinned_in_the_order_of_the_source(tmp_path, caplog):
    dates = ["31/12/2020", "1/1/2021", "2/1/2021", "3/1/2021", None, "2021-01-05"]
    records = [record(n, observation_id="o", recorded=one) for n, one in enumerate(dates)]
    job, rows = screened(tmp_path, "[bursts]\nmost = 2\n", records)
    assert {n for n, why in enumerate(reasons(rows)) if why is None} == {5, 4}, "what has a date comes first"
    assert job.manifest("screen")["more"]["pictures of bursts without a date in order"] == 5
    assert caplog.messages[0].startswith("5 pictures of too large observations have no date that begins with year")


def test_the_same_observation_of_two_sources_is_two_and_what_is_dropped_before_does_not_count(tmp_path):
    records = [record(n, observation_id="o", source="ab"[n % 2]) for n in range(8)]
    records[0]["dropped"] = "names: name not accepted (unknown)"
    records[2]["licence"] = "CC BY-ND"
    _, rows = screened(tmp_path, '[licences]\nforbid = ["nd"]\n[bursts]\nmost = 2\n', records)
    dropped = [n for n, why in enumerate(reasons(rows)) if why == "one of many of its observation"]
    assert dropped == [3, 5]


def test_a_large_observation_is_dropped_whole_unless_a_taxon_would_be_lost(tmp_path):
    records = [record(n, TIT, observation_id="tits") for n in range(4)]
    records += [record(4 + n, (TIT, TIT, HERB, BIRD)[n], observation_id="herb") for n in range(4)]
    records += [record(8, TIT), record(9, BIRD, observation_id="few"), record(10, HERB[:6])]
    job, rows = screened(tmp_path, '[bursts]\nmost = 3\nact = "drop"\n', records)
    assert reasons(rows) == [*["observation of more than 3 pictures"] * 4, *[None] * 7]
    changed = job.manifest("screen")["counts"]["changed"]
    assert changed == [["a", "kept of an observation of more than 3 pictures: a taxon would be lost with it", 4]]


def test_no_burst_is_looked_for_where_none_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(bursts, "too_many", lambda *_: pytest.fail("looked for bursts"))
    _, rows = screened(tmp_path, "", [record(n, observation_id="o") for n in range(9)])
    assert reasons(rows) == [None] * 9


@given(st.integers(1, 40), st.integers(1, 12))
def test_what_is_kept_is_spread_evenly(n, most):
    kept = spread(n, most)
    assert kept == sorted(set(kept))
    assert len(kept) == min(n, most)
    assert kept[0] == 0
    assert most == 1 or kept[-1] == n - 1
    if 1 < most < n:
        gaps = np.diff(kept)
        assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("act", ["thin", "drop"])
@pytest.mark.parametrize("hashes_clash", [False, True])
def test_it_drops_what_counting_by_hand_drops(tmp_path, act, hashes_clash, monkeypatch):
    if hashes_clash:
        monkeypatch.setattr(bursts, "_hashes", lambda texts: np.array([len(text) % 2 for text in texts], np.uint64))
    rng = np.random.default_rng(3)
    taxa = [(*TIT[:6], f"Parus a{'b' * k}") for k in range(15)]
    records = [
        record(
            n,
            taxa[int(rng.integers(12))] if n % 3 else taxa[n % 2],
            observation_id=None if n % 11 == 0 else f"o{int(rng.geometric(0.12))}",
            recorded=f"2020-01-{int(rng.integers(10, 30))}",
            source="ab"[int(rng.integers(2))],
        )
        for n in range(300)
    ]
    records += [record(300 + n, taxa[12 + n], observation_id=f"o{n + 1}", recorded="2020-01-01") for n in range(3)]
    _, rows = screened(tmp_path, f'[bursts]\nmost = 6\nact = "{act}"\n', records, part_rows=64)
    groups = defaultdict(list)
    for n, one in enumerate(records):
        groups[one["source"], one["observation_id"]].append((one["recorded"], n))
    large = {key: sorted(group) for key, group in groups.items() if key[1] is not None and len(group) > 6}
    assert len(large) > 5
    expected = set()
    if act == "thin":
        for group in large.values():
            places = {round(place * (len(group) - 1) / 5 + 1e-9) for place in range(6)}
            expected |= {n for place, (_, n) in enumerate(group) if place not in places}
    else:
        rest = {one["species"] for one in records if (one["source"], one["observation_id"]) not in large}
        whole = [group for group in large.values() if {records[n]["species"] for _, n in group} <= rest]
        assert 0 < len(whole) < len(large), "some are dropped, some saved"
        expected = {n for group in whole for _, n in group}
        kept = Counter(one["species"] for n, one in enumerate(records) if n not in expected)
        assert set(kept) == {one["species"] for one in records}
    assert {n for n, why in enumerate(reasons(rows)) if why} == expected

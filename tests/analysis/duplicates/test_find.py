import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from cladescope.analysis.duplicates.alignment import align, sums
from cladescope.analysis.duplicates.answer import find_duplicates, likeness_of
from cladescope.analysis.duplicates.candidates import by_hash, by_parts, part_boxes, part_waves, starts, whole_waves
from cladescope.analysis.duplicates.find import compared
from cladescope.analysis.duplicates.looks import look_at
from cladescope.errors import InputError
from tests.analysis.duplicates.made import gravel, photograph, photographs

CHANGES = {
    "resized": lambda p: (p.resize((130, 97)), 90),
    "saved anew": lambda p: (p, 40),
    "cropped": lambda p: (p.crop((40, 12, 230, 150)), 90),
    "mirrored": lambda p: (ImageOps.mirror(p), 90),
    "grey": lambda p: (ImageOps.grayscale(p), 90),
    "bright": lambda p: (ImageEnhance.Brightness(p).enhance(1.25), 90),
}
WORDS = {
    **{"resized": "smaller", "cropped": "a part of it", "mirrored": "mirrored"},
    **{"saved anew": "saved anew", "grey": "saved anew", "bright": "saved anew"},
}


def names(found):
    return [(Path(pair.keep.uri).name, Path(pair.other.uri).name) for pair in found.pairs]


@pytest.mark.parametrize("change", CHANGES)
def test_one_changed_copy_is_found_and_said_what_it_is(tmp_path, change):
    paths = photographs(tmp_path, 12)
    picture, quality = CHANGES[change](Image.open(paths[5]))
    picture.save(tmp_path / "copy.jpg", quality=quality)
    found = find_duplicates([str(path) for path in [*paths, tmp_path / "copy.jpg"]])
    assert len(found.pairs) == 1
    assert {*names(found)[0]} == {"5.jpg", "copy.jpg"}
    assert found.pairs[0].how == WORDS[change]
    assert 0.8 <= found.pairs[0].likeness <= 1


def test_parts_of_fine_grained_pictures_are_found_and_of_others_not(tmp_path):
    uris = []
    for number in range(12):
        whole, (down, across) = gravel(number), np.random.default_rng(number).integers(0, 30, 2).tolist()
        whole.save(tmp_path / f"{number}.jpg", quality=92)
        whole.crop((across, down, across + 120, down + 116)).save(tmp_path / f"part{number}.jpg", quality=88)
        uris += [str(tmp_path / f"{number}.jpg"), str(tmp_path / f"part{number}.jpg")]
    pairs = np.stack([np.arange(24).repeat(24), np.tile(np.arange(24), 24)], axis=1)
    found = compared(uris, look_at(uris), pairs[pairs[:, 0] < pairs[:, 1]], least=0.8)
    assert sorted(map(sorted, found.pairs.tolist())) == [[number, number + 1] for number in range(0, 24, 2)]


def test_the_places_to_begin_at_are_the_likeliest_of_all(tmp_path):
    thumbs = look_at([str(path) for path in photographs(tmp_path, 3)]).thumbs
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    once = starts(thumbs, pairs)
    turned, is_mirrored, boxes = (one.reshape(3, 40, *one.shape[1:]) for one in starts(thumbs, pairs, tries=40))
    parts, whole, mirrored = part_waves(thumbs), whole_waves(thumbs), whole_waves(thumbs[:, :, ::-1])
    for number, (one, other) in enumerate(pairs.tolist()):
        scores = {
            (holder, held, way, box): float(parts[holder, box] @ (mirrored if way else whole)[held])
            for holder, held in ((one, other), (other, one))
            for way in (False, True)
            for box in range(len(part_boxes()))
        }
        given = [
            (
                *turned[number, place].tolist(),
                bool(is_mirrored[number, place]),
                int(np.abs(part_boxes() - boxes[number, place]).sum(axis=1).argmin()),
            )
            for place in range(40)
        ]
        least = sorted(scores.values())[-40]
        assert len(set(given)) == 40
        assert min(scores[one] for one in given) >= least - 0.002
        best = (
            *once[0][number].tolist(),
            bool(once[1][number]),
            int(np.abs(part_boxes() - once[2][number]).sum(axis=1).argmin()),
        )
        assert scores[best] >= max(scores.values()) - 0.002


def test_different_photographs_are_no_pair_even_when_much_is_allowed(tmp_path):
    paths = photographs(tmp_path, 20)
    assert find_duplicates([str(path) for path in paths], near=0.5).pairs == []


def test_what_is_found_does_not_depend_on_how_many_were_planted(tmp_path):
    paths = photographs(tmp_path, 12)
    likeness = []
    for n in (1, 12):
        for number in range(n):
            CHANGES["mirrored"](Image.open(paths[number]))[0].save(tmp_path / f"copy{number}.jpg", quality=90)
        found = find_duplicates([str(path) for path in sorted(tmp_path.glob("*.jpg"))])
        assert len(found.pairs) == n
        likeness.append({frozenset(pair): one.likeness for pair, one in zip(names(found), found.pairs, strict=True)})
    assert likeness[0].items() <= likeness[1].items()


def test_the_same_file_is_an_exact_copy_and_comes_first(tmp_path):
    paths = photographs(tmp_path, 3)
    shutil.copy(paths[2], tmp_path / "2 copy.jpg")
    CHANGES["resized"](Image.open(paths[0]))[0].save(tmp_path / "small.jpg")
    uris = [str(path) for path in sorted(tmp_path.glob("*.jpg"))]
    found = find_duplicates(uris)
    assert [(pair.how, pair.likeness == 1) for pair in found.pairs] == [("same file", True), ("smaller", False)]
    assert names(found)[0] == ("2.jpg", "2 copy.jpg")
    assert [pair.how for pair in find_duplicates(uris, near="copies").pairs] == ["same file"]


def test_the_larger_picture_is_kept_and_a_group_has_one(tmp_path):
    big = photograph(1, (480, 360))
    for name, size in (("b", (240, 180)), ("a", (120, 90)), ("c", (480, 360))):
        big.resize(size).save(tmp_path / f"{name}.png")
    found = find_duplicates([str(tmp_path / f"{name}.png") for name in "abc"])
    assert sorted(names(found)) == [("c.png", "a.png"), ("c.png", "b.png")]
    assert {pair.group for pair in found.pairs} == {1}
    assert [Path(copy.uri).name for copy in sorted(found.spare, key=lambda copy: copy.width)] == ["a.png", "b.png"]
    assert (found.pairs[0].keep.width, found.pairs[0].keep.height) == (480, 360)
    assert found.pairs[0].keep.n_bytes == (tmp_path / "c.png").stat().st_size


def test_each_spare_picture_was_itself_compared_with_the_one_that_is_kept(tmp_path):
    # Two parts of one photograph that share little: each is a duplicate of the whole, not of the other.
    whole = photograph(3, (400, 300))
    whole.save(tmp_path / "whole.png")
    whole.crop((0, 0, 270, 300)).save(tmp_path / "left.png")
    whole.crop((130, 0, 400, 300)).save(tmp_path / "right.png")
    found = find_duplicates([str(path) for path in sorted(tmp_path.glob("*.png"))])
    assert sorted(names(found)) == [("whole.png", "left.png"), ("whole.png", "right.png")]
    (tmp_path / "whole.png").unlink()
    assert find_duplicates([str(path) for path in sorted(tmp_path.glob("*.png"))]).pairs == []


def test_what_cannot_be_read_is_told_and_is_in_no_pair(tmp_path):
    paths = photographs(tmp_path, 2)
    (tmp_path / "broken.jpg").write_text("no picture")
    uris = [str(paths[0]), str(tmp_path / "broken.jpg"), "/nowhere/a.jpg", "https://example.org/a.jpg", str(paths[1])]
    found = find_duplicates(uris)
    assert list(found.unreadable) == uris[1:4]
    assert "not fetched" in found.unreadable[uris[3]]
    assert found.summary["unreadable"] == 3


def test_plain_pictures_are_alike_only_where_their_bytes_are(tmp_path):
    for number, grey in enumerate((250, 251, 250)):
        Image.new("L", (64, 64), grey).save(tmp_path / f"{number}.png")
    found = find_duplicates([str(tmp_path / f"{number}.png") for number in range(3)], near=0.5)
    assert [pair.how for pair in found.pairs] == ["same file"]


def test_regions_of_one_picture_are_no_duplicates_of_each_other(tmp_path):
    (path,) = photographs(tmp_path, 1)
    assert find_duplicates([f"{path}#box=0,0,200,150", f"{path}#box=2,2,200,150"]).pairs == []


def test_no_pictures_and_one_picture_have_no_pairs(tmp_path):
    assert find_duplicates([]).summary["pairs"] == 0
    assert find_duplicates([str(path) for path in photographs(tmp_path, 1)]).pairs == []


@pytest.mark.parametrize("near", ["close", "0.4", 1.01, "nan", ""])
def test_a_near_that_means_nothing_is_refused(near):
    with pytest.raises(
        InputError, match=r"expected copies \(1\), same \(0.8\), alike \(0.6\), or a number from 0.5 to 1"
    ):
        likeness_of(near)


def test_waves_of_the_whole_are_those_of_the_first_part():
    thumbs = np.stack([np.asarray(photograph(seed, (64, 64)).convert("L")) for seed in range(3)])
    np.testing.assert_allclose(part_waves(thumbs)[:, 0], whole_waves(thumbs), atol=1e-5)


def test_waves_of_a_part_are_those_of_the_part_cut_out():
    thumb = np.asarray(photograph(7, (64, 64)).convert("L"))
    box = part_boxes()[50] * 64
    top, bottom, left, right = (round(edge) for edge in box)
    part = np.asarray(Image.fromarray(thumb[top:bottom, left:right]).resize((64, 64), Image.Resampling.BILINEAR))
    assert float(whole_waves(part[None])[0] @ part_waves(thumb[None])[0, 50]) > 0.97


def test_pairs_by_hash_are_those_of_a_comparison_one_by_one():
    import imagehash

    thumbs = np.stack([np.asarray(photograph(seed % 6, (64, 64)).convert("L")) for seed in range(9)])
    thumbs[8] = thumbs[8][:, ::-1]
    own = [imagehash.phash(Image.fromarray(thumb)) for thumb in thumbs]
    mirrored = [imagehash.phash(Image.fromarray(thumb[:, ::-1].copy())) for thumb in thumbs]
    expected = [[i, j] for i in range(9) for j in range(i + 1, 9) if min(own[i] - own[j], own[i] - mirrored[j]) <= 14]
    assert by_hash(thumbs).tolist() == expected
    assert {(0, 6), (1, 7), (2, 8)} <= set(map(tuple, expected))


def test_each_picture_is_a_part_of_so_many_others_at_most():
    thumbs = np.repeat(np.asarray(photograph(0, (64, 64)).convert("L"))[None], 30, axis=0)
    assert len(by_parts(thumbs, most=2)) >= 29
    assert len(by_parts(thumbs, most=40)) == 30 * 29 // 2


def test_parts_across_two_sides_are_those_that_cross_however_many_are_alike_on_one():
    thumbs = np.repeat(np.asarray(photograph(0, (64, 64)).convert("L"))[None], 8, axis=0)
    sides = np.arange(8) >= 6
    assert by_parts(thumbs, most=2, sides=sides).tolist() == [[i, j] for i in range(6) for j in (6, 7)]


@given(
    top=st.floats(0, 0.3), left=st.floats(0, 0.3), height=st.floats(0.6, 0.7), width=st.floats(0.6, 0.7),
    is_mirrored=st.booleans(), gain=st.floats(0.5, 1.0),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_a_part_is_found_where_it_was_cut_out(top, left, height, width, is_mirrored, gain):
    whole = photograph(11, (400, 400)).convert("L")
    box = np.array([top, top + height, left, left + width])
    corners = np.round(box * 400).astype(int)
    part = whole.crop((corners[2], corners[0], corners[3], corners[1])).point(lambda grey: grey * gain)
    thumbs = np.stack(
        [
            np.asarray(one.resize((64, 64), Image.Resampling.BOX))
            for one in (whole, ImageOps.mirror(part) if is_mirrored else part)
        ]
    )
    begin = np.clip(box + np.array([0.03, 0.02, -0.03, -0.02]), 0, 1)[None]
    total = sums(thumbs)
    found, edges, brightness = align(
        total[:1],
        total[1:],
        np.array([is_mirrored]),
        begin,
        cells=24,
        steps=(0.04, 0.02, 0.01, 0.005),
        give_up_below=0.0,
    )
    np.testing.assert_allclose(found[0], box, atol=0.02)
    assert edges[0] > 0.85
    assert brightness[0] > 0.97


def test_a_look_keeps_sizes_and_bytes_and_the_hash_of_the_store(tmp_path):
    (path,) = photographs(tmp_path, 1)
    told = []
    looks = look_at([str(path)], told=told.append)
    assert (looks.widths[0], looks.heights[0], looks.n_bytes[0]) == (240, 180, path.stat().st_size)
    assert (told[-1].done, told[-1].total, told[-1].failed) == (1, 1, 0)

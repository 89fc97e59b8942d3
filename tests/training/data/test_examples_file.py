"""Examples in mapped files are the examples that were written, also once the files are deleted."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cladescope.training.data.columns import CodedColumn, SpanColumn
from cladescope.training.data.examples import COLUMN_NAMES, Examples, load_examples
from cladescope.training.data.examples_file import open_examples, open_split, write_examples, write_split
from cladescope.training.data.splits import PARTS, SplitConfig, split
from tests.embedding.sources.test_webdataset import treeoflife, write_shard


@pytest.fixture(params=["manifest", "shards"])
def examples(request: pytest.FixtureRequest, clades: Path, tmp_path: Path) -> Examples:
    if request.param == "manifest":
        return load_examples(clades / "metadata.csv")
    for name in "ab":
        write_shard(tmp_path / f"{name}.tar", treeoflife(*(f"{name}{place}" for place in range(3))))
    return load_examples(f"{tmp_path}/*.tar")


def test_all_columns_classes_and_pictures_are_the_same(examples: Examples, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    write_examples(examples, folder)
    opened = open_examples(folder)
    shutil.rmtree(folder)
    for name in COLUMN_NAMES:
        assert list(getattr(opened, name)) == list(getattr(examples, name)), name
    assert (opened.skipped, opened.by_label) == (examples.skipped, examples.by_label)
    assert opened.class_taxa == examples.class_taxa
    assert (opened.classes() == examples.classes()).all()
    assert (opened.codes() == examples.codes()).all()
    assert [opened.read(row) for row in range(len(opened))] == [examples.read(row) for row in range(len(examples))]
    part = opened.take([2, 0])
    assert list(part.image_ids) == [examples.image_ids[2], examples.image_ids[0]]
    assert [part.class_taxa[code] for code in part.classes()] == [examples.taxa[2], examples.taxa[0]]


def test_numbers_are_the_files_own_memory(examples: Examples, tmp_path: Path) -> None:
    write_examples(examples, tmp_path)
    opened = open_examples(tmp_path)
    assert isinstance(opened.taxa, CodedColumn)
    assert isinstance(opened.spans, SpanColumn)
    for numbers in (opened.classes(), opened.taxa.codes, opened.spans.offsets, opened.spans.sizes):
        assert not numbers.flags.owndata
        assert not numbers.flags.writeable


def test_a_split_is_the_same(clades: Path, tmp_path: Path) -> None:
    made = split(load_examples(clades / "metadata.csv"), SplitConfig(species=0.25, images=0.25, tested=0.1))
    write_split(made, tmp_path)
    opened = open_split(tmp_path)
    for part in PARTS:
        assert (getattr(opened, part) == getattr(made, part)).all()
        assert getattr(opened, part).dtype == np.int64
    assert opened.report() == made.report()
    assert (opened.config, opened.held_out_taxa) == (made.config, made.held_out_taxa)

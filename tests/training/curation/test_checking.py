"""What a configuration names is looked for before anything starts."""

import pytest

from cladescope.errors import ConfigError, InputError
from cladescope.training.curation.checking import check
from cladescope.training.curation.config import load_config

TEXT = """
[[sources]]
name = "here"
path = "here"
[[sources]]
name = "gone"
path = "gone.csv"
[[sources]]
name = "web"
path = "https://example.org/a.csv"
[[sources]]
name = "shards"
path = "shards/*.tar"
[names]
backbone = "backbone"
common_names = ["here", "backbone", "names.csv"]
[duplicates]
near = "copies"
[[exclude]]
taxa = "rare.csv"
ids = "ids.txt"
[people]
detections = ["md.json"]
[kinds]
encoder = "pixels"
support = "kinds.csv"
"""


def test_all_that_is_not_there_is_said_at_once(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "ids.txt").write_text("a\n")
    (tmp_path / "tree.toml").write_text(TEXT)
    with pytest.raises(ConfigError) as caught:
        check(load_config(tmp_path / "tree.toml"))
    named = [problem.partition(" is /")[0] for problem in caught.value.problems]
    assert named == [
        "the path of source gone",
        "names.backbone",
        "a file of names.common_names",
        "exclude.taxa",
        "a file of people.detections",
        "kinds.support",
    ]


def test_about_may_not_describe_files(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "tree.toml").write_text(
        '[[sources]]\nname = "a"\npath = "here"\n[duplicates]\nnear = "copies"\n[about]\ndistribution = []\n'
    )
    with pytest.raises(InputError, match="distribution"):
        check(load_config(tmp_path / "tree.toml"))

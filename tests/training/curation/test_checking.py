"""What a configuration names is looked for before anything starts."""

import pytest

from cladescope.errors import ConfigError, InputError, UsageError
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


@pytest.mark.parametrize(
    "more, said",
    [
        ('[names]\nbackbone = "here"\n', "here is no backbone"),
        ('[[exclude]]\ntaxa = "empty.txt"\n', "empty.txt"),
        ('[[exclude]]\nids = "empty.txt"\n', "empty.txt is empty"),
        ('[people]\ndetections = ["names.csv"]\n', "names.csv has the columns a, b: expected MegaDetector's JSON"),
        ('[kinds]\nencoder = "pixels"\nsupport = "kinds.csv"\n', "says the kind 'alive' in record 0"),
    ],
)
def test_what_later_stages_could_not_read_is_said_before_anything_starts(tmp_path, more, said):
    (tmp_path / "here").mkdir()
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "names.csv").write_text("a,b\n1,2\n")
    (tmp_path / "kinds.csv").write_text("file,kind\na.jpg,alive\n")
    start = '[[sources]]\nname = "a"\npath = "here"\n[duplicates]\nnear = "copies"\n'
    (tmp_path / "tree.toml").write_text(start + more)
    with pytest.raises(InputError, match=said):
        check(load_config(tmp_path / "tree.toml"))


def test_a_rule_for_labels_that_is_none_is_said_before_anything_starts(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "tree.toml").write_text(
        '[[sources]]\nname = "a"\npath = "here"\nlabels_from = "zzz"\n[duplicates]\nnear = "copies"\n'
    )
    with pytest.raises(UsageError, match="found labels from 'zzz'"):
        check(load_config(tmp_path / "tree.toml"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[[sources]]\nname = "b"\npath = "b.xlsx"\n', "b.xlsx is a spreadsheet: save it as CSV"),
        ('[[exclude]]\npictures = "b.toml"\n', "found the file .*b.toml: expected a folder"),
        ('[names]\ncommon_names = ["b.csv"]\n', "b.csv has the columns name, species, none of common names"),
        ('[names]\ncommon_names = ["b.md"]\n', "b.md ends in '.md', expected a file of common names"),
    ],
)
def test_files_of_no_kind_that_is_read_are_known_before_anything_starts(tmp_path, more, said):
    (tmp_path / "here").mkdir()
    for name in ("b.xlsx", "b.toml", "b.csv", "b.md"):
        (tmp_path / name).write_text("species,name\nApus apus,Swift\n")
    (tmp_path / "tree.toml").write_text(
        f'[[sources]]\nname = "a"\npath = "here"\n{more}[duplicates]\nnear = "copies"\n'
    )
    with pytest.raises(InputError, match=said):
        check(load_config(tmp_path / "tree.toml"))

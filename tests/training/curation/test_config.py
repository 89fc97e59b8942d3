"""The configuration of a curation: checked whole, paths taken from its folder."""

import pytest

from cladescope.errors import ConfigError, InputError
from cladescope.training.curation.config import load_config


def written(folder, text):
    file = folder / "tree.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_all_that_is_wrong_is_said_each_with_its_line(tmp_path):
    file = written(
        tmp_path,
        '[[sources]]\nname = "a"\npath = "p"\n[[sources]]\nname = "a"\npth = "q"\n[names]\nleast_rank = "klas"\n[splitz]\n',
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert [problem.partition("tree.toml, ")[2] for problem in caught.value.problems] == [
        "line 4: source 'a' has no path: say where its pictures are",
        "line 5: two sources are called 'a': give each a name of its own, ids are made of it",
        "line 6: unknown key sources.1.pth in the configuration: did you mean path?",
        "line 8: names.least_rank holds 'klas': expected one of kingdom, phylum, class, order, family, genus, species (did you mean class?)",
        "line 9: unknown key splitz in the configuration: did you mean splits?",
    ]


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path):
    file = written(
        tmp_path,
        """
[[sources]]
name = "photos"
path = "photos"
[[sources]]
name = "web"
path = "https://example.org/list.csv"
[names]
backbone = "/gbif"
common_names = ["photos", "birds.csv", "record"]
[[exclude]]
pictures = "../test"
""",
    )
    config = load_config(file, {"splits.val": 0.5})
    assert [one.path for one in config.sources] == [str(tmp_path / "photos"), "https://example.org/list.csv"]
    assert config.names.backbone == "/gbif"
    assert config.names.common_names == ("photos", str(tmp_path / "birds.csv"), "record")
    assert config.exclude[0].pictures == str(tmp_path.parent / "test")
    assert config.splits.val == 0.5


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "no sources"),
        ('[[sources]]\nname = "a"\npath = "p"\n[people]\nact = "drop"', "act is 'drop', and no detections are given"),
        ('[sources]\nname = "a"\npath = "p"', r"line 1: sources is one section: .* \[\[sources\]\] before each"),
        (
            '[[sources]]\nname = "a"\npath = "p"\nkind = "statue"',
            "line 4: sources.kind holds 'statue': expected one of live",
        ),
        (
            '[[sources]]\nname = "a"\npath = "p"\n[splits]\nval = 0.5\ntest = 0.5',
            "are 1 together: expected less than 1",
        ),
        ('[[sources]]\nname = "a b"\npath = "p"', "a source is called 'a b'"),
        ('[[sources]]\nname = "a"\npath = "p"\n[splits]\nheld_out_sources = ["b"]', "names 'b': expected some of a"),
        ('[[sources]]\nname = "a"\npath = "p"\n[[exclude]]\nmust_hit = false', "names nothing"),
        ('[[sources]]\nname = "a"\npath = "p"\n[kinds]\nsupport = "k.csv"', "needs an encoder"),
        ('[[sources]]\nname = "a"\npath = "p"\n[licences]\nforbid = ["nd"]\nallow = ["nd"]', "both name 'nd'"),
        (
            '[[sources]]\nname = "a"\npath = "p"\n[licences]\nforbid = ["CC BY-NC 4.0"]\nallow = ["by-nc"]',
            "both name 'by-nc'",
        ),
        ('[[sources]]\nname = "record"\npath = "p"', "means something else in names.common_names"),
        ('[[sources]]\nname = "a"\npath = "p"\n[pictures]\nblank_below = nan', "pictures.blank_below is nan"),
        ('[[sources]]\nname = "a"\npath = "p"\n[splits]\ntogether = ["taxon"]', "expected one of observation"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        load_config(written(tmp_path, text))


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not valid TOML"):
        load_config(written(tmp_path, "= 3"))


def test_a_mark_at_the_beginning_of_the_file_is_no_setting(tmp_path):
    (tmp_path / "tree.toml").write_text(
        'title = "A"\r\n[[sources]]\r\nname = "a"\r\npath = "a"\r\n', encoding="utf-8-sig"
    )
    assert load_config(tmp_path / "tree.toml").title == "A"


def test_a_key_like_no_other_is_told_what_there_is_and_one_that_is_near_is_asked_about(tmp_path):
    (tmp_path / "tree.toml").write_text('[[sources]]\nname = "a"\npath = "a"\n[split]\nval = 0\n[holiday]\nx = 1\n')
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "tree.toml")
    near, other = caught.value.problems
    assert near.endswith("unknown key split in the configuration: did you mean splits?")
    assert other.endswith("duplicates, splits, out")

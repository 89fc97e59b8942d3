"""Whatever can last says what it is at: bars on a terminal, lines in a log, nothing with `--quiet`, and never on stdout."""

import sys
from contextlib import contextmanager

import pytest

import cladescope.app.cli
from cladescope.app.cli import progress
from cladescope.embedding.summary import Progress
from cladescope.steps import counted, listening, step
from tests.app.cli.test_output import Terminal

STEPS = {
    "audit": (
        ["STORE", "--out", "audit"],
        ["reading vectors", "looking for the nearest of each picture", "looking for wrong labels", "looking for near vectors",
         "looking for near-duplicates by their pixels", "looking for outliers", "drawing outliers.png", "drawing the page"],
    ),
    "duplicates": (
        ["STORE", "--near", "0.5"],
        ["reading vectors", "looking for pictures that may be the same", "comparing small copies, in blocks of pairs:",
         "comparing the pictures, in blocks of pairs:"],
    ),
    "map": (
        ["STORE", "--out", "map", "--method", "tsne"],
        ["reading vectors", "laying out 48 pictures", "measuring how far neighbours stay neighbours",
         "drawing the figures and the page"],
    ),
    "probe": (
        ["STORE", "--out", "probes", "--permutations", "1"],
        ["reading vectors", "looking for the nearest of each picture", "probing, rank by rank:", "probing all ranks together",
         "holding the vectors against the tree of names", "measuring how the vectors lie"],
    ),
    "export": (["STORE", "--out", "exported", "--format", "csv"], ["writing rows"]),
    "index": (["STORE", "--kind", "hnsw"], ["reading vectors", "building hnsw", "measuring hnsw"]),
    "search": (["STORE", "PICTURE"], ["loading the encoder pixels", "reading vectors"]),
    "fit": (
        ["STORE", "--rank", "genus", "--out", "c.safetensors"],
        ["reading vectors", "learning"],
    ),
    "predict": (
        ["STORE", "--classifier", "genus.safetensors", "--rank", "genus", "--sort-into", "sorted", "--by", "copy", "--sheet", "s.png"],
        ["naming", "drawing s.png", "copying"],
    ),
    "evaluate": (["retrieval", "STORE", "--rank", "genus"], ["clades.store by genus: scoring encoders"]),
    "verify": (["STORE"], ["comparing files with their hashes", "checking"]),
    "compact": (["STORE"], ["writing tables together:"]),
}  # fmt: skip
"""The long steps of verbs, as they come; `embed`, `import`, `publish`, `simulate` and `search --queries` count pictures instead."""


@pytest.fixture
def heard(monkeypatch):
    """The steps that a command tells."""
    steps = []

    @contextmanager
    def hear(words, total):
        steps.append(words)
        yield lambda done: None

    monkeypatch.setattr(cladescope.app.cli, "_told", hear)
    return steps


@pytest.fixture
def classifier(run, store, tmp_path):
    run("fit", store.path, "--rank", "genus", "--out", tmp_path / "genus.safetensors")


@pytest.mark.parametrize("verb", STEPS)
def test_each_long_step_of_a_verb_is_told(run, heard, store, query, tmp_path, monkeypatch, verb, request):
    if verb == "predict":
        request.getfixturevalue("classifier")
        heard.clear()
    monkeypatch.chdir(tmp_path)
    arguments, steps = STEPS[verb]
    given = {"STORE": store.path, "PICTURE": query}
    ended = run(verb, *[given.get(one, one) for one in arguments])
    assert ended.status == 0, ended.err
    rest = iter(heard)
    for words in steps:
        assert any(said.startswith(words) for said in rest), (words, heard)


def test_in_a_log_a_step_that_lasts_is_a_line_and_a_short_one_is_none(capfd, monkeypatch):
    with listening(progress.told), step("laying out", 3):
        pass
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    with listening(progress.told), step("laying out", 3) as tell:
        tell(2)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("laying out 2 of 3, for ")
    assert err.splitlines()[-1].startswith("laying out: ")


def test_on_a_terminal_bars_stand_together_and_none_comes_for_a_short_step(monkeypatch):
    for patience, shown in ((60.0, False), (0.0, True)):
        monkeypatch.setattr(progress, "PATIENCE", patience)
        screen = Terminal()
        monkeypatch.setattr(sys, "stderr", screen)
        with listening(progress.told), progress.job_progress("pictures") as show, progress.job_progress("encoded"):
            show(Progress(done=1, total=2, embedded=1, failed=0, seconds=1.0))
            for _ in counted("ab", "comparing", 2):
                pass
        assert ("comparing" in screen.getvalue()) == shown
        assert "1 of 2, 1/s, 1 s left" in screen.getvalue()
        assert "encoded" not in screen.getvalue(), "nothing was"


def test_quiet_tells_no_progress_and_keeps_what_was_left_out(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    (photos / "bad.jpg").write_text("no picture")
    command = ("embed", photos, "--encoder", "pixels", "--store")
    loud = run(*command, tmp_path / "a").err
    assert "loading the encoder pixels: " in loud
    assert "encoder pixels: 960 numbers" in loud
    for place, words in (("b", ("--quiet", *command, tmp_path / "b")), ("c", (*command, tmp_path / "c", "--quiet"))):
        assert run(*words).err == f"each failure with its reason: cladescope info {tmp_path / place} --failures\n"

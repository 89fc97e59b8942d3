"""The README does what it says: its lines run in order as they stand there, and print what is shown under them."""

import re
import shlex
import shutil

import pytest
from PIL import Image, ImageFilter

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
QUESTIONS = (
    README.partition("\n## Ask your pictures\n")[2].partition("\n### What it cannot do\n")[0].split("\n### ")[1:]
)
BINOMIALS = ("Danaus plexippus", "Lama glama", "Triticum aestivum", "Sus scrofa", "Parus major", "Amanita muscaria")


def commands(question):
    """The lines of a question that are typed."""
    return [line for block in re.findall(r"```sh\n(.*?)```", question, re.DOTALL) for line in block.splitlines()]


def shown(question):
    return [line for block in re.findall(r"```text\n(.*?)```", question, re.DOTALL) for line in block.splitlines()]


def form(line):
    """The form of a line of a screen: its words in small letters, for numbers #, for names, files and words for numbers a mark."""
    line = re.sub(r"\S+/\S+|\S+\.jpg", "FILE", line.strip())
    line = re.sub(r"\b[A-Z][\w-]+( [a-z-]+)?( \([^)]*\))?", "NAME", line)
    line = re.sub(r"\b(almost sure|likely|perhaps|a guess|(very |hardly )?like)\b", "WORDS", line)
    return re.sub(r"\s+", " ", re.sub(r"[+-]?\d[\d,.]*", "#", line))


@pytest.fixture(params=["a plain folder", "simulated clades"])
def pictures(request, clades, tmp_path, monkeypatch):
    """`photos/`, `classes/` and `query.jpg`, in the folder where commands are typed: of kinds that `tiny` knows by name, or knows nothing of."""
    kinds = sorted((clades / "images").iterdir())[: len(BINOMIALS)]
    (tmp_path / "photos").mkdir()
    for number, kind in enumerate(kinds):
        name = BINOMIALS[number] if request.param == "a plain folder" else kind.name
        (tmp_path / "classes" / name).mkdir(parents=True)
        for n, path in enumerate(sorted(kind.glob("*.jpg"))):
            shutil.copy(path, tmp_path / "classes" / name)
            # Beside the pictures of a class stand as many that differ a little, so that five can be learnt from.
            with Image.open(path) as picture:
                picture.filter(ImageFilter.GaussianBlur(2 + n)).rotate(9 * n).save(
                    tmp_path / "classes" / name / f"b{n}.jpg"
                )
            shutil.copy(path, tmp_path / "photos" / f"IMG_{number:02}{n:02}.jpg")
    shutil.copy(tmp_path / "photos" / "IMG_0201.jpg", tmp_path / "query.jpg")
    shutil.copy(tmp_path / "photos" / "IMG_0201.jpg", tmp_path / "photos" / "IMG_0201 copy.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_question_of_the_readme_is_answered_by_the_line_under_it(run, pictures, one_thread):
    assert len(QUESTIONS) >= 7
    for question in QUESTIONS:
        printed = []
        for line in commands(question):
            program, *arguments = shlex.split(line)
            assert program == "cladescope"
            ended = run(*arguments)
            assert ended.status == 0, (line, ended.err)
            printed += [form(one) for one in (ended.out + ended.err).splitlines()]
        assert shown(question), question
        for line in shown(question):
            assert form(line) in printed, (line, form(line), printed)
        for named in re.findall(r"`((?:\w+/)?\w+\.(?:png|csv|html))`", question):
            assert (pictures / named).exists(), named


def test_the_first_line_names_pictures():
    assert commands(QUESTIONS[0])[0] == "cladescope predict photos/"


def test_no_word_of_the_trade_stands_before_it_is_needed():
    before = README.partition("### What it cannot do")[0]
    for word in ("vector", "embedding", "cosine", "neural", "checkpoint", "manifest", "classifier"):
        assert word not in re.sub(r"```.*?```|`[^`]*`", "", before, flags=re.DOTALL), word


def test_the_python_example_runs_as_it_stands(clades, store, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    store.path.rename(tmp_path / "photos.store")
    (tmp_path / "query.jpg").write_bytes(sorted(clades.glob("images/*/*.jpg"))[0].read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 6
    assert printed[0].startswith("1 1.0 ")
    assert printed[-1].startswith("consensus:")


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_everything_that_the_readme_points_to_is_there(target):
    assert (REPOSITORY / target).exists()

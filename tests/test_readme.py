import re

import pytest

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


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

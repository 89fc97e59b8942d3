"""A package that runs when it is first asked for something."""

import subprocess
import sys

import pytest

from cladescope.index.late_client import CLIENT, put_off
from tests.conftest import REPOSITORY


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "a_late_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from a_late_package.part import N\nRUN = True\n")
    (folder / "part.py").write_text("N = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    for name in (folder.name, f"{folder.name}.part"):
        sys.modules.pop(name, None)


def test_its_modules_are_there_before_it_runs_and_its_names_after(package):
    put_off(package)
    part = __import__(f"{package}.part", fromlist=["N"])
    assert part.N == 3
    late = sys.modules[package]
    assert "RUN" not in vars(late)
    assert late.N == 3
    assert late.RUN is True
    with pytest.raises(AttributeError, match="NO"):
        late.NO  # noqa: B018


def test_one_that_is_there_or_is_none_is_left_alone(package):
    loaded = __import__(package)
    put_off(package)
    assert sys.modules[package] is loaded
    put_off("no_such_package_anywhere")
    assert "no_such_package_anywhere" not in sys.modules


def test_a_store_opens_without_the_client_for_servers_which_still_works(store):
    code = (
        "import sys\n"
        "from cladescope.index.store import Store\n"
        f"store = Store.open({str(store.path)!r})\n"
        f"print(store.count(), '{CLIENT}.api.table_api' in sys.modules)\n"
        f"import {CLIENT} as client\n"
        "print(client.TableApi.__name__, client.ApiClient.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert run.stdout.split() == ["48", "False", "TableApi", "ApiClient"]

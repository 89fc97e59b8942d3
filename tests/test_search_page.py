"""docs/search.md does what it says: its commands run in order as they stand there, and print what is shown."""

import re
import shlex

from tests.app.cli.command_line import run  # noqa: F401
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "docs" / "search.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|text)\n(.*?)```", TEXT, re.DOTALL)


def shape(text):
    """A text whose numbers and spaces do not count."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d,.]*", "#", text)).strip()


def test_the_commands_run_in_order_and_print_what_is_shown(run, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    printed, n_shown = "", 0
    for kind, block in BLOCKS:
        if kind == "text":
            for line in block.strip().splitlines():
                assert shape(line) in shape(printed), line
                n_shown += 1
            continue
        printed = ""
        for line in block.strip().splitlines():
            ended = run(*shlex.split(line)[1:])
            assert ended.status == 0, (line, ended.err)
            printed += ended.out + ended.err
    assert n_shown > 5


def test_the_page_names_every_option_of_a_query():
    names = re.findall(r"^(\w+)Option = ", (REPOSITORY / "app/cli/search_options.py").read_text(), re.MULTILINE)
    assert len(names) > 10
    for name in names:
        option = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
        assert f"{'-' if option == 'k' else '--'}{option}" in TEXT, option

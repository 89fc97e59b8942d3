"""The Dockerfile and what it is built from, read without Docker; what it starts is started here, and asked as it asks."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

from cladescope.app.server.guard import OPEN_PATHS
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
TOKEN = "a-token-of-many-letters"


def instructions():
    """Each instruction with what stands behind it, in order; comments are no part of it."""
    lines = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    joined = lines.replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


ALL = instructions()
STARTS = [place for place, (word, _) in enumerate(ALL) if word == "FROM"]
BUILD, SERVE = (ALL[start:end] for start, end in zip(STARTS, [*STARTS[1:], len(ALL)], strict=True))


def of(word, stage=SERVE):
    return [told for one, told in stage if one == word]


def is_sent(path):
    """Whether a path of the tree is part of what is built from: the last line of .dockerignore that fits decides."""
    sent = True
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = [path, *path.split("/")] if "**/" in line else [path, path.split("/")[0]]
        if line and not line.startswith("#") and any(fnmatch(part, pattern) for part in parts):
            sent = line.startswith("!")
    return sent


def test_there_are_two_stages_of_one_image_by_its_version():
    images, names = zip(*(told.split(" AS ") for _, told in (BUILD[0], SERVE[0])), strict=True)
    assert names == ("build", "serve")
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", images[0])
    assert "latest" not in TEXT
    assert {word for word, _ in ALL} == {
        "FROM", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD",
    }  # fmt: skip


def test_only_what_is_there_is_copied_and_it_is_all_that_the_wheel_is_made_of():
    sources = [one for told in of("COPY", BUILD) for one in told.split()[:-1]]
    for one in sources:
        assert (REPOSITORY / one).exists(), one
        assert is_sent(one), one
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    folders = {"cladescope", *project["tool"]["setuptools"]["package-dir"].values()}
    files = {"pyproject.toml", "constraints.txt", project["project"]["readme"], *project["project"]["license-files"]}
    assert set(sources) == folders | files
    assert of("COPY") == ["--from=build /opt/cladescope /opt/cladescope"]


def test_what_is_large_secret_or_made_is_not_sent_to_the_builder():
    for path in (
        ".git",
        ".venv",
        "web",
        "tests",
        "docs",
        "secret.store",
        "app/__pycache__",
        "app/cli/__pycache__",
        "app/a.pyc",
    ):
        assert not is_sent(path), path
    assert is_sent("app/server/static/index.html")
    assert is_sent("embedding/checkpoints")


def test_packages_are_those_of_the_constraints_and_serve_is_among_them():
    (made,) = of("RUN", BUILD)
    assert "--constraint constraints.txt" in made
    assert '"$(echo /wheels/*.whl)[serve]"' in made
    assert made.count("--no-cache-dir") == 2


def test_it_runs_as_no_root_and_keeps_what_it_writes_below_the_cache():
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert f"--uid {user.partition(':')[0]} " in of("RUN")[0]
    words = [word for word, _ in SERVE]
    assert words.index("RUN") < words.index("USER") < words.index("ENTRYPOINT")
    settings = dict(one.split("=", 1) for one in of("ENV")[0].split())
    assert of("VOLUME") == ["/cache"]
    kept = {"HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"}
    assert all(settings[name].startswith("/cache") for name in kept)
    assert not re.search(r"TOKEN=|--token", TEXT)


def test_ports_agree():
    command = json.loads(of("ENTRYPOINT")[0])
    (port,) = of("EXPOSE")
    assert command[command.index("--port") + 1] == port
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)'", of("HEALTHCHECK")[0])
    assert asked.groups() == (port, "/api/v1/health")
    assert asked[2] in OPEN_PATHS


def test_what_it_starts_answers_the_question_after_its_health(store, tmp_path):
    entry, more = json.loads(of("ENTRYPOINT")[0]), json.loads(of("CMD")[0])
    check = json.loads(of("HEALTHCHECK")[0].partition(" CMD ")[2])
    assert (entry[0], more, check[:2]) == ("cladescope", ["/data"], ["python", "-c"])
    place = entry.index("--port") + 1
    command = [sys.executable, "-m", "cladescope.app.cli", *entry[1:place], "0", *entry[place + 1 :], str(store.path)]
    environment = {
        **os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip
    environment.pop("CLADESCOPE_TOKEN", None)
    refused = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert refused.returncode == 2
    assert "give a token" in refused.stderr
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**environment, "CLADESCOPE_TOKEN": TOKEN}
    )
    try:
        told = ""
        while (found := re.search(r"open http://0\.0\.0\.0:(\d+)", told)) is None:
            line = process.stderr.readline()
            assert line, told
            told += line
        code = check[2].replace(":8000/", f":{found[1]}/")
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
        assert TOKEN not in told
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 1


def test_the_page_shows_how_it_is_built_and_run():
    page = (REPOSITORY / "docs" / "serve.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("docker ")]
    assert [shlex.split(line, comments=True)[1] for line in lines] == ["build", "run"]
    run = shlex.split(lines[1].replace("$(cat token)", "TOKEN"))
    assert {"--read-only", "--env", "--volume", "--publish"} <= set(run)
    assert any(one.endswith(":/data:ro") for one in run)

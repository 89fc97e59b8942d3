"""The command line in tests: run in this process, with what it printed and how it ended."""

import csv
import io
import json
import shutil
import struct
import sys
import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cladescope.app.cli
import cladescope.app.cli.output


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def rows(self):
        return list(csv.DictReader(io.StringIO(self.out, newline="")))


@pytest.fixture
def run(monkeypatch, capfd):
    """Run a command line in this process."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["cladescope", *map(str, arguments)])
        capfd.readouterr()
        status = 0
        try:
            cladescope.app.cli.main()
        except SystemExit as ended:
            status = ended.code or 0
        sys.stdout.flush()
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Ended(status, captured.out, captured.err)

    return call


@pytest.fixture
def fails(run):
    """Run a command line that must fail with status 1, and return its one line that says why."""

    def call(*arguments):
        ended = run(*arguments)
        assert ended.status == 1, ended
        *talk, reason = ended.err.splitlines()
        assert reason.startswith("error: ")
        assert "unexpected" not in reason
        assert all(line.startswith("encoder ") for line in talk), talk
        assert ended.out == ""
        return reason

    return call


@pytest.fixture
def misused(run):
    """Run a command line that is wrong usage (status 2), and return what it says."""

    def call(*arguments):
        ended = run(*arguments)
        assert (ended.status, ended.out) == (2, "")
        return ended.err.splitlines()[-1]

    return call


@pytest.fixture
def query(clades):
    """One of the stored pictures."""
    return sorted(clades.glob("images/*/*.jpg"))[0]


@pytest.fixture
def vectors(tmp_path):
    """A table of 20 vectors of two species, as others write it."""
    made = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(made.ravel()), 8)
    species = ["Parus major"] * 10 + ["Vanessa atalanta"] * 10
    path = tmp_path / "emb.parquet"
    pq.write_table(pa.table({"uuid": [f"u{n}" for n in range(20)], "emb": column, "species": species}), path)
    return path


@pytest.fixture
def photos(clades, tmp_path):
    """Six good pictures in a folder of the test's own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(sorted(clades.glob("images/*/*.jpg"))[:6]):
        shutil.copy(path, folder / f"good{number}.jpg")
    return folder


def png_that_claims(width, height):
    """A PNG whose header names a size that its few bytes do not hold."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body

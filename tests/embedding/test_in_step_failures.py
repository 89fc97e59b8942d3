"""Failures of a source in step: what a later run over it does not meet again is forgotten."""

import cladescope
from cladescope.embedding.encoder import Encoder
from cladescope.index.store import Store
from tests.embedding.test_in_step import failed, picture


def test_a_failure_of_a_file_that_a_table_names_no_more_is_forgotten_unless_another_source_may_have_it(tmp_path):
    def table(name, *files):
        (tmp_path / name).write_text("\n".join(["file", *files]) + "\n", encoding="utf-8")
        return tmp_path / name

    def embedded(path, store):
        encoder = Encoder.load("pixels")
        return cladescope.embed(path, store, encoder=encoder)

    picture(tmp_path / "p" / "1.png", 1)
    (tmp_path / "p" / "2.png").write_bytes(b"no picture")
    for name, others in (("a", ()), ("b", (table("other.csv", "p/9.png"),))):
        store = tmp_path / f"{name}.store"
        embedded(table("t.csv", "p/1.png", "p/1.png", "p/2.png"), store)
        for other in others:
            embedded(other, store)
        (tmp_path / "p" / "2.png").unlink()
        embedded(table("t.csv", "p/1.png"), store)
        names = [uri.rpartition("/")[2] for uri, _ in failed(Store.open(store))]
        assert names == (["1.png", "2.png", "9.png"] if others else [])
        (tmp_path / "p" / "2.png").write_bytes(b"no picture")


def test_a_refused_row_is_one_failure_wherever_it_moves_in_its_table(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
    encoder = Encoder.load("pixels")
    for rows in ("001", "1002", "21000"):
        (tmp_path / "t.csv").write_text("\n".join(["file", *(f"{row}.png" for row in rows)]) + "\n", encoding="utf-8")
        summary = cladescope.embed(tmp_path / "t.csv", tmp_path / "s.store", encoder=encoder)
        noted = [uri.rpartition("/")[2] for uri, _ in failed(Store.open(tmp_path / "s.store"))]
        assert noted == ["0.png"] * (rows.count("0") - 1)
        assert summary.failed == len(noted)

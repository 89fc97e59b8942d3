"""One process loads the data of a run and the others map them, or hear why they cannot be used."""

import hashlib
import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from cladescope.errors import InputError
from cladescope.training.loop import shared_data
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.shared_data import data_hash, run_data
from tests.training.small_runs import small


@dataclass(frozen=True)
class Side(Group):
    """One of several processes, here threads."""

    barrier: threading.Barrier | None = None

    def wait(self):
        self.barrier.wait(timeout=60)


def together(config, folders):
    """What each of several processes gets, or the error that it raises; and how often data were loaded."""
    barrier = threading.Barrier(len(folders))
    loads = []
    real = shared_data.load_examples

    def one(process):
        side = Side(process, len(folders), process, barrier)
        try:
            return run_data(config, folders[process], side)
        except InputError as error:
            return error

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(folders)) as pool:
        patch.setattr(shared_data, "load_examples", lambda *a, **k: (loads.append(1), real(*a, **k))[1])
        return list(pool.map(one, range(len(folders)))), len(loads)


def everything(data):
    ids, uris = list(data.examples.image_ids), list(data.examples.uris)
    return ids, uris, list(data.examples.taxa), data.split.report(), data.split.train.tolist(), data.data_hash


def test_all_processes_have_what_one_would_have_and_only_one_loads(clades, tmp_path):
    config = small(clades, {"data.compare_contents": True})
    alone = run_data(config, tmp_path / "alone", Group())
    found, n_loads = together(config, [tmp_path / "run"] * 3)
    assert n_loads == 1
    assert [everything(one) for one in found] == [everything(alone)] * 3
    assert found[0].contents == alone.contents
    assert [one.contents for one in found[1:]] == [None, None]
    assert list((tmp_path / "run").iterdir()) == []


def test_what_is_wrong_with_the_data_is_told_in_every_process(clades, tmp_path):
    found, _ = together(small(clades, {"data.exclude": ["Nowhere > Nothing"]}), [tmp_path / "run"] * 2)
    assert str(found[0]) == str(found[1])
    assert "none of the 1 taxa to exclude" in str(found[1])
    assert list((tmp_path / "run").iterdir()) == []


def test_a_process_that_does_not_see_the_folder_loads_the_data_itself(clades, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found, n_loads = together(small(clades), [tmp_path / "here", tmp_path / "there"])
    assert n_loads == 2
    assert everything(found[0]) == everything(found[1])
    assert "process 1 does not see" in caplog.text


def test_a_process_does_not_wait_for_one_that_has_ended(tmp_path):
    (tmp_path / "begun.json").write_text(json.dumps({"host": socket.gethostname(), "process": 2**22 + 1}))
    with pytest.raises(InputError, match="the process that loads the data has ended"):
        shared_data._taken(tmp_path)


def test_many_pictures_are_mapped_by_a_process_that_is_alone(clades, tmp_path, monkeypatch):
    config = small(clades)
    in_memory = run_data(config, tmp_path, Group())
    monkeypatch.setattr(shared_data, "MAPPED_FROM", 48)
    mapped = run_data(config, tmp_path, Group())
    assert everything(mapped) == everything(in_memory)
    assert mapped.examples.known_classes is not None
    assert in_memory.examples.known_classes is None
    assert list(tmp_path.iterdir()) == []


def test_the_hash_is_that_of_earlier_checkpoints(clades, tmp_path):
    examples = run_data(small(clades), tmp_path, Group()).examples
    digest = hashlib.sha256()
    for image_id, taxon, name in zip(examples.image_ids, examples.taxa, examples.common_names, strict=True):
        digest.update(repr((image_id, taxon.path, name)).encode())
    assert data_hash(examples) == digest.hexdigest()

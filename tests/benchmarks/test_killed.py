"""Jobs killed by SIGKILL end as if nobody had killed them; `benchmarks/killed.py` does this hundreds of times."""

import random

from benchmarks.killed import Jobs, killed_run, state, stored, write_folder


def test_killed_jobs_run_again_leave_the_store_of_an_uninterrupted_one(tmp_path):
    folder = tmp_path / "photos"
    kinds = write_folder(folder, 60, seed=0)
    assert min(kinds[kind] for kind in ("good", "copy", "bad")) > 3
    jobs, rng = Jobs(folder, "pixels"), random.Random(0)
    jobs.run(tmp_path / "whole", whole=True)
    wanted = state(tmp_path / "whole")
    assert (len(wanted["rows"]), len(wanted["failures"])) == (60 - kinds["bad"], kinds["bad"])
    for number in range(2):
        n_killed, _, told = killed_run(jobs, tmp_path / str(number), wanted, rng)
        assert told == []
        assert n_killed > 0
        assert stored(tmp_path / str(number)) == len(wanted["rows"])

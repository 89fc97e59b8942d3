"""Work in the background: one job a key, told how far it is, failed with a sentence, stopped."""

import threading

from cladescope import steps
from cladescope.app.service.work import STOPPED, WRONG, Work
from cladescope.errors import InputError


def ended(job, seconds=10):
    """The job once it has ended."""
    assert job.ended.wait(seconds)
    return job


def test_a_job_is_done_once_however_often_it_is_asked_for():
    work, done = Work(), []
    first = work.begin("map", "birds", "1", lambda job: done.append(1) or "a map")
    ended(first)
    assert work.begin("map", "birds", "1", lambda job: done.append(2)) is first
    assert work.find("map", "birds", "1") is first
    assert (first.state, first.result, first.problem, done) == ("done", "a map", None, [1])
    again = ended(work.begin("map", "birds", "1", lambda job: done.append(3), again=True))
    assert again is not first
    assert done == [1, 3]
    assert [job.id for job in work.jobs] == [again.id]
    assert work.find("audit", "birds", "1") is None


def test_jobs_follow_each_other_and_one_aside_waits_for_none():
    work, gate, order = Work(), threading.Event(), []
    slow = work.begin("map", "birds", "", lambda job: gate.wait(10) and order.append("slow"))
    next_one = work.begin("audit", "birds", "", lambda job: order.append("next"))
    ended(work.begin("embed", "birds", "", lambda job: order.append("aside"), aside=True))
    assert order == ["aside"]
    assert next_one.shown()["told"] == "waiting for its turn"
    assert next_one.state == "running"
    gate.set()
    ended(next_one)
    ended(slow)
    assert order == ["aside", "slow", "next"]
    assert [job.kind for job in work.jobs] == ["embed", "audit", "map"]


def test_it_is_told_how_far_a_job_is_by_itself_and_by_the_steps_below():
    work, gate, reached = Work(), threading.Event(), threading.Event()

    def do(job):
        with steps.step("laying out", 8) as tell:
            tell(3)
            reached.set()
            gate.wait(10)
        job.at("measuring", 1, 2)
        return job.shown()

    job = work.begin("map", "birds", "", do)
    assert reached.wait(10)
    shown = job.shown()
    assert {word: shown[word] for word in ("kind", "store", "state", "done", "total", "told", "problem")} == {
        "kind": "map",
        "store": "birds",
        "state": "running",
        "done": 3,
        "total": 8,
        "told": "laying out",
        "problem": None,
    }
    gate.set()
    assert ended(job).result["told"] == "measuring"


def test_a_failure_is_one_sentence_and_a_fault_of_ours_says_nothing_of_it():
    work = Work()

    def refuse(job):
        raise InputError("found 1 picture,\nexpected 4: add some")

    def break_down(job):
        raise ValueError("/home/someone/secret")

    refused = ended(work.begin("map", "a", "", refuse))
    broken = ended(work.begin("map", "b", "", break_down))
    assert (refused.state, refused.problem) == ("failed", "found 1 picture, expected 4: add some")
    assert (broken.state, broken.problem) == ("failed", WRONG)
    assert ended(work.begin("map", "c", "", lambda job: 1)).state == "done"


def test_stopping_ends_the_job_that_runs_and_those_that_wait():
    work, begun = Work(), threading.Event()

    def endless(job):
        begun.set()
        while True:
            job.at("going on")

    running = work.begin("map", "a", "", endless)
    waiting = work.begin("map", "b", "", lambda job: 1)
    assert begun.wait(10)
    work.stop()
    assert ended(running).problem == STOPPED
    assert ended(waiting).problem == STOPPED
    late = work.begin("map", "c", "", lambda job: 1)
    assert (late.state, late.problem) == ("failed", STOPPED)

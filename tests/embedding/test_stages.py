import threading
import time

import pytest

from cladescope.embedding.stages import Meter, Stages, bottleneck_of, one_after_another, side_by_side


@pytest.mark.parametrize(
    "stage, said",
    [("list", "listing"), ("read", "reading"), ("decode", "decoding"), ("encode", "the encoder"), ("write", "writing")],
)
def test_the_busiest_stage_is_named_by_the_share_of_its_own_places(stage, said):
    stages = Stages()
    stages.decode.places, stages.read.places = 4, 8
    for name in ("list", "read", "decode", "encode", "write"):
        meter = getattr(stages, name)
        meter.add("at work", meter.places * (9.0 if name == stage else 4.0))
    assert stages.bottleneck(10.0).startswith(f"{said} ")
    assert "(90 % of the time at work)" in stages.bottleneck(10.0)


@pytest.mark.parametrize(
    "cores, in_processes, said",
    [
        (4.0, False, "4.0 of 4 cores are at work: smaller files help, or more cores (90 %"),
        (3.2, True, "3.2 of 4 cores are at work: smaller files help, or more cores (90 %"),
        (
            1.5,
            False,
            "if the others are idle, more workers help, or processes that decode where as many as cores do not (90 %",
        ),
        (1.5, True, "if the others are idle, more workers help (90 %"),
        (None, False, "more workers or processes help where cores are idle, and smaller files do (90 %"),
    ],
)
def test_what_helps_against_decoding_depends_on_the_cores_at_work(monkeypatch, cores, in_processes, said):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    stages = Stages()
    stages.decode.add("at work", 9.0)
    assert said in stages.bottleneck(10.0, cores, in_processes=in_processes)


def test_a_job_in_which_nothing_was_busy_has_no_bottleneck():
    stages = Stages()
    stages.encode.add("at work", 1.0)
    assert stages.bottleneck(10.0).startswith("no stage was at work for half of the time (most: encode, 10 %)")
    assert Stages().bottleneck(0.0).startswith("no stage")


def test_stages_that_took_turns_are_told_from_a_job_of_which_beginning_and_end_took_the_time():
    stages = Stages()
    for meter, waited in ((stages.encode, 5.0), (stages.write, 8.0)):
        meter.done(10)
        meter.add("at work", 4.0 if meter is stages.encode else 1.0)
        meter.add("starved", waited)
    assert stages.bottleneck(10.0).endswith("they waited for each other by turns, as they do over few pictures")
    assert stages.bottleneck(100.0).endswith("the job's beginning and end took longer than its pictures")


def test_what_is_taken_out_of_a_time_is_counted_once():
    meter = Meter()
    with meter.at_work(), meter.blocked(out_of="at work"):
        time.sleep(0.01)
    assert meter.seconds["blocked"] >= 0.01
    assert 0 <= meter.seconds["at work"] < meter.seconds["blocked"]


def test_parts_of_a_job_add_up_whether_in_turn_or_at_once():
    profiles = []
    for n in (6, 18):
        stages = Stages()
        stages.decode.places = 2
        stages.decode.done(n)
        stages.decode.add("at work", n / 3)
        stages.decode.add("starved", 1.0)
        profiles.append(([one for one in stages.profile(n / 3) if one.stage == "decode"], n / 3))
    (in_turn,), (at_once,) = one_after_another(profiles), side_by_side(profiles)
    assert (in_turn.n, in_turn.places, in_turn.rate, in_turn.share, in_turn.starved_seconds) == (24, 2, 6.0, 0.5, 2.0)
    assert (at_once.n, at_once.places, at_once.rate, at_once.share) == (24, 4, 12.0, 8 / (4 * 6))
    assert bottleneck_of([in_turn]).startswith("decoding")


def test_threads_share_a_meter():
    meter = Meter(places=2)

    def work():
        with meter.at_work():
            time.sleep(0.02)
        meter.done()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.n == 4
    assert meter.seconds["at work"] >= 0.08


def test_what_a_step_raises_is_work_that_nothing_came_of():
    stages = Stages()
    with pytest.raises(KeyError), stages.counting("decode"):
        raise KeyError
    with stages.counting("fetch"):
        pass
    assert (stages.decode.n, stages.read.n) == (0, 1)

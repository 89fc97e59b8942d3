import threading
import time

import pytest

from cladescope.embedding.stages import Meter, Stages


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


def test_a_job_in_which_nothing_was_busy_has_no_bottleneck():
    stages = Stages()
    stages.encode.add("at work", 1.0)
    assert stages.bottleneck(10.0).startswith("no stage was at work for half of the time (most: encode, 10 %)")
    assert Stages().bottleneck(0.0).startswith("no stage")


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

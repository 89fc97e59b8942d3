"""`--runtime` reaches the encoder of every verb that loads one."""

import pytest

TOLD = "pixels has no weights and is computed by NumPy: leave out the runtime"


@pytest.mark.parametrize(
    "command",
    [
        ["embed", "{photos}", "--store", "{out}/new.store", "--encoder", "pixels"],
        ["search", "{store}", "--image", "{picture}"],
        ["search", "{store}", "--queries", "{picture}"],
        ["predict", "{picture}", "--encoder", "pixels", "--taxa", "{manifest}"],
        ["fit", "{photos}", "--encoder", "pixels", "--rank", "label", "--out", "{out}/c.safetensors"],
        ["evaluate", "few-shot", "{photos}", "--encoder", "pixels", "--out", "{out}/scores"],
    ],
    ids=lambda command: " ".join(command[:3:2]),
)
def test_a_runtime_that_the_encoder_has_not_is_told(run, store, clades, tmp_path, command):
    places = {
        "photos": clades / "images",
        "store": store.path,
        "picture": min(clades.rglob("*.jpg")),
        "manifest": clades / "metadata.csv",
        "out": tmp_path,
    }
    ended = run(*(part.format(**places) for part in command), "--runtime", "onnx")
    assert ended.status == 1
    assert TOLD in ended.err


def test_the_help_says_what_computes_and_other_words_are_refused(run, store, tmp_path):
    assert "auto|torch|compiled|onnx|openvino" in " ".join(run("embed", "--help").out.split())
    assert run("embed", tmp_path, "--store", store.path, "--runtime", "tensorrt").status == 2

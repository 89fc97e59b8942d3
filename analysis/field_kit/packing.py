"""A field kit as one ONNX file: an encoder's picture tower, what `predict` does with its vectors, and every name that it may say.

The file needs nothing beside it. Its input `pixels` are pictures of one size, as `ImageTransform` resizes them and before they are cut;
its outputs are listed in docs/field-kit.md. What a runner must know before it can make `pixels`, and what people should know
of the kit, are the file's metadata. `kit.py` is the runner.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

import cladescope
from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.back_off import WIDER_RISKS
from cladescope.analysis.field_kit.asking import ask, says_the_same
from cladescope.analysis.field_kit.frame import add_frame
from cladescope.analysis.field_kit.head import Said, add_head
from cladescope.analysis.field_kit.nodes import Nodes
from cladescope.analysis.field_kit.quantising import LEAST_COSINE, Measured, halves, in_int8, measured
from cladescope.analysis.field_kit.texts import BEFORE, VERDICTS, Texts, texts_of
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.encoders.onnx_model import OnnxEncoder
from cladescope.embedding.encoders.onnx_package import onnx_package
from cladescope.embedding.encoders.onnx_towers import probe_pictures
from cladescope.errors import EncoderError
from cladescope.steps import step

FORMAT: Final = 1
"""Raised when an older runner would misunderstand a file."""
RUNNER: Final = "kit.py"
INPUT, VECTOR = "pixels", "vector"
_OPSET = 17
_TOWER_INPUT, _TOWER_OUTPUT = "pixels", "features"


def runner_text() -> str:
    """The runner, as it is written beside a kit."""
    return resources.files("cladescope.analysis.field_kit").joinpath(RUNNER).read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True, eq=False)
class Kit:
    """A field kit."""

    data: bytes = field(repr=False)
    """Of its file."""
    about: Mapping[str, Any]
    """What people should know of it, as its file has it."""
    notes: tuple[str, ...] = ()
    """What the user should know, a sentence each."""

    @property
    def summary(self) -> dict[str, Any]:
        """As plain values that JSON knows."""
        return {**self.about, "bytes": len(self.data), "notes": list(self.notes)}


def pack_kit(
    encoder: OnnxEncoder,
    answers: Answers,
    pictures: UInt8[np.ndarray, "n h w 3"] | None = None,
    *,
    least_cosine: float = LEAST_COSINE,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Kit:
    """A kit of an encoder and its answers; in int8 where `pictures`, as the encoder sees them, say that this costs little.

    Before it is returned it is asked, in fp32, about some pictures, and its answers compared with those of `answers`.

    Raises InputError for answers that cannot be packed and for too few pictures; EncoderError where the package that writes graphs is missing,
    ONNX Runtime cannot quantise the encoder, or a kit says something else.
    """
    onnx = onnx_package()
    with step("writing the graph"):
        tower = onnx.load_model(encoder.picture_graph)
        parts = (encoder.card, answers)
        whole = kit_model(onnx.ModelProto.FromString(tower.SerializeToString()), *parts, {}).SerializeToString()
        probes = probe_pictures(encoder.transform.size)
        if not says_the_same(ask(whole, probes), answers, encoder.encode_pixels(probes)):
            raise EncoderError("the kit does not say what is said without it: report this, with the output of doctor")
    found: Measured | None = None
    if pictures is not None:
        calibrating, held = halves(len(pictures), seed)
        with step("calibrating int8, and measuring what it costs"):
            small = in_int8(tower, pictures[calibrating])
            small_kit = kit_model(onnx.ModelProto.FromString(small.SerializeToString()), *parts, {}).SerializeToString()
            found = measured(
                ask(whole, pictures[held]),
                ask(small_kit, pictures[held]),
                calibrated_on=len(calibrating),
                least_cosine=least_cosine,
            )
        tower = small if found.is_enough else tower
    precision = "int8" if found is not None and found.is_enough else "fp32"
    about = {"precision": precision, "int8": None if found is None else found.to_dict()}
    told = about_kit(answers, encoder.card, about)
    data = kit_model(tower, *parts, told).SerializeToString()
    return Kit(data=data, about=json.loads(str(told["about"])), notes=(*notes, _on_precision(found)))


def _on_precision(found: Measured | None) -> str:
    if found is None:
        return "in fp32: int8 is smaller, and pictures to calibrate on would say what it costs"
    if found.is_enough:
        return f"in {found}"
    return (
        f"in fp32, for {found}: the mean cosine is below {found.least_cosine:g}, and a lower least cosine would take it"
    )


def kit_model(tower: Any, card: EncoderCard, answers: Answers, about: Mapping[str, object]) -> Any:
    """The ONNX model of a kit, from that of a picture tower (`pixels` to `features`), which is changed; `about` becomes its metadata.

    Raises InputError for answers that cannot be packed, EncoderError where the package that writes graphs is missing.
    """
    onnx, transform = onnx_package(), card.transform
    assert transform is not None
    assert {one.domain: one.version for one in tower.opset_import}.get("") == _OPSET, "the exporter's"
    framed, said = Nodes("frame"), Nodes("head")
    texts = texts_of(answers)
    square = add_frame(framed, INPUT, transform)
    for node in tower.graph.node:
        node.input[:] = [square if name == _TOWER_INPUT else name for name in node.input]
    found = add_head(said, _TOWER_OUTPUT, answers)
    said.node("Identity", said.unit(_TOWER_OUTPUT), output=VECTOR)
    outputs = _add_words(said, found, texts)
    graph, make, kinds = tower.graph, onnx.helper, onnx.TensorProto
    nodes = [*framed.nodes, *graph.node, *said.nodes]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*framed.constants, *said.constants])
    graph.input.extend(
        [make.make_tensor_value_info(INPUT, kinds.UINT8, ["pictures", "height", "width", 3]), *said.inputs]
    )
    shapes: dict[str, tuple[int, list[str | int]]] = {
        "answer": (kinds.STRING, ["pictures", 2 + len(texts.columns)]),
        "nearest": (kinds.STRING, ["pictures"]),
        "score": (kinds.FLOAT, ["pictures"]),
        "verdict": (kinds.INT64, ["pictures"]),
        "nearest_score": (kinds.FLOAT, ["pictures"]),
        VECTOR: (kinds.FLOAT, ["pictures", card.dim]),
    }
    assert list(shapes) == [*outputs, VECTOR]
    graph.output.extend(make.make_tensor_value_info(name, *shape) for name, shape in shapes.items())
    graph.name = "field kit"
    del tower.metadata_props[:]
    make.set_model_props(tower, {name: str(value) for name, value in about.items()})
    onnx.checker.check_model(tower, full_check=True)
    return tower


def about_kit(answers: Answers, card: EncoderCard, more: Mapping[str, object]) -> dict[str, object]:
    """Metadata of a kit: what the runner reads, each as a text, and all the rest under `about`, as JSON."""
    transform = card.transform
    assert transform is not None
    told = {
        "cladescope": cladescope.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "encoder": card.to_dict(),
        "classes": len(answers.classes.labels),
        "rank": answers.rank,
        "risk": answers.risk,
        "risks": risk_table(answers),
        "doubt": answers.doubt,
        "verdicts": list(VERDICTS),
        **more,
    }
    return {
        "kit": FORMAT,
        "columns": ",".join((*BEFORE, *texts_of(answers).columns)),
        "side": transform.min_side,
        "resize": transform.resize,
        "interpolation": int(Image.Resampling[transform.interpolation.upper()]),
        "about": json.dumps(told),
    }


def risk_table(answers: Answers) -> dict[str, float]:
    """The confidence from which on a name is told, by the share of names that may be wrong; risks that allow no name are left out.

    Empty where nothing decides how sure is enough.
    """
    back_off = answers.back_off
    if back_off is None or answers.risk is None:
        return {}
    found = {f"{risk:g}": back_off.threshold(risk) for risk in sorted({answers.risk, *WIDER_RISKS})}
    return {risk: threshold for risk, threshold in found.items() if np.isfinite(threshold)}


def _add_words(nodes: Nodes, said: Said, texts: Texts) -> list[str]:
    """Name what is said: the outputs `answer` (name, rank and further columns) and `nearest`, and those of numbers."""
    n = texts.n_answers
    is_named = nodes.node("Equal", said.verdict, nodes.whole(0))
    row = nodes.node("Where", is_named, said.node, nodes.node("Add", said.verdict, nodes.whole(n - 1)))
    blank = len(texts.names)
    near = nodes.node("Where", nodes.node("Equal", said.guess, row), nodes.whole(blank), said.guess)
    rows = [(*name, *beside) for name, beside in zip(texts.names, texts.beside, strict=True)]
    width = len(rows[0])
    # Of a row of several texts ONNX Runtime's Gather copies only the first: so each text is asked for.
    first = nodes.node("Unsqueeze", nodes.node("Mul", row, nodes.whole(width)), nodes.whole([1]))
    places = nodes.node("Add", first, nodes.whole(np.arange(width)))
    nodes.node("Gather", nodes.constant([text for one in rows for text in one], str), places, output="answer")
    nodes.node("Gather", nodes.constant([*(name for name, _ in texts.names), ""], str), near, output="nearest")
    nodes.node("Identity", said.score, output="score")
    nodes.node("Identity", said.verdict, output="verdict")
    nodes.node("Identity", said.guess_score, output="nearest_score")
    return ["answer", "nearest", "score", "verdict", "nearest_score"]

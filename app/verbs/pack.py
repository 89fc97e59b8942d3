"""A field kit: one file that names pictures where Cladescope is not."""

from collections.abc import Sequence
from pathlib import Path

from cladescope.analysis.classify import choosing
from cladescope.analysis.classify.answers import columns
from cladescope.analysis.classify.choosing import Labels, Taxa
from cladescope.analysis.classify.classifier_file import Classifier
from cladescope.analysis.classify.known import DOUBT, check_doubt
from cladescope.analysis.classify.stopping import stops
from cladescope.analysis.field_kit.packing import RUNNER, Kit, pack_kit, runner_text
from cladescope.analysis.field_kit.quantising import LEAST_COSINE
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, clades_of, encoder_beside
from cladescope.app.verbs.pixels_of import pixels_of
from cladescope.embedding.encoder import DEFAULT_ENCODER, Encoder
from cladescope.embedding.encoders.onnx_model import OnnxEncoder
from cladescope.errors import EncoderError, InputError, TakenError
from cladescope.files import replacing
from cladescope.outputs import check_out_file
from cladescope.paths import local_path


@checked
def pack(
    out: str | Path,
    *,
    encoder: str | Encoder | None = None,
    classifier: str | Path | Classifier | None = None,
    taxa: Taxa | None = None,
    labels: Labels | None = None,
    within: str | Sequence[str] | None = None,
    rank: str = "species",
    risk: float | None = None,
    closed_set: bool = False,
    doubt: float = DOUBT,
    calibrate_on: AnyStore | None = None,
    least_cosine: float = LEAST_COSINE,
    seed: int = 0,
    overwrite: bool = False,
) -> Kit:
    """Pack an encoder's picture side, the classes to choose from and all that decides an answer into one ONNX file, and write its runner beside it.

    The kit says what `predict` says of the same pictures with the same `encoder`, `classifier`, `taxa` or `labels`, `within`, `rank`,
    `risk`, `closed_set` and `doubt`; of several answers the best. ONNX Runtime computes it; the runner `kit.py` needs Pillow besides, and nothing of Cladescope.

    `calibrate_on`, a store or a folder of pictures, lets the picture side be in int8: some of the pictures decide its scales, others measure
    what it costs, and it stays in fp32 where the mean cosine of vectors in int8 and in fp32 is below `least_cosine`. `seed` draws which are which.

    Raises InputError for options that contradict each other, fewer than two classes, too few pictures, or files that cannot be used; TakenError
    where `out`, or another `kit.py` beside it, is there without `overwrite`; TaxonError for an unknown rank or clade; EncoderError for an
    encoder that has no graph, or without the extra `onnx`; StoreError for a classifier of another encoder.

    >>> import cladescope
    >>> cladescope.pack("owls.onnx", classifier="owls.safetensors", within="Strigiformes").summary["classes"]  # doctest: +SKIP
    12
    """
    if sum(value is not None for value in (taxa, labels, classifier)) > 1:
        raise InputError("give one of taxa, labels and classifier")
    if not 0.0 < least_cosine <= 1.0:
        raise InputError(
            f"the least cosine is {least_cosine}: expected a number above 0 and at most 1, such as {LEAST_COSINE}"
        )
    check_doubt(doubt)
    columns(rank)
    file = local_path(out)
    runner = file.with_name(RUNNER)
    check_out_file(file, overwrite=overwrite)
    if file == runner:
        raise InputError(f"{file} is what the runner is called: choose another name, such as kit.onnx")
    if (
        runner.exists()
        and not overwrite
        and not (runner.is_file() and runner.read_text(encoding="utf-8", errors="replace") == runner_text())
    ):
        raise TakenError(
            f"{runner} is there already, and is not the runner of this version: choose another folder, or overwrite it"
        )
    fitted = None if classifier is None else choosing.fitted(classifier)
    asked = _with_graph(encoder, fitted)
    if fitted is not None:
        choice = choosing.fitted_choice(fitted, asked, within=clades_of(within))
    else:
        choice = choosing.told_choice(asked, taxa=taxa, labels=labels, within=clades_of(within), rank=rank)
    choice.check_rank(rank)
    if (n := len(choice.classes.labels)) < 2:
        raise InputError(
            f"{n} class is left, {choice.classes.labels[0]}: a kit chooses between two or more, so widen the selection"
        )
    stop = stops(
        choice, asked, risk=risk, calibrate_on=None, closed_set=closed_set, doubt=doubt, fitted=fitted is not None
    )
    answers = stop.answers(choice, rank=rank)
    pictures, notes = (None, ()) if calibrate_on is None else pixels_of(calibrate_on, asked, seed=seed)
    kit = pack_kit(
        asked, answers, pictures, least_cosine=least_cosine, seed=seed, notes=(*choice.notes, *stop.notes, *notes)
    )
    try:
        with replacing(file) as draft:
            draft.write_bytes(kit.data)
        with replacing(runner) as draft:
            draft.write_text(runner_text(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror or error}: choose another place") from error
    return kit


def _with_graph(encoder: str | Encoder | None, fitted: Classifier | None) -> OnnxEncoder:
    """The encoder, by default that of the classifier, else `tiny`, with its graph. Raises EncoderError where it has none."""
    name = (
        encoder.card.name
        if isinstance(encoder, Encoder)
        else encoder or (DEFAULT_ENCODER if fitted is None else fitted.card.name)
    )
    if name == "pixels":
        raise EncoderError(
            "pixels is no network, so that there is no graph to pack: take an encoder that is one, such as tiny"
        )
    asked = encoder_beside(
        encoder if isinstance(encoder, OnnxEncoder) else name, None if fitted is None else fitted.card, "onnx"
    )
    assert isinstance(asked, OnnxEncoder), "the runtime's"
    return asked

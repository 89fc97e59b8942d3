"""In what a score of a task of the field is not that of its published protocol, said beside the score."""

from collections.abc import Sequence

from cladescope.analysis.benchmark.biobench_heads import LAYER_NORM
from cladescope.analysis.benchmark.field_tasks import (
    AWA2,
    BELUGA,
    CONFUSABLE,
    ECDYSIS,
    FISHNET,
    FUNGICLEF,
    HERBARIUM19,
    INQUIRE,
    INQUIRE_RERANK,
    KABR,
    LIFE_STAGES,
    MAMMALNET,
    NEWT,
)
from cladescope.analysis.benchmark.logistic_search import LOGISTIC_SEARCH
from cladescope.analysis.benchmark.svm_heads import LINEAR_SVM
from cladescope.analysis.benchmark.trait_heads import MLP

_STORED = "stored vectors have 16-bit numbers, published ones 32-bit"
_BY_HEAD = {
    LINEAR_SVM: "the paper's linear SVM gives the mean over tasks; BioCLIP 2's and biobench's figures are of svm-search over all pictures",
}
_LENGTH = "stored vectors have unit length, published ones their encoder's: they are multiplied by the root of their dimension before the head"
_ONE_PRECISION = "the head is trained in 32-bit numbers, where biobench mixes 16-bit ones"
_OWN_HEAD = "the head is not the published one"
_CLIPS = "vectors of frames have unit length before the largest values are taken, published ones their encoder's"
_SEARCH = (
    "strengths and steps of the head are those of biobench's MammalNet at commit 0eb9dad; the published figures come from a later helper, "
    "`init_logreg_clf`, which was not at hand"
)
_TIES = "equally near pictures keep their order; the published code groups them"
_BY_PROTOCOL: dict[str, tuple[str, ...]] = {
    NEWT: (),
    ECDYSIS: (),
    BELUGA: ("neighbours are of vectors of unit length, published ones of those of the encoder",),
    FUNGICLEF: (
        "vectors have unit length before the mean over an observation and before distances, published ones their encoder's",
        "the published code takes the diagonal of the inverse covariance alone: figures of this way stand beside those of the whole",
    ),
    KABR: (
        _CLIPS,
        "where the frames of a clip start is drawn clip after clip; biobench's draws depend on the number of its processes",
    ),
    MAMMALNET: (_CLIPS,),
    HERBARIUM19: (
        "groups are matched to known and to new classes apart, as BioCLIP 2's code does; of one matching of all, Vaze et al.'s, figures stand beside",
        "squared distances have 64-bit numbers, published ones 32-bit or 16-bit: k-means may draw other starts",
    ),
    FISHNET: (
        "the published code calls a trait present above a logit of 0.5: figures with its threshold stand beside those above 0",
    ),
    AWA2: (
        "the published code calls an attribute present above a logit of 0.5, and scores the first two of all attributes: both ways stand beside",
    ),
    INQUIRE: (_TIES,),
    INQUIRE_RERANK: (
        _TIES,
        "AP and nDCG are over all candidates, as the published code counts them; of 50 places, of which the paper speaks, they stand beside",
    ),
    LIFE_STAGES: (
        "texts are BioCLIP's 81 sentences about `class_out`; which sentences BioTrove's figures used is not published with them",
    ),
    CONFUSABLE: (
        "texts are BioCLIP's 81 sentences about the species; which sentences BioTrove's figures used is not published with them",
    ),
}


def deviations(protocol: str, head: str | None) -> Sequence[str]:
    """What differs from the published protocol; nothing for protocols that are not of the field.

    >>> deviations("retrieval", None)
    ()
    """
    if protocol not in _BY_PROTOCOL:
        return ()
    of_head: tuple[str, ...] = (_BY_HEAD[head],) if head in _BY_HEAD else ()
    if protocol in (KABR, MAMMALNET):
        of_head = (_SEARCH if head == LOGISTIC_SEARCH else _OWN_HEAD,)
    if protocol in (FISHNET, AWA2, ECDYSIS):
        if head not in (MLP, LAYER_NORM):
            return (_STORED, _OWN_HEAD)
        of_head = (_LENGTH,) if head == MLP else (_LENGTH, _ONE_PRECISION)
    return (_STORED, *of_head, *_BY_PROTOCOL[protocol])

"""Texts that describe a taxon: BioCLIP's five types, and which of them a training step takes.

The strings are those of BioCLIP's training data (Stevens et al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803). No name
is corrected: authors, years and synonyms are the business of `cladescope.embedding.labels` and of the data's makers.
"""

import hashlib
import random
from collections.abc import Iterable, Sequence
from typing import Final, SupportsIndex

from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon

TEXT_TYPES: Final[tuple[str, ...]] = ("sci", "com", "taxon", "sci_com", "taxon_com")
"""Scientific name, common name, names at all ranks, and the first and the third with the common name; in BioCLIP's order."""
TAXA_FILE: Final = "taxa.csv"
"""In a checkpoint folder: the taxa whose texts the encoder was trained on."""


def prompt(taxon: Taxon, text_type: str, *, common_name: str | None = None) -> str:
    """The text of a taxon as BioCLIP is trained on it; see `name_of` for what is in it.

    Raises InputError for a text type that is not one of `TEXT_TYPES`, and for a taxon whose names are blank.

    >>> admiral = Taxon.from_ranks({"order": "Lepidoptera", "genus": "Vanessa", "species": "Vanessa atalanta"})
    >>> prompt(admiral, "taxon_com", common_name="Red Admiral")
    'a photo of Lepidoptera Vanessa atalanta with common name Red Admiral.'
    """
    return f"a photo of {name_of(taxon, text_type, common_name=common_name)}."


def name_of(taxon: Taxon, text_type: str, *, common_name: str | None = None) -> str:
    """The name of a taxon in one of the text types, without the sentence around it.

    The scientific name is genus and epithet, of a genus alone the genus. Ranks that are missing are left out. Names of
    ranks start with a capital, the epithet with none, and their other letters are small, as in BioCLIP's data. Where
    there is no common name, the scientific name stands in for it, and above genus the names at all ranks. Differs in
    one place: BioCLIP's scientific name is empty above genus, here it is the taxon's own name.

    Raises InputError for a text type that is not one of `TEXT_TYPES`, and for a taxon whose names are blank.

    >>> name_of(Taxon(("Animalia", None, "Aves", None, None, "Parus", "Parus major")), "taxon")
    'Animalia Aves Parus major'
    >>> name_of(Taxon(("Animalia", None, "Aves")), "sci_com")
    'Aves with common name Animalia Aves'
    """
    if text_type not in TEXT_TYPES:
        raise InputError(f"found the text type {text_type!r}, expected one of {', '.join(TEXT_TYPES)}")
    names = _names(taxon)
    taxonomic = " ".join(names.values())
    binomial = " ".join(names[rank] for rank in ("genus", "species") if rank in names)
    scientific = (binomial or list(names.values())[-1]).capitalize()
    common = " ".join((common_name or "").split()) or (scientific if binomial else taxonomic)
    return {
        "sci": scientific,
        "com": common,
        "taxon": taxonomic,
        "sci_com": f"{scientific} with common name {common}",
        "taxon_com": f"{taxonomic} with common name {common}",
    }[text_type]


def rank_prompt(taxon: Taxon, rank: str) -> str:
    """The text of a taxon's ancestor at one rank, for a comparison within that rank.

    The names down to the rank, missing ones left out, are joined by commas as in the evaluation of BioCLIP-HC (Tao et al.
    2026, Beyond Flat Labels, https://arxiv.org/abs/2606.21838). Differs from its training code, which joins them by
    spaces after "an image of": with commas one sentence serves training and evaluation.

    Raises InputError for an unknown rank, one at which the taxon has no name, and a taxon whose names are blank.

    >>> rank_prompt(Taxon(("Animalia", None, "Aves", None, None, "Parus", "Parus major")), "class")
    'a photo of Animalia, Aves.'
    """
    if rank not in RANK_INDEX:
        raise InputError(f"found the rank {rank!r}, expected one of {', '.join(RANKS)}")
    names = _names(taxon)
    if rank not in names:
        raise InputError(f"{taxon} has no {rank}: ask for one of {', '.join(names)}")
    prefix = [name for above, name in names.items() if RANK_INDEX[above] <= RANK_INDEX[rank]]
    return f"a photo of {', '.join(prefix)}."


def text_type_of_step(step: int, *, text_types: Sequence[str] = TEXT_TYPES) -> str:
    """The text type of all pictures of an optimisation step, the same in every process.

    With all five types it is BioCLIP's own choice, the first that `random` makes when it is seeded with the step; the
    generator that everybody shares is left alone.

    >>> [text_type_of_step(step) for step in range(6)]
    ['sci_com', 'com', 'sci', 'com', 'com', 'taxon_com']
    """
    return random.Random(step).choice(text_types)


def text_types_of_samples(
    seed: int, epoch: int, positions: Iterable[SupportsIndex], *, text_types: Sequence[str] = TEXT_TYPES
) -> list[str]:
    """A text type for each of some positions of an epoch, uniformly at random; it depends on nothing but these numbers.

    >>> text_types_of_samples(0, 1, [6, 7, 6])
    ['taxon', 'sci', 'taxon']
    """
    return [text_types[_hash64(f"text type {seed} {epoch} {position}") % len(text_types)] for position in positions]


def _hash64(text: str) -> int:
    """64 bits of a text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _names(taxon: Taxon) -> dict[str, str]:
    """Name at each rank that is recorded, as BioCLIP writes it: the species by its epithet, the genus also where only
    the binomial has it."""
    names = {rank: " ".join((name or "").split()) for rank, name in zip(RANKS, taxon.path, strict=False)}
    first, _, rest = names.get("species", "").partition(" ")
    if rest and first.lower() == (names["genus"] or first).lower():
        names["genus"], names["species"] = first, rest
    written = {rank: name.lower() if rank == "species" else name.capitalize() for rank, name in names.items() if name}
    if not written:
        raise InputError(f"the path {taxon.path} holds blank names only, expected a name: leave such records out")
    return written

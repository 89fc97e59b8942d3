"""One sample of a WebDataset shard in the layout of TreeOfLife: a picture, its ten texts and what they do not tell, as members of a tar file."""

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Final

from PIL import Image

from cladescope.embedding.decode import MIN_SIDE, decode
from cladescope.embedding.locations import suffix_of
from cladescope.embedding.prompts import TEXT_TYPES, name_of, prompt
from cladescope.embedding.regions import Box, cropped
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES
from cladescope.taxonomy import RANKS, Taxon

QUALITY: Final = 100
"""JPEG quality of resized pictures, as webdataset's own writer sets it."""
END: Final = bytes(2 * tarfile.BLOCKSIZE)
"""What a tar file ends with."""

_SHORT: Final = 100
_SMALL: Final = 8**11 - 1
_EMPTY: Final = (lambda header: header[:148] + b" " * 8 + header[156:])(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))


def in_shard(content: bytes, uri: str, size: int | None, box: Box | None = None) -> tuple[bytes, str]:
    """A picture as it stands in a shard, and its ending.

    `size` None keeps its own bytes, once they are found to be a picture; a number squashes it to `size` x `size` pixels (Pillow's bicubic, the aspect ratio
    is not kept) and writes JPEG. A `box` is cut out and always written as JPEG.

    Raises PictureError where it cannot be decoded, or the box lies outside.
    """
    if box is None:
        picture = decode(content, min_side=MIN_SIDE if size is None else None)
    else:
        picture = cropped(decode(content), box).picture
    if size is not None:
        return _jpeg(picture.image.resize((size, size), Image.Resampling.BICUBIC)), "jpg"
    if box is not None:
        return _jpeg(picture.image), "jpg"
    ending = suffix_of(uri).removeprefix(".")
    return content, ending if f".{ending}" in PICTURE_SUFFIXES else "jpg"


def sample_of(key: str, picture: tuple[str, bytes], texts: Mapping[str, str], beside: Mapping[str, object]) -> bytes:
    """The members of a sample, in the order of their names, as they stand in a tar file.

    `picture` is its ending and its bytes; `texts` are by their endings; of `beside`, which becomes `KEY.json`, nulls are left out.

    >>> sample = sample_of("a", ("jpg", b"123"), {"txt": "a photo"}, {"source": "birds", "licence": None})
    >>> with tarfile.open(fileobj=io.BytesIO(sample + END)) as archive:
    ...     archive.getnames()
    ['a.jpg', 'a.json', 'a.txt']
    """
    ending, content = picture
    members = {ending: content} | {name: text.encode() for name, text in texts.items()}
    members["json"] = json.dumps({name: value for name, value in beside.items() if value is not None}).encode()
    return b"".join(_member(f"{key}.{name}", content) for name, content in sorted(members.items()))


def texts_of(taxon: Taxon, common_name: str | None) -> dict[str, str]:
    """The ten texts of a sample, by the ending of their member; names read back from them are spelt as BioCLIP spells.

    >>> texts_of(Taxon(("Animalia", None, "Aves")), "bird")["taxonTag_com.txt"]
    'a photo of kingdom Animalia class Aves with common name bird.'
    """
    tagged = _tagged(taxon)
    common = name_of(taxon, "com", common_name=common_name)
    return {
        "scientific_name.txt": name_of(taxon, "sci"),
        "taxonomic_name.txt": name_of(taxon, "taxon"),
        "common_name.txt": common,
        **{f"{kind}.txt": prompt(taxon, kind, common_name=common_name) for kind in TEXT_TYPES},
        "taxonTag.txt": f"a photo of {tagged}.",
        "taxonTag_com.txt": f"a photo of {tagged} with common name {common}.",
    }


def _tagged(taxon: Taxon) -> str:
    """Each rank that is recorded and its name, the species by its epithet: what a taxon is read back from.

    Spelt as BioCLIP spells names: a capital and small letters, the epithet small. A species that is no binomial of its
    genus stays as it is, since the epithet in it is not known.
    """
    names = {rank: name for rank, name in zip(RANKS, taxon.path, strict=False) if name is not None}
    genus, species = names.get("genus"), names.pop("species", None)
    names = {rank: name.capitalize() for rank, name in names.items()}
    if species is not None:
        names["species"] = epithet(genus, species) or species
    return " ".join(f"{rank} {name}" for rank, name in names.items())


def epithet(genus: str | None, species: str | None) -> str | None:
    """The second word of a binomial, in small letters; a species that is no binomial of its genus stays as it is, since the epithet in it is not known.

    >>> epithet("Vanessa", "Vanessa atalanta"), epithet("Vanessa", "Otheria alba"), epithet(None, None)
    ('atalanta', 'Otheria alba', None)
    """
    if genus is None or species is None or not species.startswith(f"{genus} "):
        return species
    return species.removeprefix(f"{genus} ").lower()


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _member(name: str, content: bytes) -> bytes:
    return member_header(name, len(content)) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def member_header(name: str, size: int) -> bytes:
    """What stands before a file of `size` bytes in a tar file: the bytes of `tarfile`, ten times as fast for a short name of plain letters.

    >>> entry = tarfile.TarInfo("tit.jpg")
    >>> entry.size = 1234
    >>> member_header("tit.jpg", 1234) == entry.tobuf(tarfile.PAX_FORMAT)
    True
    """
    if len(name) > _SHORT or size > _SMALL or not name.isascii():
        entry = tarfile.TarInfo(name)
        entry.size = size
        return entry.tobuf(tarfile.PAX_FORMAT)
    header = bytearray(_EMPTY)
    header[: len(name)] = name.encode()
    header[124:135] = b"%011o" % size
    # The sum of all bytes, those of the sum itself counted as blanks.
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)

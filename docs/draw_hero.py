"""Draw docs/images/hero.jpg, the picture on top of the README: python docs/draw_hero.py

A query beside the pictures that are most like it, of organisms that this project's own simulation has drawn, and which may thus be
published. The query is stored, and left out of its own hits.
"""

import tempfile
from pathlib import Path

import cladescope
from cladescope.analysis.audit.contact_sheet import draw_answer
from cladescope.analysis.likeness import likeness_of_store

HERO = Path(__file__).parent / "images" / "hero.jpg"
SPECIES, IMAGES, SIZE, SEED = 60, 12, 320, 4
ASKED = 36
"""Which picture is asked."""


def draw_hero(path: Path = HERO) -> Path:
    """Simulate, embed, search and draw; takes a minute."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "clades"
        manifest = cladescope.simulate(pictures, species=SPECIES, images=IMAGES, size=SIZE, seed=SEED)
        place = Path(folder) / "clades.store"
        cladescope.embed(manifest, place)
        store = cladescope.open(place)
        query = sorted(pictures.glob("images/*/*.jpg"))[ASKED]
        answer = cladescope.search(store, query, k=8, keep_query=False)
        return draw_answer(answer, path, queries=[str(query)], likeness=likeness_of_store(store))


if __name__ == "__main__":
    draw_hero()

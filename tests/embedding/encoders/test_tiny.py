"""The encoder that ships with the package."""

import hashlib
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from cladescope.embedding.encoder import DEFAULT_ENCODER, Encoder
from cladescope.embedding.prompts import prompt
from cladescope.training.data.examples import load_examples
from cladescope.training.loop.evaluate import common_names_of
from tests.conftest import SHARED_DATA

FOLDER = Path(str(resources.files("cladescope.embedding"))) / "checkpoints" / "tiny"


@pytest.fixture(scope="module")
def tiny():
    return Encoder.load("tiny")


def test_it_is_the_default_and_small_enough_to_ship():
    assert DEFAULT_ENCODER == "tiny"
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 32e6


def test_its_card_tells_where_it_comes_from_and_what_the_weights_are():
    card = json.loads((FOLDER / "card.json").read_text())
    weights = card["weights"]
    assert weights["sha256"] == hashlib.sha256((FOLDER / weights["file"]).read_bytes()).hexdigest()
    assert weights["dtype"] == "float16"
    assert card["recipe"].startswith("tiny")
    assert card["data"]["licences"]
    notice = (FOLDER / "NOTICE").read_text()
    assert "Coral" in notice
    assert "Apache License" in (FOLDER / "LICENSE.apache-2.0").read_text()


def test_it_loads_without_a_network_and_knows_itself_by_name():
    code = (
        "import socket\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "from cladescope.embedding.encoder import Encoder\n"
        "card = Encoder.load('tiny').card\n"
        "print(card.name, card.dim, card.has_text, card.transform.size)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["tiny", "512", "True", "192"]


def test_plain_open_clip_gives_the_same_vectors(tiny):
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{FOLDER}")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 300, 3), np.uint8))
    texts = ["a photo of Animalia Chordata Aves.", "a photo of Amanita muscaria."]
    with torch.inference_mode():
        image = model.eval().encode_image(preprocess(picture)[None], normalize=True).numpy()
        text = model.encode_text(tokenizer(texts), normalize=True).numpy()
    np.testing.assert_allclose(tiny.encode_images([picture]), image, atol=1e-5)
    np.testing.assert_allclose(tiny.encode_texts(texts), text, atol=1e-5)


def test_a_word_that_it_never_met_says_nothing():
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    lengths = model.text.token_embedding.weight.norm(dim=1)
    met = open_clip.tokenize("a photo of animalia")[0]
    assert (lengths[met[met > 0]] > 0).all()
    assert float((lengths == 0).float().mean()) > 0.5


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the photographs of ../shared/data")
def test_it_names_photographs_better_than_chance_by_far(tiny):
    examples = load_examples(SHARED_DATA / "organisms" / "metadata.csv")
    rows = np.arange(0, len(examples), 40)
    names = common_names_of(examples)
    options = range(len(examples.class_taxa))
    texts = [prompt(examples.class_taxa[code], "taxon_com", common_name=names[code]) for code in options]
    pictures = tiny.encode_images(examples.read(int(row)) for row in rows)
    named = (pictures @ tiny.encode_texts(texts).T).argmax(axis=1)
    assert (named == examples.classes()[rows]).mean() > 0.5

"""Equations that cross the floors: what is said in two ways comes to the same."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import piece, random_weights, untrained

import seqgen
from seqgen import formats
from seqgen.corpus.dataset import IdSequence
from seqgen.evaluate import score
from seqgen.modelfile import Architecture
from seqgen.runtime import RecurrentStepper
from seqgen.sampling import Setting, Strategy, probabilities, sample, streams
from seqgen.vocabulary import END, START, UNK

VERSES = ["so are you and so am I,\nthe rose is red"]
MODELS = {
    "chars": lambda seed=0: untrained("chars", VERSES, seed),
    "bytes": lambda seed=0: untrained("bytes", VERSES, seed),
    "words": lambda seed=0: untrained("words", VERSES, seed),
    "notes": lambda seed=0: untrained("notes", [piece(1), piece(2, meter=(3, 4), pickup=2)], seed),
    "chorale": lambda seed=0: untrained("chorale", [piece(1, parts=2), piece(2, parts=2)], seed, parts=2),
    "frames": lambda seed=0: untrained("frames", [piece(1, parts=2, chords=True)], seed),
}
every = pytest.mark.parametrize("name", MODELS)

GENERATE = """
import sys
import seqgen
model = seqgen.load(sys.argv[1])
for made in model.generate(30, count=2, seed=9, temperature=1.3, top_p=0.95):
    seqgen.formats.write(made, sys.stdout.buffer)
"""


@every
def test_two_processes_give_the_same_bytes(name, tmp_path):
    """Hashes of strings differ from process to process; nothing may depend on them."""
    path = tmp_path / "model.safetensors"
    model = MODELS[name]()
    model.save(path)
    made = model.generate(30, count=2, seed=9, temperature=1.3, top_p=0.95)
    here = b"".join(formats.to_bytes(one, "mid" if model.unit == "music" else "txt") for one in made)
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-c", GENERATE, str(path)]
        environment = {"PYTHONHASHSEED": hash_seed, "PATH": ""}
        done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
        assert (done.stdout, done.stderr) == (here, b"")


@every
def test_a_model_saved_twice_is_the_same_file(name, tmp_path):
    MODELS[name]().save(tmp_path / "one")
    seqgen.load(tmp_path / "one").save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@every
@given(seed=st.integers(0, 10**6))
@settings(max_examples=6)
def test_the_score_of_what_was_drawn_is_what_it_was_drawn_with(name, seed):
    """Sampling and evaluation mask with the same grammar, carry the same state and see the same features.

    Only UNK, which is scored but never drawn, has to be kept out.
    """
    model = MODELS[name](seed)
    model.weights["densor/bias"][UNK] = -1e9
    stepper = RecurrentStepper(model.header.architecture, model.weights)
    controls = ["key=C-major", "meter=4/4", "pickup=0"] if model.unit == "music" else []
    prefix = model.vocabulary.to_ids(controls).tolist()
    (row,) = sample(Setting(stepper, model.grammar), [prefix], [15], strategy=Strategy(), random=streams(seed, 1))
    ids = [START, *prefix, *row.ids, *[END] * row.ended]
    nats = []
    state, place = stepper.start(1), model.grammar.start()
    for index, following in enumerate(ids[1:]):
        features = np.array([model.grammar.features(place)]) if model.grammar.feature_sizes else None
        logits, state = stepper.step(np.array(ids[index : index + 1]), state, features)
        if index >= len(prefix):
            shares = probabilities(logits, model.grammar.legal(place)[None], Strategy())
            nats.append(-float(np.log(shares[0, following])))
        place = model.grammar.advance(place, following) if following != END else place
    sequence = IdSequence("drawn", np.array(ids, np.uint16), 1)
    result = score(stepper, model.encoding, model.vocabulary, [sequence])
    assert result.tokens == len(nats) == len(row.ids) + row.ended
    assert result.nats_per_token == pytest.approx(np.mean(nats), rel=1e-5)


@given(st.integers(0, 10**6), st.sampled_from(["lstm", "gru"]))
@settings(max_examples=10)
def test_greedy_is_what_cold_sampling_becomes(seed, cell):
    architecture = Architecture(cell=cell, n_a=6, layers=2, n_values=9)
    stepper = RecurrentStepper(architecture, random_weights(architecture, seed))
    logits, _ = stepper.step(np.array([START, 4]), stepper.start(2))
    legal = np.ones_like(logits, bool)
    greedy = probabilities(logits, legal, Strategy(temperature=0))
    np.testing.assert_array_equal(probabilities(logits, legal, Strategy(top_k=1)), greedy)
    np.testing.assert_allclose(probabilities(logits, legal, Strategy(temperature=1e-6)), greedy, atol=1e-6)
    np.testing.assert_array_equal(probabilities(logits, legal, Strategy(top_p=1e-9)), greedy)

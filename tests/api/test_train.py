"""From files to a model and back to files, in Python."""

import importlib.util
import sys

import numpy as np
import pytest
from made import document, midi, tune, untrained

import seqgen
from seqgen.api.train import held_out_scores, train_on
from seqgen.corpus import Corpus
from seqgen.corpus.dataset import prepare
from seqgen.errors import ConfigError, CorpusError, MissingExtra
from seqgen.training import make_settings

SMALL = {"max_steps": 8, "n_a": 8, "layers": 1, "batch_size": 4, "shards": 1, "seed": 2}
VERSES = "\n".join(f"{number} green bottles hanging on the wall" for number in range(40, 0, -1))


@pytest.fixture
def tunes(tmp_path):
    folder = tmp_path / "tunes"
    folder.mkdir()
    for seed in range(10):
        (folder / f"{seed}.mid").write_bytes(midi(tune(seed)))
    return folder


@pytest.fixture
def verses(tmp_path):
    path = tmp_path / "verses.txt"
    path.write_text(VERSES)
    return path


def test_music_from_a_folder_to_a_file_and_back(tunes, tmp_path):
    model = seqgen.train(tunes, **SMALL)
    header = model.header
    assert (model.unit, header.sides.target.encoding) == ("music", "notes")
    assert set(header.corpus.names) == {f"{seed}.mid" for seed in range(10)}
    assert header.corpus.digest == seqgen.load_corpus(tunes).digest
    assert len(header.corpus.held_out) == 1
    assert (header.training.steps, header.training.seed, header.version) == (8, 2, seqgen.__version__)
    assert header.training.settings["n_a"] == 8
    assert header.training.valid_nats is not None
    assert header.corpus.statistics["tempo_bpm"] == 120
    model.save(tmp_path / "model.safetensors")
    again = seqgen.load(tmp_path / "model.safetensors")
    assert again.header == header
    made = [one.generate(30, seed=5) for one in (model, again)]
    for number, one in enumerate(made):
        seqgen.write(one, tmp_path / f"{number}.mid")
    assert (tmp_path / "0.mid").read_bytes() == (tmp_path / "1.mid").read_bytes()
    read = seqgen.read(tmp_path / "0.mid")
    assert isinstance(read, seqgen.Piece)
    assert read.notes["pitch"].tolist() == made[0].notes["pitch"].tolist()
    score = again.evaluate(tunes)
    assert score.files == 10
    assert 0 < score.nats_per_token < 5


def test_text_learns_from_a_file(verses, tmp_path):
    other = tmp_path / "held.txt"
    other.write_text(VERSES[:400])
    model = seqgen.train(verses, encoding="words", options={"lower": True}, valid=other, **SMALL)
    assert model.encoding.options["lower"]
    assert model.header.corpus.held_out == ["held.txt"]
    assert model.header.corpus.statistics["held_out_fraction"] == 0
    assert isinstance(model.generate(10, seed=1), str)


def test_a_corpus_in_memory_is_a_source():
    corpus = Corpus("made", "text", (document(VERSES, "verses"),))
    model = seqgen.train(corpus, valid_fraction=0, **SMALL)
    assert model.header.corpus.held_out == []
    assert model.header.training.valid_nats is None
    assert set(model.vocabulary.tokens[4:]) == set(VERSES)
    assert model.evaluate(corpus).characters == len(VERSES)


@pytest.mark.parametrize(
    ("sources", "settings", "error", "said"),
    [
        ((), {}, CorpusError, "name something to learn from"),
        (("no such folder",), {}, CorpusError, "no file, folder or corpus 'no such folder'"),
        ((Corpus("a", "text", ()), "more"), {}, CorpusError, "give one Corpus, or any number of paths"),
        ((Corpus("a", "text", (document("x" * 99, "x"),)),), {"speed": 1}, ConfigError, "there is no setting 'speed'"),
        ((Corpus("a", "text", (document("x" * 99, "x"),)),), {"n_a": -1}, ConfigError, "n_a must be"),
        ((Corpus("a", "text", (document("x" * 99, "x"),)),), {"encoding": "notes"}, CorpusError, "notes is for music"),
        ((Corpus("a", "text", (document("x", "x"),)),), {}, CorpusError, "less than one window of Tx"),
    ],
)
def test_what_is_refused(sources, settings, error, said):
    with pytest.raises(error, match=said):
        seqgen.train(*sources, **settings)


def test_without_tensorflow_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"Training needs .* pip install 'seqgen\[train\]'"):
        seqgen.train("verses")


def test_the_baseline_is_scored_on_the_same_side():
    lines = Corpus("made", "text", (document(VERSES, "verses"),))
    dataset = prepare(lines)
    model = train_on(lines, dataset, make_settings(**SMALL)).model
    scores = held_out_scores(model, dataset, 3)
    assert scores is not None
    ours, baseline = scores
    assert ours.tokens == baseline.tokens == len(dataset.held_out[0].ids) - 1
    assert baseline.nats_per_token < 1.5  # the verses repeat
    assert np.isfinite(ours.nats_per_token)
    assert held_out_scores(model, prepare(lines, fraction=0), 3) is None


def test_of_a_long_text_the_front_is_scored_in_the_end(monkeypatch):
    """The baseline counts no more than it may, and both are scored on as much as is said."""
    lines = Corpus("made", "text", (document(VERSES, "verses"),))
    dataset = prepare(lines, fraction=0.5)
    model = untrained("chars", [VERSES])
    module = sys.modules["seqgen.api.train"]  # as an attribute it is the function
    whole = held_out_scores(model, dataset, 3)
    monkeypatch.setattr(module, "FINAL_TOKENS", 50)
    front = held_out_scores(model, dataset, 3)
    monkeypatch.setattr(module, "BASELINE_TOKENS", 20)
    less = held_out_scores(model, dataset, 3)
    assert whole is not None
    assert front is not None
    assert less is not None
    assert whole[0].tokens == len(dataset.held_out[0].ids) - 1
    assert front[0].tokens == front[1].tokens == less[1].tokens == 50
    assert less[0] == front[0]
    assert less[1].nats_per_token > front[1].nats_per_token

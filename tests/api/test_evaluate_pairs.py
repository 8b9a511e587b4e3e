"""Figures on pairs: scores of the targets, and what the translations are worth beside all targets of a source."""

import sys

import numpy as np
import pytest
from made import piece
from made_pairs import PAIRS, SHAPES, corpus_of, untrained_pairs

from seqgen.corpus.pair_dataset import encode_pairs
from seqgen.corpus.parts import with_parts
from seqgen.errors import ConfigError, CorpusError
from seqgen.evaluate import score_pairs, text_metrics

every = pytest.mark.parametrize("shape", SHAPES)


def scored(translator, pairs):
    encoded, _ = encode_pairs(translator.source_spelling, translator.spelling, corpus_of(pairs))
    return score_pairs(translator.stepper, translator.spelling, encoded)


@every
@pytest.mark.parametrize("how", [{}, {"beam": 3}, {"beam": 3, "length_penalty": 0.0}])
def test_each_source_is_translated_once_and_held_against_all_its_targets(shape, how):
    translator = untrained_pairs(shape)
    # two sources have several targets, and one of them is what the model writes
    sources = ["Go.", "Be nice.", "Wait!"]
    written = [one.text for one in translator.translate(sources, **how)]
    pairs = [("Go.", "Va !"), ("Be nice.", "Sois gentil."), ("Go.", written[0]), ("Be nice.", "Soyez gentille !")]
    pairs += [("Wait!", "Attends !")]
    found = translator.evaluate(corpus_of(pairs), **how)
    assert found.score == scored(translator, pairs)
    assert (found.sources, found.exact_match) == (3, pytest.approx(1 / 3))
    wanted = [["Va !", written[0]], ["Sois gentil.", "Soyez gentille !"], ["Attends !"]]
    assert found.metrics == text_metrics(written, wanted)
    assert found.as_dict()["exact_match"] == found.exact_match
    assert found.as_dict()["bleu"] == found.metrics.bleu


def test_targets_are_spelled_as_the_model_spells_them():
    """A model that knows no capitals and no accents writes none."""
    cleaned = {"lower": True, "strip_accents": True}
    translator = untrained_pairs(target_as="words", target_options=cleaned)
    (written,) = translator.translate(["Go."])
    (found,) = {translator.evaluate(corpus_of([("Go.", text)])) for text in (written.text, written.text.upper())}
    assert found.exact_match == 1
    assert found.metrics.chrf == pytest.approx(100)


def test_unknown_tokens_of_sources_are_counted():
    found = untrained_pairs().evaluate(corpus_of([("Gö!", "Va !"), ("ß", "Va !")]))
    assert found.unknown_in_sources == 2
    assert found.score.unknown == 0


def test_without_sacrebleu_there_are_the_other_figures(monkeypatch):
    whole = untrained_pairs().evaluate(corpus_of())
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    found = untrained_pairs().evaluate(corpus_of())
    assert found == whole._replace(metrics=None)
    assert "bleu" not in found.as_dict()


def test_pairs_are_read_from_files_too(tmp_path):
    (tmp_path / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    translator = untrained_pairs()
    assert translator.evaluate(tmp_path / "pairs.tsv") == translator.evaluate(corpus_of())


def test_vectors_have_an_error_and_music_a_score_and_neither_is_translated():
    random = np.random.default_rng(0)
    series = [random.normal(size=(4, 2)).astype(np.float32) for _ in range(6)]
    pairs = list(zip(series[:3], series[3:], strict=True))
    found = untrained_pairs("states", pairs).evaluate(corpus_of(pairs))
    assert found.score.mean_squared_error == scored(untrained_pairs("states", pairs), pairs).mean_squared_error
    assert (found.sources, found.exact_match, found.metrics) == (None, None, None)
    whole = [piece(seed, parts=2) for seed in range(3)]
    voices = [(with_parts(one, [0]), one) for one in whole]
    found = untrained_pairs("states", voices).evaluate(corpus_of(voices))
    assert found.score.nats_per_step is not None
    assert found.sources is None


def test_what_cannot_be_evaluated_is_said():
    translator = untrained_pairs()
    with pytest.raises(ConfigError, match="there is nothing to evaluate"):
        translator.evaluate()
    with pytest.raises(CorpusError, match="there is no file, folder or corpus"):
        translator.evaluate("nowhere.tsv")
    with pytest.raises(ConfigError, match="wider than the 25 tokens"):
        translator.evaluate(corpus_of(), beam=100)

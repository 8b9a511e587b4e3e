"""Beginning with another model's weights: nothing of what both know is lost or mixed up."""

import numpy as np
import pytest
import tensorflow as tf
from made import document, piece, random_weights, vocabulary_of

import seqgen
from seqgen import Model, encodings
from seqgen.api.train import like, train_on
from seqgen.corpus import Corpus
from seqgen.corpus.dataset import prepare
from seqgen.errors import ConfigError, ModelFileError, TrainingError
from seqgen.modelfile import Architecture
from seqgen.runtime import RecurrentStepper
from seqgen.training import make_settings
from seqgen.training.loop import Run, learner_of
from seqgen.training.start import Start, carried_over
from seqgen.vocabulary import Vocabulary

VERSES = "".join(f"{number} green bottles, hanging on the wall\n" for number in range(40, 0, -1))
SMALL = {"n_a": 8, "layers": 2, "batch_size": 4, "shards": 1, "seed": 2, "max_steps": 6, "dropout": 0.0}
REST = {"batch_size": 4, "shards": 1, "max_steps": 2, "dropout": 0.0}  # what is not the model's own


def corpus(text: str = VERSES) -> Corpus:
    return Corpus("made", "text", (document(text, "verses"),))


def tunes(*meters: tuple[int, int]) -> Corpus:
    """Two tunes of each meter."""
    pieces = [piece(seed, meter=meter, bars=4) for meter in meters for seed in range(2)]
    return Corpus("made", "music", tuple(document(one, f"tune {number}") for number, one in enumerate(pieces)))


@pytest.fixture(scope="module", autouse=True)
def eagerly():
    """Without compiling, which takes seconds."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def source() -> Model:
    return seqgen.train(corpus(), **SMALL)


def start_of(model: Model) -> Start:
    return Start(model.weights, (*model.vocabulary.tokens, *model.grammar.feature_names))


def run_from(model: Model, made: Corpus, **settings) -> Run:
    """A run before its first step, in the same random numbers whatever it begins with."""
    encoding, options, chosen = like(model, None, None, make_settings(**REST, **settings))
    return Run(learner_of(prepare(made, encoding=encoding, options=options, seed=2), chosen, start_of(model)))


@pytest.mark.parametrize("made", [corpus(), tunes((4, 4), (3, 4))], ids=["text", "music"])
def test_on_the_same_corpus_it_begins_as_the_model_ended(made):
    source = seqgen.train(made, **SMALL)
    run = run_from(source, made, seed=9)
    assert run.architecture == source.header.architecture
    for name, array in run.updater.weights().items():
        np.testing.assert_array_equal(array, source.weights[name], err_msg=name)
    run.validate()
    assert run.report.valid_nats == source.header.training.valid_nats


def test_other_seeds_draw_other_weights_where_there_is_no_model(source):
    """So that the test above says something."""
    encoding, options, chosen = like(source, None, None, make_settings(**REST))
    run = Run(learner_of(prepare(corpus(), encoding=encoding, options=options, seed=2), chosen))
    assert (run.updater.weights()["densor/kernel"] != source.weights["densor/kernel"]).any()


def test_without_features_their_rows_are_zero_whatever_it_begins_with():
    made = tunes((4, 4))
    run = run_from(seqgen.train(made, **SMALL), made, features=False)
    kernel, n_values = run.updater.weights()["layers/0/kernel"], run.architecture.n_values
    assert kernel[:n_values].any()
    assert not kernel[n_values:].any()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_what_both_know_is_mapped_by_token(cell):
    """A vocabulary in another order, with tokens more and fewer: the same logits for whatever both know."""
    before = Vocabulary((*Vocabulary.of("").tokens, *"abcdef"))
    after = Vocabulary((*Vocabulary.of("").tokens, *"zfxbadq"))  # without c and e
    old, new = (Architecture(cell=cell, n_a=5, layers=2, n_values=len(one)) for one in (before, after))
    weights, fresh = random_weights(old, 1), random_weights(new, 2)
    mapped = carried_over(Start(weights, before.tokens), fresh, after.tokens, len(after))
    text, both = "abbafdda", [*Vocabulary.of("").tokens, *"fbad"]
    logits = []
    for architecture, values, vocabulary in ((old, weights, before), (new, mapped, after)):
        stepper = RecurrentStepper(architecture, values)
        state, rows = stepper.start(1), []
        for id in vocabulary.to_ids(["<start>", *text]):
            row, state = stepper.step(np.array([id]), state)
            rows.append(row[0, vocabulary.to_ids(both)].copy())
        logits.append(rows)
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-5, atol=1e-5)
    new_ids = after.to_ids("zxq")
    for name, axis in (("layers/0/kernel", 0), ("densor/kernel", 1), ("densor/bias", 0)):
        np.testing.assert_array_equal(mapped[name].take(new_ids, axis), fresh[name].take(new_ids, axis), err_msg=name)


def test_features_are_mapped_by_what_they_mean():
    """The bar of 4/4 is the second length beside 3/4, and the first beside 6/4; places behind it are new."""
    encoding = encodings.make("notes", grid=4)
    before, after = (
        vocabulary_of(encoding, [piece(1, meter=meter) for meter in meters]) for meters in (((3, 4),), ((6, 4),))
    )
    names, rows, kernels = [], [], []
    for seed, vocabulary in enumerate((before, after)):
        grammar = encoding.grammar(vocabulary)
        assert len(grammar.feature_names) == sum(grammar.feature_sizes)
        sizes = tuple(grammar.feature_sizes)
        architecture = Architecture(cell="lstm", n_a=3, layers=1, n_values=len(vocabulary), feature_sizes=sizes)
        names.append(grammar.feature_names)
        rows.append((*vocabulary.tokens, *grammar.feature_names))
        kernels.append(random_weights(architecture, seed))
    assert [name for name in names[0] if name.startswith("bar")] == ["bar 12", "bar 16"]
    assert [name for name in names[1] if name.startswith("bar")] == ["bar 16", "bar 24"]
    mapped = carried_over(Start(kernels[0], rows[0]), kernels[1], rows[1], len(after))["layers/0/kernel"]
    for place, name in enumerate(rows[1]):
        known = name in rows[0]
        expected = kernels[0]["layers/0/kernel"][rows[0].index(name)] if known else kernels[1]["layers/0/kernel"][place]
        np.testing.assert_array_equal(mapped[place], expected, err_msg=name)


@pytest.mark.parametrize("name", encodings.NAMES)
def test_every_feature_has_one_name_that_is_no_token(name):
    encoding = encodings.make(name, **({"parts": 2} if name == "chorale" else {}))
    sources = [piece(1, parts=2)] if encoding.unit == "music" else ["some text"]
    vocabulary = vocabulary_of(encoding, sources)
    grammar = encoding.grammar(vocabulary)
    names = grammar.feature_names
    assert len(names) == len(set(names)) == sum(grammar.feature_sizes)
    assert not set(names) & set(vocabulary.tokens)


def test_a_run_learns_on_from_there(source, tmp_path):
    source.save(tmp_path / "source.safetensors")
    model = seqgen.train(
        corpus(VERSES + "a quartz jug\n" * 20), from_model=tmp_path / "source.safetensors", lr=1e-9, **REST, seed=2
    )
    assert model.header.architecture.n_a == 8
    assert {"q", "z", "j"} <= set(model.vocabulary.tokens) - set(source.vocabulary.tokens)
    for name in ("layers/1/kernel", "layers/0/recurrent_kernel"):
        np.testing.assert_allclose(model.weights[name], source.weights[name], atol=1e-6)
        assert (model.weights[name] != source.weights[name]).any(), "it learned nothing"
    both = source.vocabulary.to_ids([token for token in source.vocabulary.tokens if token in model.vocabulary.ids])
    there = model.vocabulary.to_ids(source.vocabulary.to_tokens(both))
    np.testing.assert_allclose(
        model.weights["layers/0/kernel"][there], source.weights["layers/0/kernel"][both], atol=1e-6
    )


@pytest.mark.parametrize(
    ("encoding", "options", "settings", "said"),
    [
        ("words", None, {}, "has encoding 'chars', not 'words'"),
        (None, None, {"cell": "gru"}, "has cell 'lstm', not 'gru'"),
        (None, None, {"n_a": 9}, "has n_a 8, not 9: leave n_a out, or begin without that model"),
        (None, None, {"size": "large"}, "has n_a 8, not 512"),
        (None, None, {"layers": 1}, "has layers 2, not 1"),
        (None, {"lower": True}, {}, "the encoding chars has no option 'lower'"),
        (None, None, {"lr": -1}, "lr must be 0 to 100"),
    ],
)
def test_what_is_not_as_in_the_model_is_refused(source, encoding, options, settings, said):
    with pytest.raises(ConfigError, match=said):
        seqgen.train(corpus(), from_model=source, encoding=encoding, options=options, **settings)


def test_another_option_of_the_encoding_is_refused():
    source = seqgen.train(tunes((4, 4)), options={"grid": 8}, **SMALL)
    with pytest.raises(ConfigError, match="has grid 8, not 4"):
        seqgen.train(tunes((3, 4)), from_model=source, options={"grid": 4}, **REST)
    encoding, options, chosen = like(source, "notes", {"grid": 8}, make_settings(n_a=8, cell="lstm"))
    assert (encoding, options) == ("notes", source.encoding.options)
    assert (chosen.cell, chosen.n_a, chosen.layers) == ("lstm", 8, 2)


def test_a_model_goes_on_seeing_what_it_saw():
    """One from before an encoding had more to show, or told not to look, is not given new features."""
    for sees in ("", "key 2"):
        made = tunes((4, 4))
        source = seqgen.train(made, options={"sees": sees}, **SMALL)
        again = seqgen.train(made, from_model=source, **REST)
        assert again.grammar.feature_names == source.grammar.feature_names
        assert again.encoding.options.get("sees", "") == sees
        with pytest.raises(ConfigError, match=f"has sees '{sees}', not 'bar'"):
            seqgen.train(made, from_model=source, options={"sees": "bar"}, **REST)


def test_no_model_to_begin_from():
    with pytest.raises(ModelFileError, match="no model file 'nothing'"):
        seqgen.train(corpus(), from_model="nothing")


def test_a_checkpoint_knows_what_its_run_began_from(source, tmp_path):
    def trained(model, **checkpoint):
        encoding, options, chosen = like(source, None, None, make_settings(**REST, seed=2))
        dataset = prepare(corpus(), encoding=encoding, options=options)
        path = tmp_path / "run.checkpoint"
        return train_on(corpus(), dataset, chosen, from_model=model, checkpoint_path=path, **checkpoint).model

    one = trained(source, checkpoint_every=1)
    again = trained(source, resume=True)
    for name, array in one.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
    other = Model(source.header, {**source.weights, "densor/bias": source.weights["densor/bias"] + 1})
    for model in (other, None):
        with pytest.raises(TrainingError, match=r"its from_model was '[0-9a-f]{12}', now (None|'[0-9a-f]{12}')[.]"):
            trained(model, resume=True)

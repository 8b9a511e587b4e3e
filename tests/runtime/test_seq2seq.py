"""The numpy encoder-decoder beside the formulas, for every legal shape; and what lies beside a row changes nothing."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import random_weights
from seq2seq_cases import Pair, architectures, pairs, plain

from seqgen import modelfile
from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError, ModelFileError, TokenError
from seqgen.modelfile import Corpus, Header, Side, Sides, Training
from seqgen.runtime import Seq2SeqStepper, inputs, stack, stepper
from seqgen.vocabulary import END, PAD

EXACT = 2e-5
SMALL = {"cell": "lstm", "n_a": 4, "encoder_layers": 1, "decoder_layers": 1, "source_values": 6, "n_values": 7}
HEARS = ("additive", "multiplicative", "aligned")
attentions = pytest.mark.parametrize("attention", HEARS)


def shaped(**parts) -> Seq2Seq:
    return Seq2Seq(**{**SMALL, **parts})


def filled(model: Seq2Seq, pair: Pair) -> np.ndarray:
    """Without a decoder the source has PAD, or zeros, up to the length."""
    missing = max(0, model.length - len(pair.source))
    return np.concatenate([pair.source, np.full((missing, *pair.source.shape[1:]), PAD, pair.source.dtype)])


WITHOUT_DECODER = shaped(decoder_layers=0, bridge="none", feedback=False, length=4)


def by_formulas(model, weights, made) -> list:
    return [plain(model, weights, filled(model, pair), pair.ids, pair.features) for pair in made]


def fed(stepper, state, made, begin=0, end=None):
    """Outputs (steps, rows, n_values) of the pairs' ids from `begin` to `end`, and the state after them."""
    steps = []
    for place in range(begin, len(made[0].ids) if end is None else end):
        ids = np.array([pair.ids[place] for pair in made])
        features = np.array([pair.features[place] for pair in made])
        outputs, state = stepper.step(ids, state, features if stepper.feature_sizes else None)
        steps.append(outputs.copy())
    return np.array(steps), state


def run(stepper, made) -> np.ndarray:
    return fed(stepper, stepper.start(len(made), stepper.encode([pair.source for pair in made])), made)[0]


def check(got, wanted, tolerance=EXACT) -> None:
    for row, one in enumerate(wanted):
        np.testing.assert_allclose(got[:, row], one.outputs, atol=tolerance)


@given(architectures(), st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 3))
@settings(max_examples=300)
def test_steps_equal_the_formulas(model, lengths, seed):
    weights, made = random_weights(model, seed), pairs(model, lengths, 4, seed)
    got = run(Seq2SeqStepper(model, weights, threads=1), made)
    assert got.dtype == np.float32
    check(got, by_formulas(model, weights, made))


@given(architectures(decoder_layers=1, source_vectors=False, target_vectors=False), st.integers(1, 4))
@settings(max_examples=40)
def test_an_embedding_too_large_to_keep_its_products_gives_the_same(model, batch):
    weights, made = random_weights(model), pairs(model, [3, 5, 2, 4][:batch], 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "_MOST_KEPT", 0)
        check(run(Seq2SeqStepper(model, weights), made), by_formulas(model, weights, made))


@given(architectures(), st.lists(st.integers(1, 7), min_size=2, max_size=6))
@settings(max_examples=60)
def test_a_source_is_encoded_the_same_whatever_stands_beside_it(model, lengths):
    stepper = Seq2SeqStepper(model, random_weights(model))
    made = pairs(model, lengths, 1)
    together = stepper.encode([pair.source for pair in made])
    for pair, among in zip(made, together, strict=True):
        (alone,) = stepper.encode([pair.source])
        for name in ("states", "context", "memory", "vector", "constant", "keys", "values"):
            one, other = getattr(alone, name), getattr(among, name)
            assert (one is None) == (other is None)
            for array, like in zip(one or (), other or (), strict=True) if name == "states" else [(one, other)]:
                np.testing.assert_equal(np.shape(array), np.shape(like))
                if array is not None:
                    np.testing.assert_allclose(array, like, atol=1e-5)


@given(architectures(), st.integers(1, 5))
@settings(max_examples=40)
def test_the_vector_of_a_source_is_the_encoders_last_output(model, length):
    weights, (pair,) = random_weights(model), pairs(model, [length], 1)
    (encoded,) = Seq2SeqStepper(model, weights).encode([pair.source])
    np.testing.assert_allclose(encoded.vector, by_formulas(model, weights, [pair])[0].vector, atol=1e-5)


def test_more_sources_than_are_read_at_once_come_in_their_order():
    model = shaped(attention="additive")
    stepper = Seq2SeqStepper(model, random_weights(model))
    lengths = np.random.default_rng(0).integers(1, 9, size=300)
    made = pairs(model, lengths, 1)
    for pair, among in zip(made, stepper.encode([pair.source for pair in made]), strict=True):
        (alone,) = stepper.encode([pair.source])
        np.testing.assert_allclose(among.memory, alone.memory, atol=1e-5)
        np.testing.assert_allclose(among.values, alone.values, atol=1e-5)
    assert stepper.encode([]) == []


# states


@given(architectures(decoder_layers=2), st.data())
@settings(max_examples=150)
def test_rows_may_be_taken_and_joined_in_any_order(model, data):
    """Beam, particles, going back: some rows leave, others are forked, and those of another state come in."""
    weights = random_weights(model)
    stepper = Seq2SeqStepper(model, weights, threads=1)
    made = pairs(model, [3, 6, 1, 4], 6)
    encoded = stepper.encode([pair.source for pair in made])
    wanted = by_formulas(model, weights, made)
    rows = [0, 1, 2, 3]
    _, state = fed(stepper, stepper.start(4, encoded), made, 0, 1)
    kept, kept_rows = stepper.take(state, np.arange(4)), list(rows)  # as `state` is now, for a second one to take turns
    for step in range(1, 5):
        chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6))
        state, rows = stepper.take(state, np.array(chosen)), [rows[place] for place in chosen]
        if step == 3 and data.draw(st.booleans()):
            _, other = fed(stepper, stepper.start(2, [encoded[2], encoded[0]]), [made[2], made[0]], 0, 3)
            state, rows = tuple(np.concatenate(pair) for pair in zip(state, other, strict=True)), [*rows, 2, 0]
        got, state = fed(stepper, state, [made[row] for row in rows], step, step + 1)
        check(got, [wanted[row]._replace(outputs=wanted[row].outputs[step : step + 1]) for row in rows])
        if step < 3:
            got, kept = fed(stepper, kept, [made[row] for row in kept_rows], step, step + 1)
            check(got, [wanted[row]._replace(outputs=wanted[row].outputs[step : step + 1]) for row in kept_rows])


@pytest.mark.parametrize("layers", [1, 2])
@attentions
def test_sources_in_order_beside_each_other(attention, layers):
    """As many rows of each source, side by side: nothing needs to be moved to its place."""
    model = shaped(attention=attention, decoder_layers=layers)
    weights = random_weights(model)
    made = [pair for pair in pairs(model, [3, 6, 2], 4) for _ in range(3)]
    made = [pair._replace(ids=np.roll(pair.ids, row)) for row, pair in enumerate(made)]
    stepper = Seq2SeqStepper(model, weights, threads=1)
    sources = stepper.encode([made[0].source, made[3].source, made[6].source])
    got, _ = fed(stepper, stepper.start(9, [source for source in sources for _ in range(3)]), made)
    check(got, by_formulas(model, weights, made))


@pytest.mark.parametrize("attention", ["none", *HEARS, "no decoder"])
@pytest.mark.parametrize("batch", [1, 3])
def test_rows_may_be_exchanged_within_a_state(attention, batch):
    """A scorer puts the next sequence where one has ended."""
    model = shaped(attention=attention, bridge="peek") if attention != "no decoder" else WITHOUT_DECODER
    weights = random_weights(model)
    stepper = Seq2SeqStepper(model, weights)
    made = pairs(model, [4, 5, 4, 6], 4)
    encoded = stepper.encode([pair.source for pair in made])
    _, state = fed(stepper, stepper.start(batch, encoded[:batch]), made[:batch], 0, 2)
    for array, fresh in zip(state, stepper.start(1, encoded[3:]), strict=True):
        array[batch - 1] = fresh[0]
    wanted = by_formulas(model, weights, made)
    got, _ = stepper.step(np.array([*(pair.ids[2] for pair in made[: batch - 1]), made[3].ids[0]]), state)
    for row in range(batch - 1):
        np.testing.assert_allclose(got[row], wanted[row].outputs[2], atol=EXACT)
    np.testing.assert_allclose(got[batch - 1], wanted[3].outputs[0], atol=EXACT)


@given(architectures(decoder_layers=2))
@settings(max_examples=40)
def test_a_batch_shared_out_equals_the_whole(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "_WORTH", 1)
        patch.setattr(stack, "_FEWEST", 2)
        weights, made = random_weights(model), pairs(model, [2, 5, 3, 3, 1, 4, 2], 3)
        check(run(Seq2SeqStepper(model, weights, threads=3), made), by_formulas(model, weights, made))


# attention


@given(architectures(), st.integers(1, 8))
@settings(max_examples=100)
def test_attention_is_that_of_the_formulas(model, length):
    weights, (pair,) = random_weights(model), pairs(model, [length], 5)
    stepper = Seq2SeqStepper(model, weights)
    (encoded,) = stepper.encode([pair.source])
    features = pair.features if model.feature_sizes else None
    if model.attention == "none":
        with pytest.raises(ConfigError, match="no attention"):
            stepper.attention(encoded, pair.ids, features)
        return
    got = stepper.attention(encoded, pair.ids, features)
    assert got.dtype == np.float32
    assert got.shape == (5, length)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(got, by_formulas(model, weights, [pair])[0].attention, atol=1e-5)


def test_attention_is_of_one_pair_alone():
    """After a batch, and before the batch goes on."""
    model = shaped(attention="additive")
    stepper = Seq2SeqStepper(model, random_weights(model))
    made = pairs(model, [3, 5], 4)
    encoded = stepper.encode([pair.source for pair in made])
    before = stepper.attention(encoded[1], made[1].ids)
    wanted = run(stepper, made)
    _, state = fed(stepper, stepper.start(2, encoded), made, 0, 2)
    np.testing.assert_array_equal(stepper.attention(encoded[1], made[1].ids), before)
    np.testing.assert_allclose(fed(stepper, state, made, 2)[0], wanted[2:], atol=1e-6)


@attentions
@pytest.mark.parametrize("batch", [1, 5])
def test_rows_of_one_source_share_its_memory(attention, batch):
    """A beam on a source of 2,000 steps: to take rows and go on copies none of its 2 MB of memory."""
    model = shaped(attention=attention, n_a=256, source_values=6)
    stepper = Seq2SeqStepper(model, random_weights(model, scale=0.05), threads=1)
    (encoded,) = stepper.encode([np.full(2000, 5)])
    assert encoded.memory is not None
    _, state = stepper.step(np.full(batch, 4), stepper.start(batch, [encoded] * batch))  # what is kept is made once
    most = 0
    for _ in range(3):
        tracemalloc.start()
        try:
            state = stepper.take(state, np.zeros(batch, int))
            state = tuple(np.concatenate(pair) for pair in zip(state, state, strict=True))
            state = stepper.take(state, np.arange(batch))
            if attention != "additive":  # which compares every row with every place, in a buffer
                stepper.step(np.full(batch, 4), state)
            most = max(most, tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert most < encoded.memory.nbytes / 4


@pytest.mark.parametrize(("batch", "bytes_allowed"), [(1, 3000), (50, 150_000)])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("attention", ["none", *HEARS])
def test_a_step_makes_no_arrays(cell, attention, batch, bytes_allowed):
    # Allowed are indices, and for a batch, or to add a row to many, what numpy takes to go through slices: 8192 numbers
    # an operand. The gates of one row would be 3 or 4 kB and its keys 61 kB; those of the batch 50 times as much.
    if attention == "additive" and batch == 1:
        bytes_allowed = 35_000
    model = shaped(cell=cell, n_a=256, decoder_layers=2, attention=attention, bridge="peek", feature_sizes=(3,))
    stepper = Seq2SeqStepper(model, random_weights(model, scale=0.1), threads=1)
    made = pairs(model, np.full(batch, 60), 10)
    encoded = stepper.encode([pair.source for pair in made])
    _, state = fed(stepper, stepper.start(batch, encoded), made, 0, 1)
    columns = [
        (np.array([pair.ids[place] for pair in made]), np.array([pair.features[place] for pair in made]))
        for place in range(1, 10)
    ]
    tracemalloc.start()
    try:
        for ids, features in columns:
            stepper.step(ids, state, features)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < bytes_allowed


def test_scores_however_large_do_not_overflow():
    for attention in ("additive", "multiplicative"):
        model = shaped(attention=attention)
        weights = random_weights(model)
        for name, array in weights.items():
            if name.startswith("attention/"):
                array *= 1e4
        made = pairs(model, [3, 6], 5)
        got = run(Seq2SeqStepper(model, weights), made)
        assert np.isfinite(got).all()
        check(got, by_formulas(model, weights, made), tolerance=1e-3)


# without a decoder


def test_without_a_decoder_the_end_comes_after_the_last_place():
    model = WITHOUT_DECODER
    weights = random_weights(model)
    stepper = Seq2SeqStepper(model, weights)
    made = pairs(model, [2, 6], 8)  # of which the first is made 4 long
    got = run(stepper, made)
    for row, (places, pair) in enumerate(zip((4, 6), made, strict=True)):
        wanted = plain(model, weights, filled(model, pair), pair.ids, pair.features).outputs
        np.testing.assert_allclose(got[:places, row], wanted, atol=EXACT)
        after = got[places:, row]
        assert np.isfinite(after).all()
        assert (after[:, END] > np.delete(after, END, axis=1).max() + 50).all()


def test_without_a_decoder_there_are_no_vectors_after_the_last_place():
    model = shaped(decoder_layers=0, bridge="none", feedback=False, length=2, target_vectors=True)
    stepper = Seq2SeqStepper(model, random_weights(model))
    made = pairs(model, [1, 3], 4)
    with pytest.raises(ConfigError, match="makes 2 vectors of this source, and no more"):
        run(stepper, made)
    (encoded,) = stepper.encode([made[1].source])
    got, state = fed(stepper, stepper.start(1, [encoded]), made[1:], 0, 3)
    assert len(got) == 3
    with pytest.raises(ConfigError, match="makes 3 vectors of this source, and no more"):
        fed(stepper, state, made[1:], 3)


def test_an_answer_of_its_own_may_be_changed():
    """Samplers may write into logits; what is known of a source stays."""
    model = WITHOUT_DECODER
    stepper = Seq2SeqStepper(model, random_weights(model))
    (pair,) = pairs(model, [3], 4)
    (encoded,) = stepper.encode([pair.source])
    first, _ = stepper.step(np.array([1]), stepper.start(1, [encoded]))
    wanted = first.copy()
    first[...] = np.nan
    np.testing.assert_array_equal(stepper.step(np.array([1]), stepper.start(1, [encoded]))[0], wanted)


# what it is made from, and what it refuses


@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize("attention", ["none", *HEARS])
def test_a_model_file_gives_the_same_stepper(attention, vectors, tmp_path):
    model = shaped(cell="gru", attention=attention, source_vectors=vectors, target_vectors=vectors, bidirectional=True)
    side = {"encoding": "chars", "options": {}}
    header = Header(
        kind="seq2seq",
        architecture=model,
        sides=Sides(
            source=Side(encoding="vectors", options={"size": 6}, vocabulary=[])
            if vectors
            else Side(**side, vocabulary=list("abcdef")),
            target=Side(encoding="vectors", options={"size": 7}, vocabulary=[])
            if vectors
            else Side(**side, vocabulary=list("abcdefg")),
        ),
        training=Training(seed=1, steps=1, epochs=1, seconds=1),
        corpus=Corpus(digest="", names=[]),
        version="0.1.0",
    )
    weights, made = random_weights(model), pairs(model, [3, 5], 4)
    modelfile.save(tmp_path / "model.safetensors", header, weights)
    loaded = stepper(*modelfile.load(tmp_path / "model.safetensors"))
    assert isinstance(loaded, Seq2SeqStepper)
    assert loaded.architecture == model
    np.testing.assert_array_equal(run(loaded, made), run(Seq2SeqStepper(model, weights), made))


@given(architectures(), st.sampled_from([0, 10**6]))
@settings(max_examples=60)
def test_the_weights_are_copied(model, most_kept):
    weights, made = random_weights(model), pairs(model, [3, 5], 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "_MOST_KEPT", most_kept)
        stepper = Seq2SeqStepper(model, weights)
    before = run(stepper, made)
    for array in weights.values():
        array[...] = 0
    np.testing.assert_array_equal(run(stepper, made), before)


def test_what_does_not_fit_is_refused():
    model = shaped(attention="additive", feature_sizes=(3,))
    weights = random_weights(model)
    stepper = Seq2SeqStepper(model, weights)
    (encoded,) = stepper.encode([np.array([4, 2])])
    with pytest.raises(ConfigError, match="2 rows came with none"):
        stepper.start(2)
    with pytest.raises(ConfigError, match="2 rows came with 1"):
        stepper.start(2, [encoded])
    with pytest.raises(ConfigError, match="0 rows came with 0"):
        stepper.start(0, [])
    with pytest.raises(ConfigError, match="1 ids came with the state of 2 rows"):
        stepper.step(np.array([1]), stepper.start(2, [encoded] * 2))
    with pytest.raises(ConfigError, match=r"features of shape \(1, 1\), not none"):
        stepper.step(np.array([1]), stepper.start(1, [encoded]))
    with pytest.raises(TokenError, match="id 7 is outside 0 to 6"):
        stepper.step(np.array([7]), stepper.start(1, [encoded]), np.array([[0]]))
    with pytest.raises(ModelFileError, match="missing: 'densor/bias'"):
        Seq2SeqStepper(model, {name: weights[name] for name in weights if name != "densor/bias"})
    with pytest.raises(ConfigError, match="without an encoder"):
        Seq2SeqStepper(shaped(encoder_layers=0), {})


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ([], ConfigError, r"a source is \(n,\) ids, n at least 1, not \(0,\)"),
        ([[1, 2]], ConfigError, r"a source is \(n,\) ids, n at least 1, not \(1, 2\)"),
        ([4, 6], TokenError, "id 6 of a source is outside 0 to 5"),
        ([-1, 4], TokenError, "id -1 of a source is outside 0 to 5"),
    ],
)
def test_a_source_that_cannot_be_read(source, error, says):
    model = shaped()
    with pytest.raises(error, match=says):
        Seq2SeqStepper(model, random_weights(model)).encode([np.array(source, int)])


def test_vectors_must_have_their_size():
    model = shaped(source_vectors=True, target_vectors=True)
    stepper = Seq2SeqStepper(model, random_weights(model))
    with pytest.raises(ConfigError, match=r"a source is \(n, 6\) vectors, n at least 1, not \(3, 5\)"):
        stepper.encode([np.zeros((3, 5))])
    (encoded,) = stepper.encode([np.zeros((3, 6))])
    with pytest.raises(ConfigError, match=r"reads vectors of shape \(1, 7\) and no features, not \(1,\)"):
        stepper.step(np.array([1]), stepper.start(1, [encoded]))
    with pytest.raises(ConfigError, match=r"reads vectors of shape \(1, 7\) and no features, not features"):
        stepper.step(np.zeros((1, 7)), stepper.start(1, [encoded]), np.zeros((1, 1), int))

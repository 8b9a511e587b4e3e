"""Bars: whatever the model wants, the piece ends on the bar."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Noise, piece, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Bars, Listener, Material, bind
from seqgen.errors import ConfigError, SamplingError
from seqgen.piece import Piece
from seqgen.sampling import Setting, Strategy, sample, streams
from seqgen.vocabulary import END

METERS = [(4, 4), (3, 4), (6, 8), (7, 8), (2, 2), (5, 16)]
KINDS = {
    "notes": ("notes", {}, 1),
    "joint": ("notes", {"joint": True}, 1),
    "chorale": ("chorale", {"parts": 2}, 2),
    "frames": ("frames", {}, 2),
}


def made(kind: str, **of_pieces):
    """Encoding, vocabulary, and for every meter and pickup the control tokens of a piece."""
    name, options, parts = KINDS[kind]
    encoding = encodings.make(name, **options)
    sources = {
        (meter, pickup): piece(index + pickup, parts=parts, meter=meter, pickup=pickup, **of_pieces)
        for index, meter in enumerate(METERS)
        for pickup in range(0, 16 * meter[0] // meter[1], 2)
    }
    return encoding, vocabulary_of(encoding, list(sources.values())), sources


CASES = {kind: made(kind) for kind in KINDS}


def in_bars(encoding, vocabulary, begin: list[str], bars: int, stepper=None, seed=0, temperature=1.0, most=10_000):
    """What one row becomes under Bars, as tokens, `begin` included."""
    grammar = encoding.grammar(vocabulary)
    table = encoding.table(vocabulary)
    bound = bind([Bars(bars)], Material(grammar, table, vocabulary.tokens, "music"))
    (row,) = sample(
        Setting(stepper or Noise(len(vocabulary), seed), grammar, bound, Listener(grammar, table)),
        [vocabulary.to_ids(begin).tolist()],
        [most],
        strategy=Strategy(temperature),
        random=streams(seed, 1),
    )
    assert row.ended
    return begin + vocabulary.to_tokens(row.ids)


def steps_of(encoding, tokens: list[str]) -> Fraction:
    """The length of the body in grid steps, read off the tokens alone."""
    body = tokens[3:]
    if encoding.name == "chorale":
        return Fraction(len(body), encoding.parts)
    if encoding.name == "frames":
        return Fraction(body.count("|"))
    return sum((Fraction(token.partition("=")[2]) * 4 for token in body if "=" in token), Fraction(0))


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([-3.0, 0.0, 5.0]))
@settings(max_examples=40)
def test_every_piece_ends_on_the_bar(kind, data, seed, bars, wish_to_end):
    encoding, vocabulary, sources = CASES[kind]
    meter, pickup = data.draw(st.sampled_from(list(sources)))
    begin = encoding.encode(sources[meter, pickup])[0].tokens[:3]
    stepper = Noise(len(vocabulary), seed, favour={END: wish_to_end})
    tokens = in_bars(encoding, vocabulary, begin, bars, stepper, seed)
    assert steps_of(encoding, tokens) == pickup + bars * Fraction(16 * meter[0], meter[1])
    decoded = encoding.decode(tokens)
    assert isinstance(decoded, Piece)
    assert decoded.losses == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given_bars", [1, 2, 3])
def test_the_bars_of_a_prime_are_not_counted(kind, given_bars):
    encoding, vocabulary, _ = CASES[kind]
    prime = piece(0, parts=KINDS[kind][2], meter=(3, 4), pickup=2, bars=given_bars)
    begin = encoding.encode(prime)[0].tokens
    assert set(begin) <= set(vocabulary.tokens)
    assert steps_of(encoding, begin) == 2 + 12 * given_bars
    tokens = in_bars(encoding, vocabulary, begin, 3, seed=given_bars)
    assert tokens[: len(begin)] == begin
    assert steps_of(encoding, tokens) == 2 + 12 * (given_bars + 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bar_that_the_prime_began_is_finished_first(kind):
    encoding, vocabulary, _ = CASES[kind]
    prime = piece(1, parts=KINDS[kind][2], meter=(4, 4), bars=2, durations=(4,))
    tokens = encoding.encode(prime)[0].tokens
    unfinished = tokens[: -(encoding.parts if kind == "chorale" else 2 if kind == "notes" else 1)]
    while encoding.name == "frames" and unfinished[-1] != "|":
        unfinished = unfinished[:-1]
    assert 16 < steps_of(encoding, unfinished) < 32
    assert steps_of(encoding, in_bars(encoding, vocabulary, unfinished, 2)) == 64


def test_durations_that_cannot_fill_the_bars_are_an_error_at_once():
    """Three sixteenths at a time fill three bars of sixteen, but not one or two."""
    encoding = encodings.make("notes")
    source = piece(1, durations=(3,), bars=3)
    vocabulary = vocabulary_of(encoding, [source])
    assert [token for token in vocabulary.tokens if token.startswith("=")] == ["=3/4"]
    begin = encoding.encode(source)[0].tokens[:3]
    for bars in (1, 2, 4):
        stepper = Noise(len(vocabulary))
        with pytest.raises(SamplingError, match=f"no sequence of this model's durations fills {bars} bars? exactly"):
            in_bars(encoding, vocabulary, begin, bars, stepper)
        assert len(stepper.calls) == 4  # START and the controls: nothing was generated
    assert steps_of(encoding, in_bars(encoding, vocabulary, begin, 3)) == 48
    with pytest.raises(SamplingError, match="fills the rest of the bars exactly"):
        in_bars(encoding, vocabulary, [*begin, "60", "=3/4"], 1)


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=60)
def test_a_rest_that_only_another_rest_could_complete_is_not_taken(seed, bars):
    """In joint tokens a rest has durations of its own, and no rest follows a rest."""
    encoding = encodings.make("notes", joint=True)
    controls = ["key=C-major", "meter=3/4", "pickup=0"]
    body = ["60=1", "rest=1/4", "60=5/4", "rest=1/2"]  # four and five sixteenths; rests of one and two
    vocabulary = vocabulary_of(encoding, [encoding.decode([*controls, *body, "60=1"])])
    assert {"60=1", "60=5/4", "rest=1/4", "rest=1/2"} <= set(vocabulary.tokens)
    tokens = in_bars(encoding, vocabulary, controls, bars, seed=seed, temperature=3.0)
    assert steps_of(encoding, tokens) == 12 * bars


@pytest.mark.parametrize("bars", [0, -1, 10_001])
def test_a_piece_has_a_bar_at_least_and_not_a_year_of_them(bars):
    with pytest.raises(ConfigError, match=f"has 1 to 10,000 bars, not {bars:,}"):
        Bars(bars)


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=40)
def test_bars_are_filled_with_as_few_events_as_there_may_be(seed, bars, more):
    """The longest of the durations is three quarters, so a bar of 4/4 takes two events, and three bars take four."""
    encoding = encodings.make("notes")
    controls = ["key=C-major", "meter=4/4", "pickup=0"]
    vocabulary = vocabulary_of(encoding, [encoding.decode([*controls, "60", "=1/4", "60", "=1", "60", "=3"])])
    fewest = -(-4 * bars // 3)
    if 4 * bars % 3 == 2:
        fewest += 1  # two quarters are two events, as there is none of half a bar
    most = fewest + more
    tokens = in_bars(encoding, vocabulary, controls, bars, seed=seed, temperature=3.0, most=most)
    assert steps_of(encoding, tokens) == 16 * bars
    assert sum("=" in token for token in tokens[3:]) <= most


@pytest.mark.parametrize("kind", KINDS)
def test_bars_that_the_steps_cannot_hold_are_an_error_at_once(kind):
    encoding, vocabulary, sources = CASES[kind]
    begin = encoding.encode(sources[(4, 4), 0])[0].tokens[:3]
    stepper = Noise(len(vocabulary))
    with pytest.raises(SamplingError, match=r"50 bars cannot be within 40 steps: \d+ are needed; allow more of them"):
        in_bars(encoding, vocabulary, begin, 50, stepper, most=40)
    assert len(stepper.calls) == 4

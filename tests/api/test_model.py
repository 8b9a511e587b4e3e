"""Model: what is asked for is what comes. The models have learned nothing, so that whatever can happen does."""

from collections import Counter
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from api_cases import MODELS, SCORES, TRIOS, TUNES
from made import Noise, Spelling, piece, untrained

import seqgen
from seqgen import formats
from seqgen.api import generate as api_generate
from seqgen.api.best import ranked
from seqgen.constraints import Bars, Bound, Chords, Constraint
from seqgen.errors import ConfigError, ModelFileError, SamplingError, TokenError
from seqgen.originality import CopyIndex, Unseen
from seqgen.piece import Piece, Tempo
from seqgen.vocabulary import END

every = pytest.mark.parametrize("name", ["chars", "words", "notes", "chorale", "frames"])
music = pytest.mark.parametrize("name", ["notes", "chorale", "frames"])


def endless(model: seqgen.Model, seed: int = 0) -> seqgen.Model:
    """The same with noise for a stepper, which never wants to end."""
    model.stepper = Noise(len(model.vocabulary), seed, favour={END: -1e9})
    return model


def as_bytes(source) -> bytes:
    return formats.to_bytes(source, "mid" if isinstance(source, Piece) else "txt")


@pytest.fixture
def sampled(monkeypatch):
    """All that `sample` gives while a model generates."""
    rows: list = []
    original = api_generate.sample

    def recording(*arguments, **options):
        found = original(*arguments, **options)
        rows.extend(found)
        return found

    monkeypatch.setattr(api_generate, "sample", recording)
    return rows


# --- seeds ------------------------------------------------------------------------------------------------------------


@every
def test_the_same_seed_gives_the_same_bytes(name):
    model = MODELS[name]()
    one = as_bytes(model.generate(20, seed=7))
    assert as_bytes(model.generate(20, seed=7)) == one
    assert as_bytes(MODELS[name]().generate(20, seed=7)) == one
    assert as_bytes(model.generate(20, seed=8)) != one


@every
def test_a_variation_does_not_depend_on_their_number(name):
    """The random stream of a row is its own. (With a real stepper a sum in another order may tip a draw.)"""
    many = endless(MODELS[name]()).generate(25, count=4, seed=3)
    alone = endless(MODELS[name]()).generate(25, count=1, seed=3)
    assert as_bytes(many[0]) == as_bytes(alone[0])
    assert len({as_bytes(one) for one in many}) == 4


def test_without_a_seed_every_call_differs():
    model = MODELS["chars"]()
    assert len({model.generate(60) for _ in range(3)}) == 3


@music
def test_the_piece_says_where_it_comes_from(name, tmp_path):
    model = MODELS[name]()
    first, second = model.generate(20, count=2, seed=11)
    assert first.markers[0] == (0, f"seqgen {seqgen.__version__} seed 11")
    assert second.markers[0] == (0, f"seqgen {seqgen.__version__} seed 11 number 2")
    model.save(tmp_path / "model.safetensors")
    marked = model.generate(20, seed=11)
    assert marked.markers[0].text == f"seqgen {seqgen.__version__} seed 11 model {model.digest}"
    seqgen.write(marked, tmp_path / "out.mid")
    again = seqgen.read(tmp_path / "out.mid")
    assert marked.markers[0] in again.markers


# --- files ------------------------------------------------------------------------------------------------------------


@every
def test_a_saved_model_is_the_same_model(name, tmp_path):
    model = MODELS[name]()
    model.save(tmp_path / "model.safetensors")
    again = seqgen.load(tmp_path / "model.safetensors")
    assert again.header == model.header
    assert again.digest == model.digest != ""
    for tensor, array in model.weights.items():
        np.testing.assert_array_equal(again.weights[tensor], array)
    ids = np.array([1, 4, 5])
    features = np.zeros((3, len(model.grammar.feature_sizes)), int) if model.grammar.feature_sizes else None
    logits = [one.stepper.step(ids, one.stepper.start(3), features)[0] for one in (model, again)]
    np.testing.assert_array_equal(*logits)
    assert as_bytes(model.generate(20, seed=1)) == as_bytes(again.generate(20, seed=1))


def test_a_model_whose_encoding_is_unknown_or_has_changed():
    model = MODELS["notes"]()
    header = model.header
    for change, said in (
        ({"encoding": "octuple"}, "no encoding 'octuple'"),
        ({"options": {"gird": 4}}, "no option 'gird'"),
        ({"options": {"grid": 8}}, "features are not those of its encoding"),
    ):
        side = {"encoding": "notes", "options": {}, "vocabulary": header.sides.target.vocabulary} | change
        sides = type(header.sides)(target=type(header.sides.target)(**side))
        changed = type(header)(**{name: getattr(header, name) for name in header.__struct_fields__} | {"sides": sides})
        with pytest.raises(ModelFileError, match=said):
            seqgen.Model(changed, model.weights)


# --- lengths ----------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("steps", [1, 13])
def test_steps_are_a_ceiling(name, steps, sampled):
    endless(MODELS[name]()).generate(steps, count=2, seed=1)
    assert [row.steps for row in sampled] == [steps, steps]
    sampled.clear()
    MODELS[name]().generate(steps, count=20, seed=1)
    assert all(row.steps == steps or row.ended for row in sampled)
    assert max(row.steps for row in sampled) <= steps


@pytest.mark.parametrize(("name", "ceiling"), [("chars", 1000), ("words", 200), ("notes", 2000)])
def test_without_a_length_a_piece_that_does_not_end_is_ended(name, ceiling, sampled):
    endless(MODELS[name]()).generate(seed=1)
    assert [row.steps for row in sampled] == [ceiling]


@every
def test_fill_gives_exactly_the_steps(name, sampled):
    model = MODELS[name]()
    model.stepper = Noise(len(model.vocabulary), favour={END: 4.0})  # it ends soon, again and again
    model.generate(50, seed=2, fill=True)
    assert sum(row.steps for row in sampled) == 50
    assert len(sampled) > 2
    assert all(row.ended for row in sampled[:-1])
    sampled.clear()
    model.generate(17, count=3, seed=2, fill=True)
    assert sum(row.steps for row in sampled) == 3 * 17


def test_fill_puts_the_separator_of_the_corpus_between_texts():
    model = untrained("chars", ["a", "b"])
    model.statistics = msgspec.structs.replace(model.statistics, separator="%%")
    model.stepper = Noise(len(model.vocabulary), favour={END: 2.0})
    parts = model.generate(30, seed=1, fill=True).split("%%")
    assert len(parts) > 1
    assert sum(map(len, parts)) == 30
    assert set("".join(parts)) == {"a", "b"}


@music
@pytest.mark.parametrize("bars", [1, 5])
def test_bars_end_on_the_bar(name, bars, sampled):
    model = MODELS[name]()
    made = model.generate(count=6, bars=bars, seed=4)
    assert all(row.ended for row in sampled)
    for one in made:
        assert one.end_tick <= one.ticks_per_quarter * 4 * bars  # less where it ends with a rest
        assert len(one.bar_lines()) <= bars
    if name != "notes":
        assert {row.steps for row in sampled} == {16 * bars}  # grid steps


def test_long_bars_are_not_cut_short():
    """A bar of 12/2 at a fine grid has more steps than most pieces."""
    model = endless(untrained("chorale", [piece(1, parts=2, meter=(12, 2), bars=1)], parts=2, grid=24))
    (made,) = model.generate(count=1, bars=2, seed=1)
    assert Fraction(made.end_tick, made.ticks_per_quarter) > 46  # of 48; the last may be rests


def test_fill_gives_up_on_a_model_that_writes_nothing():
    """<join> belongs to the step of the word that follows, and none does."""
    model = untrained("words", ["(a)b"])
    model.stepper = Spelling(model.vocabulary, [["<join>"]])
    with pytest.raises(SamplingError, match="ends every piece before its first step"):
        model.generate(5, fill=True, temperature=0, seed=1)


# --- how it begins ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chars", "words"])
@pytest.mark.parametrize("prime", ["the rose ", "so", ""])
def test_a_text_goes_on_from_its_prime(name, prime, sampled):
    text = endless(MODELS[name]()).generate(12, prime=prime, seed=1)
    assert text.startswith(prime.rstrip())
    assert [row.steps for row in sampled] == [12]  # those of the prime are not counted
    if name == "chars":
        assert len(text) == len(prime) + 12


@music
def test_a_piece_goes_on_from_its_prime(name, sampled):
    sources = {"notes": TUNES, "chorale": TRIOS, "frames": SCORES}[name]
    model = endless(MODELS[name]())
    made = model.generate(9, prime=sources[2], seed=1)
    assert [row.steps for row in sampled] == [9]
    begin = model.encoding.decode(model.encoding.encode(sources[2])[0].tokens)
    whole = [(onset, pitch, part) for onset, _, pitch, _, part in made.notes.tolist()]
    wanted = [(onset, pitch, part) for onset, _, pitch, _, part in begin.notes.tolist()]
    assert [row for row in whole if row[0] < begin.end_tick] == wanted
    assert made.meters == begin.meters
    assert made.end_tick > begin.end_tick or name == "frames"


def test_only_the_first_piece_of_several_begins_with_the_prime():
    model = untrained("chars", ["aa"])
    model.statistics = msgspec.structs.replace(model.statistics, separator="|")
    model.stepper = Spelling(model.vocabulary, [""])  # one letter, since no text is empty, and the end
    assert model.generate(4, prime="bb", fill=True, seed=1) == "bb|a|a|a|a"


def test_unknown_tokens_of_a_prime_are_known_and_kept():
    model = endless(MODELS["chars"]())
    assert model.unknown("the Große rose") == ["G", "ß"]
    assert model.unknown("the rose") == []
    text = model.generate(5, prime="Große ", seed=1)
    assert text.startswith("Große ")
    assert len(text) == 11


def test_the_prime_gives_the_tempo_and_else_the_corpus_does():
    model = MODELS["notes"]()
    assert model.generate(5, seed=1).tempi == (Tempo(0, 100.0),)
    fast = Piece.build([(0, 1, 60, 80, 0)], 1, tempi=(Tempo(0, 171.0),))
    assert model.generate(5, prime=fast, seed=1).tempi == (Tempo(0, 171.0),)


def test_controls_come_as_often_as_in_the_corpus():
    sources = [piece(seed, meter=(4, 4), bars=1) for seed in range(6)]
    sources += [piece(seed, meter=(3, 4), pickup=2, key=2, bars=1) for seed in range(3)]
    sources += [piece(9, meter=(6, 8), key=-1, bars=1)]
    model = endless(untrained("notes", sources))
    count = 600
    made = model.generate(1, count=count, seed=5)
    seen = Counter((one.meters[0][1:], one.keys[0][1:], one.pickup_ticks) for one in made)
    wanted = {
        ((4, 4), (0, "major"), 0): 0.6,
        ((3, 4), (2, "major"), 2): 0.3,
        ((6, 8), (-1, "major"), 0): 0.1,
    }
    assert set(seen) == set(wanted)
    chi_square = sum((seen[key] - count * share) ** 2 / (count * share) for key, share in wanted.items())
    assert chi_square < 14  # two degrees of freedom: one seed in a thousand


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("chars", {"steps": 0}, ConfigError, "the steps must be at least 1, not 0"),
        ("chars", {"seed": -1}, ConfigError, "the seed must be 0 to 2.64 - 1, not -1"),
        ("chars", {"seed": 2**64}, ConfigError, "the seed must be"),
        ("chars", {"temperature": -1}, ConfigError, "temperature must be 0"),
        ("chars", {"top_k": -2}, ConfigError, "top-k"),
        ("chars", {"top_p": 0}, ConfigError, "top-p"),
        ("chars", {"fill": True}, ConfigError, "fill needs a number of steps"),
        ("notes", {"fill": True, "bars": 2}, ConfigError, "fill needs a number of steps, and no number of bars"),
        ("chars", {"bars": 2}, ConfigError, "bars are for music, and this model writes text"),
        ("notes", {"bars": 0}, ConfigError, "has 1 to 10,000 bars, not 0"),
        ("chars", {"prime": TUNES[0]}, ConfigError, "writes text, so its prime must be text, not music"),
        ("notes", {"prime": "C D E"}, ConfigError, "writes music, so its prime must be music, not text"),
        ("chorale", {"prime": TUNES[0]}, TokenError, "the prime does not fit the model: chorale wants 3 pitched parts"),
        ("frames", {"prime": Piece.build([], 1)}, TokenError, "the prime does not fit the model: the piece has no"),
        (
            "notes",
            {"prime": piece(1, meter=(7, 8), pickup=3), "bars": 9},
            ConfigError,
            "never seen meter=7/8 and pickup=3 of the prime, so it cannot count its bars",
        ),
    ],
)
def test_what_is_refused(name, options, error, said):
    with pytest.raises(error, match=said):
        MODELS[name]().generate(**options)


@pytest.mark.parametrize("constraints", [(Bars(2),), (Chords("C | G"),)])
def test_bars_are_not_counted_from_a_prime_of_unknown_length(constraints):
    prime = Piece.build([(0, 53, 60, 64, 0)], 4)
    with pytest.raises(ConfigError, match="never seen =53/4 of the prime, so it cannot count its bars"):
        MODELS["notes"]().generate(4, prime=prime, constraints=constraints)


def test_a_prime_of_unknown_length_is_left_out_all_the_same():
    prime = Piece.build([(0, 53, 60, 1, 0)], 4)
    model = endless(MODELS["notes"]())
    whole, rest = (model.generate(4, prime=prime, continue_only=only, seed=1) for only in (False, True))
    assert rest.notes["pitch"].tolist() == whole.notes["pitch"].tolist()[1:]
    assert rest.notes["duration"].tolist() == whole.notes["duration"].tolist()[1:]


@pytest.mark.parametrize("option", [{"tempo": 90}, {"instrument": 0}])
def test_text_has_no_tempo_and_no_instrument(option):
    with pytest.raises(ConfigError, match="for music, and this model writes text"):
        MODELS["chars"]().generate(4, **option)


@pytest.mark.parametrize("count", [0, -1])
def test_the_count(count):
    with pytest.raises(ConfigError, match=f"the count must be at least 1, not {count}"):
        MODELS["chars"]().generate(count=count)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_ends_of_the_seeds(seed):
    assert MODELS["chars"]().generate(5, seed=seed)


def test_an_unknown_meter_is_no_matter_without_bars():
    endless(MODELS["notes"]()).generate(5, prime=piece(1, meter=(7, 8), pickup=3), seed=1)


def test_constraints_are_bound_and_held():
    model = MODELS["chars"]()

    class NoVowels(Constraint, Bound):
        def bind(self, material, others):
            self.ever = np.array([token not in set("aeiou") for token in material.tokens])
            return self

        def legal(self, own, moment):
            return self.ever

    text = endless(model).generate(300, seed=1, constraints=[NoVowels()])
    assert len(text) == 300
    assert set(text).isdisjoint("aeiou")


def test_temperature_0_does_not_depend_on_the_seed():
    model = MODELS["chars"]()
    assert model.generate(30, temperature=0, seed=1) == model.generate(30, temperature=0, seed=2)
    assert model.generate(30, top_k=1, seed=1) == model.generate(30, temperature=0, seed=2)


# --- the best of several ----------------------------------------------------------------------------------------------


@music
def test_the_best_of_several_is_never_a_silent_one(name):
    """Nothing can be measured of silence, which no encoding spells."""
    model = MODELS[name]()
    silent = Piece.build([], TUNES[0].ticks_per_quarter, TUNES[0].parts)
    sounding = {"notes": TUNES, "chorale": TRIOS, "frames": SCORES}[name][:2]
    assert sorted(ranked(model, [silent, *sounding])[:2]) == [1, 2]
    assert ranked(model, [silent, silent]) == [0, 1]


def test_what_is_copied_comes_before_silence_only():
    model = MODELS["notes"]()
    model.copy_index = CopyIndex.of(TUNES[:1], "music")
    model.statistics = msgspec.structs.replace(model.statistics, unseen_copied=Unseen(1, (8, 8)))
    silent = Piece.build([], TUNES[0].ticks_per_quarter, TUNES[0].parts)
    assert len(TUNES[0].notes) > 8
    assert ranked(model, [silent, TUNES[0], TUNES[1]]) == [2, 1, 0]

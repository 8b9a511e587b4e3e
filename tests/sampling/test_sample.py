"""The loop, with toy steppers whose answers are known."""

import numpy as np
import pytest
from made import Noise, Spelling, Toy, Uniform, piece, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Bars, Bound, Listener, Material, bind
from seqgen.errors import SamplingError
from seqgen.sampling import Curve, Plan, Setting, Strategy, sample, streams
from seqgen.sampling.sample import MOST_RETREATS
from seqgen.vocabulary import END, START, UNK, Vocabulary

GREEDY = Strategy(temperature=0)
CHARS = encodings.make("chars")
LETTERS = Vocabulary.of("abcdefghijklmnopqrstuvwxyz ")


def spelled(words, steps, prefixes=None, *, encoding=CHARS, vocabulary=LETTERS, constraints=(), **options):
    """The words of `Spelling` as sampled, and the stepper."""
    stepper = Spelling(vocabulary, words)
    prefixes = prefixes or [""] * len(words)
    rows = sample(
        Setting(stepper, encoding.grammar(vocabulary), constraints),
        [vocabulary.to_ids(prefix).tolist() for prefix in prefixes],
        steps,
        strategy=GREEDY,
        random=streams(0, len(words)),
        **options,
    )
    return [("".join(vocabulary.to_tokens(row.ids)), row.steps, row.ended) for row in rows], stepper


def test_a_known_word_is_spelled_and_ends_at_end():
    found, stepper = spelled(["sequence"], [100])
    assert found == [("sequence", 8, True)]
    assert stepper.calls[0] == [START]
    assert stepper.calls[1:] == [[id] for id in LETTERS.to_ids("sequence")]  # what was drawn is fed back


def test_rows_finish_at_different_times():
    """By END or by their own number of steps, in any order; each goes on with its own state."""
    words = ["a", "longer than the others", "four", "never mind", "bb"]
    found, stepper = spelled(words, [9, 30, 2, 5, 9])
    assert found == [
        ("a", 1, True),
        ("longer than the others", 22, True),
        ("fo", 2, False),
        ("never", 5, False),
        ("bb", 2, True),
    ]
    sizes = [len(call) for call in stepper.calls]
    assert sizes == [5, 5, 3, 2, 2, *[1] * 18]  # a row that has finished costs nothing more


def test_the_prefix_is_given_and_not_counted():
    found, stepper = spelled(["hello world", "help needed"], [5, 100], ["hello", "help "])
    assert found == [(" worl", 5, False), ("needed", 6, True)]
    assert stepper.calls[:6] == [[START, START], *np.array([LETTERS.to_ids(p) for p in ("hello", "help ")]).T.tolist()]


def test_a_prefix_may_hold_unknown_ids():
    found, stepper = spelled(["éa b"], [9], ["é"])
    assert found == [("a b", 3, True)]
    assert stepper.calls[1] == [UNK]


def test_one_that_never_ends_stops_at_its_steps():
    stepper = Noise(len(LETTERS), favour={END: -1e9})
    rows = sample(
        Setting(stepper, CHARS.grammar(LETTERS)), [[], []], [500, 3], strategy=Strategy(), random=streams(1, 2)
    )
    assert [(len(row.ids), row.steps, row.ended) for row in rows] == [(500, 500, False), (3, 3, False)]


def test_one_that_never_finishes_a_step_is_an_error():
    words = encodings.make("words")
    vocabulary = Vocabulary.of(["<join>", "word"])

    class Gluing(Toy):
        def logits(self, row, time):
            return np.where(np.arange(self.n_values) == vocabulary.ids["<join>"], 50.0, 0.0)

    with pytest.raises(SamplingError, match="without finishing; train it longer"):
        sample(
            Setting(Gluing(len(vocabulary)), words.grammar(vocabulary)),
            [[]],
            [2],
            strategy=GREEDY,
            random=streams(0, 1),
        )


def test_end_is_not_taken_where_it_is_illegal():
    """A text is not empty, however much the model wants to end."""
    found, _ = spelled([""], [5])
    ((text, steps, ended),) = found
    assert (len(text), steps, ended) == (1, 1, True)


MUSIC = {
    "notes": ("notes", {}, 1, lambda tokens: sum(token.startswith("=") for token in tokens), 2),
    "joint": ("notes", {"joint": True}, 1, len, 1),
    "chorale": ("chorale", {"parts": 3}, 3, lambda tokens: len(tokens) // 3, 3),
    "frames": ("frames", {}, 2, lambda tokens: tokens.count("|"), None),
}


@pytest.mark.parametrize("name", MUSIC)
def test_steps_are_counted_as_the_encoding_counts_them(name):
    made, options, parts, counted, tokens_a_step = MUSIC[name]
    encoding = encodings.make(made, **options)
    sources = [piece(seed, parts=parts) for seed in range(3)]
    vocabulary = vocabulary_of(encoding, sources)
    grammar = encoding.grammar(vocabulary)
    controls = vocabulary.to_ids(encoding.encode(sources[0])[0].tokens[:3]).tolist()
    steps = [1, 7, 12]
    stepper = Noise(len(vocabulary), favour={END: -1e9})
    rows = sample(Setting(stepper, grammar), [controls] * 3, steps, strategy=Strategy(), random=streams(3, 3))
    for row, wanted in zip(rows, steps, strict=True):
        tokens = vocabulary.to_tokens(row.ids)
        assert row.steps == counted(tokens) == wanted
        assert tokens_a_step is None or len(tokens) == wanted * tokens_a_step
        encoding.decode([*vocabulary.to_tokens(controls), *tokens])
        # every id was legal, and the model saw the features of its place
        state = grammar.start()
        for id in [*controls, *row.ids]:
            assert grammar.legal(state)[id]
            state = grammar.advance(state, id)
        assert grammar.at_step(state)


@pytest.mark.parametrize("name", MUSIC)
def test_every_row_sees_its_own_ids_and_the_features_of_their_places(name):
    """Rows with other meters and pickups, which finish at different times."""
    made, options, parts, _, _ = MUSIC[name]
    encoding = encodings.make(made, **options)
    meters = (((3, 4), 3), ((4, 4), 0), ((6, 8), 5), ((7, 8), 2))
    sources = [piece(seed, parts=parts, meter=meter, pickup=pickup) for seed, (meter, pickup) in enumerate(meters)]
    vocabulary = vocabulary_of(encoding, sources)
    grammar = encoding.grammar(vocabulary)
    prefixes = [vocabulary.to_ids(encoding.encode(source)[0].tokens[:3]).tolist() for source in sources]
    stepper = Noise(len(vocabulary), seed=4, favour={END: 0.5})
    rows = sample(Setting(stepper, grammar), prefixes, [9, 2, 20, 5], strategy=Strategy(), random=streams(2, 4))
    assert len({len(row.ids) for row in rows}) > 1
    for number, (prefix, row) in enumerate(zip(prefixes, rows, strict=True)):
        state, wanted = grammar.start(), [(START, list(grammar.features(grammar.start())))]
        for id in [*prefix, *row.ids]:
            state = grammar.advance(state, id)
            wanted.append((id, list(grammar.features(state))))
        # the last id is not fed back where the row had its steps
        assert stepper.given[number] == (wanted if row.ended else wanted[:-1])


def test_a_row_alone_is_the_same_row_among_others():
    def drawn(count):
        stepper = Noise(len(LETTERS), seed=9)
        return sample(
            Setting(stepper, CHARS.grammar(LETTERS)),
            [[]] * count,
            [40] * count,
            strategy=Strategy(),
            random=streams(5, count),
        )

    many = drawn(4)
    assert drawn(1) == many[:1]
    assert len({tuple(row.ids) for row in many}) == 4


def test_each_row_follows_a_curve_by_itself():
    """Some are at the same place of theirs at the same time, and others are not."""

    class Falling(Toy):
        def logits(self, row, time):
            return -np.arange(self.n_values) / 3

    def drawn(steps, random):
        plan = Plan(temperature=Curve((0.2, 5.0)), penalty=Curve((1.0, 2.0)))
        setting = Setting(Falling(len(LETTERS)), CHARS.grammar(LETTERS))
        return sample(setting, [[]] * len(steps), steps, strategy=plan, random=random)

    steps = [12, 30, 30, 12, 7]
    apart = [drawn([limit], [random])[0] for limit, random in zip(steps, streams(1, len(steps)), strict=True)]
    assert drawn(steps, streams(1, len(steps))) == apart
    assert len({tuple(row.ids) for row in apart}) == len(steps)


@pytest.mark.parametrize(("constraints", "particles", "most"), [(["abc"], 1, 128), (["abc"], 3, 126), ([], 1, 4096)])
def test_however_many_are_wanted_so_many_rows_are_on_their_way(constraints, particles, most):
    def drawn(count):
        stepper = Uniform(len(LETTERS))
        rows = sample(
            Setting(stepper, CHARS.grammar(LETTERS), [Only(letters) for letters in constraints]),
            [[]] * count,
            [3] * count,
            strategy=Strategy(),
            random=streams(5, count),
            particles=particles,
        )
        assert max(map(len, stepper.calls)) == min(most, count * particles)
        return rows

    many = drawn(5000 if most == 4096 else 150)
    assert many[:2] == drawn(2)
    assert many[-1] != many[-2]


class Only(Bound):
    """A constraint: nothing but these letters and END."""

    def __init__(self, letters: str) -> None:
        self.name = f"only {letters}"
        self.mask = np.isin(np.arange(len(LETTERS)), [*LETTERS.to_ids(letters), END])

    def legal(self, own, moment):
        return self.mask


class Anything(Only):
    def legal(self, own, moment):
        return None


def test_constraints_hold_together_but_not_for_the_prefix():
    stepper = Noise(len(LETTERS), favour={END: -1e9})
    rows = sample(
        Setting(stepper, CHARS.grammar(LETTERS), [Anything("a"), Only("abc"), Only("bcd")]),
        [LETTERS.to_ids("xyz").tolist()],
        [200],
        strategy=Strategy(),
        random=streams(1, 1),
    )
    assert set(LETTERS.to_tokens(rows[0].ids)) == {"b", "c"}


def test_constraints_that_leave_nothing_are_an_error():
    with pytest.raises(SamplingError, match="no legal token"):
        spelled(["word"], [5], constraints=[Only("a"), Only("b")])


def test_a_damaged_model_is_an_error():
    class Broken(Noise):
        def logits(self, row, time):
            return super().logits(row, time) * (np.nan if time == 3 else 1)

    stepper = Broken(len(LETTERS), favour={END: -1e9})
    with pytest.raises(SamplingError, match="not finite"):
        sample(Setting(stepper, CHARS.grammar(LETTERS)), [[]], [9], strategy=Strategy(), random=streams(0, 1))


# curves


class Falling(Toy):
    """The id after the specials is the most probable, the next a little less so, and so on; END never."""

    def logits(self, row, time):
        values = -np.arange(self.n_values, dtype=float)
        values[END] = -1e9
        return values


def run(stepper, bound=(), *, steps=40, rows=1, plan=None, seed=0, particles=1, vocabulary=LETTERS):
    return sample(
        Setting(stepper, CHARS.grammar(vocabulary), bound),
        [[]] * rows,
        [steps] * rows,
        strategy=plan or Strategy(),
        random=streams(seed, rows),
        particles=particles,
    )


def test_a_curve_acts_over_the_steps_of_each_row():
    """Greedy to the middle, then anything goes; the row with fewer steps gets there sooner."""
    plan = Plan(temperature=Curve((0, 0, 100)))
    rows = sample(
        Setting(Falling(len(LETTERS)), CHARS.grammar(LETTERS)),
        [[], []],
        [40, 20],
        strategy=plan,
        random=streams(0, 2),
    )
    best = LETTERS.ids[LETTERS.tokens[4]]
    for row, steps in zip(rows, (40, 20), strict=True):
        assert row.ids[: steps // 2 + 1] == [best] * (steps // 2 + 1)
        assert len(set(row.ids[steps // 2 + 2 :])) > 3


def test_a_curve_of_top_k_counts_up():
    (row,) = run(Falling(len(LETTERS)), steps=100, plan=Plan(temperature=100.0, top_k=Curve((1, 11))))
    for place, id in enumerate(row.ids):
        assert id - 4 < round(1 + 10 * place / 100)


def test_under_bars_a_curve_acts_over_the_time():
    """However many ids that takes: greedy for the first of two bars, wild in the second."""
    encoding = encodings.make("frames")
    source = piece(1, parts=2, bars=4)
    vocabulary = vocabulary_of(encoding, [source])
    grammar, table = encoding.grammar(vocabulary), encoding.table(vocabulary)
    controls = encoding.encode(source)[0].tokens[:3]
    bound = bind([Bars(2)], Material(grammar, table, vocabulary.tokens, "music"))
    seen = []
    for seed in range(2):
        (row,) = sample(
            Setting(Noise(len(vocabulary), 7), grammar, bound, Listener(grammar, table)),
            [vocabulary.to_ids(controls).tolist()],
            [10_000],
            strategy=Plan(temperature=Curve((0, 0, 3))),
            random=streams(seed, 1),
        )
        seen.append(vocabulary.to_tokens(row.ids))
    frame_ends = [[place for place, token in enumerate(tokens) if token == "|"] for tokens in seen]
    halves = [ends[16] + 1 for ends in frame_ends]  # sixteen frames a bar; the one on the bar line is greedy too
    assert seen[0][: halves[0]] == seen[1][: halves[1]]
    assert seen[0] != seen[1]


def test_a_repetition_penalty_is_for_what_came_lately():
    (row,) = run(Falling(len(LETTERS)), steps=20, plan=Strategy(temperature=0, penalty=100))
    assert len(set(row.ids)) > 10
    (plain,) = run(Falling(len(LETTERS)), steps=20, plan=Strategy(temperature=0))
    assert len(set(plain.ids)) == 1


# going back


class Trap(Bound):
    """After `bait` nothing is legal for ever, which shows only `later` ids on."""

    name = "trap"

    def __init__(self, bait: str, later: int = 1, vocabulary: Vocabulary = LETTERS) -> None:
        self.bait, self.later, self.nothing = vocabulary.ids[bait], later, np.zeros(len(vocabulary), bool)

    def start(self, given, moment):
        return 0

    def advance(self, own, id, moment):
        return own + 1 if own else int(id == self.bait)

    def legal(self, own, moment):
        return self.nothing if own >= self.later else None


@pytest.mark.parametrize("later", [1, 2, 5, 30])
@pytest.mark.parametrize("plan", [GREEDY, Strategy(), Strategy(top_k=1), Plan(temperature=Curve((1, 0)))])
def test_a_dead_end_is_left_again(later, plan):
    """Also one that shows long after it was entered, and where the first choice would be made again."""
    first = LETTERS.ids[LETTERS.tokens[4]]
    stepper = Falling(len(LETTERS))
    for row in run(stepper, [Trap(LETTERS.tokens[4], later)], rows=3, plan=plan):
        assert first not in row.ids[:-later]
        assert row.steps == len(row.ids) == 40


def test_rows_that_go_back_do_not_disturb_the_others():
    plain = run(Noise(len(LETTERS), 3, {END: -1e9}), rows=4, seed=5)
    trapped = run(Noise(len(LETTERS), 3, {END: -1e9}), [Trap("q", 2)], rows=4, seed=5)
    bait = LETTERS.ids["q"]
    assert any(bait in row.ids for row in plain)
    for before, after in zip(plain, trapped, strict=True):
        assert bait not in after.ids[:-1]
        if bait not in before.ids:
            assert before == after


class Corridor(Bound):
    """Nothing but one word, and in the end nothing at all."""

    name = "corridor"

    def __init__(self, word: str) -> None:
        self.ids = LETTERS.to_ids(word).tolist()

    def start(self, given, moment):
        return 0

    def advance(self, own, id, moment):
        return own + 1

    def legal(self, own, moment):
        return np.isin(np.arange(len(LETTERS)), self.ids[own : own + 1])


@pytest.mark.parametrize("particles", [1, 5])
def test_where_nothing_else_can_be_tried_it_is_said_at_once(particles):
    stepper = Uniform(len(LETTERS))
    with pytest.raises(SamplingError, match=r"^nothing may follow after 0 steps: corridor leave no legal token$"):
        run(stepper, [Corridor("")], particles=particles)
    assert len(stepper.calls) == 1
    # one way only: it is followed to its end, and back again
    with pytest.raises(SamplingError, match=r"nothing may follow after [01] steps?: corridor .*going back"):
        run(Uniform(len(LETTERS)), [Corridor("a")], particles=1)


def test_one_that_cannot_get_out_gives_up():
    """Everything leads to a dead end far ahead: as many tries as are allowed, then the place is named."""
    stepper = Uniform(len(LETTERS))

    class Wall(Anything):
        def legal(self, own, moment):
            return (np.arange(len(LETTERS)) > END) & (moment.steps < 7)

    said = (
        f"nothing may follow after 7 steps: only a leave no legal token, also after going back {MOST_RETREATS:,} times"
    )
    with pytest.raises(SamplingError, match=said):
        run(stepper, [Wall("a")])


class Even(Bound):
    """It ends after an even number of letters: a constraint that does not look ahead."""

    name, must_end = "even", True

    def legal(self, own, moment):
        if moment.steps % 2 == 0:
            return None
        mask = np.ones(len(LETTERS), bool)
        mask[END] = False
        return mask


@pytest.mark.parametrize("particles", [1, 4])
@pytest.mark.parametrize("steps", [2, 9, 10])
def test_what_has_to_end_is_cut_where_it_last_might_have(steps, particles):
    stepper = Noise(len(LETTERS), favour={END: -1e9})
    rows = run(stepper, [Even()], steps=steps, rows=3, particles=particles)
    for row in rows:
        assert row.ended
        assert row.steps == len(row.ids) == steps // 2 * 2


def test_what_has_to_end_and_cannot_is_named():
    class Never(Even):
        name = "never"

        def legal(self, own, moment):
            return np.arange(len(LETTERS)) > END

    with pytest.raises(SamplingError, match="never did not come to an end within 3 steps; allow more of them"):
        run(Uniform(len(LETTERS)), [Never()], steps=3)


def test_many_particles_remember_little():
    """Each place to go back to is a copy of all of them."""
    import tracemalloc

    tracemalloc.start()
    run(Falling(len(LETTERS)), [Trap("q", 3)], steps=150, particles=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6  # bytes; 20 million where every one of the 150 places is kept

"""Strategies beside a plain implementation in Python floats, and draws beside the theory."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqgen.errors import ConfigError, SamplingError
from seqgen.sampling import Curve, Plan, Strategy, draw, probabilities, streams
from seqgen.sampling.strategies import most_probable

ALL = np.ones((1, 4), bool)


def only(values, legal=None, **strategy) -> np.ndarray:
    """The probabilities of one row."""
    logits = np.array([values], np.float32)
    mask = np.ones_like(logits, bool) if legal is None else np.array([legal])
    return probabilities(logits, mask, Strategy(**strategy))[0]


def log(*shares: float) -> list[float]:
    return [math.log(share) for share in shares]


def reference(
    row: list[float], legal: list[bool], strategy: Strategy, recent: list[bool], assume=assume
) -> list[float]:
    """mask, penalty, temperature, top-k, top-p, min-p; `assume` steps aside where rounding alone decides."""
    left = {id: value for id, value in enumerate(row) if legal[id]}
    best = max(left.values())
    if strategy.penalty != 1:
        mass = math.fsum(math.exp(value - best) for value in left.values())
        left = {id: value - best - math.log(mass) for id, value in left.items()}
        left = {id: value * strategy.penalty if recent[id] else value for id, value in left.items()}
        best = max(left.values())
        assume(all(value == best or best - value > 1e-9 * abs(best) for value in left.values()))
    if strategy.temperature == 0:
        chosen = min(id for id, value in left.items() if value == best)
        return [float(id == chosen) for id in range(len(row))]
    weights = {id: math.exp((value - best) / strategy.temperature) for id, value in left.items()}
    if strategy.top_k:
        smallest = sorted(weights.values(), reverse=True)[: strategy.top_k][-1]
        weights = {id: weight for id, weight in weights.items() if weight >= smallest}
    if strategy.top_p < 1:
        wanted = strategy.top_p * math.fsum(weights.values())
        kept: dict[int, float] = {}
        for id in sorted(weights, key=lambda id: (-weights[id], id)):
            mass = math.fsum(kept.values())
            assume(abs(mass - wanted) > 1e-9 * wanted)
            if mass >= wanted:
                break
            kept[id] = weights[id]
        weights = kept
    least = strategy.min_p * max(weights.values())
    assume(all(weight == max(weights.values()) or abs(weight - least) > 1e-9 * least for weight in weights.values()))
    weights = {id: weight for id, weight in weights.items() if weight >= least}
    total = math.fsum(weights.values())
    return [weights.get(id, 0.0) / total for id in range(len(row))]


VALUES = st.floats(-40, 40, width=32) | st.sampled_from([0.0, 1.0, -1.0])  # ties among them
STRATEGY = st.builds(
    Strategy,
    temperature=st.sampled_from([0.0, 1e-6, 1.0, 100.0]) | st.floats(1e-6, 100),
    top_k=st.integers(0, 12),
    top_p=st.just(1.0) | st.floats(0.01, 1),
    min_p=st.just(0.0) | st.floats(0, 1),
    penalty=st.just(1.0) | st.floats(1, 100),
)


@settings(max_examples=400)
@given(st.data(), st.integers(1, 3), st.integers(2, 9), STRATEGY)
def test_every_strategy_equals_the_plain_one(data, batch, n_values, strategy):
    logits = [data.draw(st.lists(VALUES, min_size=n_values, max_size=n_values)) for _ in range(batch)]
    legal = [data.draw(st.lists(st.booleans(), min_size=n_values, max_size=n_values)) for _ in range(batch)]
    recent = [data.draw(st.lists(st.booleans(), min_size=n_values, max_size=n_values)) for _ in range(batch)]
    assume(all(map(any, legal)))
    got = probabilities(np.array(logits, np.float32), np.array(legal), strategy, np.array(recent))
    wanted = [reference(*rows[:2], strategy, rows[2]) for rows in zip(logits, legal, recent, strict=True)]
    assert got.dtype == np.float64
    # a difference of scores is off by a rounding of the scores themselves, which a low temperature multiplies
    rounding = 1e-9 if strategy.penalty == 1 else 1e-9 + 1e-12 / max(strategy.temperature, 1e-6)
    np.testing.assert_allclose(got, wanted, rtol=rounding, atol=1e-300 if strategy.penalty == 1 else 1e-12)


def test_temperature():
    np.testing.assert_allclose(only(log(0.1, 0.2, 0.3, 0.4)), [0.1, 0.2, 0.3, 0.4], rtol=1e-6)
    squared = np.array([1, 4, 9, 16]) / 30
    np.testing.assert_allclose(only(log(0.1, 0.2, 0.3, 0.4), temperature=0.5), squared, rtol=1e-6)
    np.testing.assert_allclose(only([0, 100, 0, 0], temperature=100), np.array([1, math.e, 1, 1]) / (3 + math.e))
    for temperature in (0, 1e-6, 1e-320):  # the last divides to infinity
        np.testing.assert_array_equal(only([0, 1, 1.01, -1e30], temperature=temperature), [0, 0, 1, 0])


def test_greedy_takes_the_first_of_equals_and_only_legal_ids():
    np.testing.assert_array_equal(only([1, 3, 3, 2], temperature=0), [0, 1, 0, 0])
    np.testing.assert_array_equal(only([9, 3, 3, 2], [False, False, True, True], temperature=0), [0, 0, 1, 0])


def test_top_k_keeps_what_ties_with_the_last_that_is_kept():
    np.testing.assert_allclose(only([2, 1, 3, 0], top_k=2), [1 / (1 + math.e), 0, math.e / (1 + math.e), 0])
    np.testing.assert_allclose(only([5, 5, 5, 0], top_k=2), [1 / 3, 1 / 3, 1 / 3, 0], atol=1e-12)
    np.testing.assert_array_equal(only([5, 5, 5, 5], top_k=1), [0.25] * 4)
    everything = only([3, 2, 1, 0])
    for k in (4, 5, 1000):
        np.testing.assert_array_equal(only([3, 2, 1, 0], top_k=k), everything)


def test_top_k_counts_legal_ids_only():
    np.testing.assert_array_equal(only([9, 8, 1, 1], [False, False, True, True], top_k=2), [0, 0, 0.5, 0.5])
    np.testing.assert_array_equal(only([9, 8, 1, 1], [False, False, True, False], top_k=2), [0, 0, 1, 0])


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.01, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.94, 3), (0.96, 4), (1.0, 4)]
)
def test_top_p_keeps_the_smallest_set_with_its_mass(top_p, kept):
    shares = np.array([0.15, 0.5, 0.05, 0.3])
    largest = np.argsort(-shares)[:kept]
    wanted = np.where(np.isin(np.arange(4), largest), shares, 0)
    np.testing.assert_allclose(only(log(*shares), top_p=top_p), wanted / wanted.sum(), rtol=1e-6)


def test_the_order_is_temperature_then_top_k_then_top_p():
    shares = log(0.5, 0.3, 0.2)
    # of the two that top-k leaves the first holds 0.625 of the mass; before top-k it held 0.5
    np.testing.assert_array_equal(only(shares, top_k=2, top_p=0.6), [1, 0, 0])
    assert (only(shares, top_p=0.6) > 0).tolist() == [True, True, False]
    # nearly flat at temperature 100, so that two thirds of the mass are no longer in two
    assert (only(shares, top_p=0.7, temperature=100) > 0).tolist() == [True, True, True]
    assert (only(shares, top_p=0.7) > 0).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(),
        Strategy(temperature=0.7),
        Strategy(temperature=100),
        Strategy(top_k=3),
        Strategy(top_p=0.8),
        Strategy(min_p=0.2),
        Strategy(penalty=2.5),
        Strategy(2.0, 4, 0.9, 0.1, 1.3),
    ],
)
def test_draws_follow_the_theory(strategy):
    count = 40_000
    logits = np.random.default_rng(1).normal(size=(1, 6), scale=1.5).astype(np.float32)
    legal = [True, True, False, True, True, True]
    recent = [True, False, True, False, True, False]
    shares = np.array([reference(logits[0].tolist(), legal, strategy, recent, assume=lambda holds: None)])
    found = probabilities(logits, np.array([legal]), strategy, np.array([recent]))
    np.testing.assert_allclose(found, shares, rtol=1e-9)
    uniform = np.random.default_rng(2).random(count)
    seen = np.bincount(draw(np.repeat(found, count, axis=0), uniform), minlength=6)
    possible = shares[0] > 0
    assert seen[~possible].sum() == 0
    wanted = count * shares[0][possible]
    chi_square = float(((seen[possible] - wanted) ** 2 / wanted).sum())
    freedom = possible.sum() - 1
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom)


def test_the_penalty_multiplies_log_probabilities():
    shares = np.array([0.5, 0.3, 0.2])
    logits = np.log(shares)[None].astype(np.float32) + 7  # logits have no zero point
    found = probabilities(logits, np.ones((1, 3), bool), Strategy(penalty=2), np.array([[True, False, False]]))
    wanted = np.array([0.5**2, 0.3, 0.2])
    np.testing.assert_allclose(found[0], wanted / wanted.sum(), rtol=1e-6)


def test_the_penalty_comes_before_greed_and_truncation_and_after_the_mask():
    logits = np.log(np.array([[0.5, 0.3, 0.2]], np.float32))
    everything, recent = np.ones((1, 3), bool), np.array([[True, False, False]])
    greedy = Strategy(temperature=0, penalty=3)
    np.testing.assert_array_equal(probabilities(logits, everything, greedy, recent), [[0, 1, 0]])
    first = probabilities(logits, everything, Strategy(top_k=1, penalty=3), recent)
    np.testing.assert_array_equal(first, [[0, 1, 0]])
    # among the legal alone the first has 5/7, and (5/7)^2 is still more than 2/7
    legal = np.array([[True, False, True]])
    np.testing.assert_array_equal(probabilities(logits, legal, Strategy(0, penalty=2), recent), [[1, 0, 0]])
    np.testing.assert_array_equal(probabilities(logits, everything, Strategy(0, penalty=2), recent), [[0, 1, 0]])


def test_an_impossible_id_stays_so_under_a_penalty():
    logits = np.array([[-np.inf, 0, 0]], np.float32)
    found = probabilities(logits, np.ones((1, 3), bool), Strategy(penalty=2), np.array([[True, True, False]]))
    np.testing.assert_allclose(found, [[0, 1 / 3, 2 / 3]])


def test_a_curve_goes_linearly_from_point_to_point():
    curve = Curve((1.0, 3.0, 2.0))
    places = (0, 0.125, 0.25, 0.5, 0.75, 1, 1.5)
    assert [curve.at(share) for share in places] == [1, 1.5, 2, 3, 2.5, 2, 2]


def test_a_plan_has_every_value_of_its_place():
    plan = Plan(temperature=Curve((0.5, 1.5)), top_k=Curve((2, 7)), top_p=0.9, penalty=Curve((1.0, 1.0, 2.0)))
    assert not plan.constant
    assert plan.at(0) == Strategy(0.5, 2, 0.9, 0, 1)
    assert plan.at(0.25) == Strategy(0.75, 3, 0.9, 0, 1)  # 3.25 rounded
    assert plan.at(0.75) == Strategy(1.25, 6, 0.9, 0, 1.5)  # 5.75 rounded
    assert plan.at(1) == Strategy(1.5, 7, 0.9, 0, 2)
    assert all(type(plan.at(share).top_k) is int for share in np.linspace(0, 1, 13))
    assert Plan(temperature=0.5).constant
    assert Plan().at(0.3) == Strategy()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": Curve((1, 101))}, "temperature must be 0 .greedy. to 100, not 101"),
        ({"temperature": Curve((1, math.nan, 1))}, "not nan"),
        ({"top_k": Curve((1, -1))}, "top-k must be a whole number, 0 .off. or more, not -1"),
        ({"top_k": Curve((1, 2.5))}, "not 2.5"),
        ({"top_p": Curve((1, 0))}, "top-p must be above 0 and at most 1, not 0"),
        ({"min_p": Curve((0, 1.1))}, "min-p must be 0 .off. to 1, not 1.1"),
        ({"penalty": Curve((1, 0.9))}, "the repetition penalty must be 1 .off. to 100, not 0.9"),
        ({"penalty": 0.5}, "not 0.5"),
        ({"min_p": -0.1}, "not -0.1"),
    ],
)
def test_the_ranges_of_a_plan_are_checked_at_every_point(values, said):
    with pytest.raises(ConfigError, match=said):
        Plan(**values)


WEIGHTS = st.lists(st.just(0.0) | st.floats(1e-300, 1) | st.floats(0.1, 1), min_size=1, max_size=12)
UNIFORM = st.sampled_from([0.0, math.nextafter(1, 0), 0.5]) | st.floats(0, 1, exclude_max=True)


@settings(max_examples=500)
@given(WEIGHTS, UNIFORM)
def test_a_draw_is_never_of_probability_zero_and_never_out_of_range(weights, uniform):
    assume(sum(weights) > 0)
    for scale in (1.0, sum(weights)):  # whether or not they sum to 1
        shares = np.array([weights]) / scale
        (id,) = draw(shares, np.array([uniform]))
        assert 0 <= id < len(weights)
        assert weights[id] > 0


def test_a_draw_is_the_inverse_of_the_cumulative_distribution():
    shares = np.array([0.25, 0.0, 0.5, 0.25, 0.0])
    uniform = np.array([0.0, 0.2499, 0.25, 0.7499, 0.75, math.nextafter(1, 0)])
    np.testing.assert_array_equal(draw(np.tile(shares, (6, 1)), uniform), [0, 0, 2, 2, 3, 3])


def test_many_tiny_probabilities_lose_nothing_to_rounding():
    shares = np.full((1, 100_003), 1 / 100_003)
    assert draw(shares, np.array([math.nextafter(1, 0)])) == [100_002]


@pytest.mark.parametrize(
    ("values", "legal", "said"),
    [
        ([0, math.nan, 0], [True, True, True], "logits are not finite"),
        ([0, math.inf, 0], [True, True, True], "logits are not finite"),
        ([-math.inf] * 3, [True, True, True], "logits are not finite"),
        ([0, 0, 0], [False] * 3, "no legal token"),
        ([math.nan] * 3, [False] * 3, "no legal token"),
    ],
)
@pytest.mark.parametrize("strategy", [Strategy(), Strategy(0), Strategy(1, 2, 0.5)])
def test_what_cannot_be_drawn_from_is_an_error(values, legal, said, strategy):
    good = np.zeros(3, np.float32)
    logits = np.array([good, np.array(values, np.float32)])
    with pytest.raises(SamplingError, match=said):
        probabilities(logits, np.array([[True] * 3, legal]), strategy)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_illegal_may_have_any_logit(bad):
    np.testing.assert_array_equal(only([bad, 0, 0], [False, True, True]), [0, 0.5, 0.5])


def test_a_legal_id_may_be_impossible():
    np.testing.assert_array_equal(only([-math.inf, 0, 0]), [0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": -1}, "temperature must be 0 .greedy. to 100, not -1"),
        ({"temperature": 100.1}, "not 100.1"),
        ({"temperature": math.nan}, "not nan"),
        ({"temperature": math.inf}, "not inf"),
        ({"top_k": -1}, "top-k must be a whole number, 0 .off. or more, not -1"),
        ({"top_p": 0}, "top-p must be above 0 and at most 1, not 0"),
        ({"top_p": 1.5}, "not 1.5"),
        ({"top_p": math.nan}, "not nan"),
    ],
)
def test_the_ranges_are_checked(options, said):
    with pytest.raises(ConfigError, match=said):
        Strategy(**options).checked()


def test_what_is_in_range_passes():
    for strategy in (Strategy(), Strategy(0, 0, 1), Strategy(100, 10**9, 1e-9), Strategy(1e-6, 1, 0.5)):
        assert strategy.checked() is strategy


@pytest.mark.parametrize("seed", [0, 1, 2**53 + 1, 2**63, 2**64 - 1])
def test_the_stream_of_a_row_does_not_depend_on_their_number(seed):
    first = [[stream.random() for _ in range(5)] for stream in streams(seed, 2)]
    more = [[stream.random() for _ in range(5)] for stream in streams(seed, 7)]
    assert more[:2] == first
    assert len({value for row in more for value in row}) == 35


def test_every_seed_has_its_own_streams():
    seeds = [0, 1, 2, 2**53, 2**53 + 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1]
    drawn = {stream.random() for seed in seeds for stream in streams(seed, 3)}
    assert len(drawn) == 3 * len(seeds)


@given(st.data())
def test_the_most_probable_is_what_temperature_0_draws(data):
    """Of equals the first, as there."""
    rows, size = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    values = st.lists(st.integers(-3, 3), min_size=size, max_size=size)
    logits = np.array(data.draw(st.lists(values, min_size=rows, max_size=rows)), np.float32)
    legal = np.array(
        data.draw(st.lists(st.lists(st.booleans(), min_size=size, max_size=size), min_size=rows, max_size=rows))
    )
    assume(legal.any(axis=1).all())
    wanted = draw(probabilities(logits, legal, Strategy(temperature=0)), np.full(rows, 0.7))
    assert most_probable(logits, legal).tolist() == wanted.tolist()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_not_the_most_probable(value):
    logits = np.array([[1, 2], [value, 1]], np.float32)
    with pytest.raises(SamplingError, match="not finite"):
        most_probable(logits, np.ones_like(logits, bool))
    assert most_probable(logits, np.array([[True, True], [False, True]])).tolist() == [1, 1]
    with pytest.raises(SamplingError, match="no legal token"):
        most_probable(logits, np.array([[True, True], [False, False]]))

"""Settings: ranges, choices, one length."""

import math

import pytest

from seqgen.errors import ConfigError
from seqgen.training.settings import DEFAULT_MINUTES, make_settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cell": "rnn"}, "cell must be one of lstm, gru, not 'rnn'"),
        ({"optimizer": "adamax"}, "optimizer must be one of adamw, adam, rmsprop, sgd, not 'adamax'"),
        ({"size": "huge"}, "size must be one of small, medium, large, not 'huge'"),
        ({"n_a": -1}, "n_a must be 0 to 8192, not -1"),
        ({"n_a": 8193}, "n_a must be 0 to 8192, not 8193"),
        ({"layers": 17}, "layers must be 0 to 16, not 17"),
        ({"tx": -5}, "tx must be"),
        ({"batch_size": -1}, "batch_size must be"),
        ({"lr": -0.1}, "lr must be 0 to 100, not -0.1"),
        ({"lr": math.nan}, "lr must be 0 to 100, not nan"),
        ({"lr": math.inf}, "lr must be 0 to 100, not inf"),
        ({"clip": -1}, "clip must be"),
        ({"seed": -1}, "seed must be 0 to 2.14748e[+]09, not -1"),
        ({"seed": 2**31}, "seed must be"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, not 1"),
        ({"dropout": -0.1}, "not -0.1"),
        ({"dropout": math.nan}, "not nan"),
        ({"weight_drop": 1.5}, "weight_drop must be at least 0 and below 1, not 1.5"),
        ({"minutes": 0}, "minutes must be above 0, not 0"),
        ({"minutes": math.nan}, "minutes must be above 0, not nan"),
        ({"minutes": math.inf}, "minutes must be above 0, not inf"),
        ({"epochs": -1}, "epochs must be above 0, not -1"),
        ({"max_steps": 0}, "max_steps must be above 0, not 0"),
        ({"minutes": 1, "epochs": 2}, "give one length of training, not minutes and epochs"),
        ({"minutes": 1, "epochs": 2, "max_steps": 3}, "not minutes and epochs and max_steps"),
    ],
)
def test_what_is_out_of_range(settings, said):
    made = make_settings(**settings)
    with pytest.raises(ConfigError, match=said):
        made.check()
    with pytest.raises(ConfigError, match=said):
        made.resolved(10_000)


def test_an_unknown_setting():
    with pytest.raises(ConfigError, match=r"there is no setting 'learning_rate'; there are: .*lr"):
        make_settings(learning_rate=0.1)


@pytest.mark.parametrize("tokens", [1, 16, 100, 5_000, 100_000, 3_000_000])
def test_every_choice_is_made_and_passes(tokens):
    made = make_settings().resolved(tokens)
    assert made.minutes == DEFAULT_MINUTES
    assert made.n_a > 0
    assert made.layers > 0
    assert made.lr > 0
    assert made.tx >= 16
    assert 1 <= made.shards <= made.batch_size
    assert made.dropout is not None
    assert made.resolved(tokens) == made


def test_what_is_given_stays():
    given = {"n_a": 3, "layers": 2, "dropout": 0.0, "tx": 5, "batch_size": 7, "lr": 0.1, "max_steps": 9, "seed": 4}
    made = make_settings(**given, size="large", cell="gru").resolved(10**7)
    assert {name: getattr(made, name) for name in given} == given
    assert (made.minutes, made.epochs, made.cell, made.size) == (None, None, "gru", "large")


def test_a_larger_corpus_gets_a_larger_model():
    sizes = [make_settings().resolved(tokens).n_a for tokens in (1_000, 50_000, 5_000_000)]
    assert sizes == sorted(set(sizes))

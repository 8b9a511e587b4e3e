import numpy as np
import pytest

from seqgen.runtime.memory import Encoded, Joined, Padded, distinct, references


def source(length: int) -> Encoded:
    keys, values = np.full((length, 2), length, np.float32), np.full((length, 3), -length, np.float32)
    return Encoded((), None, None, np.zeros(2, np.float32), keys=keys, values=values)


A, B, C, D = (source(length) for length in (4, 2, 3, 2))


@pytest.mark.parametrize(
    ("rows", "before", "wanted"),
    [
        ([A], [], [A]),
        ([A, A], [A], None),  # a beam goes on
        ([B, A, B], [], [B, A]),
        ([B, A, B], [A, B], None),  # in any order
        ([C, A], [A, B, C, D], None),  # half of them are left
        ([C, A], [A, B, C, D, source(1)], [C, A]),  # fewer are
        ([A], [A, B], [A]),  # a single one is read where it lies
        ([A, D], [A, B, C], [A, D]),  # a new one came
    ],
)
def test_sources_stay_beside_each_other_while_half_of_them_are_needed(rows, before, wanted):
    assert distinct(rows, {one: number for number, one in enumerate(before)}) == wanted


def test_a_single_source_is_not_copied():
    assert Padded([A]).keys is A.keys
    assert Padded([A]).values is A.values
    assert Padded([A]).mask is None
    assert Joined([A]).values is A.values


def test_sources_beside_each_other_are_as_long_as_the_longest():
    padded = Padded([B, A, C])
    assert padded.numbers == {B: 0, A: 1, C: 2}
    assert padded.keys.tolist() == [[[2, 2]] * 2 + [[0, 0]] * 2, [[4, 4]] * 4, [[3, 3]] * 3 + [[0, 0]]]
    assert padded.values[0].tolist() == [[-2] * 3] * 2 + [[0] * 3] * 2
    assert padded.mask is not None
    assert (padded.mask[:, 0] == 0).tolist() == [[True, True, False, False], [True] * 4, [True] * 3 + [False]]
    assert Padded([B, D]).mask is None


def test_sources_end_to_end():
    joined = Joined([B, A])
    assert joined.values[:, 0].tolist() == [-2, -2, -4, -4, -4, -4]
    assert (joined.begins.tolist(), joined.lengths.tolist()) == ([0, 2], [2, 4])


def test_a_state_holds_references():
    array = references([A, B])
    assert array[[1, 0, 1]].tolist() == [B, A, B]
    assert np.concatenate([array, references([C])]).tolist() == [A, B, C]


def test_a_source_without_attention_is_no_memory():
    with pytest.raises(TypeError, match="without attention"):
        Padded([Encoded((), None, None, np.zeros(2, np.float32))])

"""walk: what the grammar says at every place, beside the grammar asked place by place."""

import numpy as np
import pytest
from made import piece, vocabulary_of

from seqgen import encodings
from seqgen.corpus.dataset import IdSequence
from seqgen.corpus.walk import MaskTable, walk
from seqgen.errors import TokenError
from seqgen.vocabulary import END, START, UNK

TEXT = ["To be, or not; to  be.", "be"]
MADE = {
    "chars": ("chars", {}, TEXT),
    "bytes": ("bytes", {}, ["né", *TEXT]),
    "words": ("words", {}, TEXT),  # without <join>: nothing depends on the place
    "words that glue": ("words", {}, ["(a)b  c"]),
    "notes": ("notes", {}, [piece(1, pickup=3), piece(2, meter=(3, 4))]),
    "joint": ("notes", {"joint": True}, [piece(1, pickup=3), piece(2, meter=(3, 4))]),
    "chorale": ("chorale", {"parts": 3}, [piece(1, parts=3, pickup=3), piece(2, parts=3, meter=(6, 8))]),
    "frames": ("frames", {}, [piece(1, parts=2, chords=True, pickup=3), piece(2, chords=True)]),
}
every = pytest.mark.parametrize("name", MADE)


def built(name):
    kind, options, sources = MADE[name]
    encoding = encodings.make(kind, **options)
    vocabulary = vocabulary_of(encoding, sources)
    sequences = []
    for source in sources:
        ids = [START, *vocabulary.to_ids(encoding.encode(source)[0].tokens), END]
        sequences.append(IdSequence("made", np.array(ids, np.uint16)))
    return encoding, vocabulary, encoding.grammar(vocabulary), encoding.table(vocabulary).kind, sequences


def check(name, grammar, kinds, sequence, controls):
    table = MaskTable()
    row = walk(grammar, kinds, sequence, table)
    masks = table.scoring()
    length = len(sequence.ids) - 1
    assert row.features.shape == (length, len(grammar.feature_sizes))
    assert row.masks.shape == row.targets.shape == row.steps.shape == (length,)
    state = grammar.start()
    for place, id in enumerate(sequence.ids[1:].tolist()):
        legal = grammar.legal(state)
        allowed = masks[row.masks[place]]
        assert allowed[UNK]
        np.testing.assert_array_equal(np.delete(allowed, UNK), np.delete(legal, UNK))
        assert row.features[place].tolist() == list(grammar.features(state))
        assert row.targets[place] == (place >= controls)
        if id != END:
            state = grammar.advance(state, id)
            assert row.steps[place] == (place >= controls and grammar.at_step(state))
        else:
            assert not row.steps[place]
    return row


@every
def test_every_place_is_what_the_grammar_says(name):
    encoding, _, grammar, kinds, sequences = built(name)
    for sequence in sequences:
        check(name, grammar, kinds, sequence, 3 if encoding.unit == "music" else 0)


@every
def test_the_steps_are_those_of_the_source(name):
    """Counted without the grammar: characters, words and marks, note events, grid steps, frames."""
    encoding, _, grammar, kinds, sequences = built(name)
    for source, sequence in zip(MADE[name][2], sequences, strict=True):
        body = encoding.encode(source)[0].tokens
        counted = {
            "chars": lambda source, body: len(source),
            "bytes": lambda source, body: len(source),  # a character is a step, of one byte or more
            "words": lambda source, body: sum(token not in ("<join>", "<space>") for token in body),
            "notes": lambda source, body: sum("=" in token for token in body[3:]),
            "chorale": lambda source, body: source.end_tick,  # 4 ticks a quarter are the grid
            "frames": lambda source, body: source.end_tick,
        }[encoding.name]
        row = walk(grammar, kinds, sequence, MaskTable())
        assert row.steps.sum() == counted(source, body)


@every
def test_an_unknown_token_is_legal_anywhere(name):
    encoding, _, grammar, kinds, sequences = built(name)
    controls = 3 if encoding.unit == "music" else 0
    for place in range(1, min(12, len(sequences[0].ids) - 1)):
        ids = sequences[0].ids[: place + 1].copy()
        ids[place] = UNK
        check(name, grammar, kinds, IdSequence("made", ids), controls)


@every
@pytest.mark.parametrize("bad", [START, 0, END])
def test_what_is_illegal_is_named_with_its_place(name, bad):
    _, _, grammar, kinds, sequences = built(name)
    for place in (1, 2) if bad != END else (1,):
        ids = sequences[0].ids.copy()
        ids[place] = bad
        with pytest.raises(TokenError, match=f"^made: id {bad} is not legal at token {place}$"):
            walk(grammar, kinds, IdSequence("made", ids), MaskTable())


def test_equal_masks_have_one_number():
    table = MaskTable()
    rows = [np.array(row, bool) for row in ([1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [0, 1, 0, 0, 1])]
    assert [table.number(row) for row in (*rows, rows[0], rows[2])] == [0, 0, 1, 0, 1]
    # UNK, id 3, is allowed in what is scored, and the masks themselves stay as they are
    np.testing.assert_array_equal(table.scoring(), [[1, 0, 0, 1, 1], [0, 1, 0, 1, 1]])
    assert not rows[0][UNK]

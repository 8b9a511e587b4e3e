"""MaxCopy beside the exact matcher, with models that want nothing but to copy."""

import numpy as np
import pytest
from made import Toy, document, piece, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Listener, Material, MaxCopy, bind
from seqgen.encodings import Encoding
from seqgen.errors import ConfigError, SamplingError
from seqgen.originality import CopyIndex, longest_passages
from seqgen.sampling import Setting, Strategy, sample, streams
from seqgen.vocabulary import END

TUNES = [piece(seed, bars=16) for seed in range(3)]
DUOS = [piece(seed, parts=2, bars=16) for seed in range(3)]
VERSES = [
    "The sea is wide, the sea is grey, and all the boats have gone away; it's late, and no one calls them home.",
    "A man came down the hill at dawn with nothing in his hands but rain, and no one knew which way he'd gone.",
]


class Reciting(Toy):
    """Every row recites the same sequence over and over, with a little taste for anything else."""

    def __init__(self, n_values: int, ids: list[int]) -> None:
        super().__init__(n_values)
        self.ids = ids

    def logits(self, row: int, time: int) -> np.ndarray:
        noise = np.random.default_rng([row, time]).normal(size=self.n_values)
        return np.where(np.arange(self.n_values) == self.ids[time % len(self.ids)], 12.0, noise)


CASES = {
    "notes": ("notes", {}, TUNES),
    "joint": ("notes", {"joint": True}, TUNES),
    "chorale": ("chorale", {"parts": 2}, DUOS),
    "frames": ("frames", {}, DUOS),
    "chars": ("chars", {}, VERSES),
    "words": ("words", {}, VERSES),
    "bytes": ("bytes", {}, VERSES),
}


def recited(name: str, limit: str | None, seed: int = 0):
    """What comes out of a model that recites the first source, and the exact longest passage of it."""
    encoding_name, options, sources = CASES[name]
    encoding: Encoding = encodings.make(encoding_name, **options)
    vocabulary = vocabulary_of(encoding, sources)
    grammar, table = encoding.grammar(vocabulary), encoding.table(vocabulary)
    encoded = encoding.encode(sources[0])[0].tokens
    controls = 3 if encoding.unit == "music" else 0
    contents = [encoding.decode(encoding.encode(source)[0].tokens) for source in sources]
    index = CopyIndex.of(contents, encoding.unit)
    material = Material(grammar, table, vocabulary.tokens, encoding.unit, index)
    bound = bind([MaxCopy(limit)] if limit else [], material)
    listener = Listener(grammar, table) if encoding.unit == "music" else None
    ids = vocabulary.to_ids(encoded).tolist()
    stepper = Reciting(len(vocabulary), ids)
    (row,) = sample(
        Setting(stepper, grammar, bound, listener),
        [ids[:controls]],
        [100],
        strategy=Strategy(),
        random=streams(seed, 1),
    )
    made = encoding.decode([*encoded[:controls], *vocabulary.to_tokens(row.ids)])
    documents = [document(content, str(number)) for number, content in enumerate(contents)]
    passages = longest_passages(made, documents, top=1)
    return made, passages[0].own if passages else None


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("more", [-1, 0, 3])
def test_no_longer_passage_comes_out(name, more):
    """What would recite all of it stops where it must; the exact matcher is the judge."""
    unit = "words" if name in ("chars", "words", "bytes") else "notes"
    least = 4 if unit == "words" else 8
    _, free = recited(name, None)
    assert free is not None
    assert free.length > least + 3
    for seed in range(5):
        _, held = recited(name, f"{least + more}{unit}", seed)
        assert held is None or held.length <= least + more


@pytest.mark.parametrize("name", ["notes", "joint", "chorale", "frames"])
def test_bars_are_a_limit_too(name):
    _, free = recited(name, None)
    assert free is not None
    assert free.bars is not None
    assert free.bars > 2
    for seed in range(5):
        _, held = recited(name, "1.5 bars", seed)
        assert held is None or (held.bars or 0) <= 1.5 or held.length < 8  # fewer notes the index does not tell


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("two bars", "such as 2bars, not 'two bars'"),
        ("0 notes", "such as 2bars, not '0 notes'"),
        ("6notes", "the limit can be 7 notes or more, not 6"),
        ("5words", "this model writes music, whose copies are not counted in words"),
    ],
)
def test_what_is_refused(limit, said):
    with pytest.raises(ConfigError, match=said):
        recited("notes", limit)


def test_without_an_index_it_is_refused():
    encoding = encodings.make("chars")
    vocabulary = vocabulary_of(encoding, VERSES)
    material = Material(encoding.grammar(vocabulary), encoding.table(vocabulary), vocabulary.tokens, "text")
    with pytest.raises(ConfigError, match="no index of its corpus"):
        bind([MaxCopy("5words")], material)


def test_where_everything_legal_would_copy_it_fails_and_says_so():
    """A corpus of one note, and a model that knows nothing else."""
    encoding = encodings.make("notes", joint=True)
    tokens = ["key=?", "meter=4/4", "pickup=0", *["60=1"] * 40]
    tune = encoding.decode(tokens)
    vocabulary = vocabulary_of(encoding, [tune])
    only = {token: id for token, id in vocabulary.ids.items() if token in ("60=1",)}
    assert len(only) == 1
    grammar, table = encoding.grammar(vocabulary), encoding.table(vocabulary)
    material = Material(grammar, table, vocabulary.tokens, "music", CopyIndex.of([tune], "music"))
    bound = bind([MaxCopy("9notes")], material)
    setting = Setting(Reciting(len(vocabulary), [only["60=1"]]), grammar, bound, Listener(grammar, table))
    begin = vocabulary.to_ids(tokens[:3]).tolist()
    (row,) = sample(setting, [begin], [50], strategy=Strategy(), random=streams(1, 1))
    assert row.steps <= 9  # it may end; but it may not go on
    original = bound[0].legal

    def legal(own, moment):
        mask = original(own, moment)
        return (np.ones(len(vocabulary), bool) if mask is None else mask) & (np.arange(len(vocabulary)) != END)

    bound[0].legal = legal
    with pytest.raises(SamplingError, match="at most 9 notes copied leave no legal token"):
        sample(setting, [begin], [50], strategy=Strategy(), random=streams(1, 1))

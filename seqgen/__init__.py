"""seqgen: learn a style from a folder of scores or text, play it back in an instant, know how original it is.

    files --read--> Piece | str --encode--> tokens --to_ids--> ids --batch--> training model --fit--> model file
    model file --load--> stepper (numpy) --sample--> ids --to_tokens, decode--> Piece | str --write--> MIDI, text, ...

>>> import seqgen
>>> model = seqgen.train("corpus/", minutes=2)  # doctest: +SKIP
>>> seqgen.write(model.generate(bars=16), "out.mid")  # doctest: +SKIP
>>> translator = seqgen.train_pairs("pairs.tsv", minutes=5)  # doctest: +SKIP
>>> print(translator.translate(["Good morning!"])[0].text)  # doctest: +SKIP
"""

from seqgen.api import (
    Corpus,
    Event,
    Model,
    PairCorpus,
    Piece,
    Translator,
    load,
    load_corpus,
    load_pairs,
    read,
    train,
    train_pairs,
    write,
)
from seqgen.version import __version__

__all__ = [
    "Corpus",
    "Event",
    "Model",
    "PairCorpus",
    "Piece",
    "Translator",
    "__version__",
    "load",
    "load_corpus",
    "load_pairs",
    "read",
    "train",
    "train_pairs",
    "write",
]

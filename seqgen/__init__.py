"""seqgen: learn a style from a folder of scores or text, play it back in an instant, know how original it is.

    files --read--> Piece | str --encode--> tokens --to_ids--> ids --batch--> training model --fit--> model file
    model file --load--> stepper (numpy) --sample--> ids --to_tokens, decode--> Piece | str --write--> MIDI, text, ...

>>> import seqgen
>>> model = seqgen.train("corpus/", minutes=2)  # doctest: +SKIP
>>> seqgen.write(model.generate(bars=16), "out.mid")  # doctest: +SKIP
"""

from seqgen.api import Corpus, Event, Model, Piece, load, load_corpus, read, train, write
from seqgen.version import __version__

__all__ = ["Corpus", "Event", "Model", "Piece", "__version__", "load", "load_corpus", "read", "train", "write"]

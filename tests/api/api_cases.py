"""What the tests of the Python interface share: models that have learned nothing but what there is."""

from made import piece, untrained

VERSES = ["the rose is red\nthe violet blue\n", "so are you and so am I"]
TUNES = [piece(seed, bars=4) for seed in range(4)]
TRIOS = [piece(seed, parts=3, bars=4) for seed in range(4)]
SCORES = [piece(seed, parts=2, chords=True) for seed in range(4)]
MODELS = {
    "chars": lambda: untrained("chars", VERSES),
    "bytes": lambda: untrained("bytes", VERSES),
    "words": lambda: untrained("words", VERSES),
    "notes": lambda: untrained("notes", TUNES),
    "joint": lambda: untrained("notes", TUNES, joint=True),
    "chorale": lambda: untrained("chorale", TRIOS, parts=3),
    "frames": lambda: untrained("frames", SCORES),
}

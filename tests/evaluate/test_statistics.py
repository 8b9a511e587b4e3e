"""Statistics of pieces, counted by hand; the distances between sets; and the command that compares them."""

import json
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from made import midi, piece, tune, untrained

from seqgen import encodings, formats, modelfile
from seqgen.cli.main import main
from seqgen.corpus import load_corpus
from seqgen.corpus.dataset import prepare
from seqgen.errors import ConfigError
from seqgen.evaluate import compare, statistics
from seqgen.piece import Key, Meter, Part, Piece

TICKS = 4  # a quarter note
REST = 0


def made(*voices, key=None, **rest) -> Piece:
    """Each voice is (pitch or REST, ticks) one after the other; the first voice is the highest part."""
    rows = []
    for part, voice in enumerate(voices):
        time = 0
        for pitch, ticks in voice:
            if pitch != REST:
                rows.append((time, ticks, pitch, 80, part))
            time += ticks
    keys = () if key is None else (Key(0, *key),)
    return Piece.build(rows, TICKS, [Part() for _ in voices], keys=keys, **rest)


def quarters(*pitches):
    return [(pitch, TICKS) for pitch in pitches]


def chords(*rows, **rest) -> Piece:
    """Quarter-note chords, each from the soprano down."""
    return made(*(quarters(*voice) for voice in zip(*rows, strict=True)), **rest)


def drummed(plain: Piece) -> Piece:
    """The same piece with a drum part that plays all the time."""
    drums = [(time, 1, 36, 80, len(plain.parts)) for time in range(plain.end_tick)]
    rows = [*plain.notes.tolist(), *drums]
    return Piece.build(rows, TICKS, [*plain.parts, Part(drums=True)], keys=plain.keys, meters=plain.meters)


# --- music of any kind ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ((2, "major"), {0: 2, 4: 1, 7: 1}),  # D major: D twice, F sharp, A
        ((-1, "minor"), {0: 2, 4: 1, 7: 1}),  # D minor has the same tonic
        ((-1, "major"), {9: 2, 1: 1, 4: 1}),  # F major
        ((-1, ""), {2: 2, 6: 1, 9: 1}),  # which mode is not known: from C
        (None, {2: 2, 6: 1, 9: 1}),
    ],
)
def test_pitch_classes_count_from_the_tonic(key, wanted):
    assert statistics.pitch_classes(made(quarters(62, 66, 69, 74), key=key)) == wanted


def test_pitch_classes_of_a_piece_do_not_change_with_its_key():
    one = piece(3, parts=2, chords=True)
    for semitones in range(-6, 6):
        assert statistics.pitch_classes(one.transposed(semitones)) == statistics.pitch_classes(one)


def test_melodic_intervals_stay_in_a_part_and_go_across_rests():
    counts = statistics.melodic_intervals(made(quarters(60, 64, REST, 59, 80), quarters(50, 48, 20)))
    assert counts == {4: 1, -5: 1, 12: 1, -2: 1, -12: 1}  # 21 and -28 semitones count as an octave


def test_of_notes_struck_together_the_highest_is_the_melody():
    together = Piece.build([(0, 4, 60, 80, 0), (0, 4, 67, 80, 0), (4, 4, 62, 80, 0), (4, 4, 65, 80, 0)], TICKS)
    assert statistics.melodic_intervals(together) == {-2: 1}


def test_durations_are_exact_quarter_notes():
    counts = statistics.durations(made([(60, 4), (62, 2), (64, 2), (65, 6), (67, 32), (69, 80)]))
    assert counts == {1: 1, Fraction(1, 2): 2, Fraction(3, 2): 1, 8: 2}
    thirds = Piece.build([(0, 1, 60, 80, 0), (1, 1, 62, 80, 0)], 3)
    assert statistics.durations(thirds) == {Fraction(1, 3): 2}


def test_onsets_count_from_the_bar_line_and_a_pickup_ends_on_one():
    waltz = made(
        [(67, 2), (69, 2), *quarters(71, 67, 62), (67, 12)], meters=(Meter(0, 3, 4),), pickup_ticks=TICKS
    )  # fmt: skip
    assert statistics.bar_positions(waltz) == {2: 2, Fraction(5, 2): 1, 0: 2, 1: 1}
    changed = made(quarters(*[60] * 7), meters=(Meter(0, 3, 4), Meter(12, 2, 4)))
    assert statistics.bar_positions(changed) == {0: 3, 1: 3, 2: 1}  # 3 + 2 + 2 quarters


A, B = quarters(60, 62, 64, 60), quarters(60, 62, 64, 65)
SILENCE = quarters(REST, REST, REST, REST)


@pytest.mark.parametrize(
    ("bars", "lag", "yes", "no"),
    [
        ([A, A, B, A], 1, 1, 2),
        ([A, A, B, A], 2, 1, 1),
        ([A, B, A, B, A, B, A, B, A], 2, 7, 0),
        ([A, B, B, B, A, A, B, B, A], 8, 1, 0),
        ([A, B, B, B], 4, 0, 0),  # no bar has another four bars before it
        ([A, SILENCE, SILENCE, A], 1, 0, 1),  # silent bars are not asked, and equal no bar with notes
        ([A, SILENCE, A], 2, 1, 0),
        ([A, [(60, 2), (REST, 2), *A[1:]]], 1, 1, 0),  # when a note ends does not matter
        ([A, [(REST, 2), (60, 2), *A[1:]]], 1, 0, 1),  # when it begins does
        ([A, quarters(62, 64, 66, 62)], 1, 0, 1),  # the same a tone higher is something else
    ],
)
def test_repeated_bars(bars, lag, yes, no):
    counts = statistics.repetition(made([note for bar in bars for note in bar]), lag)
    assert (counts[True], counts[False]) == (yes, no)


def test_a_pickup_is_a_bar_and_its_notes_stand_at_its_end():
    waltz = made(quarters(67, 60, 62, 67, 60, 62, 67), meters=(Meter(0, 3, 4),), pickup_ticks=TICKS)
    # | . . 67 | 60 62 67 | 60 62 67 |
    assert statistics.repetition(waltz, 1) == {True: 1, False: 1}
    alone = made([*quarters(67, REST, REST, 67)], meters=(Meter(0, 3, 4),), pickup_ticks=TICKS)
    assert statistics.repetition(alone, 1) == {True: 1, False: 0}  # | . . 67 | . . 67 |


def test_drums_never_count():
    plain = piece(5, parts=2, chords=True, meter=(3, 4))
    for statistic in (*statistics.STATISTICS, *statistics.FOUR_PART[-2:]):
        assert statistic.counts(drummed(plain)) == statistic.counts(plain), statistic.name


# --- four-part chorales -----------------------------------------------------------------------------------------------

C, D = (
    (64, 60, 55, 48),
    (66, 62, 57, 50),
)  # triads from the soprano down: bass and tenor a fifth, bass and alto an octave


@pytest.mark.parametrize(
    ("rows", "fifths", "octaves", "moves"),
    [
        ((C, D), 1, 1, 6),
        ((C, D, C), 2, 2, 12),
        ((C, C), 0, 0, 0),  # struck again is no move
        ((C, (64, 60, 57, 48)), 0, 0, 0),  # one voice alone
        ((C, (64, 60, 57, 50)), 1, 0, 1),
        ((C, (64, 60, 62, 43)), 0, 0, 1),  # a fifth to a twelfth in contrary motion
        ((C, (64, 60, 69, 50)), 1, 0, 1),  # a fifth to a twelfth in the same direction
        ((C, (64, 60, 62, 50)), 0, 0, 1),  # a fifth to an octave
        (((64, 60, 48, 55), (64, 60, 50, 57)), 1, 0, 1),  # crossed voices: the tenor below the bass
        (((64, 60, 48, 48), (64, 60, 50, 50)), 0, 1, 1),  # unisons
        ((C, (REST,) * 4, D), 0, 0, 0),  # across a silence
    ],
)
def test_parallels(rows, fifths, octaves, moves):
    one = chords(*rows)
    for interval, wanted in ((statistics.FIFTH, fifths), (statistics.OCTAVE, octaves)):
        counts = statistics.parallels(one, interval)
        assert (counts[True], counts.total()) == (wanted, moves)


def test_voices_that_move_one_after_the_other_are_not_parallel():
    late = made([(64, 16)], [(60, 16)], [(55, 6), (57, 10)], [(48, 4), (50, 12)])
    assert statistics.parallels(late, statistics.FIFTH).total() == 0
    together = made([(64, 16)], [(60, 16)], [(55, 4), (57, 12)], [(48, 2), (48, 2), (50, 12)])
    assert statistics.parallels(together, statistics.FIFTH) == {True: 1, False: 0}


def test_notes_out_of_range():
    lowest = [low for low, _ in statistics.VOICE_RANGES.values()]
    highest = [high for _, high in statistics.VOICE_RANGES.values()]
    assert statistics.out_of_range(chords(lowest, highest)) == {True: 0, False: 8}
    for voice in range(4):
        for edge, step in ((lowest, -1), (highest, 1)):
            beyond = [pitch + step * (part == voice) for part, pitch in enumerate(edge)]
            assert statistics.out_of_range(chords(beyond, lowest)) == {True: 1, False: 7}


@pytest.mark.parametrize(
    ("key", "last", "triad", "bass"),
    [
        ((0, "major"), (64, 60, 55, 48), True, True),  # C E G
        ((0, "major"), (64, 60, 60, 48), True, True),  # without the fifth
        ((0, "major"), (60, 60, 55, 48), False, True),  # without the third
        ((0, "major"), (67, 60, 55, 52), True, False),  # the first inversion
        ((0, "major"), (62, 59, 55, 43), False, False),  # the dominant
        ((0, "major"), (63, 60, 55, 48), False, True),  # C minor in C major
        ((-3, "minor"), (63, 60, 55, 48), True, True),
        ((-3, "minor"), (64, 60, 55, 48), True, True),  # C minor may end in C major
        ((-3, "minor"), (64, 63, 55, 48), False, True),  # not in both
        ((0, "minor"), (64, 60, 57, 45), True, True),  # A minor
        ((2, "major"), (66, 62, 57, 50), True, True),  # D major
    ],
)
def test_cadences(key, last, triad, bass):
    one = chords((66, 61, 58, 44), last, key=key)
    assert statistics.final_triad(one) == {triad: 1, (not triad): 0}
    assert statistics.final_bass(one) == {bass: 1, (not bass): 0}
    for unknown in (None, (key[0], "")):
        other = chords(last, key=unknown)
        assert statistics.final_triad(other).total() == statistics.final_bass(other).total() == 0


def test_only_what_sounds_at_the_end_is_the_last_chord():
    """Held notes belong to it, and a note that has ended does not."""
    late = made([(65, 12), (64, 4)], [(60, 16)], [(53, 12)], [(41, 4), (43, 4), (48, 8)], key=(0, "major"))
    assert statistics.final_triad(late)[True] == statistics.final_bass(late)[True] == 1


# --- distances --------------------------------------------------------------------------------------------------------


def test_distances_by_hand():
    counts = statistics.Counts
    assert statistics.distance(counts({0: 1, 1: 1}), counts({0: 2, 2: 2})) == 0.5
    assert statistics.distance(counts({0: 1, 1: 1}), counts({0: 30, 1: 30})) == 0
    assert statistics.distance(counts({0: 3}), counts({1: 5})) == 1
    assert statistics.distance(counts({True: 3, False: 1}), counts({True: 1, False: 9})) == pytest.approx(0.65)
    assert statistics.distance(counts(), counts({0: 1})) is None
    assert statistics.distance(counts({True: 0, False: 0}), counts({True: 1})) is None


def pieces(*seeds, **rest):
    return [piece(seed, parts=4, meter=(3, 4), bars=10, key=seed % 5, **rest) for seed in seeds]


def test_a_set_is_as_far_from_itself_as_can_be():
    """That is, not at all."""
    same = pieces(0, 1, 2)
    comparison = compare(same, same, same, four_part=True)
    assert [row.statistic.name for row in comparison.statistics] == [
        "pitch class", "melodic interval", "duration", "onset in the bar",
        "same as 1 bar before", "same as 2 bars before", "same as 4 bars before", "same as 8 bars before",
        "parallel fifths", "parallel octaves", "notes out of range",
        "ends on the tonic triad", "ends on the tonic in the bass",
    ]  # fmt: skip
    for row in comparison.statistics:
        assert row.training.total() > 0, row.statistic.name
        assert (row.distance_generated, row.distance_held_out, row.ratio) == (0, 0, None), row.statistic.name


def test_the_order_of_the_pieces_does_not_matter():
    training, held_out, generated = pieces(*range(7)), pieces(8, 9, 10), pieces(11, 12, 13)
    one = compare(training, held_out, generated, four_part=True)
    other = compare(training[::-1], held_out[::-1], generated[::-1], four_part=True)
    assert one == other
    assert all(row.distance_generated > 0 for row in one.statistics[:4])
    # and of groups as a whole only the mean is told
    more = pieces(14, 15, 16)
    one, other = (compare(training, held_out, [*a, *b]) for a, b in ((generated, more), (more, generated)))
    assert [row.distance_generated for row in one.statistics] == [row.distance_generated for row in other.statistics]


def test_generated_pieces_are_compared_in_groups_of_the_size_of_the_held_out_set():
    """Half from low notes, half from high ones: each group alone is as far away as can be, their sum would be near."""
    low, high = made(quarters(60, 60)), made(quarters(61, 61))
    training, held_out = [low, high] * 3, [low, high]
    comparison = compare(training, held_out, [low, low, high, high, low])
    assert (comparison.groups, comparison.generated_pieces) == (2, 4)  # the fifth piece would be alone
    row = comparison.statistics[0]
    assert (row.group_distances, row.distance_generated, row.distance_held_out) == ((0.5, 0.5), 0.5, 0)
    assert row.generated == {0: 4, 1: 4}


def test_music_that_is_as_good_as_the_held_out_pieces_has_the_ratio_1():
    comparison = compare(pieces(*range(7)), pieces(8, 9, 10), pieces(8, 9, 10) * 3, four_part=True)
    for row in comparison.statistics:
        assert row.group_distances == (row.distance_held_out,) * 3
        assert row.ratio == (pytest.approx(1) if row.distance_held_out else None)


def test_a_group_without_anything_to_count_is_left_out_of_the_mean():
    low, high, silent = made(quarters(60, 60)), made(quarters(61, 61)), made([(REST, 4)])
    row = compare([low, high], [low], [high, silent]).statistics[0]
    assert (row.group_distances, row.distance_generated, row.ratio) == ((0.5, None), 0.5, 1)
    row = compare([low, high], [low], [silent]).statistics[0]
    assert (row.distance_generated, row.distance_held_out, row.ratio) == (None, 0.5, None)


def test_too_few_pieces():
    with pytest.raises(ConfigError, match="at least 3 are wanted, not 2"):
        compare(pieces(0), pieces(1, 2, 3), pieces(4, 5))
    for training, held_out in (([], pieces(1)), (pieces(1), [])):
        with pytest.raises(ConfigError, match="to compare with"):
            compare(training, held_out, pieces(2))


@pytest.mark.parametrize(
    ("encoding", "options", "kept"),
    [("notes", {"part": "all"}, 4), ("chorale", {"parts": 2}, 8), ("frames", {}, 0)],  # frames merge the parts
)
def test_every_music_encoding(encoding, options, kept):
    """All can be counted, and of what an encoding carries (the first `kept` statistics) nothing is changed."""
    sources = [piece(seed, parts=2, meter=(3, 4), pickup=2, bars=10, key=seed) for seed in range(4)]
    codec = encodings.make(encoding, **options)
    decoded = [codec.decode(sequence.tokens) for source in sources for sequence in codec.encode(source)]
    comparison = compare(sources, decoded, decoded)
    assert all(row.held_out.total() for row in comparison.statistics)
    for row in comparison.statistics[:kept]:
        assert row.distance_held_out == 0, row.statistic.name


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["notes", "chorale"])
def trained(request, tmp_path_factory):
    """A folder with tunes/ and a model whose header says that it was trained on them, three tenths held out."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "tunes").mkdir()
    for seed in range(9):
        four = formats.to_bytes(piece(seed, parts=4, bars=10), "mid")
        data = four if request.param == "chorale" else midi(tune(seed, bars=10))
        (folder / "tunes" / f"{seed}.mid").write_bytes(data)
    corpus = load_corpus(folder / "tunes", workers=1)
    model = untrained(request.param, [document.content for document in corpus.documents])
    split = {"held_out_fraction": 0.3, "split_seed": 4}
    told = modelfile.Corpus(digest=corpus.digest, names=[], statistics={**model.header.corpus.statistics, **split})
    modelfile.save(folder / "model.safetensors", msgspec.structs.replace(model.header, corpus=told), model.weights)
    return folder, prepare(corpus, encoding=request.param, fraction=0.3, seed=4)


@pytest.fixture
def run(monkeypatch, capsys):
    def run(folder, *arguments, status=0):
        """Standard output and standard error of a command that ends with `status`."""
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as done:
            main(["evaluate", *map(str, arguments)])
        out, said = capsys.readouterr()
        assert done.value.code == status, said
        return out, said

    return run


def test_the_command_compares_the_sets_of_the_training(trained, run):
    folder, dataset = trained
    size = len(dataset.held_out)
    assert 1 < size < len(dataset.train)
    out, said = run(folder, "tunes", "--generated", 2 * size + 1, "--json")
    assert f"generating {2 * size} pieces; 1 more would not fill a group of {size}" in said
    found = json.loads(out)
    assert (found["training_pieces"], found["held_out_pieces"]) == (len(dataset.train), size)
    assert (found["generated_pieces"], found["groups"], found["seed"]) == (2 * size, 2, 0)
    rows = {row["name"]: row for row in found["statistics"]}
    four_part = dataset.encoding.name == "chorale"
    assert len(rows) == (13 if four_part else 8)
    assert ("voice_ranges" in found) == four_part
    for side, sequences in (("training", dataset.train), ("held_out", dataset.held_out)):
        real = [dataset.encoding.decode(dataset.vocabulary.to_tokens(row.ids[1:-1])) for row in sequences]
        counts = sum(map(statistics.pitch_classes, real), statistics.Counts())
        assert rows["pitch class"][side] == {str(key): counts[key] / counts.total() for key in sorted(counts)}
    for row in rows.values():
        assert len(row["group_distances"]) == 2
    assert rows["pitch class"]["ratio"] == pytest.approx(
        np.mean(rows["pitch class"]["group_distances"]) / rows["pitch class"]["distance_held_out"]
    )


def test_the_seed_of_the_command(trained, run):
    folder, dataset = trained
    arguments = ("tunes", "--generated", len(dataset.held_out), "--json")
    default, zero, one = (json.loads(run(folder, *arguments, *more)[0]) for more in ((), ("--seed", 0), ("--seed", 1)))
    assert default == zero
    assert one["seed"] == 1
    assert one["statistics"][0]["generated"] != zero["statistics"][0]["generated"]
    assert one["statistics"][0]["held_out"] == zero["statistics"][0]["held_out"]


def test_the_table_of_the_command(trained, run):
    folder, dataset = trained
    size = len(dataset.held_out)
    arguments = ("tunes", "--generated", size)
    table, _ = run(folder, *arguments)
    found = json.loads(run(folder, *arguments, "--json")[0])
    lines = table.splitlines()
    assert f"{size} generated pieces in groups of {size}, seed 0" in lines[0]
    for row in found["statistics"]:
        (line,) = (line for line in lines if line.startswith(f"{row['name']}  "))
        *_, made_, real, _ = line.split()
        for shown, wanted in ((made_, row["distance_generated"]), (real, row["distance_held_out"])):
            assert shown == ("-" if wanted is None else f"{wanted:.4f}")
    assert ("soprano 60 to 79" in lines[-1]) == (dataset.encoding.name == "chorale")


def test_what_the_command_cannot_compare(trained, run, tmp_path):
    folder, dataset = trained
    size = len(dataset.held_out)
    (tmp_path / "0.mid").write_bytes(midi(tune(0)))
    for arguments, wanted in (
        (("tunes", "--generated", size - 1), f"at least {size} are wanted, not {size - 1}"),
        ((tmp_path, "--generated", 9), "not the sources the model was trained on"),
        (("tunes", "--generated", 9, "--held-out"), "leave out --held-out and --window"),
        (("tunes", "--generated", 9, "--window", 9), "leave out --held-out and --window"),
        (("tunes", "--seed", 9), "--seed is for the pieces of --generated"),
    ):
        out, said = run(folder, *arguments, status=1)
        assert out == ""
        assert wanted in said
        assert len(said.splitlines()) == 1


def test_text_has_no_such_statistics(run, tmp_path):
    untrained("chars", ["some text"]).save(tmp_path / "model.safetensors")
    (tmp_path / "some.txt").write_text("some text")
    out, said = run(tmp_path, "some.txt", "--generated", 3, status=1)
    assert (out, said) == ("", "seqgen: --generated compares statistics of music, and this model writes text\n")

"""load_pairs and PairCorpus.of: what becomes a pair, and what is said of the rest."""

import codecs
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import piece

from seqgen.corpus import PairCorpus, are_pairs, load_corpus, load_pairs
from seqgen.errors import ConfigError, CorpusError


def sides(corpus: PairCorpus) -> list[tuple]:
    return [(pair.source, pair.target) for pair in corpus.pairs]


def skips(corpus: PairCorpus) -> list[tuple[str, str, bool]]:
    return [(skip.name, skip.reason, skip.failed) for skip in corpus.skipped]


def written(path, content: str | bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_line_is_a_source_a_tab_and_a_target(tmp_path):
    path = written(tmp_path / "eng-fra.tsv", "Go.\tVa !\nRun!\tCours\u202f!\tCC-BY #1\t#2\n  I see. \t\u00a0Je vois.\n")
    corpus = load_pairs(path)
    assert sides(corpus) == [("Go.", "Va !"), ("Run!", "Cours\u202f!"), ("I see.", "Je vois.")]
    assert [pair.name for pair in corpus.pairs] == [f"eng-fra.tsv line {number}" for number in (1, 2, 3)]
    assert (corpus.title, corpus.names) == ("eng-fra", ("eng-fra.tsv",))
    assert (corpus.source_unit, corpus.target_unit) == ("text", "text")
    assert (corpus.skipped, corpus.repeated, corpus.losses()) == ((), 0, {})


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("mark", "encoding"), [(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")]
)
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_line_ends_and_byte_order_marks(tmp_path, ends, mark, encoding, last):
    text = "naïve\té\u2028ß" + ends + "b\tB\x0cc" + ends * last  # neither of those ends a line
    corpus = load_pairs(written(tmp_path / "a.tsv", mark + text.encode(encoding)))
    assert sides(corpus) == [("naïve", "é\u2028ß"), ("b", "B\x0cc")]


def test_another_encoding_is_named(tmp_path):
    path = written(tmp_path / "a.tsv", "é\tà".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"^a.tsv: is not UTF-8: byte 0xe9 at offset 0 .line 1.; name its encoding"):
        load_pairs(path)
    assert sides(load_pairs(path, text_encoding="latin-1")) == [("é", "à")]
    with pytest.raises(ConfigError, match="no text encoding named 'latin-99'"):
        load_pairs(path, text_encoding="latin-99")


SIDE = st.text("aé字\u2028 \x0b.,", min_size=1, max_size=6).filter(lambda text: text == text.strip())


@given(st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("pairs") / "a.tsv"
    written(path, "".join(f"{source}\t{target}\n" for source, target in rows))
    corpus = load_pairs(path)
    assert sides(corpus) == list(dict.fromkeys(rows))
    assert corpus.repeated == len(rows) - len(set(rows))
    aligned = [written(path.with_name(f"part.{side}"), "\n".join(row[side] for row in rows)) for side in (0, 1)]
    assert sides(load_pairs(*aligned)) == sides(corpus)


def test_a_file_of_many_blocks(tmp_path):
    """Lines that begin in one block of the file and end in the next, or in one after it."""
    rows = [(f"source {number}" + "x" * (number % 700), "y" * (number % 300) + str(number)) for number in range(6000)]
    rows[1000] = ("z" * 3_000_000, "long")
    path = written(tmp_path / "a.tsv", "".join(f"{source}\t{target}\n" for source, target in rows))
    assert path.stat().st_size > 5_000_000
    assert sides(load_pairs(path, max_length=10_000_000)) == rows
    assert skips(load_pairs(path)) == [("a.tsv line 1001", "has more than 1,000 characters on a side", True)]


def test_lines_that_are_no_pairs(tmp_path):
    lines = ["a\tb", "no tab", "\tonly a target", "only a source\t  ", "", " \t ", "c\td", "none either"]
    corpus = load_pairs(written(tmp_path / "some.tsv", "\n".join(lines)))
    assert sides(corpus) == [("a", "b"), ("c", "d")]
    assert skips(corpus) == [
        ("some.tsv line 2", "has no tab", True),
        ("some.tsv line 3", "has an empty source", True),
        ("some.tsv line 4", "has an empty target", True),
        ("some.tsv line 5", "is blank", False),
        ("some.tsv line 6", "is blank", False),
        ("some.tsv line 8", "has no tab", True),
    ]


def test_long_lines(tmp_path):
    path = written(
        tmp_path / "a.tsv", f"{'x' * 1000}\t{'y' * 1000}\n{'x' * 1001}\ty\nx\t{'y' * 1001}\nabc\tabcd\nabc\tabc"
    )
    corpus = load_pairs(path)
    assert [len(source) for source, _ in sides(corpus)] == [1000, 3, 3]
    reason = "has more than 1,000 characters on a side"
    assert skips(corpus) == [("a.tsv line 2", reason, True), ("a.tsv line 3", reason, True)]
    short = load_pairs(path, max_length=3)
    assert sides(short) == [("abc", "abc")]
    # who asks for a limit wants the others left out
    assert {skip[1:] for skip in skips(short)} == {("has more than 3 characters on a side", False)}
    assert len(load_pairs(path, max_length=1001).pairs) == 5
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        load_pairs(path, max_length=0)


def test_equal_pairs_are_kept_once(tmp_path):
    path = written(tmp_path / "a.tsv", "a\tb\na\tc\n a\tb \na\tb\nb\ta\n")
    corpus = load_pairs(path)
    assert sides(corpus) == [("a", "b"), ("a", "c"), ("b", "a")]
    assert corpus.repeated == 2
    assert corpus.pairs[0].name == "a.tsv line 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("just some text\nmore", "a.tsv: holds no pair: a pair is a line with its source, a tab and its target, and its"
         " first line, 'just some text', has no tab"),
        ("x" * 61 + "\n", "and its first line, '" + "x" * 60 + "...', has no tab"),
        ("a\t\nb\t", "its first line, 'a\\\\t', has an empty target"),
        ("\n\n", "its first line, '', is blank"),
        ("", "a.tsv: is empty"),
        (b"MThd\0\0\0\x06\0\x01", "a.tsv: is binary, not text"),
    ],
)  # fmt: skip
def test_a_file_without_a_pair(tmp_path, content, message):
    path = written(tmp_path / "a.tsv", content)
    with pytest.raises(CorpusError, match=message.replace(".", r"\.")):
        load_pairs(path)
    # among others it is skipped
    corpus = load_pairs(path, written(tmp_path / "b.tsv", "good\tone"))
    assert sides(corpus) == [("good", "one")]
    assert [(skip.name, skip.failed) for skip in corpus.skipped] == [("a.tsv", True)]


def test_several_files_and_folders(tmp_path):
    first = written(tmp_path / "x" / "a.tsv", "a\t1")
    second = written(tmp_path / "y" / "a.tsv", "b\t2\nc")
    written(tmp_path / "y" / "deep" / "B.TSV", "c\t3")
    written(tmp_path / "y" / ".hidden.tsv", "d\t4")
    written(tmp_path / "y" / "notes.csv", "no candidate")
    done = []
    corpus = load_pairs(first, second, first, progress=lambda *progress: done.append(progress))
    assert sides(corpus) == [("a", "1"), ("b", "2")]
    assert corpus.names == ("x/a.tsv", "y/a.tsv")
    assert skips(corpus) == [("y/a.tsv line 2", "has no tab", True)]
    assert done == [(1, 2), (2, 2)]
    folder = load_pairs(tmp_path / "y")
    assert sides(folder) == [("b", "2"), ("c", "3")]
    assert folder.names == ("a.tsv", "deep/B.TSV")
    assert sides(load_pairs(tmp_path / "y", first)) == [("b", "2"), ("c", "3"), ("a", "1")]
    assert corpus.digest != folder.digest


def test_one_file_of_another_name_may_be_a_table(tmp_path):
    assert sides(load_pairs(written(tmp_path / "fra.txt", "Go.\tVa !"))) == [("Go.", "Va !")]


# --- two files line by line -------------------------------------------------------------------------------------------


def test_two_files_line_by_line(tmp_path):
    first = written(tmp_path / "train.en", "one\n\n\ntwo\nthree\tlines\n")
    second = written(tmp_path / "train.fr", "un\n\nvide\r\ndeux\ntrois\n")
    corpus = load_pairs(first, second)
    assert sides(corpus) == [("one", "un"), ("two", "deux"), ("three\tlines", "trois")]
    assert [pair.name for pair in corpus.pairs] == [f"train.en line {number}" for number in (1, 4, 5)]
    assert skips(corpus) == [("train.en line 2", "is blank", False), ("train.en line 3", "has an empty source", True)]
    assert (corpus.title, corpus.names) == ("train", ("train.en", "train.fr"))


def test_two_files_that_differ_in_length(tmp_path):
    first, second = written(tmp_path / "a.txt", "x\n" * 1200), written(tmp_path / "b.txt", "y\n" * 1199)
    with pytest.raises(
        CorpusError, match=r"a.txt has 1,200 lines and b.txt has 1,199: a pair is the same line of both"
    ):
        load_pairs(first, second)
    with pytest.raises(CorpusError, match=r"^a.txt and b.txt: b.txt is empty$"):
        load_pairs(first, written(second, ""))


# --- what is no source of pairs ---------------------------------------------------------------------------------------


def test_sources_that_are_no_pairs(tmp_path):
    table, text = written(tmp_path / "a.tsv", "a\tb"), written(tmp_path / "b.txt", "a\tb")
    tune = written(tmp_path / "music" / "c.mid", b"MThd")
    written(tmp_path / "music" / "d.tsv", "a\tb")
    wrong = [
        [table, text],
        [text, text, text],
        [tune],
        [text, tune],
        [tmp_path / "music"],
        ["verses"],
        [table, "verses"],
    ]
    for sources in wrong:
        with pytest.raises(
            CorpusError, match=r"no pairs; they come from \.tsv files or a folder of them .* two text files"
        ):
            load_pairs(*sources)
    with pytest.raises(CorpusError, match="no source of pairs was given"):
        load_pairs()
    for missing in ("a.tsw", "b.tsv"):
        with pytest.raises(CorpusError, match=rf"there is no file, folder or corpus .*{missing}.*did you mean .*a.tsv"):
            load_pairs(tmp_path / missing)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read here")
def test_a_file_that_may_not_be_read(tmp_path):
    path = written(tmp_path / "a.tsv", "a\tb")
    path.chmod(0)
    with pytest.raises(CorpusError, match=r"a.tsv: cannot be opened: Permission denied"):
        load_pairs(path)


def test_are_pairs(tmp_path):
    written(tmp_path / "pairs" / "a.tsv", "a\tb")
    written(tmp_path / "pairs" / "README.md", "about them")
    written(tmp_path / "mixed" / "a.tsv", "a\tb")
    written(tmp_path / "mixed" / "b.txt", "text")
    written(tmp_path / "text" / "b.txt", "text")
    pairs, mixed, text = (tmp_path / name for name in ("pairs", "mixed", "text"))
    assert are_pairs([pairs / "a.tsv", str(pairs), "not/there.TSV"])
    for sources in ([], [mixed], [text], [text / "b.txt"], [pairs, text], ["verses"], ["music21:bach"]):
        assert not are_pairs(sources)


# --- Python values ----------------------------------------------------------------------------------------------------


def test_texts():
    corpus = PairCorpus.of(iter(["1+1", " 2+2", "", "3", "1+1"]), ["2", "4 ", "x", "", "2"], title="sums")
    assert sides(corpus) == [("1+1", "2"), (" 2+2", "4 ")]  # as they are
    assert skips(corpus) == [("pair 3", "has an empty source", True), ("pair 4", "has an empty target", True)]
    assert (corpus.title, corpus.repeated, corpus.names) == ("sums", 1, ())
    assert corpus.digest != PairCorpus.of(["1+1", " 2+2"], ["2", "4"]).digest
    assert PairCorpus.of(["ab"], ["c"]).digest != PairCorpus.of(["a"], ["bc"]).digest


def test_vectors():
    corpus = PairCorpus.of([np.zeros((2, 3)), [[1, 2, 3]], [[1, 2, 3]]], ["a", "b", "b"])
    assert (corpus.source_unit, corpus.target_unit, len(corpus.pairs)) == ("vectors", "text", 3)
    for pair, shape in zip(corpus.pairs, [(2, 3), (1, 3), (1, 3)], strict=True):
        assert isinstance(pair.source, np.ndarray)
        assert (pair.source.dtype, pair.source.shape) == (np.float32, shape)
    one, other = (PairCorpus.of([np.zeros(shape)], ["a"]) for shape in ((2, 3), (3, 2)))
    assert one.digest != other.digest


ONE = np.ones((1, 2))


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (["a", "b"], ["c"], "pairs: there are 2 sources and 1 targets"),
        ([], [], "pairs: sources: there are none"),
        ("abc", "def", "pairs: sources are a list with one for each pair, not a single str"),
        (["a", ONE], ["b", "c"], "pairs: sources: the first is text, number 2 is vectors"),
        (["a"], [piece(1)], "a piece goes with a piece, not text with music"),
        ([""], ["a"], "each of the 1 pairs has an empty side"),
        (["a", "b"], [ONE, np.ones((1, 3))], "targets: number 2 has vectors of 3 numbers, the first of 2"),
        ([np.ones(3)], ["a"], r"sources: number 1 has the shape \(3,\); a series of vectors has \(steps, size\)"),
        ([np.ones((0, 3))], ["a"], r"has the shape \(0, 3\)"),
        ([[[np.inf]]], ["a"], "number 1 holds a number that is not finite"),
        ([[["x"]]], ["a"], "number 1 is no text, no piece and no array of numbers"),
        ([None], ["a"], "number 1 is no text, no piece and no array of numbers|has the shape"),
    ],
)
def test_values_that_are_no_pairs(sources, targets, message):
    with pytest.raises(CorpusError, match=message):
        PairCorpus.of(sources, targets)


def test_small_talk_comes_with_seqgen_without_what_is_to_be_asked_at_the_end():
    corpus = load_pairs("conversation")
    assert corpus.title == "conversation"
    assert {pair.name.split()[0] for pair in corpus.pairs} == {"conversation.tsv"}
    assert are_pairs(["conversation"])
    with pytest.raises(CorpusError, match="neither music nor text"):
        load_corpus("conversation")

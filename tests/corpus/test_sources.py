"""From what a user names to the files that are read."""

import importlib.util
import os
from pathlib import Path

import pytest

from seqgen.corpus import sources
from seqgen.corpus.sources import named_corpora, plan
from seqgen.errors import CorpusError, MissingExtra


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("some text")
    return folder


def names_of(*given: object) -> list[str]:
    return [candidate.name for candidate in plan([str(source) for source in given]).candidates]


def test_a_folder_is_read_through_in_sorted_order_without_what_is_no_candidate(tmp_path):
    make(tmp_path, "b.txt", "a/z.txt", "a/.hidden.txt", ".git/c.txt", "LICENSE.txt", "README.md", "cover.png")
    found = plan([tmp_path])
    assert [candidate.name for candidate in found.candidates] == ["a/z.txt", "b.txt"]
    assert (found.unit, found.title) == ("text", tmp_path.name)
    assert found.ignored == ("LICENSE.txt", "README.md", "cover.png")
    assert found.skipped == ()


def test_music_wins_over_text_beside_it_and_says_so(tmp_path):
    found = plan([make(tmp_path, "a.mid", "notes.txt", "README.md")])
    assert found.unit == "music"
    assert [candidate.name for candidate in found.candidates] == ["a.mid"]
    assert [(skip.name, skip.reason, skip.failed) for skip in found.skipped] == [
        ("notes.txt", "text file in a folder of music", False)
    ]


def test_sources_of_both_units_are_refused(tmp_path):
    make(tmp_path, "a.mid", "b.txt")
    with pytest.raises(CorpusError, match=r"not both: a\.mid is music, b\.txt is text"):
        plan([tmp_path / "a.mid", tmp_path / "b.txt"])


def test_several_sources_keep_their_names_apart(tmp_path):
    make(tmp_path, "one/x.txt", "two/x.txt", "two/deep/y.txt", "z.txt")
    assert names_of(tmp_path / "one", tmp_path / "two") == ["one/x.txt", "two/deep/y.txt", "two/x.txt"]
    assert names_of(tmp_path / "one/x.txt", tmp_path / "z.txt") == ["one/x.txt", "z.txt"]
    assert names_of(tmp_path / "z.txt") == ["z.txt"]
    assert names_of(tmp_path / "two/x.txt", tmp_path / "two/deep/y.txt") == ["x.txt", "deep/y.txt"]
    assert names_of(tmp_path / "one", "verses")[:2] == ["one/x.txt", "verses/autumn.txt"]


def test_a_file_named_twice_is_read_once(tmp_path):
    make(tmp_path, "one/x.txt")
    assert names_of(tmp_path / "one", tmp_path / "one/x.txt") == ["one/x.txt"]
    (tmp_path / "one" / "y.txt").symlink_to(tmp_path / "one" / "x.txt")
    assert names_of(tmp_path / "one") == ["x.txt"]


def test_linked_folders_are_followed_once(tmp_path):
    make(tmp_path, "data/x.txt")
    (tmp_path / "data" / "self").symlink_to(tmp_path / "data")
    make(tmp_path, "elsewhere/y.txt")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    assert names_of(tmp_path / "data") == ["link/y.txt", "x.txt"]


def test_a_file_that_is_named_is_a_candidate_whatever_it_is_called(tmp_path):
    make(tmp_path, "README.md", "novel")
    (tmp_path / "song").write_bytes(b"MThd")
    assert plan([tmp_path / "README.md"]).unit == "text"
    assert plan([tmp_path / "novel"]).unit == "text"
    assert plan([tmp_path / "song"]).unit == "music"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "holds no file to read"),
        ([".hidden.txt"], "holds no file to read"),
        (["a.png", "b.wav", "c.py", "d.py"], r"4 files, none of them music or text: a\.png, b\.wav, c\.py and 1 more"),
        (["a.png"], r"one file, and it is neither music nor text: a\.png"),
    ],
)
def test_a_folder_without_candidates_says_what_it_holds(tmp_path, files, said):
    with pytest.raises(CorpusError, match=said):
        plan([make(tmp_path, *files)])


def test_what_does_not_exist_names_what_is_near(tmp_path):
    make(tmp_path, "tunes/a.mid")
    with pytest.raises(CorpusError, match=r"'bach-choral'; did you mean bach-chorales\?.*verses"):
        plan(["bach-choral"])
    with pytest.raises(CorpusError, match=r"did you mean .*tunes"):
        plan([tmp_path / "tune"])
    for nothing in ([], [""]):
        with pytest.raises(CorpusError, match="bach-chorales, conversation, fiddle-tunes, verses"):
            plan(nothing)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_is_no_source(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    with pytest.raises(CorpusError, match="neither a file nor a folder"):
        plan([tmp_path / "pipe.mid"])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is closed to this user")
def test_a_closed_folder_is_skipped_and_said(tmp_path):
    make(tmp_path, "a.txt", "closed/b.txt")
    (tmp_path / "closed").chmod(0)
    found = plan([tmp_path])
    (tmp_path / "closed").chmod(0o755)
    assert [(skip.name, skip.failed) for skip in found.skipped] == [("closed", True)]


def test_a_path_that_exists_wins_over_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "verses/mine.txt")
    assert names_of("verses") == ["mine.txt"]


def test_the_corpora_that_come_along():
    assert list(named_corpora()) == ["bach-chorales", "conversation", "fiddle-tunes", "verses"]
    found = plan(["verses"])
    assert (found.title, found.encoding, found.separator) == ("Verses", "chars", "\n\n\n")
    assert found.licence.startswith("CC0")
    assert plan([named_corpora()["verses"] / "corpus.toml"]).candidates == found.candidates


def test_corpora_are_found_in_an_installed_package(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "seqgen" / "corpus" / "sources.py"))
    make(tmp_path, "corpora/other/x.txt", "seqgen/corpora/mine/x.txt")
    (tmp_path / "seqgen/corpora/mine/corpus.toml").write_text('title = "Mine"')
    assert plan(["mine"]).title == "Mine"


def test_settings_of_several_sources_hold_only_where_they_agree(tmp_path):
    for name, encoding in (("one", "words"), ("two", "words"), ("three", "chars")):
        make(tmp_path, f"{name}/x.txt")
        (tmp_path / name / "corpus.toml").write_text(f'title = "{name}"\nlicence = "CC0"\nencoding = "{encoding}"')
    make(tmp_path, "plain/x.txt")
    agreed = plan([tmp_path / "one", tmp_path / "two"])
    assert (agreed.encoding, agreed.title, agreed.licence) == ("words", "one, two", "CC0")
    assert plan([tmp_path / "one", tmp_path / "three"]).encoding is None
    assert plan([tmp_path / "one", tmp_path / "plain"]).encoding is None


def test_include_and_exclude(tmp_path):
    make(tmp_path, "bwv1.txt", "bwv2.txt", "deep/bwv3.txt", "other.txt")
    (tmp_path / "corpus.toml").write_text('title = "T"\ninclude = ["bwv*"]\nexclude = ["*2.txt"]')
    assert names_of(tmp_path) == ["bwv1.txt", "deep/bwv3.txt"]
    (tmp_path / "corpus.toml").write_text('title = "T"\ninclude = ["*.mid"]')
    with pytest.raises(CorpusError, match=r"no file in .* fits its corpus\.toml: include \*\.mid; exclude nothing"):
        plan([tmp_path])


def test_the_encoding_decides_between_music_and_text(tmp_path):
    make(tmp_path, "a.mid", "b.txt")
    (tmp_path / "corpus.toml").write_text('title = "T"\nencoding = "words"')
    found = plan([tmp_path])
    assert [candidate.name for candidate in found.candidates] == ["b.txt"]
    assert [(skip.name, skip.failed) for skip in found.skipped] == [("a.mid", False)]
    (tmp_path / "b.txt").unlink()
    with pytest.raises(CorpusError, match=r"T: encoding in corpus\.toml is for text, but all its files are music"):
        plan([tmp_path])


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("title = ", "cannot be read as TOML"),
        ("title = 3", r"Expected `str`, got `int` - at `\$\.title`"),
        ('licence = "x"', "missing required field `title`"),
        ('title = "x"\nlicense = "y"', "unknown field `license`; its fields are title, source, licence"),
        ('title = "x"\ninclude = "*.mid"', r"Expected `array`, got `str` - at `\$\.include`"),
        ('title = "x"\nsource = "zip"', "source must be 'files' or 'music21:<folder>', not 'zip'"),
        ('title = "x"\nencoding = "letters"', "encoding or options: there is no encoding 'letters'"),
        ('title = "x"\nencoding = "notes"\n[options]\ngrid = "4"', "encoding or options: .*'grid'"),
        ('title = "x"\n[options]\ngrid = 4', "the field encoding is missing"),
        ('title = "x"\nencoding = "notes"\nseparator = "\\n"', "separator cuts text"),
    ],
)
def test_a_wrong_corpus_toml_names_the_file_and_the_field(tmp_path, toml, said):
    make(tmp_path, "a.txt")
    (tmp_path / "corpus.toml").write_text(toml)
    with pytest.raises(CorpusError, match=said) as caught:
        plan([tmp_path])
    assert str(tmp_path / "corpus.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_keep_their_type(tmp_path):
    make(tmp_path, "a.mid")
    (tmp_path / "corpus.toml").write_text(
        'title = "T"\nencoding = "notes"\n[options]\ngrid = 12\npart = "2"\njoint = true'
    )
    assert plan([tmp_path]).options == {"grid": 12, "part": "2", "joint": True}


class _Music21:
    """In place of the import system's answer: a music21 with a corpus of these files."""

    def __init__(self, folder: Path) -> None:
        self.submodule_search_locations = [str(folder)]


def test_music21_folders_take_one_file_of_each_work(tmp_path, monkeypatch):
    make(tmp_path, "corpus/bach/w1.krn", "corpus/bach/w1.mxl", "corpus/bach/w2.xml", "corpus/bach/w2.5.krn")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: _Music21(tmp_path))
    found = plan(["music21:bach"])
    assert [candidate.name for candidate in found.candidates] == ["w1.mxl", "w2.5.krn", "w2.xml"]
    assert [(skip.name, skip.reason, skip.failed) for skip in found.skipped] == [
        ("w1.krn", "the same work as w1.mxl", False)
    ]
    with pytest.raises(CorpusError, match=r"no folder 'bachs'; did you mean music21:bach\?"):
        plan(["music21:bachs"])
    with pytest.raises(CorpusError, match=r"no folder '\.\./corpus'"):
        plan(["music21:../corpus"])


def test_without_music21_its_corpora_say_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"The corpus bach-chorales needs .*seqgen\[notation\]"):
        plan(["bach-chorales"])

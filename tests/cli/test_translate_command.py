"""`seqgen translate` as a user has it: a line for a line, as it comes, and one clear line when something is wrong."""

import json
import select
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli_cases import SEQGEN, answered, refused, run
from made import untrained
from made_pairs import untrained_pairs

import seqgen

LINES = ["Go.", "Be nice.", "I am here.", "Wait!", "Hi."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Models that have learned nothing, and lines."""
    folder = tmp_path_factory.mktemp("translate")
    untrained_pairs("attention", source_as="words", scale=2.5, seed=11).save(folder / "model.safetensors")
    untrained_pairs("states").save(folder / "states.safetensors")
    untrained("chars", ["a text"]).save(folder / "generator.safetensors")
    (folder / "lines.txt").write_text("\n".join(LINES) + "\n")
    return folder


def lines(data: bytes) -> list[str]:
    text = data.decode()
    assert text.endswith("\n")
    return text[:-1].split("\n")


@pytest.fixture(scope="module")
def expected(folder) -> list[str]:
    found = [one.text for one in seqgen.load(folder / "model.safetensors").translate(LINES)]
    assert len(set(found)) > 1
    return found


def test_texts_and_lines_of_a_file_and_of_a_pipe_are_the_same(folder, expected):
    out, said = run(folder, "translate", *LINES)
    assert lines(out) == expected
    assert said.splitlines()[0].startswith("model model.safetensors ")
    piped = "\n".join(LINES).encode()  # without the last line end
    assert lines(run(folder, "translate", stdin=piped)[0]) == expected
    assert lines(run(folder, "translate", "-", stdin=piped.replace(b"\n", b"\r\n"))[0]) == expected
    with (folder / "lines.txt").open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", SEQGEN, "translate"], stdin=file, capture_output=True, cwd=folder, check=True
        )
    assert lines(done.stdout) == expected


def test_each_line_of_a_pipe_is_answered_before_the_next_comes(folder, expected):
    process = subprocess.Popen(
        [sys.executable, "-c", SEQGEN, "translate"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for line, wanted in zip(LINES, expected, strict=True):
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], 60)
        if not ready:
            process.kill()
        assert process.stdout.readline().decode() == wanted + "\n"
    process.stdin.close()
    assert process.stdout.read() == b""
    process.stdout.close()
    assert process.wait(timeout=60) == 0


def test_nobody_reads_any_more(folder):
    """Quiet, though lines go on coming."""
    command = f"while echo Go.; do :; done 2>/dev/null | {sys.executable} -c '{SEQGEN}' translate | head -n 3"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=folder, timeout=100, check=True)
    assert len(done.stdout.splitlines()) == 3
    assert b"Traceback" not in done.stderr


def test_an_empty_line_stays_empty(folder, expected):
    data = f"{LINES[0]}\n\n  \n{LINES[1]}\n".encode()
    out, said = run(folder, "translate", stdin=data)
    assert lines(out) == [expected[0], "", "", expected[1]]
    assert "seqgen: lines 2, 3 are empty, and so is what became of it" in said
    drawn = ("translate", "--sample", "--seed", 2)
    out, _ = run(folder, *drawn, stdin=data)
    assert lines(out)[::3] == lines(run(folder, *drawn, LINES[0], LINES[1])[0])  # nothing was drawn for the empty ones
    assert run(folder, "translate", stdin=b"")[0] == b""


@pytest.fixture
def translate(folder, capsysbinary, monkeypatch):
    """The command in this process."""
    monkeypatch.chdir(folder)
    return lambda *arguments: answered(capsysbinary, "translate", *arguments)


def test_scores_and_json_say_what_python_says(folder, translate):
    model = seqgen.load(folder / "model.safetensors")
    out, _ = translate(*LINES, "--beam", 3, "--scores")
    found = model.translate(LINES, beam=3)
    assert lines(out) == [f"{one.text}\t{one.score:.4f}" for one in found]
    out, _ = translate("Go.", "", "Go café", "--beam", 3, "--json", "--steps", 4)
    first, empty, other = map(json.loads, lines(out))
    (translation,) = model.translate(["Go."], beam=3, steps=4)
    assert first["source"] == "Go."
    assert first["translation"] == translation.text
    assert first["score"] == pytest.approx(translation.score, abs=1e-4)
    assert first["ended"] == translation.ended
    assert [one["translation"] for one in first["alternatives"]] == [one.text for one in translation.alternatives]
    assert "unknown" not in first
    assert empty == {"source": "", "translation": ""}
    assert other["unknown"] == ["café"]


def test_sampling_has_a_seed_that_is_said(translate):
    boldly = ("--sample", "--temperature", 1.5)
    out, said = translate(*LINES, *boldly, "--seed", 4)
    assert ", seed 4\n" in said
    assert translate(*LINES, *boldly, "--seed", 4)[0] == out
    assert translate(*LINES, *boldly, "--seed", 5)[0] != out
    with_empty, _ = translate(LINES[0], "", *LINES[1:], *boldly, "--seed", 4)
    assert lines(with_empty) == [lines(out)[0], "", *lines(out)[1:]]
    _, said = translate("Go.", "--sample")
    assert said.split("seed ")[1].split()[0].isdecimal()


def test_unknown_words_are_counted_and_with_v_named(translate):
    _, said = translate("Go.", "Go café, now", "Be nice.")
    assert "3 tokens were read as unknown, since the model has never seen such; -v names them" in said
    _, said = translate("Go.", "Go café, now", "Be nice.", "-v")
    assert "line 2: the model has never seen 'café', ',', 'now'\n" in said
    assert said.endswith("3 tokens were read as unknown, since the model has never seen such\n")


def test_what_does_not_end_and_what_is_cut_is_said(translate):
    out, said = translate("Be nice.", "Go.", "--steps", 1, "--max-length", 2)
    assert all(len(line) == 1 for line in lines(out))
    assert "seqgen: line 1 was cut to 2 tokens\n" in said
    assert "seqgen: lines 1, 2 were ended by the number of steps; --steps allows more" in said


def test_a_line_break_within_a_line_is_a_space(folder, capsysbinary):
    """A line for a line, whatever the model has learned to write."""
    untrained_pairs("states", [("a", "x\n\ny"), ("b", "\n")], seed=3).save(folder / "breaks.safetensors")
    texts = ["a", "b", "ab", "ba"]
    model = seqgen.load(folder / "breaks.safetensors")
    found = [one.text for one in model.translate(texts, sample=True, seed=1)]
    assert any("\n" in text for text in found)
    how = ("-m", folder / "breaks.safetensors", "--sample", "--seed", 1)
    out, _ = answered(capsysbinary, "translate", *texts, *how)
    assert lines(out) == [" ".join(text.splitlines()) for text in found]
    out, _ = answered(capsysbinary, "translate", *texts, *how, "--json")
    assert [json.loads(line)["translation"] for line in lines(out)] == found


def test_the_lines_before_a_bad_one_are_answered(folder, expected):
    long = " ".join(["Go"] * 1000)
    good = f"{LINES[0]}\n{LINES[1]}\n".encode()
    for data, wanted in (
        (good + f"{long}\n{LINES[2]}\n".encode(), "line 3 has 1,000 tokens"),
        (good + b"G\xff\n", "line 3 of the standard input is not UTF-8"),
        (good + b"\0\n", "the standard input is binary, not text: a NUL in line 3"),
    ):
        (folder / "bad.txt").write_bytes(data)
        with (folder / "bad.txt").open("rb") as file:  # where lines are taken many at once
            done = subprocess.run(
                [sys.executable, "-c", SEQGEN, "translate"], stdin=file, capture_output=True, cwd=folder, check=False
            )
        assert done.returncode == 1
        assert lines(done.stdout) == expected[:2]
        assert wanted in done.stderr.decode().splitlines()[-1]


def test_another_encoding_of_the_lines_can_be_named(folder):
    _, said = run(folder, "translate", "--text-encoding", "latin-1", "-v", stdin=b"caf\xe9\n")
    assert "'café'" in said
    _, said = run(folder, "translate", "--text-encoding", "utf-16", status=1, stdin=b"")
    assert "lines of utf-16 cannot be told apart in a stream" in said


# --- pictures ---------------------------------------------------------------------------------------------------------


def titles(path: Path) -> tuple[str, str]:
    root = ElementTree.fromstring(path.read_text())
    texts = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    return texts[0], texts[1]


@pytest.mark.parametrize("beam", [[], ["--beam", "3"]])
def test_a_picture_of_one_line_has_the_name_and_of_several_a_number(translate, tmp_path, beam):
    out, said = translate("Be nice.", "--attention-plot", tmp_path / "one.svg", *beam)
    assert f"wrote {tmp_path / 'one.svg'}" in said
    assert titles(tmp_path / "one.svg") == ("Be nice.", lines(out)[0])
    out, _ = translate("Be nice.", "Go.", "--attention-plot", tmp_path / "two.svg", *beam)
    assert titles(tmp_path / "two-1.svg") == ("Be nice.", lines(out)[0])
    assert titles(tmp_path / "two-2.svg") == ("Go.", lines(out)[1])
    translate("", "Go.", "--attention-plot", tmp_path / "{n}-of.html", *beam)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["2-of.html", "one.svg", "two-1.svg", "two-2.svg"]  # the number of the line
    translate("Go.", "--attention-plot", tmp_path / "pixels.png", *beam)
    assert (tmp_path / "pixels.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("data", "names"), [(b"\nGo.\n\n", ["p.svg"]), (b"\nGo.\nHi.\n", ["p-2.svg", "p-3.svg"])])
def test_how_many_lines_come_is_not_known_before(folder, tmp_path, data, names):
    run(folder, "translate", "--attention-plot", tmp_path / "p.svg", stdin=data)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_closed_input_is_said(folder):
    command = f"{sys.executable} -c '{SEQGEN}' translate <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=folder, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().strip() == "seqgen: a standard stream is closed; redirect it, for example to /dev/null"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Go.", "--beam", 0], "the beam must be at least 1 wide, not 0"),
        (["Go.", "--beam", 100], "a beam of 100 is wider than the 25 tokens this model writes"),
        (["Go.", "--beam", 2, "--sample"], "give one of the two"),
        (["Go.", "--seed", 2], "seed is for sampling: add --sample"),
        (["Go.", "--top-p", 0.5], "top-p is for sampling"),
        (["Go.", "--sample", "--top-p", 2], "top-p must be above 0"),
        (["Go.", "--length-penalty", 1], "there is none: give a beam"),
        (["Go.", "--steps", 0], "steps of a translation must be at least 1"),
        (["Go.", "--max-length", 0], "maximum length of a source must be at least 1"),
        (["Go.", "--attention-plot", "a.gif"], "a picture of attention is .svg, .html or .png"),
        (["Go.", "--attention-plot", "nowhere/a.svg"], "there is no folder 'nowhere'"),
        (["Go.", "-m", "states.safetensors", "--attention-plot", "a.svg"], "has no attention to show"),
        (["Go.", "-m", "generator.safetensors"], "'seqgen generate' uses it"),
        (["Go.", "-m", "bach-chorales"], "bach-chorales continues what it is given and reads no source"),
        (["Go.", "-m", "missing.safetensors"], "no model file 'missing.safetensors'"),
        (["Go.", "--text-encoding", "klingon"], "no text encoding named 'klingon'"),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsysbinary, monkeypatch, arguments, said):
    monkeypatch.chdir(folder)
    assert said in refused(capsysbinary, "translate", *arguments)


def test_a_folder_without_a_model_and_a_model_that_generate_cannot_use(folder, tmp_path, capsysbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = (
        "there is no model.safetensors in this folder: name a model with -m, or make one of pairs with 'seqgen train"
    )
    assert wanted in refused(capsysbinary, "translate", "Go.")
    monkeypatch.chdir(folder)
    for command in (["generate"], ["vary", "x.mid"], ["generate", "--stream"]):
        line = refused(capsysbinary, *command)
        assert "model.safetensors turns a source into a target: 'seqgen translate' uses it" in line

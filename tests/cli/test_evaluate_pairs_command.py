"""`seqgen evaluate` with a model of pairs."""

import json
from pathlib import Path

import pytest
from cli_cases import answered, refused
from made import untrained
from made_pairs import PAIRS, corpus_of, untrained_pairs

import seqgen
from seqgen.corpus.pair_dataset import prepare_pairs
from seqgen.evaluate import score_pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    untrained_pairs("attention", fraction=0.3).save(folder / "model.safetensors")
    untrained("chars", ["a text"]).save(folder / "generator.safetensors")
    (folder / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    (folder / "others.tsv").write_text("Go.\tVa !\nno tab\nGo.\tMarche !\n\tempty\n")
    (folder / "text.txt").write_text("a text")
    return folder


@pytest.fixture
def evaluate(folder, capsysbinary, monkeypatch):
    """The command in this process."""
    monkeypatch.chdir(folder)
    return lambda *arguments, status=0: answered(capsysbinary, "evaluate", *arguments, status=status)


@pytest.mark.parametrize("beam", [[], ["--beam", 3]])
def test_the_figures_are_those_of_python(folder, evaluate, beam):
    model = seqgen.load(folder / "model.safetensors")
    wanted = model.evaluate(folder / "others.tsv", beam=beam[1] if beam else None).as_dict()
    out, said = evaluate("others.tsv", "--json", *beam)
    found = json.loads(out)
    assert found == {name: pytest.approx(value) for name, value in wanted.items()}
    assert (found["pairs"], found["sources"]) == (2, 1)
    assert "skipped others.tsv line 2: has no tab" in said
    out, _ = evaluate("others.tsv", *beam)
    rows = {line[:28].strip(): line[28:].strip() for line in out.decode().splitlines()}
    assert rows["pairs"] == "2"
    assert float(rows["chrf"]) == pytest.approx(wanted["chrf"], abs=1e-4)
    assert rows["bleu signature"] == wanted["bleu_signature"]
    assert evaluate("others.tsv", "--strict", *beam, status=3)[0] == out


def test_only_what_training_held_out(folder, evaluate):
    held_out = prepare_pairs(corpus_of(), fraction=0.3).held_out
    assert 0 < len(held_out) < len(PAIRS)
    model = seqgen.load(folder / "model.safetensors")
    out, said = evaluate("pairs.tsv", "--held-out", "--json")
    found = json.loads(out)
    score = score_pairs(model.stepper, model.spelling, held_out)
    assert found["pairs"] == len(held_out)
    assert found["nats_per_token"] == pytest.approx(score.nats_per_token)
    assert "was trained on these sources" not in said
    out, said = evaluate("pairs.tsv", "--json")
    assert json.loads(out)["pairs"] == len(PAIRS)
    assert "the model was trained on these sources; --held-out scores only what it has not seen" in said


def test_longer_lines_are_left_out_as_in_training(evaluate):
    out, _ = evaluate("pairs.tsv", "--max-length", 8, "--json")
    assert json.loads(out)["pairs"] == sum(len(source) <= 8 and len(target) <= 8 for source, target in PAIRS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["others.tsv", "--held-out"], "not the sources the model was trained on"),
        (["pairs.tsv", "--window", 3], "--window is not for models of pairs"),
        (["pairs.tsv", "--generated", 3], "--generated is not for models of pairs"),
        (["pairs.tsv", "--beam", 0], "the beam must be at least 1 wide"),
        (["pairs.tsv", "--beam", 99], "wider than the 2"),
        (["text.txt", "-m", "generator.safetensors", "--beam", 2], "--beam is for models of pairs"),
        (["text.txt", "-m", "generator.safetensors", "--max-length", 2], "--max-length is for models of pairs"),
        (["text.txt"], "holds no pair"),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsysbinary, monkeypatch, arguments, said):
    monkeypatch.chdir(folder)
    assert said in refused(capsysbinary, "evaluate", *arguments)

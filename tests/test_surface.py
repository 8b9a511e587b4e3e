"""What is public, and what loading it costs: an allow-list, so that a new import is a decision."""

import subprocess
import sys

import pytest
from made import piece, untrained
from made_pairs import untrained_pairs

import seqgen
from seqgen.originality import CopyIndex

PUBLIC = [
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
BASE = {"msgspec", "numpy", "safetensors", "seqgen", "threadpoolctl"}
HELPERS = {"typing_extensions", "cython_runtime"}  # of the above, as their versions have it
HEAVY = {"tensorflow", "keras", "music21", "symusic", "rich", "h5py", "scipy", "matplotlib", "sacrebleu"}

# runs the command that follows, then lists the top-level modules that it loaded
WRAPPER = """
import sys
before = set(sys.modules)
try:
    if sys.argv[1] == "import":
        import seqgen
    else:
        from seqgen.cli.main import main
        main(sys.argv[1:])
except SystemExit as done:
    assert not done.code, done.code
found = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print("loaded:", *sorted(found), file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", WRAPPER, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    names = done.stderr.splitlines()[-1].removeprefix("loaded: ").split()
    return {name for name in names if not name.startswith(("_", "__"))}


def test_the_public_names():
    assert sorted(seqgen.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(seqgen, name) is not None


@pytest.mark.parametrize("module", ["sampling", "evaluate", "corpus", "encodings", "formats", "runtime", "training"])
def test_every_package_has_what_it_lists(module):
    package = __import__(f"seqgen.{module}", fromlist=["*"])
    assert len(set(package.__all__)) == len(package.__all__)
    for name in package.__all__:
        getattr(package, name)
    with pytest.raises(AttributeError):
        _ = package.something_else


def test_importing_seqgen_is_light():
    found = loaded("import")
    assert found <= BASE | HELPERS
    assert not found & HEAVY


def test_importing_does_nothing_that_only_words_or_a_corpus_need():
    code = """
import sys, seqgen
from seqgen.encodings.words import word_pattern
print("importlib.metadata" in sys.modules, word_pattern.cache_info().currsize)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "0"]


@pytest.mark.parametrize(
    "arguments",
    ["--help", "--version", *(f"{name} --help" for name in ("generate", "train", "evaluate", "translate", "embed"))],
)
def test_help_is_light(arguments):
    found = loaded(*arguments.split())
    assert found <= BASE | HELPERS | {"click"}
    assert not found & HEAVY


def test_generating_leaves_what_numpy_loads_late(tmp_path):
    """`np.unique` brings `numpy.ma` with it, which takes as long to load as a piece to make."""
    model = untrained("notes", [piece(1)])
    model._index = CopyIndex.of([piece(1)], "music").tensors()
    model.save(tmp_path / "model.safetensors")
    code = """
import sys, numpy
before = "numpy.ma" in sys.modules
from seqgen.cli.main import main
try:
    main(["generate", "--steps", "30", "--seed", "1", "-o", "out.mid"])
finally:
    print(before == ("numpy.ma" in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "copied" in done.stderr
    assert done.stdout.split() == ["True"]


@pytest.mark.parametrize(("encoding", "ending"), [("notes", "mid"), ("chars", "txt")])
def test_generating_is_light(tmp_path, encoding, ending):
    model = untrained(encoding, [piece(1)] if encoding == "notes" else ["some text"])
    model.save(tmp_path / "model.safetensors")
    target = tmp_path / f"out.{ending}"
    found = loaded(
        "generate", "-m", str(tmp_path / "model.safetensors"), "--steps", "10", "--seed", "1", "-o", str(target)
    )  # fmt: skip
    assert target.stat().st_size > 0
    assert found <= BASE | HELPERS | {"click"}
    assert not found & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", "Go.", "--beam", "2", "--attention-plot", "a.html"],
        ["translate", "Go.", "--sample", "--attention-plot", "a.svg"],
        ["embed", "Go.", "Be nice.", "--plot", "p.svg", "--neighbours", "1", "-o", "v.npy"],
    ],
)
def test_translating_is_light(tmp_path, monkeypatch, arguments):
    untrained_pairs("attention").save(tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    found = loaded(*arguments)
    assert len(list(tmp_path.iterdir())) > 1
    assert found <= BASE | HELPERS | {"click"}
    assert not found & HEAVY


def test_what_is_wrong_with_a_training_is_said_before_tensorflow_is_loaded(tmp_path):
    """Loading it takes seconds."""
    wrapper = WRAPPER.replace("assert not done.code", "assert done.code == 1")
    for arguments in (["train", str(tmp_path)], ["train", "verses", "--lr", "-1"]):
        done = subprocess.run(
            [sys.executable, "-c", wrapper, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not set(done.stderr.splitlines()[-1].split()) & HEAVY

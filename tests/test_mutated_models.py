"""Damaged model files, byte by byte and field by field: each loads and generates, or is refused in one sentence.

They run in a child process, so that a crash, a hang and a hunger for memory are failures of the test and not of the
machine.
"""

import faulthandler
import json
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60  # for one file, on a busy machine
MEMORY = 1 << 30  # bytes more than before
TEXT = "The sea, the sea! (It's cold.)\nAnd so on"

HOSTILE: list[Any] = [
    None, True, False, 0, 1, 2, -1, 3, 64, 65, 128, 1000, 10**6, 10**12, 2**31, 2**63, 2**64 - 1, 2**64, -(2**63),
    0.0, 0.5, -0.5, 1.5, 1e-300, 1e300, "", "a", "\0", "\ud800", "é" * 3, "x" * 5000, [], {}, [0], [[]], {"a": 1},
    "lstm", "gru", "rnn", "generator", "seq2seq", "chars", "bytes", "words", "notes", "chorale", "frames", "pickle",
    "grid", "parts", "joint", "part", "F32", "F64", "I32", "BOOL", [1, 1], [10**12, 10**12], [0, 2**63],
    "<pad>", "<start>", "<end>", "<unk>", "<join>", "<space>", "hold", "rest", "|", "60", "0", "127", "128", "-1",
    "999", "60.60", "60.64.67", "60.128", "60.-1", "60.", ".", "60-", "~60", "60~", "²", "٣", "6 0", "+6", "1_0", "0x40",
    "ff", "1ff", "zz", "=", "=0", "=1", "=-1", "=1/0", "=1/3", "=1e9", "=1000000", "=99999999999", "=nan", "=inf",
    "60=0",
    "60=-1", "60=1e9", "60=1", "rest=0", "rest=-2", "=1=1", "key=", "key=H", "key=C", "key=C-major", "key=C-minor-",
    "key=C-dorian", "key=?", "meter=", "meter=?", "meter=4", "meter=4/0", "meter=0/4", "meter=-4/4", "meter=-4/-4",
    "meter=4/4", "meter=5/7", "meter=1000000/4", "meter=100000000000/1", "meter=4/4/4", "meter=x/y", "pickup=",
    "pickup=?", "pickup=-1", "pickup=15", "pickup=1000000000000", "pickup=1/2", "key=? meter=? pickup=0", "key=?",
    "key=X-major meter=9/0 pickup=-4", "key=? meter=? pickup=0 more=1",
]  # fmt: skip


def mutant(content: bytes, rng: random.Random) -> bytes:
    length = int.from_bytes(content[:8], "little")
    outer, data = content[8 : 8 + length], bytearray(content[8 + length :])
    kind = rng.randrange(10)
    if kind == 0:  # cut short
        return content[: rng.choice([rng.randrange(40), rng.randrange(len(content)), len(content) - 1])]
    if kind == 1:  # bytes anywhere, most of them in the JSON
        return damaged(content, rng, len(content) if rng.random() < 0.3 else 8 + length)
    if kind == 2:  # weights: NaN, infinity, huge of either sign, anything
        value = rng.choice([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\x7f\x7f", b"\xff\xff\x7f\xff", None])
        for _ in range(rng.choice([1, 20, 1000])):
            place = 4 * rng.randrange(len(data) // 4)
            data[place : place + 4] = value or rng.randbytes(4)
        return content[: 8 + length] + bytes(data)
    container = json.loads(outer)
    header = json.loads(container["__metadata__"]["seqgen"])
    side, corpus = header["sides"]["target"], header["corpus"]
    if kind < 8:  # what is free in form, and so has to be understood before it can be refused
        tree = rng.choice([side["vocabulary"], side["vocabulary"], side["options"], corpus["statistics"]])
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            changed(tree, rng)
    else:
        for _ in range(rng.choice([1, 1, 2])):
            changed(header if rng.random() < 0.8 else container, rng)
    if isinstance(container.get("__metadata__"), dict):
        container["__metadata__"]["seqgen"] = json.dumps(header)
        if rng.random() < 0.05:
            changed(container["__metadata__"], rng)
    text = json.dumps(container).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


def damaged(content: bytes, rng: random.Random, end: int) -> bytes:
    result = bytearray(content)
    for _ in range(rng.randrange(1, 5)):
        place = rng.randrange(end)
        match rng.randrange(4):
            case 0:
                result[place : place + 1] = rng.randbytes(1)
            case 1:
                del result[place : place + rng.randrange(1, 20)]
            case 2:
                result[place:place] = rng.randbytes(rng.randrange(1, 5))
            case 3:  # a digit for a digit keeps the JSON valid
                if chr(result[place] if place < len(result) else 0).isdigit():
                    result[place] = rng.choice(b"0123456789")
    return bytes(result)


def changed(tree: Any, rng: random.Random) -> None:
    """One field somewhere in a tree of JSON, changed to what could hurt. Every level is as likely as every other."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        if not keys:
            return
        key = rng.choice(keys)
        inner = tree[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.15:
            break
        tree = inner
    if isinstance(inner, str) and rng.random() < 0.3:  # a letter or digit of a token
        place = rng.randrange(len(inner) + 1)
        tree[key] = inner[:place] + rng.choice("0123456789-+./|~=<> eéΩ²") + inner[place + rng.randrange(2) :]
        return
    match rng.randrange(12):
        case 0:
            del tree[key]
        case 1 if isinstance(tree, dict):
            tree[str(rng.choice(HOSTILE))] = tree.pop(key)
        case 2 if isinstance(tree, list):
            tree.insert(key, rng.choice(tree))
        case 3 if isinstance(tree, list):
            rng.shuffle(tree)
        case 4 if type(inner) in (int, float):
            tree[key] = inner + rng.choice([-1, 1, 1000, -1000])
        case 5:
            nested: Any = inner
            for _ in range(rng.choice([1, 50, 400])):
                nested = [nested]
            tree[key] = nested if rng.random() < 0.2 else rng.choice(HOSTILE)
        case _:
            tree[key] = rng.choice(HOSTILE)


def models() -> list[Callable[[], Any]]:
    from made import piece, untrained

    voices = [piece(1, parts=2, meter=(3, 4), pickup=2), piece(2, parts=2)]
    return [
        lambda: untrained("chars", [TEXT]),
        lambda: untrained("bytes", [TEXT]),
        lambda: untrained("words", [TEXT], lower=True),
        lambda: untrained("notes", [piece(3, chords=True), piece(4, meter=(6, 8))]),
        lambda: untrained("notes", [piece(5)], joint=True),
        lambda: untrained("chorale", voices, parts=2),
        lambda: untrained("frames", voices),
    ]


def torment(seed: int, count: int, folder: Path) -> None:
    """In the child: what becomes of `count` mutants, as JSON on stdout."""
    import seqgen
    from seqgen.errors import ModelFileError, SamplingError

    warnings.simplefilter("error")
    path = folder / "model.safetensors"
    contents = []
    for make in models():
        model = make()
        model.save(path)
        model.generate(5, seed=0)
        contents.append(path.read_bytes())
    _limit_memory()
    counts = {"refused": 0, "generated": 0, "not sampled": 0}
    for number in range(seed, seed + count):
        rng = random.Random(number)
        content = mutant(contents[number % len(contents)], rng)
        path.write_bytes(content)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        outcome = "refused"
        try:
            model = seqgen.load(path)
            outcome = "not sampled"
            model.generate(5, seed=number)
            outcome = "generated"
        except (ModelFileError, SamplingError) as error:
            said = str(error)
            if "\n" in said or len(said) > 2000 or (outcome == "refused") != isinstance(error, ModelFileError):
                raise AssertionError(f"mutant {number}: {type(error).__name__}: {said}") from error
        except BaseException as error:
            (folder / f"mutant-{number}.safetensors").write_bytes(content)
            raise AssertionError(f"mutant {number}: {type(error).__name__}: {error}") from error
        counts[outcome] += 1
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps(counts))


def _limit_memory() -> None:
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError):
        return  # no such limit on this system
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))


def tormented(seed: int, count: int, folder: Path) -> dict[str, int]:
    here = Path(__file__)
    done = subprocess.run(
        [sys.executable, str(here), str(seed), str(count), str(folder)],
        capture_output=True,
        text=True,
        timeout=count * SECONDS,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here.parent), str(here.parent.parent)])},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_damaged_model_is_refused_or_generates(tmp_path):
    counts = tormented(0, 500, tmp_path)
    assert sum(counts.values()) == 500
    assert counts["refused"] > 250
    assert counts["generated"] > 50


@pytest.mark.slow
def test_many_damaged_models_are_refused_or_generate(tmp_path, request):
    count = 10_000 if request.config.getoption("--full") else 2_000
    counts = tormented(1_000_000, count, tmp_path)
    assert sum(counts.values()) == count
    assert counts["generated"] > count / 10


if __name__ == "__main__":
    torment(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))

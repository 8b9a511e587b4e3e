"""The documents tell the truth: their blocks run, the names they give exist, and so do the examples in docstrings.

Every fenced block of README.md and the pages in docs is one of these; anything else fails:

- `bash`: runs, in a folder that holds what a reader would bring along. Below `<!-- not run: reason -->` it is not run,
  since it installs or runs everything; then its syntax is checked, and that what it names exists.
- `python`: runs, all blocks of a page in one namespace, in the same folder. Below `<!-- same as: file -->` it is the
  text of that file, which has a test of its own.
- `toml`: below `<!-- file: path -->`; the block is written there and read as a corpus' settings.
- `text`: a diagram or an output; below `<!-- file: path -->` what is written there.

What takes minutes is shortened by the substitutions in SHORTER, and by nothing else.
"""

import doctest
import importlib
import inspect
import os
import random
import re
import subprocess
import sys
import tomllib
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import seqgen
from seqgen import encodings, formats
from seqgen.cli import main
from seqgen.corpus.sources import Manifest, read_manifest
from seqgen.piece import Part, Piece
from seqgen.training.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/tutorial.md", "docs/pairs.md")
SHORTER = ((r"--minutes [\d.]+", "--max-steps 20"), (r"\bminutes=[\d.]+", "max_steps=20"))
LENGTH = {"train": "--max-steps 20"}  # what a command must have after that, so that none runs for ten minutes
# what a block that is not run may consist of
NOT_RUN = {"git", "cd", "source", "python3", "pip", "bash", "export"}

README = (ROOT / "README.md").read_text()


class Block(NamedTuple):
    place: str  # file:line
    line: int
    language: str
    mark: str  # of the comment above it, without its brackets
    body: str

    @property
    def shortened(self) -> str:
        body = self.body
        for long, short in SHORTER:
            body = re.sub(long, short, body)
        return body


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page in order."""
    lines = (ROOT / page).read_text().split("\n")
    found: list[Block] = []
    begun = None
    for number, line in enumerate(lines, start=1):
        if not line.lstrip().startswith(("```", "~~~")):
            continue
        assert line.startswith("```"), f"{page}:{number}: fences are three backticks at the start of the line"
        if begun is None:
            begun = number
            continue
        assert line == "```", f"{page}:{number}: a fence within the block of line {begun}"
        comment = re.fullmatch(r"<!-- (.*) -->", lines[begun - 2])
        body = "\n".join(lines[begun : number - 1]) + "\n"
        mark = comment[1] if comment else ""
        found.append(Block(f"{page}:{begun}", begun, lines[begun - 1].removeprefix("```"), mark, body))
        begun = None
    assert begun is None, f"{page}:{begun}: the block does not end"
    return found


@pytest.fixture(scope="module")
def readers_folder(tmp_path_factory):
    """A folder with what the pages say a reader has: some MIDI files, and a text."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "my-midi").mkdir()
    for number in range(8):
        chosen = random.Random(number)
        notes, time, pitch = [], 0, 67
        for _ in range(48):
            length = chosen.choice([240, 240, 480])
            pitch = min(84, max(55, pitch + chosen.choice([-4, -2, -1, 1, 2, 3])))
            notes.append((time, length, pitch, 80, 0))
            time += length
        formats.write(Piece.build(notes, 480, [Part("Flute", 73)]), folder / "my-midi" / f"tune-{number}.mid")
    chosen = random.Random(0)
    words = ("the", "night", "river", "a", "lamp", "slow", "over", "under", "walks", "sings", "and", "waits")
    lines = [" ".join(chosen.choices(words, k=8)).capitalize() + "." for _ in range(300)]
    (folder / "my-novel.txt").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page, readers_folder, monkeypatch):
    monkeypatch.chdir(readers_folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    # on a busy machine, small matrix products spend most of their time waiting for their second thread
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert "SEQGEN_HOME" in os.environ  # the cache of read scores is shared by all blocks, and none of the user's
    namespace = {"__name__": "__main__"}
    for block in blocks(page):
        kind, _, rest = block.mark.partition(": ")
        match block.language, kind:
            case "bash", "":
                run_bash(block)
            case "bash", "not run":
                check_bash(block, reason=rest)
            case "python", "":
                code = compile("\n" * block.line + block.shortened, str(ROOT / page), "exec")
                exec(code, namespace)
            case "python", "same as":
                assert (ROOT / rest.split(",")[0]).read_text() == block.body, f"{block.place} is not {rest}"
            case "toml", "file":
                Path(rest).write_text(block.body)
                read_manifest(Path(rest))
            case "text", "file":
                Path(rest).write_text(block.body)
            case "text", "":
                assert block.body.strip(), f"{block.place} is empty"
            case _:
                pytest.fail(f"{block.place}: a block of {block.language!r} marked {block.mark!r} would not be tested")


def run_bash(block: Block) -> None:
    for name, length in LENGTH.items():
        for line in block.shortened.splitlines():
            assert f"seqgen {name} " not in line or length in line, f"{block.place}: how long does this train? {line}"
    result = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", block.shortened], capture_output=True, timeout=300, check=False
    )
    errors = result.stderr.decode(errors="replace")
    assert result.returncode == 0, f"{block.place} ends with {result.returncode}:\n{errors}"
    assert "Traceback" not in errors, f"{block.place}:\n{errors}"


def check_bash(block: Block, reason: str) -> None:
    assert reason, f"{block.place}: why is it not run?"
    subprocess.run(["bash", "-n", "-c", block.body], check=True)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in block.body.splitlines():
        assert line.split()[0] in NOT_RUN, f"{block.place}: this could be run: {line}"
        for name in re.findall(r"\bscripts/[\w-]+|\bconstraints\.txt", line):
            assert (ROOT / name).is_file(), f"{block.place}: there is no {name}"
        for listed in re.findall(r"\[([\w,-]+)\]", line):
            assert set(listed.split(",")) <= extras.keys(), f"{block.place}: there are no such extras: {listed}"


@pytest.mark.parametrize(
    ("language", "mark"),
    [("", ""), ("sh", ""), ("bash", "skipped"), ("bash", "not run: "), ("python", "not run: slow"), ("toml", "")],
)
def test_no_block_passes_untested(language, mark, tmp_path, monkeypatch):
    (tmp_path / "page.md").write_text(f"<!-- {mark} -->\n```{language}\ntrue\n```\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises((pytest.fail.Exception, AssertionError)):
        test_every_block_runs("page.md", tmp_path, monkeypatch)


# --- names ---


def section(title: str) -> str:
    """The text below a heading of the README, up to the next heading."""
    return re.split(r"^## ", README, flags=re.M)[[*re.findall(r"^## (.*)", README, flags=re.M)].index(title) + 1]


def first_cells(text: str) -> list[str]:
    """The first column of the first table in `text`, without its heading."""
    below = dropwhile(lambda line: not line.startswith("|"), text.splitlines())
    rows = list(takewhile(lambda line: line.startswith("|"), below))
    return [row.split("|")[1].strip() for row in rows[2:]]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def options_in_help(*path: str) -> set[str]:
    """The options that `seqgen PATH --help` lists."""
    context = click.Context(main.cli, info_name="seqgen")
    command: click.Command = main.cli
    for name in path:
        found = main.cli.get_command(context, name)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", command.get_help(context)))


COMMANDS = main.cli.list_commands(click.Context(main.cli))


def test_the_command_table_lists_the_commands():
    table = first_cells(section("Commands"))
    assert [cell.strip("`").split()[1] for cell in table] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_in_a_row_are_those_of_its_command(name):
    (row,) = (line for line in section("Commands").splitlines() if line.startswith(f"| `seqgen {name}"))
    named = [code for code in codes(row) if code.startswith("-")]
    assert named
    assert set(named) <= options_in_help(name)


def test_every_option_in_the_text_exists():
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    anywhere = options_in_help().union(*(options_in_help(name) for name in COMMANDS))
    for code in codes(prose):
        words = code.split()
        own = [word for word in words if word in COMMANDS] if words[0] == "seqgen" else []
        possible = options_in_help().union(*(options_in_help(name) for name in own)) if own else anywhere
        for word in words:
            if re.fullmatch(r"--?[a-z][a-z-]*", word):
                assert word in possible, f"`{code}`: there is no option {word}"
        if words[0] == "seqgen" and len(words) > 1:
            assert own or words[1].startswith("-"), f"`{code}`: no such command"


def test_the_tables_are_complete():
    assert tuple(cell.strip("`") for cell in first_cells(section("Encodings"))) == encodings.NAMES
    named = set(codes(section("Formats")))
    assert set(formats.READERS) <= named
    assert set(formats.WRITERS) <= named
    fields = [name for cell in first_cells(section("Use your own files")) for name in codes(cell)]
    assert sorted(fields) == sorted(Manifest.__struct_fields__)


def test_the_settings_named_for_python_exist():
    (sentence,) = re.findall(r"^The other settings of.*?\n\n", section("From Python"), flags=re.M | re.S)
    known = {*inspect.signature(Settings).parameters, *inspect.signature(seqgen.train).parameters}
    assert set(codes(sentence)) - {"seqgen.train"} <= known


def test_the_layout_names_every_module():
    (layout,) = re.findall(r"^```text\n(.*?)^```$", section("How the code is laid out"), flags=re.M | re.S)
    named = {name for line in layout.splitlines() for name in re.split(r"\s{3,}", line)[0].split(" | ")}
    package = [path for path in (ROOT / "seqgen").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert named == {path.stem for path in package} - {"__init__", "__main__"}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    headings = re.findall(r"^#+ (.*)", text, flags=re.M)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for name in re.findall(r"`[^`\n]*?\b((?:scripts|tests|docs)/[\w./-]+)", text):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), target


# --- docstrings ---


def module_names() -> list[str]:
    paths = sorted((ROOT / "seqgen").rglob("*.py"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


@pytest.mark.parametrize("name", module_names())
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(module, optionflags=flags).failed == 0

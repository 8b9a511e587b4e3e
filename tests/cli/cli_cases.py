"""What the tests of single commands share."""

import subprocess
import sys
from pathlib import Path

import pytest

from seqgen.cli.main import main

SEQGEN = "from seqgen.cli.main import main; main()"


def run(folder: Path, *arguments: object, status: int = 0, stdin: bytes = b"") -> tuple[bytes, str]:
    """Standard output and standard error of a process that ends with `status`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SEQGEN, *map(str, arguments)],
        capture_output=True,
        cwd=folder,
        input=stdin,
        timeout=100,
        check=False,
    )
    said = done.stderr.decode()
    assert done.returncode == status, said
    assert "Traceback" not in said, said
    return done.stdout, said


Captured = pytest.CaptureFixture[bytes]


def answered(capsysbinary: Captured, *arguments: object, status: int = 0) -> tuple[bytes, str]:
    """As `run` without an input, but in this process, which is quicker."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    out, said = capsysbinary.readouterr()
    assert ended.value.code == status, said
    return out, said.decode()


def refused(capsysbinary: Captured, *arguments: object) -> str:
    """The line with which a command fails, in this process; it writes nothing."""
    out, said = answered(capsysbinary, *arguments, status=1)
    assert out == b""
    line = said.splitlines()[-1]
    assert line.startswith("seqgen: ")
    return line

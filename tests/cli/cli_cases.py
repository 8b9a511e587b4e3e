"""What the tests of single commands share."""

import subprocess
import sys
from pathlib import Path

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

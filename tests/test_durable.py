"""Files that are old or new: crashes inside a write, real kills, temporaries that were left behind."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from seqgen.durable import replacing, write_bytes

SUFFIX = ".seqgen-tmp"


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    return path


@pytest.fixture
def dead():
    """The id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def temporaries(folder) -> list[str]:
    return [name for name in os.listdir(folder) if name.endswith(SUFFIX)]


def test_the_file_is_old_until_the_block_ends_and_new_after(target):
    with replacing(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
        assert len(temporaries(target.parent)) == 1
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == [target.name]


def test_a_file_that_was_not_there_is_made(tmp_path):
    write_bytes(tmp_path / "a", b"1")
    write_bytes(str(tmp_path / "b"), b"")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b": b""}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_in_the_block_leaves_the_old_file(target, error):
    def crash():
        with replacing(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        crash()
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file(target, step, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == [target.name]


def test_the_bytes_reach_the_disk_before_the_name_and_the_folder_after(target, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.replace
    inode = target.parent.stat().st_ino
    monkeypatch.setattr(
        os, "fsync", lambda fd: (done.append("folder" if os.fstat(fd).st_ino == inode else "file"), fsync(fd))
    )
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("rename"), rename(*names)))
    write_bytes(target, b"new")
    assert done == (["file", "rename", "folder"] if os.name != "nt" else ["file", "rename"])


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "none" / "a", b"1")


def test_writers_of_one_name_do_not_meet(target):
    versions = [bytes([number]) * 100_000 for number in range(8)]
    writers = [threading.Thread(target=write_bytes, args=(target, version)) for version in versions]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert target.read_bytes() in versions
    assert os.listdir(target.parent) == [target.name]


# --- killed -----------------------------------------------------------------------------------------------------------

_WRITER = """
import sys
from seqgen.durable import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half of the new version")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_writer_that_is_killed_leaves_the_old_file_and_the_next_cleans_up(target):
    child = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"writing"
        (left,) = temporaries(target.parent)
        assert f".{child.pid}." in left
        write_bytes(target, b"from another process")  # the child lives: its temporary stays
        assert temporaries(target.parent) == [left]
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert target.read_bytes() == b"from another process"
    assert temporaries(target.parent) == [left]
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == [target.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no harmless way to ask whether a process lives")
def test_only_temporaries_of_this_name_and_of_dead_processes_are_removed(target, dead):
    name, folder = target.name, target.parent
    stale = [f".{name}.{dead}.0123abcd{SUFFIX}", f".{name}.{10**20}.0123abcd{SUFFIX}"]
    kept = [
        f".{name}.{os.getpid()}.0123abcd{SUFFIX}",  # alive
        f".{name}.{os.getppid()}.0123abcd{SUFFIX}",
        f".{name}.{dead}.{os.getpid()}.0123abcd{SUFFIX}",  # belongs to a file whose name ends in a number
        f".{name}x.{dead}.0123abcd{SUFFIX}",
        f".x{name}.{dead}.0123abcd{SUFFIX}",
        f"{name}.{dead}.0123abcd{SUFFIX}",
        f".{name}.{dead}.0123abcd{SUFFIX}.txt",
        f".{name}.{dead}.notes{SUFFIX}",
        f".{name}.²{SUFFIX}",
        f".{name}.{SUFFIX}",
    ]
    for other in [*stale, *kept]:
        (folder / other).write_bytes(b"")
    write_bytes(target, b"new")
    assert sorted(os.listdir(folder)) == sorted([name, *kept])


# --- links and devices ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_is_followed(target, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link"
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert os.listdir(folder) == ["link"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    with reader:
        write_bytes(pipe, b"new")
        assert reader.communicate(timeout=10)[0] == b"new"
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_bytes(tmp_path / "folder", b"new")
    assert os.listdir(tmp_path) == ["folder"]

"""A long text: how fast it is read and encoded, and the most memory a real `seqgen train` of it takes to begin.

The text is made here: lines of words in six scripts, with composed letters, so that neither ASCII nor one byte a
character makes it easy. Both are measured in processes of their own. Memory is resident memory as the system counts
it (VmHWM): what the process has allocated (RssAnon) and the pages of files that it has mapped and touched (RssFile),
which the system may take back at any time.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = {
    "ascii": "the of and to in is you that it was for on are as with his they at be this from have or by one had not",
    "mixed": "the of and to in is you that it niño façade Ångström crème και το να του από и в не на что это 曲水 流觴",
}
READ = """
import sys, time
from seqgen.corpus import load_corpus
from seqgen.corpus.dataset import prepare
import seqgen.encodings
wall, cpu = time.perf_counter(), time.process_time()
prepare(load_corpus(sys.argv[1]), encoding=sys.argv[2])
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
TRAIN = "from seqgen.cli.main import main; main()"


def made(path: Path, megabytes: int, words: list[str]) -> None:
    """Write lines of words; whole pages of them come again, which no reader can profit from."""
    chosen = random.Random(0)
    pages = [
        "".join(" ".join(chosen.choices(words, k=12)).capitalize() + ".\n" for _ in range(4000)).encode()
        for _ in range(16)
    ]
    with open(path, "wb") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write(chosen.choice(pages))


def read(path: Path, encoding: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock and of one core."""
    command = [sys.executable, "-c", READ, str(path), encoding]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def train(path: Path, encoding: str, size: str, environment: dict[str, str]) -> dict[str, float]:
    """Peak memory of `seqgen train` in MB, and of what kind it was when it was highest."""
    options = ["--as", encoding, "--size", size, "--max-steps", "20", "--no-samples"]
    command = [sys.executable, "-c", TRAIN, "train", str(path), *options, "-o", str(path.with_name("big.safetensors"))]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    most: dict[str, float] = {}
    while process.poll() is None:
        rows = dict(line.split(":", 1) for line in status.read_text().splitlines())
        if "VmRSS" in rows:  # else it is about to end
            now = {name: int(rows[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}
            now["RssFile"] += int(rows["RssShmem"].split()[0]) / 1024
            most = {**(now if now["VmRSS"] >= most.get("VmRSS", 0) else most), "VmHWM": now["VmHWM"]}
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"seqgen train ended with {process.returncode}")
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3, help="of reading; the medians are shown")
    parser.add_argument("--text", choices=WORDS, default="mixed")
    parser.add_argument("--size", default="large", help="of the network; small takes less time")
    parser.add_argument("--encodings", default="chars,bytes")
    arguments = parser.parse_args()
    if not Path("/proc/self/status").exists():
        raise SystemExit("the memory of a process is read from /proc, which only Linux has")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SEQGEN_HOME": folder}
        path = Path(folder) / "big.txt"
        made(path, arguments.megabytes, WORDS[arguments.text].split())
        size = path.stat().st_size / 1e6
        print(f"{size:,.0f} MB of {arguments.text} text, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
        for encoding in arguments.encodings.split(","):
            seconds = [read(path, encoding, environment) for _ in range(arguments.rounds)]
            wall, cpu = (statistics.median(column) for column in zip(*seconds, strict=True))
            print(
                f"  {encoding}: read and encoded at {size / wall:.0f} MB/s by the clock, {size / cpu:.0f} MB/s of a"
                f" core (load {os.getloadavg()[0]:.1f})",
                flush=True,
            )
            peak = train(path, encoding, arguments.size, environment)
            print(
                f"  {encoding}: 20 steps of training take at most {peak['VmHWM']:,.0f} MB (VmHWM); at the highest"
                f" sample {peak['RssAnon']:,.0f} MB allocated and {peak['RssFile']:,.0f} MB of mapped files",
                flush=True,
            )


if __name__ == "__main__":
    main()

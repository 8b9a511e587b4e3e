"""Trains the shipped models and writes their cards; see scripts/train-shipped."""

import datetime
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import seqgen
from seqgen.api.shipped import LARGEST

FOLDER = Path(__file__).resolve().parent.parent / "shipped"
SEQGEN = Path(sys.executable).parent / "seqgen"

# Lengths are in steps, so that the same versions on the same machine give the same file.
VOICES = "bach-chorales --from-part soprano --to-part alto,tenor,bass"
COMMANDS = {
    "bach-chorales": "bach-chorales --n-a 192 --layers 1 --max-steps 18000 --seed 0",
    "fiddle-tunes": "fiddle-tunes --n-a 116 --layers 1 --max-steps 14000 --seed 0",
    "verses": "verses --n-a 320 --layers 1 --max-steps 5000 --seed 0",
    "bach-harmony": f"{VOICES} --n-a 112 --batch-size 4 --max-steps 3000 --lr 0.006 --seed 0",
}
ABOUT = {
    "bach-chorales": (
        "Four-part chorales in the manner of Bach",
        "four-part chorales by J. S. Bach in music21's corpus, in every key",
        "the compositions are in the public domain; the encodings are music21's",
    ),
    "fiddle-tunes": (
        "Fiddle tunes: reels, jigs, hornpipes",
        "tunes of Ryan's Mammoth Collection (1883) in music21's corpus, in every key",
        "the tunes are in the public domain; the encodings are music21's",
    ),
    "bach-harmony": (
        "Alto, tenor and bass under a given soprano, in the manner of Bach",
        "four-part chorales by J. S. Bach in music21's corpus, in every key",
        "the compositions are in the public domain; the encodings are music21's",
    ),
    "verses": ("Short poems", "poems of the verses that come with seqgen", "CC0-1.0; written for seqgen"),
}


def train(name: str) -> None:
    """Train one model, score it on what it has not seen, and write file and card."""
    path = FOLDER / f"{name}.safetensors"
    source, *options = COMMANDS[name].split()
    command = ["train", source, *options]
    with tempfile.TemporaryDirectory() as folder:  # what is written beside a model is not shipped
        subprocess.run([SEQGEN, *command, "-o", Path(folder) / path.name], check=True)
        shutil.move(Path(folder) / path.name, path)
    scored = subprocess.run(
        [SEQGEN, "evaluate", source, "-m", path, "--held-out", "--json"], check=True, capture_output=True, text=True
    )
    score = json.loads(scored.stdout)
    unit = "nats_per_step" if "nats_per_step" in score else "nats_per_character"
    title, corpus, licence = ABOUT[name]
    header = seqgen.load(path).header.corpus
    pieces = header.statistics.get("pieces") or header.statistics["pairs"]
    held_out = len(header.held_out)
    size = path.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{path} has {size:,} bytes, more than {LARGEST:,}")
    card = {
        "title": title,
        "corpus": f"{pieces} {corpus}; {held_out} more were held out",
        "licence": licence,
        "command": " ".join(["seqgen", *command]),
        "held_out": f"{score[unit]:.3f} {unit.replace('_', ' ')}, {score['nats_per_token']:.4f} nats a token",
        "date": datetime.date.today().isoformat(),
        "size": size,
        "version": seqgen.__version__,
    }
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in card.items()]
    (FOLDER / f"{name}.toml").write_text("".join(lines), "utf-8")


for chosen in sys.argv[1:] or COMMANDS:
    train(chosen)

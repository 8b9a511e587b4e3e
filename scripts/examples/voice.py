"""A voice that says digit words, made of formants: a source of sound and a filter that follows the mouth (Fant, 1960).

A voice has its own pitch, size of mouth, speed and noise around it. All of it is arithmetic on spectra: in every frame
of 4 ms the source's spectrum is multiplied with what the mouth lets through, and the frames are added up.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RATE = 8000  # samples a second
HOP, SPAN = 32, 128  # samples between two frames of the synthesis, and in one: 4 and 16 ms
FREQUENCIES = np.fft.rfftfreq(SPAN, 1 / RATE)
BANDS, EVERY, HEARD = 24, 128, 256  # of the spectra that are heard: mel bands, samples between two, samples in one

# For each sound: the first three formants in Hz (typical of a man's), how loud voice and breath are, where the breath's
# noise lies and how wide in Hz, and milliseconds.
SOUNDS = {
    "a": ((730, 1090, 2440), 1.0, 0.0, (0, 1), 110),
    "e": ((530, 1840, 2480), 1.0, 0.0, (0, 1), 90),
    "i": ((390, 1990, 2550), 1.0, 0.0, (0, 1), 80),
    "ii": ((270, 2290, 3010), 1.0, 0.0, (0, 1), 110),
    "o": ((570, 840, 2410), 1.0, 0.0, (0, 1), 120),
    "u": ((300, 870, 2240), 1.0, 0.0, (0, 1), 110),
    "uh": ((640, 1190, 2390), 1.0, 0.0, (0, 1), 90),
    "er": ((490, 1350, 1690), 0.8, 0.0, (0, 1), 70),
    "r": ((420, 1300, 1600), 0.6, 0.0, (0, 1), 60),
    "w": ((290, 610, 2150), 0.6, 0.0, (0, 1), 60),
    "n": ((250, 1350, 2200), 0.4, 0.0, (0, 1), 75),
    "v": ((250, 1100, 2300), 0.3, 0.1, (2500, 2500), 60),
    "z": ((250, 1600, 2500), 0.25, 0.4, (3700, 900), 80),
    "s": ((250, 1600, 2500), 0.0, 0.8, (3700, 800), 110),
    "f": ((250, 1100, 2300), 0.0, 0.25, (2200, 3000), 100),
    "th": ((250, 1400, 2500), 0.0, 0.2, (3000, 2000), 90),
    "closed": ((250, 1600, 2500), 0.0, 0.0, (0, 1), 55),
    "t": ((350, 1700, 2600), 0.0, 0.9, (3400, 1500), 30),
    "k": ((350, 1900, 2400), 0.0, 0.8, (1900, 700), 35),
}
WORDS = {
    "zero": "z i r o u",
    "one": "w uh n",
    "two": "closed t u",
    "three": "th r ii",
    "four": "f o er",
    "five": "f a i v",
    "six": "s i closed k s",
    "seven": "s e v uh n",
    "eight": "e i closed t",
    "nine": "n a i n",
}


class Voice(NamedTuple):
    pitch: float  # Hz, where an utterance begins
    mouth: float  # formants are so many times those of the table
    speed: float
    noise: float  # around the voice, of an amplitude below 1


def some_voice(rng: np.random.Generator) -> Voice:
    return Voice(rng.uniform(90, 220), rng.uniform(0.88, 1.15), rng.uniform(0.75, 1.3), 10 ** rng.uniform(-2.5, -1.3))


def spoken(words: Sequence[str], voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """The sound of some words, (samples,), 8,000 a second, the voice itself between -0.8 and 0.8."""
    track = _track(words, voice, rng)
    through = _resonances(FREQUENCIES, track[:, :3])
    rustle = np.exp(-(((FREQUENCIES - track[:, 5:6]) / track[:, 6:7]) ** 2))

    at = np.arange(len(track))[:, None] * HOP + np.arange(SPAN)  # the samples of each frame
    seconds = np.arange(at[-1, -1] + 1) / RATE
    falling = voice.pitch * (1 - 0.2 * seconds / seconds[-1]) * (1 + 0.01 * np.sin(2 * np.pi * 5 * seconds))
    pulses = np.diff(np.floor(np.cumsum(falling) / RATE), prepend=0)  # the vocal folds open
    hiss = rng.normal(0, 0.15, len(seconds))
    window = np.hanning(SPAN + 1)[:-1]
    spectra = np.fft.rfft(pulses[at] * window) * through * track[:, 3:4]
    spectra += np.fft.rfft(hiss[at] * window) * rustle * track[:, 4:5]
    sound = np.zeros(len(seconds))
    np.add.at(sound, at, np.fft.irfft(spectra, SPAN))
    return 0.8 * sound / np.abs(sound).max() + rng.normal(0, voice.noise, len(sound))


def heard(sound: np.ndarray) -> np.ndarray:
    """Log spectra of a sound, (frames, 24) float32: the energy in 24 mel bands of 32 ms, every 16 ms."""
    at = np.arange((len(sound) - HEARD) // EVERY + 1)[:, None] * EVERY + np.arange(HEARD)
    power = np.abs(np.fft.rfft(sound[at] * np.hanning(HEARD))) ** 2  # (frames, 129)
    logs = np.log10(power @ _mel_bands().T + 1e-3)
    return ((logs - logs.mean()) / logs.std()).astype(np.float32)


def _track(words: Sequence[str], voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """What the mouth does, (frames, 7): three formants, how loud voice and breath are, the noise's middle and width."""
    names = ["closed"]
    for word in words:
        names += [*WORDS[word].split(), "closed"]
    sounds = [SOUNDS[name] for name in names]
    frames = [max(3, round(each[-1] / voice.speed * rng.uniform(0.8, 1.25) * RATE / HOP / 1000)) for each in sounds]
    rows = [[*formants, loud, breath, *noise] for formants, loud, breath, noise, _ in sounds]
    track = np.repeat(np.array(rows), frames, axis=0)
    track[:, :3] = _smooth(track[:, :3] * voice.mouth, 11)  # the mouth moves slowly, voice and breath set in at once
    track[:, 3:5] = _smooth(track[:, 3:5], 4)
    return track


def _resonances(frequency: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """What a mouth lets through, (frames, frequencies): the gains of its resonances, each 1 at 0 Hz, multiplied."""
    squares = formants[:, :, None] ** 2
    width = 60 + 0.04 * formants[:, :, None]
    f = frequency[None, None]
    return (squares / np.hypot(squares - f**2, width * f)).prod(axis=1)


def _smooth(track: np.ndarray, frames: int) -> np.ndarray:
    padded = np.pad(track, ((frames // 2, frames - 1 - frames // 2), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, frames, axis=0).mean(axis=-1)


def _mel_bands() -> np.ndarray:
    """Triangles that overlap, as wide as the ear hears pitch (Stevens and Volkmann, 1940), (24, 129)."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.fft.rfftfreq(HEARD, 1 / RATE)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(0, np.minimum((frequency - low) / (middle - low), (high - frequency) / (high - middle)))

"""The made voice: its pitch and formants are where they should be, judged by other means than it is made with."""

import numpy as np
import pytest
import voice
from speech import utterances, words_right
from voice import BANDS, EVERY, HEARD, RATE, SOUNDS, WORDS, Voice, heard, some_voice, spoken

MAN = Voice(pitch=150, mouth=1, speed=1, noise=1e-4)


@pytest.fixture
def say(monkeypatch):
    """The middle of one long sound."""

    def middle(name: str) -> np.ndarray:
        monkeypatch.setitem(WORDS, "test", name)
        monkeypatch.setitem(SOUNDS, name, (*SOUNDS[name][:4], 1500))
        sound = spoken(["test"], MAN, np.random.default_rng(0))
        return sound[len(sound) // 3 : len(sound) * 2 // 3]

    return middle


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, and the power there smoothed over about 300 Hz, more than the pitch."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    wide = round(300 * len(sound) / RATE)
    return np.fft.rfftfreq(len(sound), 1 / RATE), np.convolve(power, np.hanning(wide), "same")


def test_the_pitch_is_that_of_the_voice(say):
    sound = say("a")
    alike = np.correlate(sound, sound, "full")[len(sound) - 1 :]
    low, high = RATE // 250, RATE // 80
    assert RATE / (low + np.argmax(alike[low:high])) == pytest.approx(150 * 0.9, rel=0.03)  # halfway of its fall


@pytest.mark.parametrize("name", ["a", "e", "ii", "o"])
def test_vowels_have_their_formants(say, name):
    frequency, power = spectrum(say(name))
    first, second, _ = SOUNDS[name][0]
    for formant in (first, second):
        near = np.abs(frequency - formant) < 200
        beside = (np.abs(frequency - formant) > 200) & (np.abs(frequency - formant) < 500) & (frequency > 150)
        assert power[near].max() > 0.9 * power[beside & (frequency > formant)].max()
    balance = power[(frequency > 1800)].sum() / power.sum()
    assert balance > 0.01 if name == "ii" else balance < 0.2


def test_a_hiss_has_no_pitch_and_lies_high(say):
    sound = say("s")
    frequency, power = spectrum(sound)
    assert power[frequency > 2500].sum() > 0.9 * power.sum()
    alike = np.correlate(sound, sound, "full")[len(sound) - 1 :]
    assert alike[RATE // 250 : RATE // 80].max() < 0.3 * alike[0]


def test_every_word_is_made_of_known_sounds():
    assert len(WORDS) == 10
    for word in WORDS:
        rng = np.random.default_rng(1)
        sound = spoken([word], some_voice(rng), rng)
        assert np.isfinite(sound).all()
        assert 0.5 < np.abs(sound).max() <= 1
        assert 0.15 < len(sound) / RATE < 1.2


def test_what_is_heard_is_energy_in_bands_low_to_high():
    time = np.arange(RATE) / RATE
    low, high = (heard(np.sin(2 * np.pi * hertz * time)) for hertz in (300, 3000))
    assert low.shape == high.shape == ((RATE - HEARD) // EVERY + 1, BANDS)
    assert low.dtype == np.float32
    assert low.mean(axis=0).argmax() < 6 < 18 < high.mean(axis=0).argmax()
    np.testing.assert_allclose(voice._mel_bands().sum(axis=0)[8:105], 1, atol=1e-9)  # nothing is counted twice


def test_loudness_is_not_heard():
    sound = spoken(["nine"], MAN, np.random.default_rng(2))
    loud, soft = heard(sound), heard(sound * 0.8)
    assert np.corrcoef(loud.ravel(), soft.ravel())[0, 1] > 0.999


def test_utterances_are_unlike_each_other_and_the_seed_decides():
    sources, texts = utterances(40, seed=1)
    assert {len(text.split()) for text in texts} == {1, 2, 3}
    assert {word for text in texts for word in text.split()} <= set(WORDS)
    frames = sum(map(len, sources)) / sum(len(text.split()) for text in texts)
    assert 20 < frames < 40
    assert len({source.tobytes() for source in sources}) == 40
    again, _ = utterances(40, seed=1)
    assert all(map(np.array_equal, sources, again))
    assert utterances(1, seed=2)[1] + utterances(1, seed=3)[1] != texts[:2]


def test_words_count_at_their_place():
    assert words_right("one two", "one two") == 2
    assert words_right("two one", "one two") == 0
    assert words_right("one", "one two") == 1
    assert words_right("", "one") == 0

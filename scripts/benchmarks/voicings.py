"""A hidden Markov model of harmony: the soprano is observed, the voicings of alto, tenor and bass are hidden.

What it gives is what a trained model gives: p(tokens of the three voices | tokens of the soprano, key, meter, pickup).
A token of a voice either goes on (a hold; in silence a rest) or moves (a pitch is struck, or a rest begins). So the
tokens of a grid step are told by f, which of the voices move, one of 8, and by w, the voicing that sounds then: it is
v, the voicing before, but for the voices that move; one that moves in silence strikes. Every sequence of tokens is one
sequence of f and w, and the other way round, so that both have the same probability. All pitches are transposed to a
key without accidentals.

    p(voices, soprano) = product over the grid steps of
        p(f | place in the quarter, strikes of the soprano around, which voices moved last)
      x p(w | f, v, the voicing u before v, soprano now, before and next)     where a voice moves
      x p(soprano now | soprano before, v) ** weight                          where the soprano strikes

The voicings are a trigram, interpolated with bigrams, with the voicings known under that soprano, and at last with
voices that move each for itself, by which any voicing may follow. The bigrams count intervals to the soprano, so that
they hold at every pitch. Interpolation is that of Witten and Bell (1991), with a constant for the number of kinds seen.
The last factor looks ahead: what goes before is likely if the soprano goes on as it does after it.

p(voices | soprano) is p(voices, soprano) over its sum for all voices. That sum is exact (forward algorithm, Rabiner
1989): pairs (u, v) seen in training are followed each, and of all others only v, since nothing depends on their u.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from voicing_steps import MOVES, SILENT, STILL, VOICES, Seen, Steps, Told, Voicing, followed, given

Counts = Mapping[Hashable, Mapping[Hashable, Counter[int]]]  # under a key, of a context, how often what follows


class Smoothing(NamedTuple):
    """The constants of the interpolations, and the weight of what looks ahead."""

    trigram: float = 3.0
    bigram: float = 6.0
    known: float = 12.0
    voice: float = 8.0
    moves: float = 3.0
    melody: float = 2.0
    weight: float = 0.7


class Interpolated:
    """p(value | contexts), from the longest context to the shortest, `shape[-1]` values; of a matrix for every row."""

    def __init__(self, shape: tuple[int, ...], constant: float) -> None:
        self._shape, self._constant = shape, constant
        self._counts: dict[tuple[int, Hashable], np.ndarray] = defaultdict(lambda: np.zeros(shape))
        self._made: dict[tuple[Hashable, ...], np.ndarray] = {}

    def count(self, contexts: Sequence[Hashable], place: tuple[int, ...]) -> None:
        for level, context in enumerate(contexts):
            self._counts[level, context][place] += 1

    def __call__(self, contexts: tuple[Hashable, ...]) -> np.ndarray:
        made = self._made.get(contexts)
        if made is None:
            made = np.full(self._shape, 1 / self._shape[-1])
            for level, context in reversed(list(enumerate(contexts))):
                counts = self._counts.get((level, context))
                if counts is not None:
                    kinds = self._constant * np.count_nonzero(counts, axis=-1, keepdims=True)
                    total = counts.sum(axis=-1, keepdims=True) + kinds
                    made = np.where(kinds > 0, (counts + kinds * made) / np.maximum(total, 1), made)
            self._made[contexts] = made
        return made


class Links(NamedTuple):
    """The contexts under a key, and what follows them, as arrays."""

    contexts: np.ndarray  # (contexts,)
    left: np.ndarray  # (contexts,) the share of the shorter context
    sources: np.ndarray  # (links,) the context of each
    targets: np.ndarray  # (links,)
    shares: np.ndarray  # (links,)


class VoicingModel:
    """See the module. Voicings have numbers, in the order of their values, and so have the pairs that were seen."""

    def __init__(self, chorales: Sequence[Steps], sizes: Sequence[int], smoothing: Smoothing) -> None:
        """sizes: how many values the pitches of soprano, alto, tenor and bass have."""
        self._smoothing = smoothing
        self._shape = tuple(sizes[1:])
        self._strides = np.array([self._shape[1] * self._shape[2], self._shape[2], 1])
        self._voicings = int(np.prod(self._shape))
        self._moves = Interpolated((len(MOVES), len(MOVES)), smoothing.moves)
        self._melody = Interpolated((sizes[0],), smoothing.melody)
        self._voices = [Interpolated((size, size), smoothing.voice) for size in self._shape]
        self._pairs: dict[tuple[int, int], int] = {}
        self._trigrams: Counts = defaultdict(lambda: defaultdict(Counter))
        self._bigrams: dict = defaultdict(lambda: defaultdict(Counter))  # relative to the soprano
        self._known: Counts = defaultdict(lambda: defaultdict(Counter))
        for chorale in chorales:
            self._count(chorale)
        self._first, self._second = np.array(list(self._pairs), int).reshape(-1, 2).T  # (pairs,)
        self._trigram_links = {key: links(counts, smoothing.trigram) for key, counts in self._trigrams.items()}
        self._bigrams_at: dict[Hashable, tuple[Mapping[int, Counter[int]], Links | None]] = {}
        self._known_links = {key: links(counts, smoothing.known) for key, counts in self._known.items()}
        self._agreeing = [self._pairs_agreeing(moved) for moved in range(len(MOVES))]
        values = np.indices(self._shape).reshape(VOICES, -1)
        classes = np.where(values == SILENT, 12, values % 12)
        self._chords, self._chord_of = np.unique(classes, axis=1, return_inverse=True)
        self._tables: dict[Hashable, list[np.ndarray]] = {}
        self._ahead: dict[tuple[int, int], np.ndarray] = {}

    def _count(self, chorale: Steps) -> None:
        last = None  # the pair before
        for seen, told in zip(given(chorale), followed(chorale), strict=True):
            self._moves.count(seen.rhythm, (told.memory, told.moved))
            if seen.strikes[2]:
                self._melody.count(_after(seen.before, told.v), (seen.now,))
            if told.moved == STILL:
                continue
            for voice in np.flatnonzero(MOVES[told.moved]):
                self._voices[voice].count(seen.melody, (told.v[voice], told.w[voice]))
            v, w = self.number(told.v), self.number(told.w)
            pair = self._pairs.setdefault((v, w), len(self._pairs))
            if last is not None:
                self._trigrams[told.moved, seen.now][last][pair] += 1
            for motion in seen.motion:
                key = told.moved, seen.now == SILENT, motion
                self._bigrams[key][_relative(told.v, seen.now)][_relative(told.w, seen.now)] += 1
            if _strikes(told):
                self._known[told.moved, seen.now][self._held(told)][w] += 1
            last = pair

    def number(self, voicing: Voicing) -> int:
        """Of a voicing."""
        return int(self._strides @ voicing)

    def _held(self, told: Told) -> int:
        """The number of the voicing with SILENT for the voices that move."""
        return self.number(tuple(value * (not moves) for value, moves in zip(told.v, MOVES[told.moved], strict=True)))

    def _pairs_agreeing(self, moved: int) -> np.ndarray:
        """The numbers of the pairs between which just these voices move."""
        agree = np.ones(len(self._pairs), bool)
        values = [np.unravel_index(numbers, self._shape) for numbers in (self._first, self._second)]
        for moves, first, second in zip(MOVES[moved], *values, strict=True):
            agree &= ((first != SILENT) | (second != SILENT)) if moves else first == second
        return np.flatnonzero(agree)

    def _steps(self, seen: Seen) -> list[np.ndarray]:
        """For every voice p(value | value before), `(size, size)`, of one that moves for itself."""
        tables = self._tables.get(seen.melody)
        if tables is None:
            tables = [voice(seen.melody).copy() for voice in self._voices]
            for table in tables:
                table[SILENT, SILENT] = 0
                table[SILENT] /= table[SILENT].sum()
            self._tables[seen.melody] = tables
        return tables

    def _looked_ahead(self, seen: Seen) -> np.ndarray:
        """`(voicings,)`: the factor of the soprano's strike, by the voicing before."""
        found = self._ahead.get((seen.before, seen.now))
        if found is None:
            chords = [tuple(chord) for chord in self._chords.T.tolist()]
            found = np.array([self._melody(_after_chord(seen.before, chord))[seen.now] for chord in chords])
            self._ahead[seen.before, seen.now] = found
        return found[self._chord_of] ** self._smoothing.weight

    # one way through

    def log_joint(self, chorale: Steps) -> float:
        """log p(voices, soprano); with the weight it is a sum of 1 for no soprano."""
        total, last = 0.0, None
        for seen, told in zip(given(chorale), followed(chorale), strict=True):
            total += np.log(self._moves(seen.rhythm)[told.memory, told.moved])
            if seen.strikes[2]:
                total += np.log(self._looked_ahead(seen)[self.number(told.v)])
            if told.moved != STILL:
                total += np.log(self._following(seen, told, last))
                last = self._pairs.get((self.number(told.v), self.number(told.w)))
        return float(total)

    def _following(self, seen: Seen, told: Told, last: int | None) -> float:
        """p(w | f, u, v, soprano); last: the pair (u, v) where it was seen."""
        share, constants = 1.0, self._smoothing
        for voice in np.flatnonzero(MOVES[told.moved]):
            share *= self._steps(seen)[voice][told.v[voice], told.w[voice]]
        v, w, key = self.number(told.v), self.number(told.w), (told.moved, seen.now)
        share = _interpolated(
            self._known.get(key, {}), self._held(told), w if _strikes(told) else None, constants.known, share
        )
        pair = self._pairs.get((v, w))
        for motion in reversed(seen.motion):
            counts, _ = self._bigrams_under(told.moved, seen.now, motion)
            share = _interpolated(counts, v, w, constants.bigram, share)
        return _interpolated(self._trigrams.get(key, {}), last, pair, constants.trigram, share)

    def _bigrams_under(
        self, moved: int, now: int, motion: tuple[int | None, ...]
    ) -> tuple[Mapping[int, Counter[int]], Links | None]:
        """The bigrams under a soprano pitch: voicings by their numbers, and the same as links.

        The target of a link is the number of a pair that was seen, or, behind all of these, of a voicing.
        """
        found = self._bigrams_at.get((moved, now, motion))
        if found is None:
            counts: dict[int, Counter[int]] = {}
            for context, follows in self._bigrams.get((moved, now == SILENT, motion), {}).items():
                moved_to = [(self._absolute(voicing, now), count) for voicing, count in follows.items()]
                reached = Counter({w: count for w, count in moved_to if w is not None})
                v = self._absolute(context, now)
                if v is not None and reached:
                    counts[v] = reached
            found = counts, None
            if counts:
                made = links(counts, self._smoothing.bigram)
                both = zip(made.sources.tolist(), made.targets.tolist(), strict=True)
                targets = [self._pairs.get((v, w), len(self._pairs) + w) for v, w in both]
                found = counts, made._replace(targets=np.array(targets))
            self._bigrams_at[moved, now, motion] = found
        return found

    def _absolute(self, relative: tuple[int | None, ...], now: int) -> int | None:
        """The number of a voicing given by its intervals to the soprano; None where a pitch is outside its part."""
        values = [SILENT if interval is None else now + interval for interval in relative]
        inside = all(
            interval is None or SILENT < value < size
            for interval, value, size in zip(relative, values, self._shape, strict=True)
        )
        return self.number(tuple(values)) if inside else None

    # all ways

    def log_soprano(self, chorale: Steps) -> float:
        """log of the sum of p(voices, soprano) over all voices."""
        # by the voices that moved last: how probable each pair is, and each voicing after one it was not seen after
        pairs, loose = np.zeros((len(MOVES), len(self._pairs))), np.zeros((len(MOVES), self._voicings))
        loose[STILL, 0] = 1
        total = 0.0
        for seen in given(chorale):
            if seen.strikes[2]:
                ahead = self._looked_ahead(seen)
                loose *= ahead
                pairs *= ahead[self._second]
            moves = self._moves(seen.rhythm)
            still = moves[:, STILL, None]
            remembered = still * pairs, still * loose
            pairs, loose = moves.T @ pairs, moves.T @ loose
            for moved in range(1, len(MOVES)):
                pairs[moved], loose[moved] = self._moved(seen, moved, pairs[moved], loose[moved])
            if seen.place % 2:
                pairs[STILL], loose[STILL] = 0, 0
                pairs += remembered[0]
                loose += remembered[1]
            scale = pairs.sum() + loose.sum()
            total += np.log(scale)
            pairs /= scale
            loose /= scale
        return float(total)

    def _moved(self, seen: Seen, moved: int, pairs: np.ndarray, loose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs and voicings after a step in which just these voices move; what is given is used up."""
        key = moved, seen.now
        reached = np.zeros(len(pairs) + len(loose))
        if (found := self._trigram_links.get(key)) is not None:
            reached += np.bincount(found.targets, pairs[found.sources] * found.shares, len(reached))
            pairs[found.contexts] *= found.left
        loose += np.bincount(self._second, pairs, self._voicings)
        for motion in seen.motion:
            _, found = self._bigrams_under(moved, seen.now, motion)
            if found is not None:
                reached += np.bincount(found.targets, loose[found.sources] * found.shares, len(reached))
                loose[found.contexts] *= found.left
        left, tables = loose.reshape(self._shape), self._steps(seen)
        axes = tuple(np.flatnonzero(MOVES[moved]).tolist())
        known = np.zeros(self._voicings)
        spread = np.zeros(self._voicings)
        agreeing = self._agreeing[moved]
        first, second = self._first[agreeing], self._second[agreeing]
        apart = loose[first]
        if (found := self._known_links.get(key)) is not None:
            at_held = tuple(slice(0, 1) if moves else slice(None) for moves in MOVES[moved])
            held, share = np.zeros(self._shape), np.ones(self._voicings)
            held[at_held] = left.sum(axis=axes, keepdims=True)
            share[found.contexts] = found.left
            known[found.targets] = found.shares
            spread[found.targets] = held.ravel()[found.sources] * found.shares
            left = left * share.reshape(self._shape)[at_held]
        chance = np.ones(len(agreeing))
        values = [np.unravel_index(numbers, self._shape) for numbers in (first, second)]
        for voice in axes:
            chance *= tables[voice][values[0][voice], values[1][voice]]
        apart = apart * known[second] + left.ravel()[first] * chance
        for voice in axes:
            left = np.moveaxis(np.tensordot(left, tables[voice], (voice, 0)), -1, voice)
        spread += left.ravel()
        reached[agreeing] += apart  # a pair that was seen is followed as one
        spread -= np.bincount(second, apart, self._voicings)
        reached[len(pairs) :] += np.maximum(spread, 0)  # rounding may leave less
        return reached[: len(pairs)], reached[len(pairs) :]


def links(counts: Mapping[Any, Counter[int]], constant: float) -> Links:
    """Witten and Bell's interpolation, as arrays."""
    contexts = list(counts)
    kinds = np.array([len(counts[context]) for context in contexts])
    totals = np.array([counts[context].total() for context in contexts]) + constant * kinds
    follow = [(context, target, number) for context in contexts for target, number in counts[context].items()]
    sources, targets, numbers = (np.array(column) for column in zip(*follow, strict=True))
    return Links(np.array(contexts), constant * kinds / totals, sources, targets, numbers / np.repeat(totals, kinds))


def _interpolated(
    counts: Mapping[Any, Counter[int]], context: int | None, target: int | None, constant: float, shorter: float
) -> float:
    found = counts.get(context)
    if not found:
        return shorter
    seen = 0 if target is None else found[target]
    return (seen + constant * len(found) * shorter) / (found.total() + constant * len(found))


def _relative(voicing: Voicing, now: int) -> tuple[int | None, ...]:
    """The intervals to the soprano; None for a rest."""
    return tuple(None if value == SILENT else value - now for value in voicing)


def _strikes(told: Told) -> bool:
    """Whether all voices that move strike a pitch."""
    return all(value != SILENT for value, moves in zip(told.w, MOVES[told.moved], strict=True) if moves)


def _after(before: int, v: Voicing) -> tuple[Hashable, ...]:
    return _after_chord(before, tuple(12 if value == SILENT else value % 12 for value in v))


def _after_chord(before: int, chord: tuple[int, ...]) -> tuple[Hashable, ...]:
    """What the soprano's next pitch depends on: its last one, and the pitch classes under it."""
    return (before, chord), (before, chord[-1]), before

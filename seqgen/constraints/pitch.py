"""Which notes may be struck: by scale, key, range and leap."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from seqgen.constraints import names
from seqgen.constraints.base import Bound, Constraint, Material, Moment
from seqgen.constraints.strikes import Strikes, near, of_classes
from seqgen.errors import ConfigError


class Scale(Constraint):
    """Every note is of the scale: `Scale("D-minor")`, `Scale("Eb-dorian")`. Music only. See `names.SCALES`."""

    def __init__(self, name: str) -> None:
        """Raises ConfigError where there is no such scale."""
        tonic, tones = names.scale(name)
        self.name = f"scale {name.strip()}"
        self.classes = frozenset((tonic + tone) % 12 for tone in tones)

    def bind(self, material: Material, others: np.ndarray) -> "BoundClasses":
        material.music_only(self.name)
        return BoundClasses(self.name, self.classes, material)


class Key(Constraint):
    """The piece is in a major or minor key, `Key("F#-major")`: it begins with it, and every note is of its scale.

    In minor, sixth and seventh may also be raised. Music only.
    """

    def __init__(self, name: str) -> None:
        """Raises ConfigError where there is no such key."""
        spelled, self.classes = names.key(name)
        self.name = f"key {name.strip()}"
        self.controls = MappingProxyType({"key": spelled})

    def bind(self, material: Material, others: np.ndarray) -> "BoundClasses":
        material.music_only(self.name)
        return BoundClasses(self.name, self.classes, material)


class BoundClasses(Bound):
    """Every note has one of some pitch classes."""

    def __init__(self, name: str, classes: frozenset[int], material: Material) -> None:
        self.name = name
        self.ever = Strikes(material.table).only(of_classes(classes))

    def legal(self, own: None, moment: Moment) -> np.ndarray | None:
        return self.ever


class Range(Constraint):
    """Every note lies between two others, both included: `Range("C4", "C6")`. Music only.

    `Range.of("soprano=C4-G5, bass=E2-C4")` gives parts ranges of their own; a part's name may be shortened. One without
    a name is for all the other parts.
    """

    def __init__(self, low: str | int, high: str | int) -> None:
        """Notes, or MIDI numbers.

        Raises:
            ConfigError: there is no such note, or the first is above the second.
        """
        lowest, highest = names.pitch(low), names.pitch(high)
        if lowest > highest:
            raise ConfigError(f"the range {low}-{high} begins above its end; turn it round")
        self.name = f"range {low}-{high}"
        self.ranges: Mapping[str, tuple[int, int]] = {"": (lowest, highest)}  # by part, "" for all others

    @classmethod
    def of(cls, text: str) -> "Range":
        """As above.

        Raises:
            ConfigError: there is no such note, or a part is named twice.
        """
        ranges: dict[str, tuple[int, int]] = {}
        for item in text.split(","):
            part, _, notes = item.rpartition("=")
            part = part.strip()
            if part in ranges:
                raise ConfigError(f"{text!r} gives {part or 'all parts'} two ranges; give one")
            ranges[part] = names.pitch_range(notes)
        made = cls(0, 127)
        made.name, made.ranges = f"range {text.strip()}", ranges
        return made

    def bind(self, material: Material, others: np.ndarray) -> "BoundRange":
        material.music_only(self.name)
        parts: tuple[str, ...] = material.grammar.part_names
        by_part = [self.ranges.get("", (0, 127))] * len(parts)
        named: dict[int, str] = {}
        for name, notes in self.ranges.items():
            if name:
                part = _part(name, parts)
                if part in named:
                    raise ConfigError(f"{named[part]} and {name} are the same part; give it one range")
                named[part] = name
                by_part[part] = notes
        return BoundRange(self.name, by_part, material)


class BoundRange(Bound):
    """See `Range`."""

    def __init__(self, name: str, by_part: list[tuple[int, int]], material: Material) -> None:
        self.name = name
        strikes, number = Strikes(material.table), np.arange(128)
        self._masks = [strikes.only((low <= number) & (number <= high)) for low, high in by_part]
        self.ever = np.array(self._masks)
        self._part = material.grammar.part

    def legal(self, own: None, moment: Moment) -> np.ndarray:
        return self._masks[self._part(moment.state)]


class MaxLeap(Constraint):
    """Every note lies at most so many semitones from the nearest note that its part has struck last, or still sounds.

    Also over a rest. The first notes are free. Music only.
    """

    def __init__(self, semitones: int) -> None:
        if not 0 <= semitones <= 127:
            raise ConfigError(f"the largest leap is 0 to 127 semitones, not {semitones}")
        self.semitones = semitones

    def bind(self, material: Material, others: np.ndarray) -> "BoundMaxLeap":
        material.music_only("a largest leap")
        return BoundMaxLeap(self.semitones, material)


class BoundMaxLeap(Bound):
    """See `MaxLeap`."""

    def __init__(self, semitones: int, material: Material) -> None:
        self.name = f"leaps of at most {semitones} semitones"
        self._semitones, self._strikes = semitones, Strikes(material.table)
        self._part = material.grammar.part
        self._from = lru_cache(4096)(self._reached)

    def legal(self, own: None, moment: Moment) -> np.ndarray | None:
        before = moment.sounding.before(self._part(moment.state))
        return self._from(before) if before else None

    def _reached(self, before: tuple[int, ...]) -> np.ndarray:
        return self._strikes.only(near(before, self._semitones))


def _part(name: str, parts: tuple[str, ...]) -> int:
    """The number of a part that is named, or begins so.

    Raises:
        ConfigError: there is none, or there are several.
    """
    folded = [part.casefold() for part in parts]
    wanted = name.casefold()
    found = [number for number, part in enumerate(folded) if part == wanted]
    found = found or [number for number, part in enumerate(folded) if part.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if len(parts) == 1:
        raise ConfigError(f"this model writes one part without a name; give it one range, without {name}=")
    several = f"{name!r} may be {' or '.join(parts[number] for number in found)}; " if found else ""
    raise ConfigError(f"{several or f'there is no part {name!r}; '}the parts are {', '.join(parts)}")

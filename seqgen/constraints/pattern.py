"""A regular expression as a deterministic automaton over the characters of a model.

Python's own `re` checks the expression and says of each of its character classes what it holds, so that an automaton
accepts exactly what `re.fullmatch` does. automata-lib makes a nondeterministic automaton of the structure, with one
symbol a character class; it is made deterministic here, where its size can be bounded.
"""

import re
import warnings
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from seqgen.errors import ConfigError, MissingExtra

DEAD, START = 0, 1  # states
FAR = 1 << 40  # a distance where there is no way
_MOST_PLACES = 10_000  # characters and classes of the expression, repetitions written out
_MOST_STATES = 10_000
_MOST_WORK = 1_000_000  # nondeterministic states looked at
_FIRST_SYMBOL = 0xE000  # private use: no operator of the library

_PIECES = re.compile(
    r"""
    (?P<comment> \(\?\#[^)]*\) )
  | (?P<flags> \(\?[aiLmsux]+\) )
  | (?P<open> \((?: \?: | \?P<\w+> | (?!\?) ) )
  | (?P<special> \(\?.{0,2} )
  | (?P<close> \) )
  | (?P<bar> \| )
  | (?P<repeat> (?: [*+?] | \{(?: (?P<least>\d+)(?P<comma>,(?P<most>\d*))? | ,(?P<only_most>\d*) )\} ) (?P<mode>[?+]?) )
  | (?P<anchor> [\^$] | \\[AZzbB] )
  | (?P<one> \[\^?\]?(?:\\.|[^\]\\])*\]
      | \\(?: x..|u....|U.{8}|N\{[^}]*\}|0[0-7]{0,2}|[0-3][0-7]{2}|[^1-9] ) | [^\\] )
  | (?P<back> \\ )
    """,
    re.VERBOSE | re.DOTALL,
)


class Automaton(NamedTuple):
    """State DEAD (0) accepts nothing any more; state START (1) is the first."""

    classes: np.ndarray  # (characters,): the class of each; those of one class lead everywhere to the same
    moves: np.ndarray  # (states, classes): the state after a character of that class
    accepts: np.ndarray  # (states,) bool


class Pattern:
    """A checked regular expression. The syntax is that of `re` without what looks around or back."""

    def __init__(self, pattern: str) -> None:
        """Raises ConfigError: no regular expression, or one that no automaton of a sensible size can follow."""
        self.text = pattern
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what a class may mean in later versions
                compiled = re.compile(pattern)
        except re.error as error:
            where = "" if error.pos is None else f" at character {error.pos + 1}"
            raise ConfigError(f"{_shown(pattern)} is no regular expression: {error.msg}{where}") from error
        except (OverflowError, RecursionError) as error:
            raise ConfigError(f"the regular expression {_shown(pattern)} is too large: {error}") from error
        self._flags = compiled.flags & (re.IGNORECASE | re.DOTALL | re.ASCII)
        if compiled.flags & re.VERBOSE:
            raise self._refused("the flag x", 0)
        self._ones: dict[str, str] = {}  # what stands for one character, and its symbol
        self._structure = self._written()

    def automaton(self, characters: str) -> Automaton:
        """For texts of these characters.

        Raises:
            ConfigError: it would have too many states.
            MissingExtra: automata-lib is not installed.
        """
        try:
            from automata.fa.nfa import NFA
        except ImportError as error:
            raise MissingExtra("matching a regular expression", "match") from error
        symbols = set(self._ones.values())
        try:
            nfa = NFA.from_regex(self._structure, input_symbols=symbols)
        except RecursionError as error:
            raise ConfigError(f"the regular expression {_shown(self.text)} is too deep") from error
        classes, symbols_of = self._classes(characters)
        follow = {state: {key: set(to) for key, to in keys.items()} for state, keys in nfa.transitions.items()}

        def closed(states: Iterable[int]) -> frozenset[int]:
            found, waiting = set(states), list(states)
            while waiting:
                new = follow.get(waiting.pop(), {}).get("", set()) - found
                found |= new
                waiting += new
            return frozenset(found)

        numbers = {frozenset(): DEAD, closed([nfa.initial_state]): START}
        waiting, moves, work = deque(list(numbers)), [], 0
        while waiting:
            states = waiting.popleft()
            reached = {symbol: set() for symbol in symbols}
            for state in states:
                for symbol, to in follow.get(state, {}).items():
                    if symbol:
                        reached[symbol] |= to
            row = []
            for members in symbols_of:
                to = closed(set().union(*(reached[symbol] for symbol in members)))
                work += len(to) + 1
                if to not in numbers:
                    numbers[to] = len(numbers)
                    waiting.append(to)
                row.append(numbers[to])
            moves.append(row)
            if len(numbers) > _MOST_STATES or work > _MOST_WORK:
                raise ConfigError(
                    f"the regular expression {_shown(self.text)} needs too large an automaton; give it fewer or "
                    "shorter repetitions"
                )
        accepts = [not nfa.final_states.isdisjoint(states) for states in numbers]
        return Automaton(classes, np.array(moves, np.int32).reshape(len(numbers), -1), np.array(accepts))

    def _classes(self, text: str) -> tuple[np.ndarray, list[list[str]]]:
        """The class of each character, and for each class the symbols that stand for its characters."""
        classes = np.zeros(len(text), np.int32)
        symbols_of: list[list[str]] = [[]]
        for one, symbol in self._ones.items():
            member = np.zeros(len(text), np.int32)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                runs = re.finditer(f"(?:{one})+", text, self._flags)
                for run in runs:
                    member[run.start() : run.end()] = 1
            split = 2 * classes + member
            present = np.flatnonzero(np.bincount(split, minlength=2 * len(symbols_of)))
            symbols_of = [[*symbols_of[key // 2], *[symbol] * (key % 2)] for key in present.tolist()]
            renumbered = np.zeros(present.max(initial=0) + 1, np.int32)
            renumbered[present] = np.arange(len(present), dtype=np.int32)
            classes = renumbered[split]
        return classes, symbols_of

    def _written(self) -> str:
        """As the library writes it, with a symbol for whatever stands for one character."""
        out: list[str] = []
        sizes, begins = [0], []  # of the groups that are open: places so far, where in `out` it begins
        last_size = last_begin = 0  # of what a repetition is for
        empty = True  # nothing stands yet since the last parenthesis or bar
        for found in _PIECES.finditer(self.text):
            kind, piece = found.lastgroup, found.group()
            if found["repeat"] is not None:
                least, most = self._bounds(found)
                sizes[-1] += last_size * (max(least if most is None else most, 1) - 1)
                last_size = 0
                if most == 0:
                    out[last_begin:] = ["()"]
                else:
                    out.append(f"{{{least},{'' if most is None else most}}}")
            elif kind == "one":
                last_size, last_begin = 1, len(out)
                sizes[-1] += 1
                out.append(self._ones.setdefault(piece, chr(_FIRST_SYMBOL + len(self._ones))))
                empty = False
            elif kind == "open":
                begins.append(len(out))
                sizes.append(0)
                out.append("(")
                empty = True
            elif kind in ("close", "bar"):
                out += ["()"] * empty
                out.append(piece)
                empty = kind == "bar"
                if kind == "close":
                    last_size, last_begin = sizes.pop(), begins.pop()
                    sizes[-1] += last_size
            elif kind == "anchor":
                outermost = found.start() == 0 if piece in ("^", r"\A") else found.end() == len(self.text)
                if not outermost or piece in (r"\b", r"\B"):
                    raise self._refused(f"{piece} here", found.start())
            elif kind in ("special", "back"):
                raise self._refused(_what(self.text[found.start() :]), found.start())
            if sum(sizes) > _MOST_PLACES:
                raise ConfigError(
                    f"the regular expression {_shown(self.text)} is longer than {_MOST_PLACES:,} characters once its "
                    "repetitions are written out; give it fewer"
                )
        return "".join(out + ["()"] * (empty and bool(out)))

    def _bounds(self, found: re.Match[str]) -> tuple[int, int | None]:
        if found["mode"] == "+":
            raise self._refused(f"the possessive {found['repeat']}", found.start())
        sign = found["repeat"][0]
        if sign != "{":
            return int(sign == "+"), 1 if sign == "?" else None
        if found["only_most"] is not None:
            return 0, int(found["only_most"]) if found["only_most"] else None
        least = int(found["least"])
        if found["comma"] is None:
            return least, least
        return least, int(found["most"]) if found["most"] else None

    def _refused(self, what: str, place: int) -> ConfigError:
        return ConfigError(
            f"the regular expression {_shown(self.text)} cannot be followed letter by letter: {what}, at character "
            f"{place + 1}; leave it out (the whole text is matched, without ^ and $)"
        )


def distances(successors: Sequence[Iterable[tuple[int, int]]], ends: Iterable[int]) -> np.ndarray:
    """The least cost from each node to one of `ends`, FAR where there is no way.

    successors: of each node, as (node, cost 0 or 1).
    """
    before: list[list[tuple[int, int]]] = [[] for _ in successors]
    for node, following in enumerate(successors):
        for to, cost in following:
            before[to].append((node, cost))
    found = np.full(len(successors), FAR, np.int64)
    waiting = deque(ends)
    found[list(waiting)] = 0
    while waiting:
        to = waiting.popleft()
        for node, cost in before[to]:
            if found[to] + cost < found[node]:
                found[node] = found[to] + cost
                (waiting.append if cost else waiting.appendleft)(node)
    return found


def _what(rest: str) -> str:
    if rest.startswith(("(?=", "(?!")):
        return "it looks ahead"
    if rest.startswith(("(?<=", "(?<!")):
        return "it looks behind"
    if rest.startswith("(?>"):
        return "an atomic group"
    if rest.startswith(("\\", "(?P=")):
        return "it refers back to a group"
    if rest.startswith("(?("):
        return "it asks for a group"
    return "flags for a part"


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else f"{pattern[:57]}...")

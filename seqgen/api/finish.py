"""The finishing touches: from tokens to what the user gets, and how much of it is copied."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seqgen.api.begin import given_tokens, length_steps
from seqgen.api.request import Request
from seqgen.corpus.loudness import shaped, with_velocities_of
from seqgen.originality import sentence
from seqgen.piece import Piece, Tempo, Text, joined
from seqgen.version import __version__

if TYPE_CHECKING:
    from seqgen.api.model import Model
    from seqgen.api.translator import Translator


def finished(model: "Model", segments: list[list[str]], request: Request, number: int) -> Piece | str:
    """A variation as the user gets it: its tempo, programs, loudness and where it comes from.

    segments: the tokens of its pieces, one after the other. number: of the variation, from 0.
    """
    sources = [model.encoding.decode(tokens) for tokens in segments]
    prime = request.prime
    if model.unit == "text":
        text = (model.statistics.separator or "\n\n").join(sources)
        return without_prime(model, request, text) if request.continue_only else text
    piece = shaped(joined(sources), model.statistics.velocities)
    if isinstance(prime, Piece):
        piece = with_velocities_of(piece, prime)
    if request.continue_only:
        piece = without_prime(model, request, piece)
    bpm = request.tempo or (prime.tempi[0].bpm if isinstance(prime, Piece) and prime.tempi else None)
    bpm = bpm or model.statistics.tempo_bpm
    parts = piece.parts
    if isinstance(prime, Piece) and len(prime.parts) == len(parts):
        parts = tuple(part._replace(program=given.program) for part, given in zip(parts, prime.parts, strict=True))
    if request.instrument is not None:
        parts = tuple(part._replace(program=request.instrument) for part in parts)
    tempi = (Tempo(0, float(bpm)),) if bpm else ()
    return replace(piece, tempi=tempi, parts=parts, markers=(mark(model, request, number), *piece.markers))


def without_prime(model: "Model", request: Request, source: Any) -> Any:
    """What came after the prime, of a text or piece that begins with it."""
    if request.prime is None:
        return source
    if isinstance(source, str):
        return source[len(model.encoding.decode(model.prime_tokens(request.prime))) :]
    given = given_tokens(model, request, request.constraints)
    return source.from_tick(length_steps(model, given))  # a tick is a grid step


def copied(model: "Model", request: Request, generated: Sequence[Any]) -> str | None:
    """The longest passage copied in any of several, beside unseen pieces, in one line; None where it cannot be told.

    The prime does not count.
    """
    index = model.copy_index
    if index is None:
        return None
    new = [source if request.continue_only else without_prime(model, request, source) for source in generated]
    found = [passage for source in new if (passage := index.longest(source)) is not None]
    longest = max(found, key=lambda passage: passage.length, default=None)
    return sentence(longest, index, model.statistics.unseen_copied)


def mark(model: "Model | Translator", request: Request, number: int) -> Text:
    """Where a piece comes from; number: of the variation, from 0."""
    source = f" model {model.digest}" if model.digest else ""
    which = f" number {number + 1}" if number else ""
    return Text(0, f"seqgen {__version__} seed {request.drawn_with}{which}{source}")

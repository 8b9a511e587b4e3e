"""`--attention-plot`: a picture for each line, named as soon as it is known how many there are."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seqgen.cli import console
from seqgen.cli.output import numbered

if TYPE_CHECKING:
    from seqgen.api.translate import Source, Translation
    from seqgen.api.translator import Translator
    from seqgen.formats.attention import Attention


class _Picture(NamedTuple):
    number: int  # of its line
    attention: "Attention"
    title: str
    summary: str


class Pictures:
    """One picture goes to the file itself; of several each has the number of its line in its name."""

    def __init__(self, file: str | None, lines: int) -> None:
        """file: None for no pictures. lines: how many will come, where that is known; 0 where not.

        Raises:
            ConfigError: the file cannot be one. MissingExtra: its format needs an extra.
        """
        from seqgen.errors import ConfigError
        from seqgen.formats.attention import check_name

        self.wanted = file is not None
        self._path = Path(file or "")
        self._several = lines > 1 or "{n}" in self._path.name
        self._held: _Picture | None = None  # the first, while it may be the only one
        if self.wanted:
            check_name(self._path)
            if not self._path.parent.is_dir():
                raise ConfigError(f"cannot write {file}: there is no folder {str(self._path.parent)!r}")

    def add(self, translator: "Translator", number: int, source: "Source", translation: "Translation") -> None:
        """Draw what the model looked at in a line."""
        if not self.wanted:
            return
        attention = translator.attention(source, translation)
        picture = _Picture(number, attention, str(source.content), translation.text)
        if not self._several and self._held is None:
            self._held = picture
            return
        self._several = True
        for one in (self._held, picture):
            if one is not None:
                self._write(one, numbered(self._path, one.number))
        self._held = None

    def finish(self) -> None:
        """Write the one that has waited for others."""
        if self._held is not None:
            self._write(self._held, self._path)
            self._held = None

    def _write(self, picture: _Picture, path: Path) -> None:
        from seqgen.formats.attention import write

        write(picture.attention, path, picture.title, picture.summary)
        console.say(f"wrote {path}")

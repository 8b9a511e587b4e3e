"""seqgen: learn a style from a folder of scores or text, play it back in an instant, know how original it is."""

__version__ = "0.1.0"

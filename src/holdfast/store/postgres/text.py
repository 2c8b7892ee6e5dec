"""Text with a NUL in it, which no text column can hold: written in another way, character by character.

So what is put together of parts (``id || '/' || key``) is the same whether it is put together here or there.
"""

from __future__ import annotations

_ESCAPE, _NUL = "\x1a", "\0"


def stored(text: str) -> str:
    """As the column holds it."""
    if _NUL in text or _ESCAPE in text:
        return text.replace(_ESCAPE, _ESCAPE + "1").replace(_NUL, _ESCAPE + "0")
    return text


def stored_or_none(text: str | None) -> str | None:
    """The same where there may be none."""
    return None if text is None else stored(text)


def read(text: str) -> str:
    """As it was given."""
    if _ESCAPE in text:
        return text.replace(_ESCAPE + "0", _NUL).replace(_ESCAPE + "1", _ESCAPE)
    return text

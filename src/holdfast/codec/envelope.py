"""How encoded values lie in the store: one header byte, then the bytes, compressed and sealed as needed.

::

    0x00 data                 as it is
    0x01 zlib(data)           longer than 4 KB, and smaller this way
    0x02 seal(envelope)       a cipher is set; inside is one of the above
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

from holdfast.errors import BadOption, StoreUnusable, TooLarge

MAX_VALUE = 16 * 2**20
_COMPRESS_ABOVE = 4096
_PLAIN, _ZLIB, _SEALED = b"\x00", b"\x01", b"\x02"
_NONCE = 12


class Cipher(Protocol):
    """Encryption at rest: what :func:`use_cipher` takes."""

    def seal(self, data: bytes) -> bytes:
        """The data, encrypted and authenticated, with whatever ``open`` will need to choose the key."""

    def open(self, sealed: bytes) -> bytes:
        """The data that was sealed. Raises ``StoreUnusable`` if the key is unknown or the bytes were altered."""


_cipher: Cipher | None = None


def use_cipher(cipher: Cipher | None) -> None:
    """Seal every value that is written from now on, in this whole process; ``None`` stops it.

    Values written before, sealed or not, stay readable as long as the cipher knows their keys.

    Example:
        >>> use_cipher(AesGcm({"2026-11": bytes(32)}, current="2026-11"))
        >>> unpack(pack(b"secret"))
        b'secret'
        >>> use_cipher(None)
    """
    global _cipher  # one hook for the process, so that no path to the store can forget it
    _cipher = cipher


def pack(data: bytes) -> bytes:
    """The bytes to store for an encoded value.

    Raises:
        TooLarge: the data exceeds ``MAX_VALUE``, 16 MB.
    """
    if len(data) > MAX_VALUE:
        raise TooLarge(f"a value of {len(data):,} bytes exceeds {MAX_VALUE:,}; {_ELSEWHERE}")
    packed = _compressed(data) if len(data) > _COMPRESS_ABOVE else _PLAIN + data
    return packed if _cipher is None else _SEALED + _cipher.seal(packed)


def unpack(data: bytes) -> bytes:
    """The encoded value in bytes that :func:`pack` made.

    Raises:
        StoreUnusable: they are damaged, come from a newer version, or are sealed and no key opens them.
        TooLarge: they hold more than ``MAX_VALUE``.
    """
    header, body = data[:1], data[1:]
    if header == _PLAIN:
        return body
    if header == _ZLIB:
        return _decompressed(body)
    if header == _SEALED:
        return _unsealed(body)
    raise StoreUnusable(f"a stored value begins with {header!r}: damaged, or written by a newer Holdfast; upgrade")


_ELSEWHERE = "put the bytes into a file or object store and keep a reference"


def _compressed(data: bytes) -> bytes:
    smaller = zlib.compress(data, 1)
    return _ZLIB + smaller if len(smaller) < len(data) else _PLAIN + data


def _decompressed(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(body, MAX_VALUE + 1)  # bounded: the store may have been tampered with
    except zlib.error as error:
        raise StoreUnusable(f"a stored value is damaged: {error}; restore it from a backup") from error
    if len(data) > MAX_VALUE:
        raise TooLarge(f"a stored value exceeds {MAX_VALUE:,} bytes; {_ELSEWHERE}")
    if not inflater.eof:
        raise StoreUnusable("a stored value is cut short; restore it from a backup")
    return data


def _unsealed(body: bytes) -> bytes:
    if _cipher is None:
        raise StoreUnusable("a stored value is encrypted and no cipher is set; call use_cipher(AesGcm(...)) first")
    inner = _cipher.open(body)
    if inner[:1] == _SEALED:
        raise StoreUnusable("a stored value is sealed twice: damaged; restore it from a backup")
    return unpack(inner)


class AesGcm:
    """AES-256-GCM (NIST SP 800-38D) with named keys: give a new key a new id, keep the old ones to read with.

    Sealed bytes are ``len(id) id nonce ciphertext+tag``; the id is authenticated. The nonce is random, so one key
    should seal at most 2**32 values: rotate before.

    Args:
        keys: 32 secret bytes each, by key id (1 to 255 bytes of UTF-8). Take them from a secret store.
        current: the id of the key to seal with.

    Raises:
        BadOption: a key has another length, ``current`` is not among them, or ``cryptography`` is not installed.

    Example:
        >>> AesGcm({"old": bytes(32), "new": os.urandom(32)}, current="new")
        AesGcm(keys=['new', 'old'], current='new')
    """

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        _check_keys(keys, current)
        self._current = current
        self._ciphers = {name.encode(): _aes(key) for name, key in keys.items()}

    def __repr__(self) -> str:
        return f"AesGcm(keys={sorted(name.decode() for name in self._ciphers)}, current={self._current!r})"

    def seal(self, data: bytes) -> bytes:
        """The data encrypted under the current key."""
        name = self._current.encode()
        nonce = os.urandom(_NONCE)  # noqa: TID251  # not injected: no test may make a nonce repeat
        sealed: bytes = self._ciphers[name].encrypt(nonce, data, name)
        return bytes([len(name)]) + name + nonce + sealed

    def open(self, sealed: bytes) -> bytes:
        """The data that :meth:`seal` encrypted, under any of the keys.

        Raises:
            StoreUnusable: its key is not among ours, or the bytes were altered.
        """
        name, rest = sealed[1 : 1 + sealed[0]] if sealed else b"", sealed[1 + sealed[0] :] if sealed else b""
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise StoreUnusable(f"a stored value is encrypted under key id {name.decode(errors='replace')!r}; add it")
        return _opened(cipher, name, rest)


def _opened(cipher: Any, name: bytes, rest: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        data: bytes = cipher.decrypt(rest[:_NONCE], rest[_NONCE:], name)
    except (InvalidTag, ValueError) as error:
        said = f"a stored value under key id {name.decode()!r} fails authentication"
        raise StoreUnusable(f"{said}: it was altered, or the key differs from the one that sealed it") from error
    return data


def _check_keys(keys: Mapping[str, bytes], current: str) -> None:
    if current not in keys:
        raise BadOption(f"current={current!r} is not among the key ids {sorted(keys)}")
    for name, key in keys.items():
        if len(key) != 32:
            raise BadOption(f"key {name!r} has {len(key)} bytes; AES-256 takes 32: os.urandom(32)")
        if not 1 <= len(name.encode()) <= 255:
            raise BadOption(f"key id {name[:20]!r} must have 1 to 255 bytes")


def _aes(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise BadOption("AesGcm needs the package cryptography: pip install 'holdfast[encryption]'") from error
    return AESGCM(key)

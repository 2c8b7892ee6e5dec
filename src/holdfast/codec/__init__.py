"""Values as bytes and back: types, arguments, failures, compression and encryption at rest.

What goes into the store comes back equal, type for type, or is refused at once with the path of the culprit.
"""

from __future__ import annotations

from holdfast.codec.arguments import pack_arguments, schema_of_arguments, unpack_arguments
from holdfast.codec.describe import Absent, describe_arguments, described
from holdfast.codec.envelope import MAX_VALUE, AesGcm, Cipher, pack, unpack, use_cipher
from holdfast.codec.failures import Failed, failure_of, pack_failure, rebuild
from holdfast.codec.hints import Hints, hints_of
from holdfast.codec.shape import Shape, shape_of
from holdfast.codec.text import canonical, fingerprint, hash64, type_name

__all__ = [
    "MAX_VALUE",
    "Absent",
    "AesGcm",
    "Cipher",
    "Failed",
    "Hints",
    "Shape",
    "canonical",
    "describe_arguments",
    "described",
    "failure_of",
    "fingerprint",
    "hash64",
    "hints_of",
    "pack",
    "pack_arguments",
    "pack_failure",
    "rebuild",
    "schema_of_arguments",
    "shape_of",
    "type_name",
    "unpack",
    "unpack_arguments",
    "use_cipher",
]

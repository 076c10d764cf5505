"""Mooring's own protocol: any call of the store's contract, as bytes. No IO."""

from mooring.wire.native.failures import decode_error, encode_error
from mooring.wire.native.messages import (
    MEDIA_TYPE,
    Codec,
    MessageInvalid,
)
from mooring.wire.native.shapes import conforms

__all__ = [
    "MEDIA_TYPE",
    "Codec",
    "MessageInvalid",
    "conforms",
    "decode_error",
    "encode_error",
]

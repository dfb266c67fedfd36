"""Keyed hashes over one deployment secret, a purpose each, so that none can stand in for another."""

import base64
import hmac


class Secret:
    """The deployment's secret. Never printed; every use names its purpose."""

    def __init__(self, value: str) -> None:
        self._value = value.encode()

    def __repr__(self) -> str:
        return "Secret(…)"

    def keyed_hash(self, purpose: str, *parts: str | bytes) -> bytes:
        """HMAC-SHA256 over the purpose and the parts, each length-prefixed so that no two lists of parts collide."""
        texts = (part.encode() if isinstance(part, str) else part for part in (purpose, *parts))
        return hmac.digest(self._value, b"".join(len(text).to_bytes(8) + text for text in texts), "sha256")


CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def base32_text(data: bytes, length: int) -> str:
    """The first `length` characters in Crockford's base 32: upper case, no I, L, O or U."""
    return base64.b32encode(data).decode().translate(CROCKFORD)[:length]

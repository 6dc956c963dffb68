"""SSH signatures (SSHSIG, of `ssh-keygen -Y sign`) and their verification, in plain Python: Ed25519 alone.

The format is OpenSSH's PROTOCOL.sshsig, the arithmetic RFC 8032's, section 5.1. What is verified is public, so nothing
here needs to take the same time whatever the numbers are; signing would, and is not done here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import Integrity, Invalid

KIND = "ssh-ed25519"
_MAGIC = b"SSHSIG"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_ARMOR = re.compile(r"\s*-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n\r]+)-----END SSH SIGNATURE-----\s*")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_MAX_ARMOR = 16 << 10  # characters


@dataclass(frozen=True, slots=True)
class Signature:
    """A parsed signature: by which key, for what, and over which hash of the message."""

    key: bytes  # as it stands, in base64, in a line of a public key
    namespace: str
    hash: str
    reserved: bytes
    kind: str
    raw: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as `ssh-keygen -l` prints it."""
        return fingerprint(self.key)

    def verifies(self, message: bytes) -> bool:
        """Tell whether this is its key's signature of message; False for a kind that is not Ed25519, too."""
        fields = _strings(self.key)
        digest = _HASHES.get(self.hash)
        if digest is None or self.kind != KIND or len(fields) != 2 or fields[0] != KIND.encode():
            return False
        signed = (self.namespace.encode(), self.reserved, self.hash.encode(), digest(message).digest())
        return verify(fields[1], self.raw, _MAGIC + b"".join(map(_string, signed)))


def parse(armored: str) -> Signature:
    """Read an armored signature; Integrity if it is none."""
    match = _ARMOR.fullmatch(armored) if len(armored) <= _MAX_ARMOR else None
    try:
        blob = base64.b64decode(match[1] if match else "", validate=False)
        if blob[:10] != _MAGIC + b"\0\0\0\1":
            raise ValueError("no SSHSIG of version 1")
        key, namespace, reserved, hash, signature = _strings(blob[10:])
        kind, raw = _strings(signature, 2)  # a hardware key's has more after them
        return Signature(key, namespace.decode(), hash.decode(), reserved, kind.decode(), raw)
    except ValueError as error:
        raise Integrity("a signature of the index is malformed", "have the index published again") from error


def require_signed(message: bytes, armored: Iterable[str], keys: Iterable[str], namespace: str) -> None:
    """Raise Integrity unless one of keys (public keys or fingerprints) has signed message for this namespace."""
    pinned = {pin(key) for key in keys}
    found = []
    for signature in map(parse, armored):
        if signature.fingerprint not in pinned:
            found.append(f"signed by {signature.fingerprint}, which is no key that you trust")
        elif signature.namespace != namespace:
            found.append(f"signed for {signature.namespace!r}, not for {namespace!r}")
        elif signature.kind != KIND:
            found.append(f"signed with {signature.kind}, of which only {KIND} can be verified")
        elif signature.verifies(message):
            return
        else:
            found.append(f"not what {signature.fingerprint} has signed")
    raise Integrity(
        f"the index is {'; '.join(found) or 'not signed'}",
        f"it has to be signed by {' or '.join(sorted(pinned))}, an Ed25519 key: trust nothing of it until it is",
    )


def pin(key: str) -> str:
    """Return the fingerprint of a public key, or of a fingerprint itself; Invalid for anything else."""
    words = key.split()
    if len(words) == 1 and _FINGERPRINT.fullmatch(words[0].rstrip("=")):
        return words[0].rstrip("=")
    try:
        at = words.index(KIND)
        blob = base64.b64decode(words[at + 1], validate=True)
        kind, point = _strings(blob)
    except (ValueError, IndexError):
        raise Invalid(
            f"{key!r:.80} is not an Ed25519 public key, nor a fingerprint (SHA256:...)",
            hint="give the line of a .pub file that `ssh-keygen -t ed25519` makes; other kinds cannot be verified",
        ) from None
    if kind != KIND.encode() or len(point) != 32:
        raise Invalid(f"{key!r:.80} is not an Ed25519 public key", hint="compare it with the .pub file")
    return fingerprint(blob)


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint of a public key, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _strings(data: bytes, at_most: int = 16) -> list[bytes]:
    """Return the strings, each after its length, that data begins with; ValueError if one is cut short."""
    found: list[bytes] = []
    while data and len(found) < at_most:
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError("cut short")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


# Ed25519. A point (x, y) is kept as (X, Y, Z, T) with x = X/Z, y = Y/Z, x y = T/Z.
Point = tuple[int, int, int, int]
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_NEUTRAL: Point = (0, 1, 1, 0)


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether signature (64 bytes) is that of message by key (32 bytes): RFC 8032, 5.1.7, without cofactor."""
    if len(key) != 32 or len(signature) != 64:
        return False
    public, s = _decode(key), int.from_bytes(signature[32:], "little")
    if public is None or s >= _L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % _L
    x, y, z, t = public
    return _encode(_sum_of_multiples(s, _base(), h, (_P - x, y, z, _P - t))) == signature[:32]


def _sum_of_multiples(a: int, first: Point, b: int, second: Point) -> Point:
    """Return a times one point and b times another, added: both in one pass over the bits (Straus)."""
    choices = (_NEUTRAL, first, second, _add(first, second))
    total = _NEUTRAL
    for bit in range(max(a.bit_length(), b.bit_length()) - 1, -1, -1):
        total = _double(total)
        if which := (a >> bit & 1) | (b >> bit & 1) << 1:
            total = _add(total, choices[which])
    return total


def _add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p: Point) -> Point:
    a, b, c = p[0] * p[0] % _P, p[1] * p[1] % _P, 2 * p[2] * p[2] % _P
    h, g = a + b, a - b
    e, f = h - (p[0] + p[1]) ** 2, c + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _encode(p: Point) -> bytes:
    inverse = pow(p[2], -1, _P)
    x, y = p[0] * inverse % _P, p[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(data: bytes) -> Point | None:
    """Return the point that 32 bytes stand for; None if they stand for none."""
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _base() -> Point:
    """The point that all others are multiples of: its y is 4/5, its x is even."""
    found = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert found is not None  # noqa: S101  (a constant of the curve)
    return found

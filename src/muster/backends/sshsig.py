"""SSH signatures (PROTOCOL.sshsig of OpenSSH), made and verified by `ssh-keygen`: keys in files, agents and hardware.

A signature carries its public key. That it is a good one says nothing of whose key that is: see `is_of`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import Integrity, Invalid, NotFound, Refused, Unavailable

ED25519 = "ssh-ed25519"
_ARMOUR = ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----")
_PRIVATE = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----")
_SOMEBODY = "publisher"  # ssh-keygen wants a name for whoever signed; keys are what counts here
_HOW_TO = "make a key: ssh-keygen -t ed25519 -f index-key"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. `kind` is as in `id_ed25519.pub`, `blob` is what is encoded there."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The key as `ssh-keygen -l` shows it: SHA256:..."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


def public_key(path: Path) -> PublicKey:
    """Return the public key of a key file, private or public, for which no passphrase is needed."""
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise NotFound(f"there is no key at {path}", hint=_HOW_TO) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is no key that can be read", hint=_HOW_TO) from error
    try:
        if text.startswith(_PRIVATE[0]):
            return _public_part(_unarmoured(text, _PRIVATE))
        return parse_key(text)
    except (ValueError, struct.error, IndexError):
        pass
    beside = path.with_name(f"{path.name}.pub")
    if path.suffix != ".pub" and beside.is_file():
        return public_key(beside)
    raise Invalid(f"{path} is no SSH key in OpenSSH's format", hint=_HOW_TO)


def parse_key(text: str) -> PublicKey:
    """Read a public key as `id_ed25519.pub` has it; ValueError if it is none."""
    kind, encoded, *_ = [*text.split(), "", ""]
    blob = base64.b64decode(encoded, validate=True)
    if not blob or _first(blob).decode() != kind:
        raise ValueError("this is no public key")
    return PublicKey(kind, blob)


def sign(payload: bytes, namespace: str, key: Path) -> str:
    """Return a signature of payload for a purpose; `key` is a private key, or a public one whose agent signs."""
    command = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(key)]
    done = _run(command, payload)
    if done.returncode or not done.stdout.startswith(_ARMOUR[0].encode()):
        raise Refused(
            f"ssh-keygen could not sign with {key}: {done.stderr.decode(errors='replace').strip()}",
            hint="see whether the agent has the key: ssh-add -l",
        )
    return done.stdout.decode()


def key_of(signature: str) -> PublicKey:
    """Return the public key that a signature carries; Integrity if it is no signature."""
    try:
        data = _unarmoured(signature, _ARMOUR)
        if data[:6] != b"SSHSIG":
            raise ValueError("no magic")
        blob = _first(data[10:])
        return PublicKey(_first(blob).decode(), blob)
    except (ValueError, struct.error, IndexError) as error:
        raise Integrity("a signature of the index is malformed") from error


def is_good(signature: str, payload: bytes, namespace: str) -> bool:
    """Tell whether the key that a signature carries signed payload, for that purpose."""
    with tempfile.TemporaryDirectory() as scratch:
        said, allowed = Path(scratch, "signature"), Path(scratch, "allowed")
        said.write_text(signature)
        allowed.write_text(f"{_SOMEBODY} {key_of(signature)}\n")
        of = ["-n", namespace, "-I", _SOMEBODY, "-s", str(said), "-f", str(allowed)]
        return _run(["ssh-keygen", "-Y", "verify", *of], payload).returncode == 0


def is_of(key: PublicKey, wanted: Iterable[str]) -> bool:
    """Tell whether a key is one of those wanted, each a public key or a fingerprint."""
    for text in wanted:
        if text.startswith("SHA256:"):
            if text == key.fingerprint:
                return True
        elif text.split()[:2] == str(key).split():
            return True
    return False


def _run(command: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=stdin, capture_output=True)
    except FileNotFoundError as error:
        raise Unavailable(
            "there is no ssh-keygen on the PATH", hint="install OpenSSH's client, 8.2 or newer"
        ) from error


def _unarmoured(text: str, armour: tuple[str, str]) -> bytes:
    body = text.strip()
    if not body.startswith(armour[0]) or not body.endswith(armour[1]):
        raise ValueError("no armour")
    inside = body.removeprefix(armour[0]).removesuffix(armour[1])
    try:
        return base64.b64decode("".join(inside.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _public_part(data: bytes) -> PublicKey:
    """The public key in a private key file: PROTOCOL.key of OpenSSH, where it stands unencrypted."""
    magic = b"openssh-key-v1\0"
    if not data.startswith(magic):
        raise ValueError("no magic")
    rest = data[len(magic) :]
    for _ in range(3):  # cipher, key derivation and its options
        rest = rest[4 + struct.unpack(">I", rest[:4])[0] :]
    blob = _first(rest[4:])  # after the number of keys, which is one
    return PublicKey(_first(blob).decode(), blob)


def _first(data: bytes) -> bytes:
    """The length-prefixed string that data begins with."""
    length = struct.unpack(">I", data[:4])[0]
    if len(data) < 4 + length or not length:
        raise ValueError("it is cut short")
    return data[4 : 4 + length]

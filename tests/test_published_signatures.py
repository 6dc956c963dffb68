"""SSH signatures in plain Python: what OpenSSH and RFC 8032 say is right is right, and nothing else."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from muster.core.errors import Integrity, Invalid
from muster.core.ssh_signatures import fingerprint, parse, pin, require_signed, verify
from support.plain_index import new_key, public, signature

# RFC 8032, section 7.1: public key, message, signature
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key(tmp_path_factory.mktemp("keys") / "key")


@pytest.mark.parametrize(("public_key", "message", "signed"), VECTORS)
def test_the_vectors_of_the_standard_are_verified(public_key: str, message: str, signed: str) -> None:
    parts = [bytes.fromhex(text) for text in (public_key, signed, message)]
    assert verify(*parts)
    assert not verify(parts[0], parts[1], parts[2] + b"x")
    for at in (0, 31, 32, 63):
        altered = bytearray(parts[1])
        altered[at] ^= 1
        assert not verify(parts[0], bytes(altered), parts[2])


def test_a_signature_made_another_by_adding_the_order_is_none() -> None:
    key, message, signed = (bytes.fromhex(text) for text in VECTORS[0])
    more = int.from_bytes(signed[32:], "little") + ORDER
    assert not verify(key, signed[:32] + more.to_bytes(32, "little"), message)


@pytest.mark.parametrize(
    "odd", [b"", b"\xff" * 32, (2**255 - 19).to_bytes(32, "little"), b"\x02" + b"\0" * 31]
)
def test_what_is_no_point_of_the_curve_is_no_key(odd: bytes) -> None:
    assert not verify(odd, bytes.fromhex(VECTORS[0][2]), b"")


@pytest.mark.parametrize("hash", ["sha256", "sha512"])
def test_what_openssh_signs_is_verified_with_either_hash(key: Path, hash: str) -> None:
    command = [
        "ssh-keygen",
        "-q",
        "-Y",
        "sign",
        "-n",
        "muster-index",
        "-O",
        f"hashalg={hash}",
        "-f",
        str(key),
    ]
    made = subprocess.run(command, input=b"text", capture_output=True, check=True).stdout.decode()
    assert parse(made).hash == hash
    require_signed(b"text", [made], [public(key)], "muster-index")
    with pytest.raises(Integrity, match="not what SHA256:"):
        require_signed(b"Text", [made], [public(key)], "muster-index")


def test_a_signature_for_another_purpose_is_refused(key: Path) -> None:
    with pytest.raises(Integrity, match="for 'git', not for 'muster-index'"):
        require_signed(b"text", [signature("text", key, "git")], [public(key)], "muster-index")


def test_the_fingerprint_is_the_one_that_ssh_keygen_prints(key: Path) -> None:
    said = subprocess.run(
        ["ssh-keygen", "-l", "-f", f"{key}.pub"], capture_output=True, check=True, text=True
    )
    assert pin(public(key)) == pin(pin(public(key))) == said.stdout.split()[1]


def test_a_line_with_options_before_the_key_is_read(key: Path) -> None:
    assert pin(f'namespaces="muster-index" {public(key)} ann@example.com') == pin(public(key))


@pytest.mark.parametrize(
    "text", ["", "key", "SHA256:short", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA"]
)
def test_what_is_no_key_is_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        pin(text)
    assert "ssh-keygen -t ed25519" in caught.value.hint or "compare" in caught.value.hint


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_key_of_another_kind_is_refused_when_pinned_and_when_it_has_signed(
    kind: str, tmp_path: Path
) -> None:
    other = new_key(tmp_path / "key", kind)
    with pytest.raises(Invalid, match="not an Ed25519"):
        pin(public(other))
    printed = fingerprint(base64.b64decode(public(other).split()[1]))
    with pytest.raises(Integrity, match="of which only ssh-ed25519 can be verified"):
        require_signed(b"text", [signature("text", other)], [printed], "muster-index")


def test_one_of_several_signatures_by_one_of_several_keys_is_enough(key: Path, tmp_path: Path) -> None:
    other = new_key(tmp_path / "key", "ecdsa")
    made = [signature("text", other), signature("text", key)]
    require_signed(b"text", made, [public(key), "SHA256:" + "A" * 43], "muster-index")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text.replace("SSH SIGNATURE", "PGP MESSAGE"),
        lambda text: text.replace("U1NIU0lH", "U1NIU0lI"),
        lambda text: "\n".join([*text.splitlines()[:2], text.splitlines()[-1]]),
        lambda text: text + "x" * 20_000,
    ],
)
def test_a_malformed_signature_is_an_integrity_error(key: Path, damage: object) -> None:
    with pytest.raises(Integrity, match="malformed"):
        require_signed(b"text", [damage(signature("text", key))], [public(key)], "muster-index")  # type: ignore[operator]

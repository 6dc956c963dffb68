"""Who signed an index: keys of several kinds, keys that change, keys that cannot be used, and roots that were altered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.backends import sshsig
from muster.core import published
from muster.core.errors import Integrity, Invalid, MusterError, NotFound
from muster.publishing import verify
from support.cli import carry_out
from support.indexes import files_of, publish, root_of
from support.publishing import publish as commit
from support.registry import valid, yaml

pytestmark = pytest.mark.slow


@pytest.fixture
def source(bare: Path) -> Path:
    commit(bare, dict(valid().files))
    return bare


def key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent of our own."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield
    process.kill()
    process.wait()


def signed_by(site: Path) -> tuple[str, ...]:
    return verify(str(site)).signers


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_an_index_is_signed_and_the_signature_verified(source: Path, tmp_path: Path, kind: str) -> None:
    own, site = key(tmp_path / "own", kind), tmp_path / "site"
    done = publish(source, site, keys=(own,))
    public = sshsig.public_key(own)
    assert signed_by(site) == (public.fingerprint,)
    assert bool(done.notes) is (kind != "ed25519")
    said = subprocess.run(["ssh-keygen", "-l", "-f", str(own)], capture_output=True, text=True, check=True)
    assert public.fingerprint in said.stdout
    for good in (str(public), public.fingerprint, str(own.with_suffix(".pub"))):
        assert verify(str(site), [good]).problems == ()
    assert verify(str(site), [str(sshsig.public_key(key(tmp_path / "other")))]).problems


def test_a_public_key_signs_by_the_agent(source: Path, tmp_path: Path, agent: None) -> None:
    own, site = key(tmp_path / "own"), tmp_path / "site"
    with pytest.raises(MusterError, match="could not sign"):
        own.rename(tmp_path / "aside")
        publish(source, site, keys=(tmp_path / "own.pub",))
    assert not (site / "root.json").exists()
    subprocess.run(["ssh-add", "-q", str(tmp_path / "aside")], check=True)
    publish(source, site, keys=(tmp_path / "own.pub",))
    assert verify(str(site), [str(tmp_path / "own.pub")]).problems == ()


def test_keys_change_while_both_sign(source: Path, tmp_path: Path) -> None:
    old, new, site = key(tmp_path / "old"), key(tmp_path / "new"), tmp_path / "site"
    publish(source, site, keys=(old,))
    assert publish(source, site, keys=(old, new)).why_full == ""
    assert publish(source, site, keys=(new,)).why_full == ""
    assert verify(str(site), [str(old.with_suffix(".pub"))]).problems
    assert verify(str(site), [str(new.with_suffix(".pub"))]).problems == ()


def test_what_somebody_else_put_there_is_not_signed_over(source: Path, tmp_path: Path) -> None:
    own, site = key(tmp_path / "own"), tmp_path / "site"
    publish(source, site, keys=(own,))
    envelope = json.loads((site / "root.json").read_bytes())
    payload = json.loads(envelope["payload"])
    payload["top"] = "0" * 64
    text = published.canonical(payload).decode()
    for forged in ([], envelope["signatures"], [sshsig.sign(text.encode(), "file", own)]):
        (site / "root.json").write_bytes(published.envelope(text, forged))
        assert verify(str(site), [str(own.with_suffix(".pub"))]).problems
        assert "signed" in publish(source, site, keys=(own,)).why_full
        assert root_of(files_of(site))["top"] != "0" * 64


def test_a_key_that_needs_a_passphrase_that_nobody_can_type_is_refused(source: Path, tmp_path: Path) -> None:
    own = key(tmp_path / "own", passphrase="correct horse")
    assert sshsig.public_key(own) == sshsig.public_key(own.with_suffix(".pub"))
    done = subprocess.run(
        ["setsid", sys.executable, "-m", "muster", "-R", source, "index", "publish", tmp_path / "s", "--key", own],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
    )  # fmt: skip
    assert done.returncode == 4
    assert "could not sign" in done.stderr


@pytest.mark.parametrize(
    "text",
    ["", "ssh-ed25519", "ssh-ed25519 AAAA", "hello there", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"],
)
def test_what_is_no_key_is_refused_before_anything_is_written(
    source: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "own").write_text(text)
    with pytest.raises(Invalid, match="is no SSH key"):
        publish(source, tmp_path / "site", keys=(tmp_path / "own",))
    with pytest.raises(NotFound):
        publish(source, tmp_path / "site", keys=(tmp_path / "nowhere",))
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    "signature", ["", "x", "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"]
)
def test_what_is_no_signature_is_malformed(signature: str) -> None:
    with pytest.raises(Integrity):
        sshsig.key_of(signature)


def test_the_command_says_who_signed_and_what_is_wrong(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, site = key(tmp_path / "own"), tmp_path / "site"
    publish_words = ("-R", source, "index", "publish", site, "--key", own)
    assert carry_out(capsys, *publish_words, "--dry-run").code == 0
    assert not (site / "root.json").exists()
    assert carry_out(capsys, *publish_words, "--json").json["why_full"] == "there is no index yet"
    good = carry_out(capsys, "-R", source, "index", "verify", site, "--key", own.with_suffix(".pub"))
    assert (good.code, "signed by SHA256:" in good.out) == (0, True)
    assert carry_out(capsys, "index", "verify", site, "--key", "nonsense").code == 5
    assert carry_out(capsys, "--key", "SHA256:other", "index", "verify", site).code == 7
    assert carry_out(capsys, "index", "verify", tmp_path / "nowhere").code == 3
    assert carry_out(capsys, "-R", source, "index", "build", "s3://bucket/x").code == 2
    assert carry_out(capsys, "-R", source, "index", "publish", site, "--keep", "soon").code == 2
    assert carry_out(capsys, "-R", source, "index", "publish", "https://example.com/x").code == 5
    commit(source, {"models/bikes/aliases/champion.yaml": yaml("version: 3")})
    next(site.glob("objects/*/*")).unlink()
    assert carry_out(capsys, "index", "verify", site).code == 7


def test_an_index_that_is_not_what_the_registry_holds_is_found_out(source: Path, tmp_path: Path) -> None:
    from muster import Registry
    from muster.backends.git import GitRepository

    with GitRepository(source) as repository:
        old = repository.head()
        assert old
    site = tmp_path / "site"
    new = commit(
        source, {"models/bikes/aliases/champion.yaml": yaml("version: 3"), "registry.yaml": yaml("name: n")}
    )
    publish(source, site)
    text = (site / "root.json").read_text().replace(new, old)
    (site / "root.json").write_text(text)
    with Registry(source) as registry:
        problems = verify(str(site), (), registry).problems
    assert problems == (
        "registry.yaml or .dvc/config is not that of the registry",
        "model 'bikes' is not what the registry has",
    )

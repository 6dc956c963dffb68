"""Which remote the store uses: the committed configuration, and the levels of the user's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from muster.backends.artifacts import config
from muster.core.errors import Invalid, MusterError, Refused, Unavailable
from muster.core.models import Stored
from support.dvc_project import (
    Project,
    project,
    read_files,
)


def test_a_configuration_that_is_not_plain_is_refused_at_once(registry: Project) -> None:
    with pytest.raises(Invalid):
        registry.store(config=b"[core]\nremote = s\n['remote \"s\"']\nurl = ../x\ncredentialpath = y\n")


def test_without_a_remote_the_way_out_is_said(registry: Project, source: Path) -> None:
    with pytest.raises(Invalid) as caught:
        registry.store(config=b"").take(source)
    assert "dvc remote add" in caught.value.hint


def test_the_committed_configuration_counts_and_not_that_of_the_work_tree(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    (registry.root / ".dvc/config").write_text(
        "[core]\nremote = x\n['remote \"x\"']\nurl = ../../elsewhere\n"
    )
    registry.store().take(source)
    assert (tmp_path / "remote").exists() and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("level", ["dvc", "dvc-system", "local"])
def test_levels_of_the_users_own_are_merged_as_dvc_merges_them(level: str, tmp_path: Path) -> None:
    from dvc.config import Config

    registry = project(tmp_path, "s3://bucket/a", {"region": "eu"})
    own = registry.root / ".dvc/config.local" if level == "local" else tmp_path / "home" / level / "config"
    own.parent.mkdir(exist_ok=True)
    own.write_text(
        "[core]\nremote = STORAGE\n['remote \"Storage\"']\nurl = s3://mine/b\nregion = us, x\n"
        "credentialpath = ~/c\n"
        "['remote \"storage\"']\nURL = s3://mine/c\nconfigpath = rel/c\nregion = us\n"
        "[cache]\ntype = hardlink,copy\n"
    )
    from muster.backends.artifacts.config import settings_of
    from muster.core.dvcconfig import parse_config

    ours = settings_of(parse_config(registry.config), registry.root)
    theirs = Config(str(registry.root / ".dvc"), validate=False)
    assert ours.sections["remote"] == theirs["remote"]
    assert ours.url == theirs["remote"]["storage"]["url"]
    assert ours.kinds == ("hardlink", "copy")
    assert ours.name == "storage"


def test_a_url_is_shown_without_its_credentials(tmp_path: Path) -> None:
    registry = project(tmp_path, "https://example.com/store/")
    (registry.root / ".dvc/config.local").write_text(
        "['remote \"storage\"']\nurl = https://ada:secret@example.com:8443/store?sig=secret\n"
    )
    assert registry.store().uri("0" * 32) == "https://example.com:8443/store/files/md5/00/" + "0" * 30


@pytest.mark.parametrize("key", ["version_aware", "worktree"])
def test_a_remote_that_keeps_files_by_their_names_is_refused(
    key: str, registry: Project, source: Path
) -> None:
    (registry.root / ".dvc/config.local").write_text(f"['remote \"storage\"']\n{key} = True\n")
    with pytest.raises(Invalid):
        registry.store().take(source)


def test_a_broken_file_of_the_users_own_is_named_and_not_quoted(registry: Project, source: Path) -> None:
    (registry.root / ".dvc/config.local").write_text("[core]\nsecret words\n")
    with pytest.raises(Invalid, match=r"config\.local:2") as caught:
        registry.store().take(source)
    assert "secret" not in str(caught.value)


def test_a_hard_link_is_made_only_where_the_configuration_asks_for_it(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    config = registry.config + b"[cache]\n    type = hardlink,copy\n"
    stored: Stored = registry.store(config=config).take(source)
    large = next(f for f in stored.files if f.path == "large.bin")
    cached = registry.root / ".dvc/cache/files/md5" / large.md5[:2] / large.md5[2:]
    assert cached.samefile(source / "large.bin")
    assert not (tmp_path / "remote/files/md5" / large.md5[:2] / large.md5[2:]).samefile(source / "large.bin")


def test_a_directory_that_may_not_be_written_is_refused(tmp_path: Path, source: Path) -> None:
    registry = project(tmp_path, "/proc/muster")
    with pytest.raises((Refused, Unavailable)) as caught:
        registry.store(work_tree=False).take(source)
    assert isinstance(caught.value, MusterError)


def test_a_local_remote_needs_neither_dvc_nor_what_dvc_brings(
    registry: Project, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DVC_SYSTEM_CONFIG_DIR", "DVC_GLOBAL_CONFIG_DIR"):
        monkeypatch.delenv(name)
    script = (
        "import sys\n"
        "absent = ['dvc', 'dvc_data', 'dvc_objects', 'fsspec', 'configobj', 'platformdirs', 'requests']\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from pathlib import Path; from muster.backends.artifacts.store import ArtifactStore\n"
        "from muster.core.models import ArtifactFile\n"
        "root = Path(sys.argv[1]); config = (root / '.dvc/config').read_bytes()\n"
        "store = ArtifactStore(config, root, root / 'c')\n"
        "stored = store.take(Path(sys.argv[2]))\n"
        "files = [ArtifactFile(f.path, f.size, f.sha256) for f in stored.files]\n"
        "store.pull(stored.oid, files, Path(sys.argv[3]))\n"
    )
    arguments = [str(registry.root), str(source), str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert read_files(tmp_path / "out") == read_files(source)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_CONFIG_HOME": "/x/home"},
        {"XDG_CONFIG_DIRS": "/x/one:/x/two"},
        {"XDG_CONFIG_DIRS": ""},
        {"HOME": "/x"},
    ],
    ids=str,
)
def test_dvc_s_own_settings_are_looked_for_where_dvc_looks(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    for name in ("DVC_SYSTEM_CONFIG_DIR", "DVC_GLOBAL_CONFIG_DIR", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    theirs = (
        platformdirs.site_config_dir("dvc", "iterative"),
        platformdirs.user_config_dir("dvc", "iterative"),
    )
    assert tuple(map(str, config._user_directories())) == theirs

"""A version copied from one registry into another: the same bytes, judged by whoever takes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster import Invalid, NotFound, Registry
from muster.core.models import Lineage, Parent, Run
from muster.core.operations import RegisterVersion
from support.cli import Said, carry_out
from support.gitcli import git
from support.publishing import publish
from support.serving import free_port, in_process


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Registry]:
    """bikes: 1, and 2 with all that can be said of a version."""
    model = tmp_path / "model"
    (model / "sub").mkdir(parents=True)
    (model / "sub" / "weights.bin").write_bytes(bytes(range(256)) * 100)
    (model / "README.md").write_text("# Bikes\n")
    single = tmp_path / "one.bin"
    single.write_bytes(b"one")
    with Registry.create(tmp_path / "training.git", bare=True) as registry:
        registry.register("bikes", single)
        lineage = Lineage(source="s3://runs/7", run=Run("7", "mlflow"), parents=(Parent("bikes", 1),))
        registry.register(
            "bikes",
            model,
            label="1.4.0",
            description="Fewer trees",
            tags={"team": "rides"},
            metrics={"rmse": 51.25},
            params={"depth": 3},
            requirements=("scikit-learn==1.5.0",),
            model_card=model / "README.md",
            lineage=lineage,
            stage="staging",
            aliases=("champion",),
        )
        yield registry


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Registry]:
    with Registry.create(tmp_path / "serving.git", bare=True, author="Bob <bob@example.com>") as registry:
        yield registry


def contents(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_a_copy_has_the_same_files_and_says_the_same(
    source: Registry, target: Registry, tmp_path: Path
) -> None:
    old, new = source.get("bikes/2"), source.copy("bikes@champion", target)
    assert (new.model, new.version, new.label, new.digest) == ("bikes", 1, "1.4.0", old.digest)
    assert (new.description, new.tags, new.stage, new.aliases) == ("Fewer trees", {"team": "rides"}, None, ())
    for same in ("artifacts", "signature", "metrics", "params", "requirements", "model_card", "extra"):
        assert getattr(new.manifest, same) == getattr(old.manifest, same)
    assert new.manifest.created_by == "Bob <bob@example.com>"
    source.pull("bikes/2", tmp_path / "a")
    target.pull("bikes/1", tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert target.verify("bikes/1") == ()
    assert target.check() == []


def test_a_single_file_is_copied_under_another_name(source: Registry, target: Registry) -> None:
    new = source.copy("bikes/1", target, model="cycles", aliases=["first"], stage="staging")
    assert (str(new), new.aliases, new.stage) == ("cycles/1", ("first",), "staging")
    assert new.manifest.artifacts == source.get("bikes/1").manifest.artifacts


def test_lineage_says_where_a_version_was_first(source: Registry, target: Registry, tmp_path: Path) -> None:
    lineage = source.copy("bikes/2", target).manifest.lineage
    origin = lineage.copied_from
    assert origin is not None
    assert origin.registry == str(tmp_path / "training.git")
    assert (origin.commit, origin.model, origin.version) == (source.snapshot().commit, "bikes", 2)
    assert origin.digest == source.get("bikes/2").digest
    assert (lineage.source, lineage.run, lineage.parents) == ("s3://runs/7", Run("7", "mlflow"), ())
    with Registry.create(tmp_path / "edge.git", bare=True) as edge:
        assert target.copy("bikes/1", edge, model="rides").manifest.lineage.copied_from == origin


def test_a_clone_is_known_by_what_it_was_cloned_from(
    source: Registry, target: Registry, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", f"file://{source.location}", str(tmp_path / "clone"))
    with Registry(tmp_path / "clone") as clone:
        origin = clone.copy("bikes/2", target).manifest.lineage.copied_from
    assert origin is not None and origin.registry == f"file://{source.location}"


def test_the_same_copy_again_is_the_version_that_exists(source: Registry, target: Registry) -> None:
    first = source.copy("bikes/2", target)
    commit = target.snapshot().commit
    assert source.copy("bikes/2", target).version == first.version
    assert target.snapshot().commit == commit


def test_a_label_that_is_taken_stays_behind(source: Registry, target: Registry, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"other")
    target.register("bikes", other, label="1.4.0")
    assert source.copy("bikes/2", target).label is None
    with Registry.create(tmp_path / "edge.git", bare=True) as edge:
        policy = edge.snapshot().files["registry.yaml"].replace(b"archived: {}", b"1.4.0: {}")
        publish(tmp_path / "edge.git", {"registry.yaml": policy})
        assert source.copy("bikes/2", edge).label is None


def test_the_other_registrys_gate_refuses_before_a_byte_is_moved(
    source: Registry, target: Registry, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match="bikes/1 may not enter production: it must be in staging first"):
        source.copy("bikes/2", target, stage="production")
    assert target.models() == []
    assert not list((tmp_path / "serving.git.artifacts").rglob("*.dir"))


def test_a_yanked_version_is_not_copied(source: Registry, target: Registry) -> None:
    source.yank("bikes/1", reason="wrong data")
    with pytest.raises(Invalid, match="bikes/1 is yanked: wrong data"):
        source.copy("bikes/1", target)
    with pytest.raises(NotFound):
        source.copy("bikes/9", target)


def test_a_dry_run_moves_nothing(source: Registry, target: Registry, tmp_path: Path) -> None:
    wanted = source.copy_operation("bikes/2", target, dry_run=True)
    assert isinstance(wanted, RegisterVersion)
    assert next(str(e) for e in target.plan(wanted).events) == "bikes: registered 1 (1.4.0)"
    assert not list((tmp_path / "serving.git.artifacts").rglob("*.dir"))


def test_the_command_line_copies_and_proposes(
    source: Registry, target: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    def copy(*words: str) -> Said:
        return carry_out(capsys, "-R", source.location, "copy", *words, "--to", target.location)

    assert copy("bikes/2", "--dry-run").code == 0
    assert target.models() == []
    copied = copy("bikes/2", "--as", "rides", "--alias", "next", "--reason", "to serve it")
    assert (copied.code, copied.out) == (0, "rides/1\n")
    assert copy("bikes/2", "--as", "rides", "--json").json["version"] == 1
    assert copy("bikes/1", "--stage", "production").code == 5
    assert copy("bikes/1", "--propose").code == 0
    assert [p.title for p in target.proposals.list()] == ["bikes: registered 1, created"]


@pytest.mark.slow
def test_artifacts_go_from_a_directory_to_s3(
    source: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    port = free_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with in_process(command, port):
        endpoint = f"http://127.0.0.1:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="models")
        with Registry.create(tmp_path / "cloud.git", remote="s3://models/a", bare=True) as cloud:
            config = cloud.snapshot().files[".dvc/config"] + f"    endpointurl = {endpoint}\n".encode()
            publish(tmp_path / "cloud.git", {".dvc/config": config})
            new = source.copy("bikes/2", cloud)
            assert new.digest == source.get("bikes/2").digest
            assert cloud.verify("bikes/1") == ()

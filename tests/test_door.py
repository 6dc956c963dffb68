"""The registry's one door, on real repositories: what is promised holds for people, for races and for crashes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import muster
from muster import Conflict, Integrity, Invalid, NotFound, Refused, Registry, Unavailable, upkeep
from muster.core import operations as ops
from muster.core.models import Evaluation, Lineage, Parent
from support.gitcli import git, refs, tip, write_hook
from support.githttpd import git_http_server
from support.sshd import ssh_server

SOURCES = Path(muster.__file__).parent.parent
CLI = [sys.executable, "-m", "muster"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry in a bare repository whose production may be moved directly."""
    with Registry.create(tmp_path / "registry.git", bare=True) as made:
        yield made


def another(path: Path, content: str) -> Path:
    """Write another model file beside one."""
    other = path.with_name(f"{content}.bin")
    other.write_bytes(content.encode())
    return other


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run muster as a process."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), **environment}
    return subprocess.run(
        [*CLI, *map(str, words)], env=environment, capture_output=True, text=True, timeout=120
    )


def test_what_is_registered_reads_back_and_pulls_back(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    version = registry.register(
        "bikes",
        model,
        metrics={"rmse": 1.5},
        tags={"team": "x"},
        label="1.0.0",
        aliases=("champion",),
        stage="staging",
    )
    assert (version.model, version.version, version.stage, version.aliases) == (
        "bikes",
        1,
        "staging",
        ("champion",),
    )
    for reference in (
        "bikes/1",
        "bikes@champion",
        "bikes/staging",
        "bikes/latest",
        "bikes/1.0.0",
        "models:/bikes@champion",
    ):
        assert registry.get(reference) == version
    registry.pull("bikes/1", tmp_path / "out")
    assert (tmp_path / "out" / "model.bin").read_bytes() == b"weights"
    assert registry.verify("bikes/1") == ()
    assert registry.load("bikes/1").read_bytes() == b"weights"


def test_the_same_content_again_is_the_version_that_exists(registry: Registry, model: Path) -> None:
    first = registry.register("bikes", model)
    commit = registry.snapshot().commit
    assert registry.register("bikes", model).version == first.version
    assert registry.snapshot().commit == commit
    assert registry.register("bikes", model, allow_duplicate=True).version == 2


def test_the_same_registration_again_finds_its_label_and_its_pointers_in_place(
    registry: Registry, model: Path
) -> None:
    said = {"label": "1.0.0", "aliases": ("champion",), "stage": "staging", "tags": {"a": "b"}}
    first = registry.register("bikes", model, **said)
    commit = registry.snapshot().commit
    assert registry.register("bikes", model, **said) == first
    assert registry.snapshot().commit == commit
    with pytest.raises(Conflict, match=r"bikes/1\.0\.0 is version 1 already"):
        registry.register("bikes", another(model, "2"), label="1.0.0")


def test_a_model_card_from_elsewhere_is_stored_with_the_model(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "cards").mkdir()
    card = tmp_path / "cards" / "CARD.md"
    card.write_text("# Bikes\n")
    version = registry.register("bikes", model, model_card=card)
    assert version.manifest.model_card == "CARD.md"
    assert version.manifest.model_card_sections == ("Bikes",)
    assert [a.path for a in version.manifest.artifacts] == ["model.bin", "CARD.md"]
    registry.pull("bikes/1", tmp_path / "out")
    assert (tmp_path / "out" / "CARD.md").read_text() == "# Bikes\n"
    assert registry.load("bikes/1").name == "model.bin"


def test_parents_must_be_in_the_registry(registry: Registry, model: Path) -> None:
    with pytest.raises(Invalid, match="ghost/1 is not in this registry"):
        registry.register("bikes", model, lineage=Lineage(parents=(Parent("ghost", 1),)))
    assert registry.models() == []


def test_a_reviewed_stage_refuses_a_direct_move_and_takes_a_merged_proposal(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    registry.register("bikes", model, stage="staging")
    with pytest.raises(Refused, match="moves only by a reviewed proposal"):
        registry.promote("bikes/1", "production")
    move = ops.SetStage("bikes", 1, "production")
    proposal = registry.propose(move, reason="ready")
    assert registry.propose(move, reason="ready") == proposal
    assert registry.check(proposal.base, proposal.commit) == []
    assert registry.get("bikes/1").stage == "staging"
    git(tmp_path / "registry.git", "update-ref", "refs/heads/main", proposal.commit)
    assert registry.get("bikes/production").version == 1
    entry = next(registry.history("bikes/production"))
    assert (entry.reason, [str(e) for e in entry.events]) == ("ready", ["bikes: production none -> 1"])


def test_a_proposal_that_fails_a_gate_says_so_when_it_is_checked(registry: Registry, model: Path) -> None:
    registry.register("bikes", model)
    proposal = registry.propose(ops.SetStage("bikes", 1, "production"))
    (finding,) = registry.check(proposal.base, proposal.commit)
    assert (finding.rule, finding.path) == ("gates_pass", "models/bikes/stages/production.yaml")
    assert "must be in staging first" in finding.message and finding.line == 4


def test_a_proposal_is_judged_by_what_its_merge_would_make(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    server = tmp_path / "registry.git"
    for number in (1, 2):
        registry.register("bikes", another(model, str(number)), stage="staging")
    first, second = (registry.propose(ops.SetStage("bikes", number, "production")) for number in (1, 2))
    registry.register("bikes", another(model, "3"))
    assert registry.check("main", first.commit) == []
    assert registry.check("main", second.commit) == []
    tree = git(server, "merge-tree", "--write-tree", "main", first.commit)
    merge = git(server, "commit-tree", "-p", "main", "-p", first.commit, "-m", "merge", tree)
    git(server, "update-ref", "refs/heads/main", merge)
    findings = registry.check("main", second.commit)
    assert {f.rule for f in findings} == {"merges_cleanly"}
    assert "models/bikes/stages/production.yaml" in {f.path for f in findings}
    assert registry.get("bikes/production").version == 1


def test_promoting_a_version_back_needs_the_reason_that_a_rollback_needs(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        registry.register("bikes", another(model, str(number)), stage="staging")
        proposal = registry.propose(ops.SetStage("bikes", number, "production"))
        git(tmp_path / "registry.git", "update-ref", "refs/heads/main", proposal.commit)
    with pytest.raises(Invalid, match="a reason is required"):
        registry.promote("bikes/1", "production")
    registry.promote("bikes/1", "production", reason="errors doubled")
    assert registry.get("bikes/production").version == 1


def test_going_back_twice_goes_back_two_steps(registry: Registry, model: Path) -> None:
    for number in (1, 2, 3):
        registry.register("bikes", another(model, str(number)))
        registry.set_alias("champion", f"bikes/{number}")
    registry.rollback("bikes@champion", reason="worse")
    assert registry.get("bikes@champion").version == 2
    registry.rollback("bikes@champion", reason="worse still")
    assert registry.get("bikes@champion").version == 1
    with pytest.raises(NotFound, match="no earlier version"):
        registry.rollback("bikes@champion", reason="no")
    registry.rollback("bikes@champion", to=3, reason="it was right")
    assert registry.get("bikes@champion").version == 3
    with pytest.raises(Invalid, match="a reason is required"):
        registry.rollback("bikes@champion", reason=" ")


def test_a_rollback_knows_what_was_there_under_a_former_name(registry: Registry, model: Path) -> None:
    for number in (1, 2):
        registry.register("bikes", another(model, str(number)))
        registry.set_alias("champion", f"bikes/{number}")
    registry.rename("bikes", "bicycles")
    registry.rename("bicycles", "cycles")
    registry.rollback("cycles@champion", reason="worse")
    assert registry.get("cycles@champion").version == 1
    assert [str(e.events[0]) for e in registry.history("cycles@champion")][-1] == "bikes: @champion none -> 1"
    assert "bikes: registered 1" in {str(event) for e in registry.history("cycles/1") for event in e.events}


def test_a_rollback_passes_over_what_was_yanked(registry: Registry, model: Path) -> None:
    for number in (1, 2, 3):
        registry.register("bikes", another(model, str(number)))
        registry.set_alias("champion", f"bikes/{number}")
    registry.yank("bikes/2", reason="leaks")
    registry.rollback("bikes@champion", reason="worse")
    assert registry.get("bikes@champion").version == 1


def test_a_rollback_goes_directly_where_policy_lets_it(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        registry.register("bikes", another(model, str(number)), stage="staging")
        proposal = registry.propose(ops.SetStage("bikes", number, "production"))
        git(tmp_path / "registry.git", "update-ref", "refs/heads/main", proposal.commit)
    assert registry.get("bikes/production").version == 2
    registry.rollback("bikes/production", reason="errors doubled")
    assert registry.get("bikes/production").version == 1
    assert registry.get("bikes/2").stage == "archived"


def test_soaking_is_counted_from_when_it_entered_the_stage(tmp_path: Path, model: Path) -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    with Registry.create(tmp_path / "work", clock=lambda: now) as registry:
        policy = tmp_path / "work" / "registry.yaml"
        policy.write_text(
            "schema: 1\nname: m\nstages:\n  staging: {}\n  production: {from: [staging], soak: 24h}\n"
        )
        git(tmp_path / "work", "commit", "--quiet", "--all", "--message=soak")
        registry.register("bikes", model, stage="staging")
        with pytest.raises(Invalid, match="must stay in staging for 24 hours first"):
            registry.promote("bikes/1", "production")
        now += timedelta(hours=25)
        registry.promote("bikes/1", "production")
        assert registry.get("bikes/1").stage == "production"


def test_an_expectation_that_does_not_hold_is_a_conflict(registry: Registry, model: Path) -> None:
    registry.register("bikes", model, aliases=("champion",))
    registry.register("bikes", another(model, "2"))
    with pytest.raises(Conflict, match="is at 1, not at 2"):
        registry.set_alias("champion", "bikes/2", expect=2)
    with pytest.raises(Conflict, match="is at 1, not at none"):
        registry.set_alias("champion", "bikes/2", expect="none")
    registry.set_alias("champion", "bikes/2", expect=1)


def test_every_read_can_be_asked_of_the_past(registry: Registry, model: Path) -> None:
    registry.register("bikes", model, aliases=("champion",))
    then = registry.snapshot().commit or ""
    registry.register("bikes", another(model, "2"))
    registry.set_alias("champion", "bikes/2")
    past = registry.at(then)
    assert past.get("bikes@champion").version == 1
    assert [v.version for v in past.search("name = 'bikes'")] == [1]
    assert past.resolve("bikes/latest").commit == then
    with pytest.raises(Refused, match="the past cannot be changed"):
        past.set_alias("champion", "bikes/1")
    assert registry.get("bikes@champion").version == 2


def test_evaluations_tags_and_words_are_kept(registry: Registry, model: Path) -> None:
    registry.register("bikes", model)
    verdict = Evaluation("bias", True, registry.now, "ci", {"gap": 0.1})
    registry.annotate(
        "bikes/1", description="good", tags={"a": "b"}, evaluations=[verdict], reason="reviewed"
    )
    version = registry.get("bikes/1")
    assert (version.description, version.tags, version.annotations.evaluations) == (
        "good",
        {"a": "b"},
        (verdict,),
    )
    registry.tag("bikes", {"domain": "rides"})
    assert registry.model("bikes").tags == {"domain": "rides"}
    assert next(registry.history("bikes/1")).reason == "reviewed"


def test_a_renamed_model_keeps_its_versions_and_its_old_name_says_where_it_went(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    registry.register("bikes", model, aliases=("champion",), label="1.0")
    registry.rename("bikes", "cycles")
    assert registry.get("cycles@champion").version == 1
    registry.pull("cycles/1.0", tmp_path / "out")
    with pytest.raises(NotFound, match="renamed") as caught:
        registry.get("bikes/1")
    assert "cycles" in caught.value.hint
    assert registry.check() == []
    assert registry.register("cycles", another(model, "2")).version == 2


def test_a_deleted_version_leaves_its_number_and_the_reason(registry: Registry, model: Path) -> None:
    registry.register("bikes", model)
    registry.delete("bikes/1", reason="personal data")
    with pytest.raises(NotFound, match=r"deleted by .* personal data"):
        registry.get("bikes/1")
    assert registry.register("bikes", model).version == 2
    registry.delete("bikes", reason="retired")
    assert registry.models() == []
    assert registry.register("bikes", model).version == 3
    assert registry.check() == []


# --- where registries live ------------------------------------------------------------------------------------


def test_a_clone_writes_to_the_registry_it_was_cloned_from_and_follows(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(tmp_path / "registry.git"), "clone")
    clone = tmp_path / "clone"
    (clone / "README.md").write_text("mine\n")
    with Registry(clone) as mine:
        mine.register("bikes", model)
    assert registry.get("bikes/1").version == 1
    assert (clone / "models" / "bikes" / "versions" / "1.yaml").exists()
    assert git(clone, "status", "--porcelain").split() == ["M", "README.md"]
    assert (clone / ".dvc" / "cache").is_dir()


@pytest.mark.slow
def test_a_registry_over_http_and_its_clone_over_ssh(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "registry.git")
    with git_http_server(tmp_path, {"ann": "secret"}) as server:
        url = server.url("registry.git", "ann")
        with Registry.create(url, "models", str(tmp_path / "store")) as registry:
            assert "secret" not in registry.location
            registry.register("bikes", model, aliases=("champion",))
            assert registry.load("bikes@champion").read_bytes() == b"weights"
        with pytest.raises(Unavailable) as caught:
            Registry(server.url("registry.git", "ann", "wrong")).get("bikes/1")
        assert "wrong" not in str(caught.value)
    with pytest.raises(Unavailable):
        Registry(url).register("bikes", another(model, "2"))
    with ssh_server(tmp_path) as daemon:
        monkeypatch.setenv("GIT_SSH_COMMAND", daemon.command)
        with Registry(daemon.url(tmp_path / "registry.git")) as registry:
            assert registry.get("bikes@champion").version == 1
            registry.set_alias("challenger", "bikes/1")
    assert Registry(tmp_path / "registry.git").get("bikes@challenger").version == 1


def test_a_server_that_says_no_is_refused_and_nothing_is_lost(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(tmp_path / "registry.git"), "clone")
    write_hook(tmp_path / "registry.git", "pre-receive", "echo protected; exit 1")
    before = tip(tmp_path / "registry.git")
    with Registry(tmp_path / "clone") as clone, pytest.raises(Refused) as caught:
        clone.register("bikes", model)
    assert "propose" in caught.value.hint
    assert tip(tmp_path / "registry.git") == before


# --- races ----------------------------------------------------------------------------------------------------

WRITER = """
import sys
from muster import Conflict, Registry
from pathlib import Path
location, scratch, who = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
with Registry(location, author=f"W{who} <w@example.com>") as registry:
    for n in range(3):
        file = scratch / f"{who}-{n}.bin"
        file.write_text(f"{who}-{n}")
        done = False
        while not done:
            try:
                version = registry.register("bikes", file)
                registry.set_alias(f"of-{who}", f"bikes/{version.version}")
                done = True
            except Conflict:
                pass
        print(version.version)
"""


def race(locations: list[str], scratch: Path) -> list[int]:
    """Let a process register and set aliases at each location at once; return the numbers they were given."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, location, str(scratch), str(who)],
            env={**environment, "MUSTER_CACHE": str(scratch / f"cache-{who}")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for who, location in enumerate(locations)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return [int(line) for output in outputs for line in output.split()]


def assert_whole(repository: Path, numbers: list[int]) -> None:
    """Assert that everything was registered once, and that the repository is in order."""
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    with Registry(repository) as registry:
        assert registry.model("bikes").versions == tuple(range(1, len(numbers) + 1))
        assert len(registry.model("bikes").aliases) == len(numbers) // 3
        assert registry.check() == []
    assert git(repository, "fsck", "--strict", "--no-dangling") == ""
    assert refs(repository) == ["refs/heads/main"]


@pytest.mark.slow
def test_eight_writers_in_one_bare_repository_lose_nothing(registry: Registry, tmp_path: Path) -> None:
    repository = tmp_path / "registry.git"
    numbers = race([str(repository)] * 8, tmp_path)
    assert_whole(repository, numbers)


@pytest.mark.slow
def test_eight_clones_that_push_over_http_lose_nothing(registry: Registry, tmp_path: Path) -> None:
    with git_http_server(tmp_path, {"ann": "secret"}) as server:
        clones = []
        for number in range(8):
            git(tmp_path, "clone", "--quiet", server.url("registry.git", "ann"), f"clone-{number}")
            clones.append(str(tmp_path / f"clone-{number}"))
        numbers = race(clones, tmp_path)
    assert_whole(tmp_path / "registry.git", numbers)


def test_threads_share_one_registry(registry: Registry, model: Path) -> None:
    registry.register("bikes", model, metrics={"n": 0})
    for number in range(1, 5):
        registry.register("bikes", another(model, str(number)), metrics={"n": number})
    wrong = threading.Event()

    def read(number: int) -> None:
        if registry.get(f"bikes/{number % 5 + 1}").metrics != {"n": number % 5}:
            wrong.set()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(400)))
    assert not wrong.is_set()


# --- crashes --------------------------------------------------------------------------------------------------


def deadly_git(directory: Path, when: str, number: int) -> str:
    """Make a `git` that kills whoever runs it for the number-th time, before or after it did what it was asked."""
    directory.mkdir()
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    script = f"""#!/bin/sh
echo x >> {directory}/count
if [ "$(wc -l < {directory}/count)" -eq {number} ]; then
  {'"$0.real" "$@"' if when == "after" else ":"}
  kill -9 $PPID
  exit 1
fi
exec "$0.real" "$@"
"""
    (directory / "git").write_text(script)
    (directory / "git").chmod(0o755)
    (directory / "git.real").symlink_to(real)
    return f"{directory}:{os.environ['PATH']}"


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["bare", "work"])
def test_killed_at_any_step_the_registry_is_whole_and_the_same_command_finishes(
    tmp_path: Path, model: Path, kind: str, when: str
) -> None:
    for number in range(1, 40):
        place = tmp_path / f"{number}"
        repository = place / "registry"
        with Registry.create(repository, bare=kind == "bare"):
            pass
        words = ("-R", repository, "register", "bikes", model, "--alias", "champion")
        done = run(*words, PATH=deadly_git(place / "bin", when, number))
        with Registry(repository) as registry:
            assert registry.check() == []
        assert git(repository, "fsck", "--strict", "--no-dangling") == ""
        again = run(*words)
        assert (again.returncode, again.stdout) == (0, "bikes/1\n"), again.stderr
        with Registry(repository) as registry:
            assert registry.model("bikes").versions == (1,)
            assert registry.get("bikes@champion").version == 1
        if kind == "work":
            assert git(repository, "status", "--porcelain") == ""
        if done.returncode == 0:
            assert number > 4
            return
    pytest.fail("it never finished by itself")


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["register", "bikes", "nowhere.bin"], 3, "nowhere.bin"),
        (["register", "bikes", "empty"], 5, "no files"),
        (["register", "bikes", "escaping"], 5, "leads out of the directory"),
        (["register", "CON", "model.bin"], 5, "reserved"),
        (["register", "a/b", "model.bin"], 5, "cannot contain '/'"),
        (["register", "bikes", "model.bin", "--metric", "rmse=nan"], 5, "not a finite number"),
        (["register", "bikes", "model.bin", "--metric", "rmse"], 2, "key=value"),
        (["register", "bikes", "model.bin", "--stage", "prodution"], 3, "did you mean 'production'"),
        (["register", "bikes", "model.bin", "--alias", "v3"], 5, "would read as a version"),
        (["register", "bikes", "model.bin", "--label", "7"], 5, "would read as a version number"),
        (["register", "bikes", "model.bin", "--model-card", "nocard.md"], 3, "nocard.md"),
        (["register", "bikes", "model.bin", "--format", "onnxx"], 5, "onnx"),
        (["register", "bikes", "model.bin", "--parent", "gone/1"], 3, "gone"),
        (["register", "bikes", "model.bin", "--stage", "production"], 5, "must be in staging first"),
        (["show", "byke/1"], 3, "no model 'byke'"),
        (["promote", "bykes/1", "staging"], 3, "no model 'bykes'"),
        (["alias", "set", "bykes/1", "champion"], 3, "no model 'bykes'"),
        (["check", "--output=x"], 2, ""),
        (["search", "stag = 'x'"], 5, "did you mean"),
    ],
)
def test_bad_input_gets_its_own_words_and_leaves_nothing_behind(
    tmp_path: Path, model: Path, words: list[str], code: int, said: str
) -> None:
    with Registry.create(tmp_path / "registry.git", bare=True):
        pass
    (tmp_path / "empty").mkdir()
    (tmp_path / "escaping").mkdir()
    (tmp_path / "escaping" / "link").symlink_to("/etc/hostname")
    before = tip(tmp_path / "registry.git")
    done = subprocess.run(
        [*CLI, "-R", str(tmp_path / "registry.git"), *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert tip(tmp_path / "registry.git") == before
    assert not (tmp_path / "registry.git.artifacts").exists()


def test_a_directory_that_is_no_registry_says_what_to_do(tmp_path: Path, model: Path) -> None:
    git(tmp_path, "init", "--quiet", "plain")
    with pytest.raises(NotFound) as caught:
        Registry(tmp_path / "plain").register("bikes", model)
    assert "muster init" in caught.value.hint
    with pytest.raises(NotFound):
        Registry(tmp_path / "nowhere").models()


def test_a_manifest_that_cannot_be_read_is_named_and_harms_no_other(tmp_path: Path, model: Path) -> None:
    with Registry.create(tmp_path / "work") as registry:
        registry.register("bikes", model)
        registry.register("good", another(model, "2"))
        manifest = tmp_path / "work" / "models" / "bikes" / "versions" / "1.yaml"
        manifest.write_text(manifest.read_text()[:100])
        git(tmp_path / "work", "commit", "--quiet", "--all", "--message=truncated")
        with pytest.raises(Invalid, match=r"models/bikes/versions/1\.yaml"):
            registry.get("bikes/1")
        assert registry.get("good/1").version == 1
        assert {f.path for f in registry.check()} == {"models/bikes/versions/1.yaml"}
        assert [bool(v.problem) for v in registry.versions("bikes")] == [True]
        assert [str(v) for v in registry.search("name = 'good'")] == ["good/1"]
        card = tmp_path / "work" / "models" / "good" / "model.yaml"
        card.write_text("schema: 99\nname: good\n")
        git(tmp_path / "work", "commit", "--quiet", "--all", "--message=newer")
        assert [(m.name, "newer" in m.problem or "99" in m.problem) for m in registry.models()] == [
            ("bikes", False),
            ("good", True),
        ]


def test_an_alias_that_moves_during_a_pull_changes_nothing_of_it(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    registry.register("bikes", model, aliases=["champion"])
    model.write_bytes(b"other")
    registry.register("bikes", model)
    moved: list[str] = []

    def move(what: str, done: int, total: int) -> None:
        if not moved:
            moved.append(what)
            registry.set_alias("champion", "bikes/2")

    registry.pull("bikes@champion", tmp_path / "out", move)
    assert moved and registry.get("bikes@champion").version == 2
    assert registry.pulled("bikes/1", tmp_path / "out").already
    with registry.open("bikes@champion", "model.bin") as opened:
        assert opened.read() == b"other"


def test_a_flipped_byte_in_the_store_never_reaches_a_reader(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    registry.register("bikes", model)
    (stored,) = (
        p for p in (tmp_path / "registry.git.artifacts").rglob("*") if p.is_file() and p.suffix != ".dir"
    )
    stored.chmod(0o644)
    stored.write_bytes(b"Weights")
    with pytest.raises(Integrity, match=r"model\.bin"):
        registry.pull("bikes/1", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (finding,) = registry.verify("bikes/1")
    assert finding.path == "model.bin"


def test_check_asks_the_store_for_every_object_when_told_to(
    registry: Registry, model: Path, tmp_path: Path
) -> None:
    registry.register("bikes", model)
    assert registry.check(artifacts=True) == []
    for stored in (tmp_path / "registry.git.artifacts").rglob("*.dir"):
        stored.unlink()
    (finding,) = registry.check(artifacts=True)
    assert (finding.rule, finding.path) == ("artifact_is_stored", "models/bikes/versions/1.dvc")


def test_doctor_finds_nothing_wrong_with_a_new_registry_and_names_a_store_that_is_gone(
    registry: Registry, model: Path
) -> None:
    registry.register("bikes", model)
    assert all(diagnosis.ok for diagnosis in upkeep.diagnose(registry))

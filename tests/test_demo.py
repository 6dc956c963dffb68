"""`muster demo`, played once as a real process by somebody whom git does not know, and what it leaves behind."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from muster import MusterError, Registry
from muster.frontends.cli import COMMANDS, run
from muster.frontends.demo.scratch import Scratch
from support.gitcli import git

SOURCE = Path(__file__).parents[1] / "src"


@dataclass(frozen=True)
class Played:
    """What a run of the demo printed, and where it happened."""

    top: Path
    home: Path
    text: str
    errors: str
    exit_code: int

    @property
    def commands(self) -> list[list[str]]:
        """The commands that were shown, a folded one in one piece."""
        text = self.text.replace(" \\\n    ", " ")
        return [shlex.split(line[2:]) for line in text.splitlines() if line.startswith("$ ")]


def _sealed(home: Path) -> Mapping[str, str]:
    """An environment in which nobody knows who the user is, and nothing but the interpreter and git is set up."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "PYTHONPATH": str(SOURCE)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    base = tmp_path_factory.mktemp("demo")
    home, top = base / "home", base / "a scratch folder"
    home.mkdir()
    command = [sys.executable, "-m", "muster", "demo", "--directory", str(top)]
    done = subprocess.run(command, cwd=base, env=_sealed(home), capture_output=True, text=True)
    yield Played(top, home, done.stdout, done.stderr, done.returncode)


pytestmark = pytest.mark.slow


def test_the_whole_story_plays_and_tells_its_steps_in_order(played: Played) -> None:
    assert played.exit_code == 0, played.text + played.errors
    steps = [int(n) for n in re.findall(r"^(\d+)\. ", played.text, re.MULTILINE)]
    assert steps == list(range(1, 12))
    assert played.errors == ""


def test_every_command_shown_is_one_that_a_reader_could_type(played: Played) -> None:
    assert {words[0] for words in played.commands} == {"muster", "git", "cd", "cat", "python"}
    used = {words[1] for words in played.commands if words[0] == "muster"}
    assert used <= set(COMMANDS)
    assert {"init", "register", "promote", "check", "rollback", "resolve", "history"} <= used


def test_a_direct_promotion_and_a_weak_model_are_refused_before_the_readers_eyes(played: Played) -> None:
    direct = played.text.index("error: diabetes/production moves only by a reviewed proposal")
    assert "hint: propose it: muster promote diabetes/2 production --propose\n(exit code 4)" in played.text
    weak = played.text.index("diabetes/1 may not enter production: rmse is 70.57, at most 60 is allowed")
    assert direct < weak < played.text.index("(exit code 5)") < played.text.index("every rule holds")


def test_the_better_model_is_live_at_the_end_and_every_rule_holds(played: Played) -> None:
    with Registry(played.top / "server.git") as registry:
        assert registry.check() == []
        assert registry.model("diabetes").stages == {"archived": (3,), "production": (2,), "staging": (1,)}
        assert [entry.reason for entry in registry.history("diabetes/production")] == [
            "Too low for patients over 65",
            "a lower rmse",
            "the best rmse so far",
        ]
        by_alpha = {v.manifest.params["alpha"]: v.metrics["rmse"] for v in registry.versions("diabetes")}
    assert by_alpha == {10: 70.57, 1: 56.89, 0.1: 53.74}


def test_no_proposal_is_left_open_and_the_clone_is_clean_and_up_to_date(played: Played) -> None:
    server, clone = played.top / "server.git", played.top / "registry"
    assert git(server, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "rev-parse", "main") == git(server, "rev-parse", "main")


def test_somebody_whom_git_does_not_know_is_given_a_name_in_the_scratch_folder_alone(played: Played) -> None:
    assert list(played.home.iterdir()) == []
    assert git(played.top / "registry", "log", "-1", "--format=%an <%ae>") == "Dana Demo <dana@example.com>"
    assert git(played.top / "registry", "config", "--local", "user.name") == "Dana Demo"


def test_the_last_lines_say_where_it_is_and_how_to_delete_it(played: Played) -> None:
    last = played.text.splitlines()[-1].strip()
    assert shlex.split(last) == ["rm", "-rf", str(played.top)]


def test_into_a_pipe_goes_plain_text(played: Played) -> None:
    assert "\x1b" not in played.text


def test_somebody_whom_git_knows_keeps_their_name(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    assert scratch.is_somebody
    assert scratch.ask("git", "var", "GIT_AUTHOR_IDENT").startswith("Ann Author <ann@example.com>")


def test_a_command_that_ends_otherwise_than_told_fails_the_demo_and_names_the_step(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.tell("Nothing is here yet.")
    with pytest.raises(MusterError, match=r"step 1 .* `muster list` exited with 3, not 0") as caught:
        scratch.type("muster list")
    assert type(caught.value) is MusterError
    assert str(tmp_path) in caught.value.hint


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert run(["demo", "--directory", str(tmp_path)]) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["sklearn", "skops"])
def test_without_its_libraries_it_names_the_extra_and_makes_nothing(tmp_path: Path, missing: str) -> None:
    where = tmp_path / "scratch"
    script = f"import sys; sys.modules[{missing!r}] = None; from muster.frontends.cli import main; main()"
    command = [sys.executable, "-c", script, "demo", "--directory", str(where)]
    done = subprocess.run(command, env=_sealed(tmp_path), capture_output=True, text=True)
    assert done.returncode == 8
    assert missing in done.stderr and "pip install 'muster-registry[demo]'" in done.stderr
    assert not where.exists()

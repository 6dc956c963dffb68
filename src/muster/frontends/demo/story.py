"""The story: three models, a gate, a proposal that fails it, two that pass, and a way back."""

from __future__ import annotations

import json
import shlex
from importlib.util import find_spec
from pathlib import Path

import click

from ...core.errors import Conflict, MusterError, Unavailable
from .scratch import Scratch

_GATE = ("    # metrics:\n    #   rmse: {max: 60, max_rise: 0}\n", "    metrics:\n      rmse: {max: 60}\n")


def play(top: Path) -> None:
    """Play the story in top, a new or empty folder; MusterError names the step that did not go as told."""
    require_libraries()
    if top.exists() and any(top.iterdir()):
        raise Conflict(f"{top} is not empty", "name a new folder, or an empty one")
    top.mkdir(parents=True, exist_ok=True)
    scratch = Scratch(top.resolve())
    scratch.lay("train.py", "service/predict.py")
    click.echo(f"Everything happens in {scratch.top}, with real commands that you could type.")
    _set_up(scratch)
    _guard(scratch)
    _register(scratch)
    _refuse(scratch)
    _go_live(scratch)
    _go_back(scratch)
    _look_back(scratch)
    _leave(scratch)


def require_libraries() -> None:
    """Raise Unavailable unless what the models are made with is installed."""
    missing = [name for name in ("sklearn", "skops") if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"the demo trains real models, and {' and '.join(missing)} is not installed",
            hint="pip install 'muster-registry[demo]'",
        )


def _set_up(scratch: Scratch) -> None:
    scratch.tell(
        "A registry is a git repository: make a bare one, as a server has. People work in clones of it."
    )
    scratch.type("muster init server.git --name clinic --bare")
    scratch.type("git clone --quiet server.git registry")
    if not scratch.is_somebody:
        click.echo("   (git does not know who you are: in this folder you are Dana Demo)")
        scratch.ask("git", "-C", "registry", "config", "user.name", "Dana Demo")
        scratch.ask("git", "-C", "registry", "config", "user.email", "dana@example.com")


def _guard(scratch: Scratch) -> None:
    scratch.tell(
        "Policy is data in registry.yaml. Demand an error of at most 60 of what goes to production: take the # off "
        "two lines in an editor, and commit with plain git."
    )
    path = scratch.top / "registry" / "registry.yaml"
    text = path.read_text()
    if _GATE[0] not in text:
        raise MusterError(f"{path} has no example of a metric gate to make use of")
    path.write_text(text.replace(*_GATE))
    scratch.type("cd registry")
    scratch.type("git diff --unified=0")
    scratch.type("git commit --quiet --all --message 'Production: rmse of at most 60'")
    scratch.type("git push --quiet")
    scratch.type("muster policy show")


def _register(scratch: Scratch) -> None:
    scratch.tell(
        "Train three models on scikit-learn's diabetes data, and measure them on a quarter held out."
    )
    scratch.type("cd ..")
    scratch.type("python train.py")
    scratch.type("cd registry")
    scratch.tell("Register the first two, each with what was measured. Their files go to the artifact store.")
    scratch.type(_registration(scratch, "first", "-t data=2025-q1"))
    scratch.type(_registration(scratch, "second", "-t data=2025-q1 --alias challenger"))
    scratch.tell("Anybody may promote to staging. To production only a reviewed proposal goes.")
    scratch.type("muster promote diabetes/1 staging")
    scratch.type("muster promote diabetes/2 staging")
    scratch.type("muster promote diabetes/2 production --direct", exits=4)


def _registration(scratch: Scratch, name: str, more: str) -> str:
    found = json.loads((scratch.top / "results.json").read_text())[name]
    measured = f"-m rmse={found['rmse']} -m r2={found['r2']} -p alpha={found['alpha']:g}"
    return f"muster register diabetes ../{name}/model.skops {measured} {more}"


def _refuse(scratch: Scratch) -> None:
    scratch.tell("Propose the weak one anyway. The check, which CI runs on every proposal, refuses it.")
    scratch.type("muster promote diabetes/1 production --propose")
    branch = _proposal(scratch)
    scratch.type(f"muster check main {branch}", exits=5)
    scratch.type(f"muster proposals merge {branch}", exits=5)
    scratch.type(f"muster proposals close {branch}")


def _go_live(scratch: Scratch) -> None:
    scratch.tell("Propose the better one. It passes; merging it puts it in production.")
    _propose_and_merge(scratch, "muster promote diabetes@challenger production", "the best rmse so far")
    scratch.tell(
        "At deploy time Python loads whatever is in production, from any folder, its files verified."
    )
    scratch.type("cd ../service")
    scratch.type("cat predict.py")
    scratch.type("python predict.py")
    scratch.type("cd ../registry")


def _go_back(scratch: Scratch) -> None:
    scratch.tell("A third version is better still, and goes live the same way.")
    scratch.type(_registration(scratch, "third", "--stage staging"))
    scratch.type("muster compare diabetes/production diabetes/3")
    _propose_and_merge(scratch, "muster promote diabetes/3 production", "a lower rmse")
    scratch.tell(
        "The clinic complains. Going back to a version that was live needs a reason, and nobody's leave."
    )
    scratch.type("muster rollback diabetes/production --reason 'Too low for patients over 65'")
    scratch.type("muster resolve diabetes/production")


def _propose_and_merge(scratch: Scratch, promotion: str, reason: str) -> None:
    scratch.type(f"{promotion} --reason '{reason}'")
    branch = _proposal(scratch)
    scratch.type(f"muster proposals show {branch}")
    scratch.type(f"muster proposals merge {branch}")


def _proposal(scratch: Scratch) -> str:
    """The one open proposal, as the server has it."""
    server = str(scratch.top / "server.git")
    return scratch.ask(
        "git", "-C", server, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/proposals"
    )


def _look_back(scratch: Scratch) -> None:
    scratch.tell("Who put what into production, when and why? Git knows. And every rule still holds.")
    scratch.type("muster history diabetes/production")
    scratch.type("muster list diabetes")
    scratch.type("muster check")


def _leave(scratch: Scratch) -> None:
    top = shlex.quote(str(scratch.top))
    click.echo(f"\nThat was the whole story. Look around:\n\n    cd {top}/registry")
    click.echo("    muster show diabetes/production\n    git log --stat\n\nand when you have seen enough:\n")
    click.echo(f"    rm -rf {top}")

"""muster register."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...core import models
from ...core.registration import Registration
from .. import report
from .common import (
    carry_out,
    command,
    numbers,
    open_registry,
    or_propose,
    pairs,
    remind,
    say,
    scalars,
    write_options,
)
from .progress import Bar

_MANY: dict[str, Any] = {"multiple": True, "metavar": "KEY=VALUE"}


@command("register")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--format", metavar="NAME", help="The format, where it is not what the content says.")
@click.option("--label", help="A name of your own for the version, such as 1.4.0.")
@click.option("--description", "-d", default="", help="What this version is, in words.")
@click.option("--metric", "-m", **_MANY, help="A metric; repeat for more.")
@click.option("--param", "-p", **_MANY, help="A training parameter; repeat for more.")
@click.option("--tag", "-t", **_MANY, help="A tag; repeat for more.")
@click.option("--model-card", type=click.Path(path_type=Path), help="A Markdown file, stored with the model.")
@click.option("--alias", multiple=True, metavar="ALIAS", help="Point an alias at it; repeat for more.")
@click.option("--stage", help="Move it into a stage.")
@click.option("--source", default="", help="Where it came from. [default: none]")
@click.option("--run-id", help="The training run.")
@click.option("--tracker", default="", help="Who recorded the run: mlflow, wandb, a URL.")
@click.option("--experiment", default="", help="The run's experiment.")
@click.option("--pipeline-name", "--zenml-pipeline-name", default="", help="The pipeline that produced it.")
@click.option("--pipeline-run-id", "--zenml-pipeline-run-id", default="", help="That pipeline's run.")
@click.option("--step-name", "--zenml-step-name", default="", help="That pipeline's step.")
@click.option(
    "--data", multiple=True, metavar="NAME=URI", help="A data set it was trained on; repeat for more."
)
@click.option("--parent", multiple=True, metavar="REF", help="A version it was made from; repeat for more.")
@click.option("--allow-duplicate", is_flag=True, help="Register even if a version has the same content.")
@write_options
@click.pass_context
def register_command(
    ctx: click.Context,
    /,
    name: str,
    path: Path,
    reason: str,
    dry_run: bool,
    propose: bool | None,
    as_json: bool,
    **said: Any,
) -> int:
    """Register a file or directory as a new version of a model.

    The model is created where it does not exist. What the files say about themselves (an MLmodel file, an ONNX
    graph, a
    scikit-learn pickle's class) is taken over; what you say goes before it. The same content again is the version
    that
    exists. The files are stored first; the commit comes last.
    """
    registry = open_registry(ctx)
    parents = [registry.snapshot().resolve(ref) for ref in said["parent"]]
    registration = Registration(
        model=name,
        path=path,
        format=said["format"],
        label=said["label"],
        description=said["description"],
        tags=pairs(said["tag"], "--tag"),
        metrics=numbers(said["metric"], "--metric"),
        params=scalars(said["param"], "--param"),
        model_card=said["model_card"],
        lineage=_lineage(said, parents),
        aliases=said["alias"],
        stage=said["stage"],
        allow_duplicate=said["allow_duplicate"],
    )
    with Bar() as bar:
        wanted = registry.registration(registration, bar, dry_run)
    done = None if dry_run else or_propose(propose, lambda: registry.registered(wanted, reason))
    if done is None:
        return carry_out(registry, wanted, reason, dry_run, True, as_json)
    version, outcome = done
    say(version, lambda made: [report.safe(str(made))], as_json)
    if not as_json:
        click.echo(report.registered_line(version, outcome.events), err=True)
    remind(outcome.note)
    return 0


def _lineage(said: dict[str, Any], parents: list[tuple[str, int]]) -> models.Lineage:
    run = models.Run(said["run_id"], said["tracker"], said["experiment"]) if said["run_id"] else None
    pipeline = models.Pipeline(said["pipeline_name"], said["pipeline_run_id"], said["step_name"])
    return models.Lineage(
        source=said["source"],
        run=run,
        pipeline=pipeline if pipeline != models.Pipeline() else None,
        data=tuple(models.Data(name, uri) for name, uri in pairs(said["data"], "--data").items()),
        parents=tuple(models.Parent(model, version) for model, version in parents),
    )

"""muster demo."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--directory", type=click.Path(path_type=Path), help="A new or empty folder. [default: a temporary one]"
)
def demo_command(directory: Path | None) -> None:
    """Play the whole story in a scratch folder.

    Real models are trained and registered, guarded by policy, proposed, refused, merged, deployed and rolled back,
    with commands that you could type. It needs no network and no configuration; delete the folder when done.
    """
    import tempfile

    from ..demo import story

    story.require_libraries()
    story.play(directory or Path(tempfile.mkdtemp(prefix="muster-demo-")))

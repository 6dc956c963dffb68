"""A service that changes its model while it answers. Run it with `uvicorn app:app`.

MUSTER_REGISTRY is the registry's path or URL, MUSTER_REFERENCE what is served, MUSTER_INTERVAL how many seconds lie
between two looks.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

import muster
from muster.resolved import Update

REFERENCE = os.environ.get("MUSTER_REFERENCE", "bikes@champion")
INTERVAL = float(os.environ.get("MUSTER_INTERVAL", "30"))


class Serving(NamedTuple):
    """A version that is loaded. A request takes it once, so that it sees one version from its beginning to its end."""

    version: int
    model: Any


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Serve nothing before there is a model; then change it whenever the reference names another version."""
    with muster.Registry(os.environ["MUSTER_REGISTRY"]) as registry:

        def swap(update: Update) -> None:
            """Load it, try it, and only then let requests have it. If this raises, the old one goes on."""
            new = update.after.resolved
            model = registry.load(f"{new.model}/{new.version}")
            model.predict([[0.0] * model.n_features_in_])
            app.state.serving = Serving(new.version, model)

        watch = registry.watch(REFERENCE, swap, interval=INTERVAL)
        await run_in_threadpool(watch.poll)
        with watch:
            yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(rows: list[list[float]]) -> dict[str, Any]:
    """Answer with the version that is served now, and say which one that was."""
    serving: Serving = app.state.serving
    return {"version": serving.version, "predictions": serving.model.predict(rows).tolist()}


@app.get("/healthz")
def healthz() -> dict[str, Any]:
    """Say which version is served."""
    return {"version": app.state.serving.version}

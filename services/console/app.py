"""Put the application together out of its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from services.console import errors, once, pages
from services.console.api import (
    archives,
    attributes,
    audit,
    backfills,
    clusters,
    collections,
    dead,
    encoder_checks,
    encoder_comparisons,
    erasures,
    evaluations,
    events,
    export,
    frames,
    health,
    imports,
    labels,
    metrics,
    models,
    objects,
    pauses,
    questions,
    recordings,
    reviews,
    segments,
    speakers,
    splits,
    subsets,
    switches,
    tokens,
    trace,
    uploads,
    why,
)
from services.console.auditing import Audited
from services.console.auth import admitted
from services.console.deps import Console
from services.console.errors import Failure
from services.console.headers import SafeHeaders
from services.console.once import KeepAnswers, Replayed
from services.console.strict import StrictBody

_RESOURCES = (
    health,
    metrics,
    pauses,
    collections,
    uploads,
    objects,
    archives,
    attributes,
    recordings,
    segments,
    frames,
    splits,
    why,
    clusters,
    labels,
    questions,
    reviews,
    speakers,
    erasures,
    export,
    imports,
    evaluations,
    subsets,
    backfills,
    encoder_checks,
    encoder_comparisons,
    switches,
    models,
    dead,
    tokens,
    audit,
    events,
    trace,
)


def create_app(console: Console) -> FastAPI:
    """The whole application around one console."""
    app = FastAPI(
        title="Earmark",
        summary="Label one voice, and every recording follows.",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its pages come from a CDN, which our policy forbids
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        responses={"4XX": {"model": Failure}, "5XX": {"model": Failure}},
    )
    app.state.console = console
    errors.install(app)
    app.add_exception_handler(Replayed, once.replayed)
    for resource in _RESOURCES:
        app.include_router(resource.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    database, own = console.database, console.settings.console
    app.add_middleware(KeepAnswers, database=database)  # the innermost
    app.add_middleware(Audited, database=database, settings=own)
    app.add_middleware(StrictBody, max_body_bytes=own.max_body_bytes, admit=admitted, limits=console.limits)
    app.add_middleware(SafeHeaders)  # the outermost
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    console: Console = app.state.console
    console.hub.start()
    yield
    await run_in_threadpool(console.close)

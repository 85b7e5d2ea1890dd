"""The whole web application: TensorFlow Serving's interface, its metrics, and what else is served beside them."""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import BaseRoute, Route

from tfbert.server import metrics
from tfbert.server.rest_app import RestApp


def create_app(rest: RestApp, counted: metrics.Metrics, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Make the application.

    Args:
        rest: answers all that no route does.
        counted: shown at TensorFlow Serving's path.
        routes: more pages, which come first.
    """

    async def show_metrics(request: Request) -> PlainTextResponse:
        return PlainTextResponse(counted.page())

    application = Starlette(
        routes=[*routes, Route(metrics.PATH, show_metrics)], exception_handlers={HTTPException: _as_json}
    )
    fallback: Any = rest
    application.router.default = fallback
    return application


async def _as_json(request: Request, error: Exception) -> JSONResponse:
    """A path that is there, but not for this method."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)

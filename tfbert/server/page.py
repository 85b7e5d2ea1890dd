"""The page for people at `/`: it tries the models that are served, by the same interface as every other client.

The page itself lies in `page_files`, plain HTML, CSS and JavaScript modules, and calls nothing but this server.
"""

import dataclasses
import hashlib
import importlib.resources
from importlib.resources.abc import Traversable
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tfbert.server.requests import Requests

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# Nothing but the files beside the page is run, shown or asked, no other page may frame it, and text from outside can
# never become markup: the browser refuses innerHTML and its like.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def page_routes(requests: Requests) -> list[BaseRoute]:
    """Return the routes of the page: itself at `/`, and below `/page/` its files and what it has to know.

    `/page/models` is JSON: `models`, the names of all that are configured, and `limits`, those of one request. All else
    the page asks of TensorFlow Serving's interface.
    """
    about = {"models": requests.versions.names, "limits": dataclasses.asdict(requests.limits)}

    async def models(request: Request) -> JSONResponse:
        return JSONResponse(about, headers=_HEADERS)

    found = importlib.resources.files("tfbert.server").joinpath("page_files").iterdir()
    files = [file for file in found if PurePath(file.name).suffix in _TYPES]
    return [Route("/page/models", models), *map(_file_route, files)]


def _file_route(file: Traversable) -> Route:
    path = "/" if file.name == "page.html" else f"/page/{file.name}"
    content = file.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "etag": tag}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[PurePath(file.name).suffix], headers=headers)

    return Route(path, answer)

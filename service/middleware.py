"""What happens to every request before a route sees it: sizes are limited, answers are counted."""

from __future__ import annotations

import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Problem
from service.metrics import LATENCY, REQUESTS
from service.settings import Settings


class BodyLimit:
    """Refuse bodies above the limit: by their announced length at once, else as soon as they pass it.

    FastAPI has `max_body_size` for this, and answers with plain text where the length was announced.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        is_upload = scope["path"] == "/v1/datasets"
        limit = self._settings.upload_max_bytes if is_upload else self._settings.body_max_bytes
        n_bytes = 0

        async def receive_some() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if max(n_bytes, _announced(scope)) > limit:
                raise Problem("too-large", f"the body has more than {limit:,} bytes", headers={"Connection": "close"})
            return message

        return await self._app(scope, receive_some, send)


class CountRequests:
    """Count requests by the pattern of their route, never by their address: ids would never stop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start = time.perf_counter()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route: Any = scope.get("route")
                name = getattr(route, "path", "other")
                REQUESTS.labels(name, str(message["status"])).inc()
                LATENCY.labels(name).observe(time.perf_counter() - start)
            await send(message)

        return await self._app(scope, receive, send_counted)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0

"""What every request may use: settings, the database, ready predictors. Nothing of HTTP is decided here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from service.database import Database
from service.predictors import Predictors
from service.settings import Settings


@dataclass
class Context:
    """The parts of one running API. `is_closing` ends live streams."""

    settings: Settings
    database: Database
    predictors: Predictors
    is_closing: asyncio.Event = field(default_factory=asyncio.Event)


def get_context(request: Request) -> Context:
    """Find the context of the application that serves the request."""
    context: Context = request.app.state.context
    return context


Given = Annotated[Context, Depends(get_context)]

"""`/v1/catalog`: what a job may be made of, each with its JSON schema."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter

from workers.catalog import catalog

router = APIRouter(prefix="/v1/catalog", tags=["catalog"])


@router.get("")
def show() -> dict[str, Any]:
    """List algorithms, schedulers, hyperparameters, metrics and presets, each with its JSON schema."""
    return _catalog()


@cache
def _catalog() -> dict[str, Any]:
    return catalog()

"""What the catalog and packs must know of a hyperparameter beside its type and range. No search, no torch."""

from __future__ import annotations

from typing import Any


def facts(*, mutable: bool, needs: dict[str, Any] | None = None, encodes: bool = False) -> dict[str, Any]:
    """Write them down for a field's `json_schema_extra`.

    `mutable`: PBT may change it while a lane trains. `needs`: it means something only under this condition. `encodes`:
    it decides what numbers a network is shown, so lanes that differ in it do not share their rows.
    """
    return {"mutable": mutable, "needs": needs or {}, "encodes": encodes}

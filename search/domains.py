"""Encoded domains in the words of Ray Tune. Imports ray inside the functions only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.parameters import Categories, Domain, Interval


def tune_domain(domain: Domain) -> Any:
    """Build the Ray Tune domain of one encoded domain."""
    from ray import tune

    if not isinstance(domain, Interval):
        return tune.choice(list(range(domain.n)))
    return tune.loguniform(domain.low, domain.high) if domain.log else tune.uniform(domain.low, domain.high)


def tune_space(domains: Mapping[str, Domain]) -> dict[str, Any]:
    """Build the `config` of a Ray Tune experiment."""
    return {name: tune_domain(domain) for name, domain in domains.items()}


def relaxed(domain: Domain) -> Domain:
    """Give a domain as an interval where neighbouring codes are alike: ordered choices by index, as a lattice."""
    if isinstance(domain, Categories) and domain.ordered:
        return Interval(-0.5, domain.n - 0.5, step=1)
    return domain

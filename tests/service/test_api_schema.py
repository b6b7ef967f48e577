"""The API against its own schema: whatever is sent, the service makes no mistake of its own."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error

from service.app import create_app
from service.database import Database
from service.examples import JOB_EXAMPLES
from service.leases import Leases
from service.settings import Settings
from tests.service.packages import finish_job
from tests.service.server import serve

ENDLESS = r"/events$"  # a stream of a job that waits does not end by itself
MUTATED = ("/v1/jobs", "/v1/jobs/preview")
"""Schemathesis cannot negate the schema of a space: wrong jobs are made from right ones instead."""
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [[], {}, [[]], {"kind": "random"}, {"type": "int", "low": 3, "high": 1}, 1e308, -1, 0, "learning_rate"]
    ),
    st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5),
)
MODES = list(schemathesis.GenerationMode)
LIMITS = limits(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
def test_nothing_that_is_sent_makes_the_service_fail(
    settings: Settings, database: Database, mode: schemathesis.GenerationMode
) -> None:
    job_id = finish_job(database).id
    Leases(database, 3600).beat("r1")
    with serve(create_app(settings.model_copy(update={"lease_seconds": 3600}))) as api:
        schema = schemathesis.openapi.from_dict(api.get("/openapi.json").json()).exclude(path_regex=ENDLESS)
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) > 20
        for operation in operations:
            if mode.is_positive or (operation.path not in MUTATED and _can_be_wrong(operation)):
                _attack(operation, mode, api)
        assert api.get(f"/v1/jobs/{job_id}").status_code == 200, "the job is still there"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_with_any_part_replaced_is_taken_or_refused_and_nothing_else(api: httpx.Client) -> None:
    @limits(LIMITS, max_examples=400)
    @given(data=st.data())
    def send(data: st.DataObject) -> None:
        body = copy.deepcopy(data.draw(st.sampled_from([example["value"] for example in JOB_EXAMPLES.values()])))
        for _ in range(data.draw(st.integers(1, 2))):
            _mutate(body, data)
        content = json.dumps(body)
        answer = api.post("/v1/jobs/preview", content=content, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 422), (content, answer.text)

    send()


def _mutate(part: Any, data: st.DataObject) -> None:
    """Replace, add or remove one value somewhere."""
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(
            st.sampled_from([*keys, "units", "x\x00"]) if isinstance(part, dict) else st.sampled_from(keys or [0])
        )
        inner = part[key] if key in keys else None
        if not isinstance(inner, dict | list) or data.draw(st.integers(0, 3)) == 0:
            break
        part = inner
    if key in keys and data.draw(st.integers(0, 3)) == 0:
        del part[key]
    elif key in keys or isinstance(part, dict):
        part[key] = copy.deepcopy(data.draw(ODD))  # a second mutation may go inside


def _can_be_wrong(operation: schemathesis.schemas.APIOperation) -> bool:
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def _attack(operation: schemathesis.schemas.APIOperation, mode: schemathesis.GenerationMode, api: httpx.Client) -> None:
    @LIMITS
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=str(api.base_url), checks=[not_a_server_error])

    send()

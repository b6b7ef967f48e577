"""A Ray head that does not come up: tried again, told with its own words, nothing left behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from service import ray_cluster
from service.settings import Settings


@pytest.mark.slow
def test_a_head_that_ends_is_tried_again_and_then_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "OBJECT_STORE_BYTES", 10)
    with tempfile.TemporaryDirectory(prefix="heads") as heads:  # Ray's sockets need a short path
        monkeypatch.setattr(tempfile, "tempdir", heads)
        with pytest.raises(ray_cluster.RayUnreachable, match=r"ends with.*10 bytes"):
            ray_cluster.start_head(Settings(data_dir=tmp_path))
        assert list(Path(heads).iterdir()) == []
    log = (tmp_path / "ray.log").read_text()
    assert log.count("Attempting to cap object store memory usage at 10 bytes") == ray_cluster.HEAD_TRIES
    assert not (tmp_path / "ray-head.json").exists()

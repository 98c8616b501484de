"""cluster.yaml is what Ray's own launcher accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent


def load() -> dict[str, Any]:
    data: dict[str, Any] = YAML(typ="safe").load((ROOT / "cluster.yaml").read_text())
    return data


def test_rays_schema_accepts_it() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(load(), schema)


def test_rays_launcher_prepares_and_validates_it() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(load()))


@pytest.mark.parametrize("part", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_every_node_starts_with_token_authentication(part: str) -> None:
    starts = [c for c in load()[part] if " start " in c]
    assert starts and all("RAY_AUTH_MODE=token" in c for c in starts)
    assert not any("dashboard-host=0.0.0.0" in c for c in starts)

"""A lake small enough to say by hand what every view must show.

debian:  base (dpkg status: bash, libssl; a Python package that dpkg owns)
app:     base + app (dpkg status again: bash, libssl fixed; npm left-pad) + clean (deletes app/.env of `app`)
scratch: one layer without a distribution: npm left-pad
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from grid.layers.scan import LayerFacts
from grid.model import Layer, LayerStats
from grid.store import TABLES, Lake

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DETECTORS = {"entries": "1", "packages": "1", "secrets": "1", "malware": "1"}
STATUS, METADATA, LEFT_PAD = (
    "var/lib/dpkg/status",
    "usr/lib/python3/x-1.dist-info/METADATA",
    "app/node_modules/left-pad/package.json",
)


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows of a lake table; columns left out are null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=TABLES[name].arrow)


def inner(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The same as a layer scan returns it."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(list(TABLES[name].arrow)[2:]))


def package(number: int, path: str, name: str, version: str, ecosystem: str = "deb") -> dict[str, Any]:
    arch = "amd64" if ecosystem == "deb" else None
    tail = f"?arch={arch}" if arch else ""
    return {
        "source_path": path, "package_id": number, "ecosystem": ecosystem, "name": name, "version": version,
        "arch": arch, "purl": f"pkg:{ecosystem}/{name}@{version}{tail}", "licenses": ["MIT"],
    }  # fmt: skip


def secret(path: str) -> dict[str, Any]:
    return {
        "path": path, "line": 3, "end_line": 3, "rule_id": "aws-key", "title": "AWS key", "severity": "critical",
        "redacted": "AKIA… (20)", "fingerprint": "f" * 64,
    }  # fmt: skip


BASH, OLD_SSL, NEW_SSL, PYTHON, PAD = 1, 2, 3, 4, 5

LAYERS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "base": {"packages": [
        package(BASH, STATUS, "bash", "5.2-1"), package(OLD_SSL, STATUS, "libssl", "3.0-1"),
        package(PYTHON, METADATA, "x", "1", "pypi"),
    ]},
    "app": {
        "packages": [
            package(BASH, STATUS, "bash", "5.2-1"), package(NEW_SSL, STATUS, "libssl", "3.0-2"),
            package(PAD, LEFT_PAD, "left-pad", "1.0", "npm"),
        ],
        "secrets": [secret("app/.env"), secret("app/config.py")],
        "notes": [{"detector": "packages", "path": "app/yarn.lock", "code": "Unparsable", "message": "not YAML"}],
    },
    "clean": {"malware": [
        {"path": "tmp/x", "rule_id": "eicar", "title": "Test file", "severity": "low", "sha256": "0"}
    ]},
    "scratch": {"packages": [package(PAD, LEFT_PAD, "left-pad", "1.0", "npm")]},
}  # fmt: skip
CHAINS = {"debian": ["base"], "app": ["base", "app", "clean"], "scratch": ["scratch"]}


def digest(name: str) -> str:
    return f"sha256:{name}"


def chain(layers: Iterable[str]) -> str:
    return "sha256:" + "+".join(layers)


def image(tag: str, name: str | None, status: str = "ok", sweep: str = "s2", **more: Any) -> dict[str, Any]:
    return {
        "sweep_id": sweep, "registry": "r", "repository": "team/app", "tag": tag, "status": status,
        "digest": name and digest(name), "ref_digest": name and digest(name), "scanned_at": NOON,
        "coverage": 1.0 if status == "ok" else None, **more,
    }  # fmt: skip


def finding(
    package_id: int, namespace: str, vuln: str, severity: str, match: str = "m2", **more: Any
) -> dict[str, Any]:
    return {
        "match_id": match, "package_id": package_id, "namespace": namespace, "vuln_id": vuln, "aliases": [],
        "advisories": [vuln], "state": "affected", "severity": severity, "kev": False, **more,
    }  # fmt: skip


def sweep(sweep_id: str, kind: str = "sweep", status: str = "complete", **more: Any) -> dict[str, Any]:
    counts = [f"images_{n}" for n in ("total", "ok", "failed", "deferred")]
    counts += ["layers_total", "layers_scanned", "layers_reused", "bytes_pulled", "bytes_scanned"]
    times = {"started_at": NOON, "finished_at": NOON, "written_at": NOON}
    return {
        "sweep_id": sweep_id,
        "kind": kind,
        "estate": "e",
        "status": status,
        **dict.fromkeys(counts, 0),
        **times,
        **more,
    }


def match(match_id: str, sweep_id: str, **more: Any) -> dict[str, Any]:
    times = {"db_version": "1", "packages": 5, "findings": 5, "matched_at": NOON}
    return {"match_id": match_id, "sweep_id": sweep_id, **times, **more}


def fill(lake: Lake) -> None:
    """Write everything of the docstring, two sweeps of it, and a later `scan` that must not show."""
    scans = [
        LayerFacts(
            Layer(digest(name), 10, "m"), LayerStats(10, 30, 5, 0.1, "d"),
            {kind: inner(kind, rows) for kind, rows in facts.items()},
        )
        for name, facts in LAYERS.items()
    ]  # fmt: skip
    lake.commit("task", scans, DETECTORS, NOON)
    lake.write("image_layers", "l", table("image_layers", (
        {"digest": digest(name), "ordinal": n, "layer_digest": digest(layer),
         "chain_id": chain(layers[: n + 1]), "size_bytes": 9}
        for name, layers in CHAINS.items() for n, layer in enumerate(layers)
    )))  # fmt: skip
    debian = {"distro_id": "debian", "distro_version": "12", "distro_name": "Debian 12", "os_namespace": "Debian:12"}
    of_debian = {"base_layers": 1, "base_evidence": "image", "base_digest": digest("debian")}
    prefixes = {chain(layers[: n + 1]): layers[: n + 1] for layers in CHAINS.values() for n in range(len(layers))}
    lake.write("chains", "c", table("chains", (
        {
            "chain_id": name, "parent_id": chain(layers[:-1]) if layers[:-1] else None,
            "layer_digest": digest(layers[-1]), "created_by": f"RUN {layers[-1]}",
            "depth": len(layers), "version": "1", "squash_id": "q", "squashed_at": NOON,
            **(debian if layers[0] == "base" else {}), **(of_debian if len(layers) == 3 else {}),
        }
        for name, layers in prefixes.items()
    )))  # fmt: skip
    lake.write("hidden", "h", table("hidden", (
        {"chain_id": chain(where), "squash_id": "q", "layer_digest": digest(layer),
         "path": path, "reason": reason, "by": "x"}
        for where, layer, path, reason in (
            (["base"], "base", METADATA, "owned"),
            (["base", "app"], "base", STATUS, "hidden"),
            (["base", "app", "clean"], "app", "app/.env", "hidden"),
        )
    )))  # fmt: skip
    lake.write("origins", "o", table("origins", [
        {"chain_id": chain(["base", "app"]), "squash_id": "q", "path": STATUS, "package_id": BASH, "ordinal": 0},
        {"chain_id": chain(["base", "app"]), "squash_id": "void", "path": STATUS, "package_id": NEW_SSL, "ordinal": 0},
    ]))  # fmt: skip
    lake.write("config_checks", "k", table("config_checks", 2 * [
        {"digest": digest("app"), "check_id": "root", "title": "Runs as root", "severity": "low",
         "message": "m", "remediation": "r"}
    ]))  # fmt: skip
    later = NOON + timedelta(days=1)
    lake.write("sweeps", "s", table("sweeps", (
        sweep("s1"), sweep("s2", started_at=later, status="running", finished_at=None),
        sweep("s2", started_at=later, written_at=later), sweep("s3", kind="scan", started_at=later + timedelta(1)),
    )))  # fmt: skip
    lake.write("images", "i1", table("images", [image("old", "debian", sweep="s1")]))
    lake.write("images", "i2", table("images", [
        image("base", "debian"), image("v1", "app"), image("latest", "app"), image("tiny", "scratch"),
        image("gone", None, "failed", error_code="ManifestUnknown", error_message="no such tag"),
        image("chart", "chart", "unsupported"), image("later", None, "deferred"),
    ]))  # fmt: skip
    lake.write("images", "i3", table("images", [image("v9", "debian", sweep="s3")]))
    lake.write("findings", "f", table("findings", (
        finding(OLD_SSL, "Debian:12", "CVE-1", "critical", fixed_version="3.0-2"),
        finding(OLD_SSL, "Debian:11", "CVE-2", "high"),
        finding(BASH, "Debian:12", "CVE-3", "low"),
        finding(PYTHON, "PyPI", "CVE-4", "critical"),
        finding(PAD, "npm", "CVE-3", "medium", kev=True),
        finding(PAD, "npm", "CVE-5", "high", match="m-stale"),
        finding(BASH, "Debian:12", "CVE-6", "high", match="m1"),
        finding(BASH, "Debian:12", "CVE-7", "high", match="m-never-committed"),
    )))  # fmt: skip
    lake.write("distro_support", "d", table("distro_support", (
        {"match_id": run, "distro_id": "debian", "distro_version": "12", "distro_name": "Debian 12", "support": state,
         "eol": "2026-06-10", "extended_eol": "2028-06-30"}
        for run, state in (("m1", "ended"), ("m2", "supported"), ("m-never-committed", "unknown"))
    )))  # fmt: skip
    lake.write("matches", "m", table("matches", (
        match("m1", "s1"), match("m-stale", "s2", matched_at=NOON - timedelta(1)),
        match("m2", "s2", namespaces=["Debian:12"]),
    )))  # fmt: skip

"""Which repositories a chain's packages come from: Red Hat's rule of layers, and Ubuntu Pro."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
from squash_tables import columns, file, run, table, whiteout, with_parents

from grid.images.chains import chain_ids, chain_table

LAYERS = {
    "base": with_parents([file("var/lib/rpm/Packages", "rpm")]),
    "ubi": with_parents([file("root/buildinfo/content_manifests/ubi8.json")]),
    "app": with_parents([file("app/package.json", "npm")]),
    "ocp": with_parents([file("root/buildinfo/content_manifests/ose.json"), whiteout("root/buildinfo/ubi8.json")]),
    "pro": with_parents([file("var/lib/ubuntu-advantage/status.json")]),
}
FACTS = [
    ("ubi", "content_set", "rhel-8-for-x86_64-baseos-rpms"),
    ("ubi", "content_set", "rhel-8-for-x86_64-appstream-rpms"),
    ("ubi", "cpe", "cpe:/o:redhat:enterprise_linux:8::baseos"),
    ("ocp", "content_set", "rhel-8-for-x86_64-baseos-rpms"),
    ("ocp", "content_set", "rhocp-4.9-for-rhel-8-x86_64-rpms"),
    ("ocp", "build", "ose-container-v4.9-1"),
    ("pro", "pro", "esm-infra"),
]
UBI = ["rhel-8-for-x86_64-appstream-rpms", "rhel-8-for-x86_64-baseos-rpms"]
NAMES = ("content_sets", "content_cpes", "content_builds", "pro_services", "content_layers")


def chain_of(*layers: str) -> dict[str, object]:
    facts = replace(columns(LAYERS), content_sets=table(FACTS, "kind", "value"))
    rows = run(chain_table([layers]), facts).chains
    top = rows.filter(pa.compute.equal(rows["chain_id"], chain_ids(layers)[-1])).to_pylist()
    return {name: top[0][name] for name in NAMES}


def test_the_base_takes_what_the_layer_above_says_and_customers_what_the_last_red_hat_layer_does() -> None:
    found = chain_of("base", "ubi", "app", "ocp", "app")
    assert found["content_layers"] == ["ubi", "ubi", "ubi", "ocp", "ocp"]
    assert found["content_sets"] == [*UBI, "rhocp-4.9-for-rhel-8-x86_64-rpms"]
    assert found["content_cpes"] == ["cpe:/o:redhat:enterprise_linux:8::baseos"]
    assert found["content_builds"] == ["ose-container-v4.9-1"]
    assert found["pro_services"] is None


def test_a_flat_base_speaks_for_what_is_built_on_it() -> None:
    assert chain_of("ubi", "app", "app")["content_layers"] == ["ubi", "ubi", "ubi"]
    assert chain_of("app", "app", "ubi")["content_layers"] == ["", "", "ubi"]  # the rule lends to the base only


def test_a_chain_says_only_what_its_own_layers_say() -> None:
    assert chain_of("base") == dict.fromkeys(NAMES)
    assert chain_of("base", "app") == dict.fromkeys(NAMES)


def test_ubuntu_pro_is_no_red_hat_record() -> None:
    found = chain_of("pro", "app")
    assert found["pro_services"] == ["esm-infra"]
    assert found["content_layers"] is None

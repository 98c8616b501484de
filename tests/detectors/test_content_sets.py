"""What builds and subscriptions leave in a layer about the repositories in use."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.detectors.content_sets import DETECTOR, MAX_VALUES
from grid.testing import accept_detector, files_batch

MANIFEST = "root/buildinfo/content_manifests/ubi8-container-8.5-214.json"
DOCKERFILE = "root/buildinfo/Dockerfile-ubi8-8.5-214"
PRO = "var/lib/ubuntu-advantage/status.json"

UBI = json.dumps({
    "metadata": {"icm_version": 1, "image_layer_index": 1},
    "content_sets": ["rhel-8-for-x86_64-baseos-rpms", "rhel-8-for-x86_64-appstream-rpms"],
    "image_contents": [],
})  # fmt: skip
BUILD = """\
FROM koji/image-build
LABEL maintainer="Red Hat, Inc."
ENV COMPONENT="ubi8-container"
LABEL com.redhat.component="${COMPONENT}" \\
      name="ubi8" \\
      version="8.5"

#labels for container catalog
LABEL "release"="214" "cpe"="cpe:/o:redhat:enterprise_linux:8::baseos"
"""
ATTACHED = {
    "attached": True,
    "services": [
        {"name": "esm-infra", "status": "enabled"},
        {"name": "esm-apps", "status": "disabled"},
        {"name": "livepatch", "status": "n/a"},
    ],
}


def said(path: str, content: str | bytes) -> list[tuple[str, str]]:
    rows = DETECTOR.detect(files_batch([(path, content.encode() if isinstance(content, str) else content)])).to_pylist()
    return [(row["note_code"],) if row["note_code"] else (row["kind"], row["value"]) for row in rows]  # type: ignore[misc]


def test_a_content_manifest_names_the_repositories_of_its_layer() -> None:
    expected = [("content_set", "rhel-8-for-x86_64-baseos-rpms"), ("content_set", "rhel-8-for-x86_64-appstream-rpms")]
    assert said(MANIFEST, UBI) == expected
    assert said("usr/share/buildinfo/content-sets.json", UBI) == expected
    assert said("root/buildinfo/content_manifests/content-sets.json", UBI) == expected


def test_the_labels_of_a_build_name_its_product() -> None:
    expected = {
        ("cpe", "cpe:/o:redhat:enterprise_linux:8::baseos"), ("build", "ubi8-container-8.5-214"), ("name", "ubi8")
    }  # fmt: skip
    assert set(said(DOCKERFILE, BUILD)) == expected
    labels = {
        "com.redhat.component": "ubi8-container", "name": "ubi8", "version": "8.5", "release": "214", "x": 1,
        "cpe": "cpe:/o:redhat:enterprise_linux:8::baseos",
    }  # fmt: skip
    assert set(said("root/buildinfo/labels.json", json.dumps(labels))) == expected


def test_the_name_of_a_dockerfile_says_what_the_build_set_itself() -> None:
    text = 'LABEL com.redhat.component="openshift-enterprise-base-container" version="v0" release="unset"'
    assert said("root/buildinfo/Dockerfile-openshift-ose-base-v4.9.0-202109", text) == [
        ("build", "openshift-enterprise-base-container-v4.9.0-202109")
    ]


def test_only_enabled_services_of_ubuntu_pro_count() -> None:
    assert said(PRO, json.dumps(ATTACHED)) == [("pro", "esm-infra")]
    assert said(PRO, json.dumps({"attached": False, "services": []})) == []


@pytest.mark.parametrize("path", [MANIFEST, "root/buildinfo/labels.json", PRO])
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b'"text"', b"[1]", b"1" * 5000])
def test_what_is_no_record_is_a_note_or_nothing(path: str, content: bytes) -> None:
    assert said(path, content) in ([("Unparsable",)], [])


def test_files_beside_the_records_are_left_alone_and_values_are_bounded() -> None:
    assert said("root/buildinfo/readme.json", "{") == []
    assert said("opt/root/buildinfo/labels.json", "{") == []
    many = json.dumps({"content_sets": [f"repository-{n}" for n in range(MAX_VALUES + 5)] + ["x" * 9999, 7, None]})
    rows = said(MANIFEST, many)
    assert rows.count(("TooManyFacts",)) == 1 and len(rows) == MAX_VALUES + 1


def test_a_word_without_end_costs_no_time_and_values_have_no_control_characters() -> None:
    began = time.process_time()
    assert said(DOCKERFILE, "LABEL cpe=cpe:/o:x " + "linux_" * 200_000 + ' name="y" ') != []
    assert time.process_time() - began < 1
    assert said(MANIFEST, json.dumps({"content_sets": ["a\x1b[2J", "b\0", "c"]})) == [("content_set", "c")]


@settings(max_examples=60)
@given(st.sampled_from([MANIFEST, DOCKERFILE, PRO, "root/buildinfo/labels.json"]), st.binary(max_size=300), st.data())
def test_damaged_records_never_break_the_scan(path: str, noise: bytes, data: st.DataObject) -> None:
    whole = {MANIFEST: UBI, DOCKERFILE: BUILD, PRO: json.dumps(ATTACHED)}.get(path, "{}").encode()
    cut = data.draw(st.integers(0, len(whole)))
    for row in said(path, whole[:cut] + noise + whole[cut:]):
        assert all(isinstance(cell, str) and cell for cell in row)


def test_it_passes_the_exam_of_detectors() -> None:
    accept_detector(DETECTOR, {MANIFEST: UBI.encode(), DOCKERFILE: BUILD.encode(), PRO: json.dumps(ATTACHED).encode()})

"""What Composer says it installed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems.composer import ECOSYSTEM
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem

PATH = "app/vendor/composer/installed.json"
PACKAGES = [
    {"name": "nikic/fast-route", "version": "v1.3.0", "license": ["BSD-3-Clause"]},
    {"name": "Monolog/monolog", "version": "2.9.1", "license": "MIT"},
    {"name": "acme/dev", "version": "dev-main"},
    {"name": "nikic/fast-route", "version": "1.3.0"},
]


def read(content: bytes, path: str = PATH) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


@pytest.mark.parametrize("record", [PACKAGES, {"packages": PACKAGES, "dev": True, "dev-package-names": []}])
def test_both_forms_of_the_record_are_read(record: object) -> None:
    assert read(json.dumps(record).encode()) == [
        Package("nikic/fast-route", "1.3.0", licenses=("BSD-3-Clause",), purl="pkg:composer/nikic/fast-route@1.3.0"),
        Package("Monolog/monolog", "2.9.1", licenses=("MIT",), purl="pkg:composer/monolog/monolog@2.9.1"),
        Package("acme/dev", "dev-main", purl="pkg:composer/acme/dev@dev-main"),
    ]


@pytest.mark.parametrize("path", ["installed.json", "app/my-composer/installed.json", "app/installed.json"])
def test_other_files_of_that_name_are_nothing(path: str) -> None:
    assert read(json.dumps(PACKAGES).encode(), path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'"x"', b'{"packages": {}}', b"[" * 100_000])
def test_what_is_no_record_is_noted(content: bytes) -> None:
    (note,) = read(content)
    assert isinstance(note, Note)
    assert note.code == "Unparsable"


def test_entries_without_name_and_version_are_counted_in_one_note() -> None:
    odd = [1, {}, {"name": "x"}, {"name": "a/b", "version": 1}, {"name": "a/b", "version": "1 2"}, PACKAGES[0]]
    package, note = read(json.dumps(odd).encode())
    assert isinstance(package, Package)
    assert isinstance(note, Note)
    assert note.message.startswith("5 of 6 ")


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers() | st.just("a/b"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["packages", "name", "version", "license", "x"]), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_no_json_raises(record: object) -> None:
    for fact in read(json.dumps(record).encode()):
        assert isinstance(fact, Note) or (fact.name and fact.version)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {PATH: json.dumps({"packages": PACKAGES}).encode(), "composer/installed.json": json.dumps(PACKAGES).encode()},
        orders=["1.0.0-beta1 < 1.0.0", "1.9 < 1.10"],
        namespaces={Distro("debian", "12"): "Packagist"},
    )

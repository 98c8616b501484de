"""What .NET applications are deployed with."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems.nuget import ECOSYSTEM
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem

PATH = "app/App.deps.json"
TARGET = ".NETCoreApp,Version=v8.0"
LIBRARIES = {
    "App/1.0.0": {"type": "project"},
    "Newtonsoft.Json/13.0.1": {"type": "package"},
    "Runtime.Only.Here/1.0.0": {"type": "package"},
    "Meta/2.0.0": {"type": "package"},
    "Compile.Only/3.0.0": {"type": "package"},
    "Placeholder/4.0.0": {"type": "package"},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack"},
    "Some.Assembly/10.0.0.0": {"type": "referenceassembly"},
    "Unlisted/5.0.0": {"type": "package"},
}
FILES = {
    "App/1.0.0": {"runtime": {"App.dll": {}}},
    "Newtonsoft.Json/13.0.1": {"runtime": {"lib/netstandard2.0/Newtonsoft.Json.dll": {}}},
    "Runtime.Only.Here/1.0.0": {"runtimeTargets": {"runtimes/linux/native/x.so": {}}},
    "Meta/2.0.0": {"dependencies": {"Newtonsoft.Json": "13.0.1"}},
    "Compile.Only/3.0.0": {"compile": {"ref/x.dll": {}}},
    "Placeholder/4.0.0": {"runtime": {"lib/net6.0/_._": {}}},
}


def record(**changes: object) -> bytes:
    whole = {"runtimeTarget": {"name": TARGET, "signature": ""}, "targets": {TARGET: FILES}, "libraries": LIBRARIES}
    return json.dumps({**whole, **changes}).encode()


def read(content: bytes, path: str = PATH) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def names(content: bytes) -> list[str]:
    return [p.name for p in read(content) if isinstance(p, Package)]


def test_packages_whose_files_were_deployed_are_found() -> None:
    assert [(p.name, p.version) for p in read(record()) if isinstance(p, Package)] == [
        ("Newtonsoft.Json", "13.0.1"),
        ("Runtime.Only.Here", "1.0.0"),
        ("Microsoft.NETCore.App.Runtime.linux-x64", "8.0.1"),
        ("Unlisted", "5.0.0"),
    ]
    assert read(record())[0] == Package("Newtonsoft.Json", "13.0.1", purl="pkg:nuget/Newtonsoft.Json@13.0.1")


def test_without_a_target_all_packages_count() -> None:
    every = [
        name.partition("/")[0].removeprefix("runtimepack.")
        for name, kind in LIBRARIES.items()
        if "pack" in kind["type"]
    ]
    assert names(record(targets={}, runtimeTarget={})) == every
    assert names(record(targets={"a": {}, "b": {}}, runtimeTarget="c")) == every
    assert names(record(runtimeTarget="other"))[:2] == ["Newtonsoft.Json", "Runtime.Only.Here"]


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"libraries": []}', b"null"])
def test_records_without_libraries_are_nothing(content: bytes) -> None:
    assert read(content) == []


@pytest.mark.parametrize("content", [b"", b"{", record()[:-20], record(libraries={"no version": {"type": "package"}})])
def test_damaged_records_are_noted(content: bytes) -> None:
    (note,) = read(content)
    assert isinstance(note, Note)
    assert note.code == "Unparsable"


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers() | st.just("package"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["libraries", "targets", "runtimeTarget", "name", "type", "a/1", "runtime"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=30,
    )
)
def test_no_json_raises(value: object) -> None:
    for fact in read(json.dumps(value).encode()):
        assert isinstance(fact, Note) or (fact.name and fact.version)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {PATH: record()},
        orders=["1.0.0-beta < 1.0.0", "1.0.0.1 > 1.0.0", "1.0 = 1.0.0"],
        namespaces={Distro("debian", "12"): "NuGet"},
    )

"""What .NET applications are deployed with."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems.nuget import ECOSYSTEM
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem
from grid.testing.assemblies import assembly

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


@settings(max_examples=100)
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


# --- assemblies ----------------------------------------------------------------------------------

JSON_NET = {
    "CompanyName": "Newtonsoft", "ProductName": "Json.NET", "InternalName": "Newtonsoft.Json.dll",
    "ProductVersion": "13.0.3+0a2e291c0d", "FileVersion": "13.0.3.27908",
}  # fmt: skip


@pytest.mark.parametrize("wide", [False, True])
def test_an_assembly_says_what_it_is(wide: bool) -> None:
    found = read(assembly(JSON_NET, wide=wide), "app/Renamed.dll")
    assert found == [
        Package("Newtonsoft.Json", "13.0.3", purl="pkg:nuget/Newtonsoft.Json@13.0.3", found_as="binary")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("product", "file", "version"),
    [
        ("6.0.8.18111", "", "6.0.8"), ("0.9.5.0", "", "0.9.5"), ("1.2.3.4", "", "1.2.3.4"),
        ("8.0.0-preview.1+abc", "", "8.0.0-preview.1"), ("Spring 2024", "4.5.6.0", "4.5.6"), ("", "1.2", "1.2"),
        ("2.88.9-9699cdf046a989423a5e5eca68e7fd813486d81c", "2.88.9.0", "2.88.9"), ("2.0.0-cafe.1", "", "2.0.0-cafe.1"),
    ],
)  # fmt: skip
def test_the_version_of_an_assembly_is_its_packages(product: str, file: str, version: str) -> None:
    (package,) = read(assembly({"ProductVersion": product, "FileVersion": file}), "app/X.dll")
    assert isinstance(package, Package)
    assert (package.name, package.version) == ("X", version)


@pytest.mark.parametrize(
    "content",
    [
        assembly(JSON_NET, managed=False), assembly({"ProductVersion": "0.0.0.0"}), assembly({}),
        assembly(JSON_NET, kind=3), b"MZ", b"MZ" + b"\xff" * 200, b"",
    ],
)  # fmt: skip
def test_native_libraries_and_those_without_a_version_are_none(content: bytes) -> None:
    assert read(content, "app/X.dll") == []


def test_the_parts_of_mono_are_no_packages_of_nuget() -> None:
    sql = {"InternalName": "System.Data.SqlClient.dll", "ProductVersion": "4.0.0.0"}
    assert read(assembly({**sql, "ProductName": "Mono Common Language Infrastructure"}), "mono/4.5/x.dll") == []
    assert len(read(assembly({**sql, "ProductName": "Microsoft .NET Framework"}), "app/x.dll")) == 1


def test_satellites_of_a_language_are_part_of_their_assembly() -> None:
    assert read(assembly(JSON_NET), "app/de/X.resources.dll") == []
    assert len(read(assembly(JSON_NET), "app/QuickRoute.Resources.dll")) == 1, "not a satellite"


@settings(max_examples=60)
@given(st.data())
def test_damaged_assemblies_never_raise(data: st.DataObject) -> None:
    content = bytearray(assembly(JSON_NET))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    found = read(bytes(content[: data.draw(st.integers(0, len(content)))]), "app/X.dll")
    assert all(isinstance(fact, (Package, Note)) for fact in found)


def test_a_record_owns_the_files_that_its_libraries_were_deployed_with() -> None:
    assert ECOSYSTEM.owned is not None
    files = {
        "Newtonsoft.Json/13.0.1": {"runtime": {"lib/netstandard2.0/Newtonsoft.Json.dll": {}}},
        "Sql/1.0.0": {"runtimeTargets": {"runtimes/unix/lib/net6.0/Sql.dll": {"rid": "unix"}}},
        "L/1.0.0": {"resources": {"lib/net6.0/de/L.resources.dll": {"locale": "de"}}, "native": {"x.so": {}}},
    }
    owned = {f.path for f in ECOSYSTEM.owned(PATH, record(targets={TARGET: files}), Limits()) if hasattr(f, "owner")}
    assert {"app/Newtonsoft.Json.dll", "app/runtimes/unix/lib/net6.0/Sql.dll", "app/de/L.resources.dll"} <= owned
    assert not [path for path in owned if path.endswith(".so")]

"""Python metadata, as installers leave it."""

from __future__ import annotations

import io
import sysconfig
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from grid.ecosystems.pypi import ECOSYSTEM
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem

SITE = "usr/lib/python3.11/site-packages"
METADATA = f"{SITE}/Jinja2-2.10.dist-info/METADATA"

SAMPLE = b"""\
Metadata-Version: 2.1
Name: Jinja2
Version: 2.10
Summary: A small but fast and easy to use stand-alone template engine
License: BSD
Classifier: License :: OSI Approved :: BSD License
Classifier: Programming Language :: Python

Name: not-this
Version: 9
License: none of this
"""


def read(content: bytes, path: str = METADATA) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def one(content: bytes) -> Package:
    (package,) = read(content)
    assert isinstance(package, Package)
    return package


def test_the_header_is_read_and_the_description_is_not() -> None:
    assert one(SAMPLE) == Package("Jinja2", "2.10", licenses=("BSD",), purl="pkg:pypi/jinja2@2.10")


@pytest.mark.parametrize(
    "path",
    [
        METADATA,
        f"{SITE}/six-1.16.0.egg-info",
        f"{SITE}/six-1.16.0.egg-info/PKG-INFO",
        f"{SITE}/six-1.16.0-py3.11.egg/EGG-INFO/PKG-INFO",
        "opt/conda/lib/python3.9/site-packages/six-1.16.0.dist-info/METADATA",
    ],
)
def test_every_place_where_installers_leave_metadata_is_asked_for(path: str) -> None:
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    assert len(read(SAMPLE, path)) == 1


@pytest.mark.parametrize("path", ["METADATA", f"{SITE}/jinja2/METADATA", f"{SITE}/a.dist-info/RECORD", "PKG-INFO"])
def test_other_files_are_not(path: str) -> None:
    assert not ECOSYSTEM.wants.matcher()(path, 0o644)


@pytest.mark.parametrize(
    "content",
    [
        SAMPLE.replace(b"\n", b"\r\n"),
        SAMPLE.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + SAMPLE,
        SAMPLE.replace(b"small", b"sm\xe4ll"),
        SAMPLE.replace(b"template", "Жar".encode()),
        SAMPLE.decode().encode("utf-16"),
        SAMPLE.replace(b"Name:", b"name:  "),
        SAMPLE + b"\xff\xfe\x00" * 1000,
        b"\n\n" + SAMPLE,
        SAMPLE.partition(b"\n\n")[0],
    ],
    ids=["crlf", "cr", "bom", "latin-1", "utf-8", "utf-16", "case", "binary tail", "leading blank", "header only"],
)
def test_encodings_and_line_ends_do_not_matter(content: bytes) -> None:
    package = one(content)
    assert (package.name, package.version, package.licenses) == ("Jinja2", "2.10", ("BSD",))


def test_licences_come_from_the_best_source_there_is() -> None:
    head = b"Name: a\nVersion: 1\n"
    assert one(head + b"License: X\nLicense-Expression: MIT OR Apache-2.0\n").licenses == ("MIT OR Apache-2.0",)
    assert one(head + b"License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n").licenses == (
        "MIT License",
    )
    assert one(head + b"Classifier: License :: OSI Approved\n").licenses == ()
    assert one(head + b"License: " + b"long text " * 50).licenses == ()
    assert one(head).licenses == ()


def test_a_file_without_name_or_version_is_a_note_and_an_empty_one_is_nothing() -> None:
    (note,) = read(b"Metadata-Version: 1.0\nName: x\n")
    assert isinstance(note, Note)
    assert (note.code, note.path) == ("Unparsable", METADATA)
    assert isinstance(read(b"Name: x y\nVersion: 1\n")[0], Note)
    assert read(b"") == read(b"\n") == []


def egg(*members: tuple[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        for name, content in members:
            files.writestr(name, content)
    return archive.getvalue()


def test_a_zipped_egg_is_opened_as_far_as_its_metadata() -> None:
    path = f"{SITE}/six-1.16.0-py3.11.egg"
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    (package,) = read(egg(("six.py", b"x"), ("EGG-INFO/PKG-INFO", SAMPLE)), path)
    assert isinstance(package, Package)
    assert (package.name, package.version) == ("Jinja2", "2.10")
    bomb = egg(("EGG-INFO/PKG-INFO", b"Name: a\nVersion: 1\nSummary: " + b"a" * (64 << 20)))
    assert len(read(bomb, path)) == 1
    assert read(egg(("six.py", b"x")), path) == read(b"not an archive", path) == []
    (note,) = read(egg(("EGG-INFO/PKG-INFO", SAMPLE))[:-30], path)
    assert isinstance(note, Note)


def test_a_wheel_lying_about_is_opened_or_known_by_its_name() -> None:
    path = "opt/wheels/six_x-1.16.0-1-py2.py3-none-any.whl"
    whole = egg(("six.py", b"x"), ("six_x-1.16.0.dist-info/METADATA", b"Name: six.x\nVersion: 1.16.0\n"))
    (package,) = read(whole, path)
    assert isinstance(package, Package) and (package.name, package.version) == ("six.x", "1.16.0")
    (package,) = read(whole[:-40], path)  # a large one comes cut short
    assert isinstance(package, Package) and (package.name, package.version) == ("six_x", "1.16.0")
    assert package.purl == "pkg:pypi/six-x@1.16.0"
    (note,) = read(whole[:-40], "opt/wheels/nonsense.whl")
    assert isinstance(note, Note)
    assert read(b"<html>", path) == read(egg(("six.py", b"x")), path) == []


@pytest.mark.parametrize(
    ("name", "canonical"), [("Jinja2", "jinja2"), ("zope.interface", "zope-interface"), ("A__b-.c", "a-b-c")]
)
def test_canonical_names_are_those_of_pep_503(name: str, canonical: str) -> None:
    assert ECOSYSTEM.canonical(name) == canonical


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {
            f"{SITE}/e.egg": egg(("EGG-INFO/PKG-INFO", b"Name: e\nVersion: 1")),
            METADATA: SAMPLE,
            f"{SITE}/zope.interface-5.4.0.egg-info": b"Name: zope.interface\nVersion: 5.4.0\n",
        },
        orders=["1.0.dev1 < 1.0a1", "1.0a1 < 1.0", "1.0 = 1.0.0", "1!0.1 > 9", "1.0 < 1.0+local", "1.0 < 1.0.post1"],
        refused=["", "0.1-bulbasaur", "trunk"],
        namespaces={Distro("debian", "12"): "PyPI", Distro("", ""): "PyPI"},
    )


def test_the_running_environment_as_importlib_sees_it() -> None:
    site = Path(sysconfig.get_path("purelib"))
    expected = sorted((d.metadata["Name"], d.version) for d in distributions(path=[str(site)]))
    wanted = ECOSYSTEM.wants.matcher()
    found = []
    for path in site.glob("*/*"):  # deeper ones are vendored: found as well, but importlib does not list them
        name = path.relative_to(site).as_posix()
        if wanted(name, 0o644) and path.is_file():
            found += [(p.name, p.version) for p in read(path.read_bytes(), name) if isinstance(p, Package)]
    assert expected
    assert sorted(found) == expected

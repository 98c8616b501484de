"""Which differences between lists of packages have a reason, and in what form three scanners' answers are compared.

The peers themselves run in ``bench`` only.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import answers, gather, reasons
from bench.answers import Found, by_url, named, outermost
from bench.models.inventories import differences

README = Path(__file__).parents[2] / "grid" / "ecosystems" / "README.md"
LODASH = Found("npm", "lodash", "4.17.21", "srv/node_modules/lodash/package.json")


def why(ours: list[Found], theirs: list[Found], peer: str = "syft") -> list[str | None]:
    return [name for _, name in differences(frozenset(ours), frozenset(theirs), peer)]


def test_what_only_they_find_where_installers_put_things_is_unexplained() -> None:
    assert why([], [LODASH]) == [None]
    assert why([], [Found("pypi", "django", "4.2", "site-packages/Django-4.2.dist-info/METADATA")]) == [None]
    assert why([], [Found("deb", "curl", "7.88-1", "")]) == [None]
    assert why([], [Found("gem", "rack", "2.2", "specifications/rack-2.2.gemspec")], "trivy") == [None]
    assert why([], [Found("golang", "example.com/x", "v1.0.0", "usr/bin/x")]) == [None]
    assert why([], [Found("maven", "g:a", "1.0", "srv/a.jar")]) == [None]
    assert why([], [Found("nuget", "some.library", "4.5.6", "app/Some.Library.dll")]) == [None]
    assert why([], [Found("cran", "MASS", "7.3-58", "usr/lib/R/library/MASS/DESCRIPTION")]) == [None]
    assert why([], [Found("composer", "a/b", "1.0", "srv/vendor/composer/installed.json")]) == [None]


def test_what_only_we_find_of_kinds_that_they_read_is_unexplained() -> None:
    assert why([LODASH], []) == [None]
    assert why([Found("rpm", "bash", "5.1-1", "")], [], "trivy") == [None]


def test_equal_lists_differ_in_nothing() -> None:
    assert why([LODASH], [LODASH]) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (
            Found("golang", "stdlib", "1.22.1", "usr/bin/x"),
            Found("golang", "stdlib", "go1.22.1", "usr/bin/x"),
            "written otherwise",
        ),
        (Found("hex", "plug", "1.0", "a/plug.app"), Found("otp", "plug", "1.0", "a/plug.app"), "written otherwise"),
        (LODASH, LODASH._replace(path="srv/yarn.lock"), "at another place"),
        (Found("maven", "g:a", "1.0", "a.jar"), Found("maven", "a:a", "1.0", "a.jar"), "coordinates of a jar"),
    ],
)
def test_one_package_told_in_two_ways_has_the_same_reason_on_both_sides(ours: Found, theirs: Found, name: str) -> None:
    assert why([ours], [theirs]) == [name, name]


def test_a_removed_package_is_one_that_dpkg_calls_removed(tmp_path: Path) -> None:
    status = (
        b"Package: a\nStatus: deinstall ok config-files\n\nPackage: b\nStatus: install ok installed\n\nPackage: c\n"
    )
    layout = gather.layout(tmp_path / "image", [("var/lib/dpkg/status", status, 0o644)])
    assert gather.states(layout) == {"a": "deinstall ok config-files", "b": "install ok installed", "c": ""}
    found = frozenset({Found("deb", name, "1", "") for name in "abc"})
    told = {case.one.name: name for case, name in differences(frozenset(), found, "syft", gather.states(layout))}
    assert told == {"a": "not installed, says dpkg", "b": None, "c": "not installed, says dpkg"}


def test_a_main_module_is_told_by_its_package_or_its_module() -> None:
    module = Found("golang", "example.com/x", "v1.2.0", "usr/bin/x")
    package = Found("golang", "example.com/x/cmd/x", "(devel)", "usr/bin/x")
    other = Found("golang", "example.com/xy", "v1.0.0", "usr/bin/x")
    assert why([module], [package]) == ["main modules of Go", "main modules of Go"]
    assert why([module], [module, other]) == [None]


def test_names_and_versions_of_the_three_are_brought_into_one_form() -> None:
    assert by_url("pkg:npm/%40scope/x@1.0", "/srv/x") == Found("npm", "@scope/x", "1.0", "srv/x")
    assert by_url("pkg:maven/g/a@1.0", "a.jar") == Found("maven", "g:a", "1.0", "a.jar")
    assert by_url("pkg:rpm/fedora/bash@5.1-1?epoch=2", "var/lib/rpm") == Found("rpm", "bash", "2:5.1-1", "")
    assert by_url("pkg:deb/debian/curl@7.88", "", version="1:7.88") == Found("deb", "curl", "1:7.88", "")
    assert by_url("pkg:golang/example.com/x@v1#cmd/y", "y") == Found("golang", "example.com/x/cmd/y", "v1", "y")
    assert by_url("pkg:pypi/x", "x") is None
    assert named("pypi", "Zope.Interface", "5", "/a") == Found("pypi", "zope-interface", "5", "a")
    assert outermost("srv/a.war/WEB-INF/lib/b.jar") == "srv/a.war"
    assert outermost("srv/lib.jar.d/b.jar") == "srv/lib.jar.d/b.jar"


def test_our_own_answers_come_from_the_view(tmp_path: Path) -> None:
    content = json.dumps({"name": "lodash", "version": "4.17.21"}).encode()
    layout = gather.layout(tmp_path / "image", [(LODASH.path, content, 0o644)])
    assert answers.ours({"x": layout}, tmp_path) == {"x": frozenset({LODASH})}


def test_every_rule_is_a_row_of_the_table_and_every_row_a_rule() -> None:
    text = README.read_text("utf-8")
    table = text[text.index("<!-- reasons -->") : text.index("<!-- end reasons -->")]
    rows = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[2:]
    assert rows == [rule.name for rule in reasons.RULES]

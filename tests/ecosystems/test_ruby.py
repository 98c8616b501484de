"""Gems as RubyGems installs them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems.gem import ECOSYSTEM
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem

RACK = "usr/local/bundle/specifications/rack-2.2.4.gemspec"
SPEC = b"""# -*- encoding: utf-8 -*-
# stub: rack 2.2.4 ruby lib

Gem::Specification.new do |s|
  s.name = "rack".freeze
  s.version = "2.2.4"
  s.licenses = ["MIT".freeze, 'Ruby'.freeze]
  s.summary = "s.version = '9'".freeze
  s.add_dependency(%q<minitest>.freeze, ["~> 5.0"])
end
"""


def read(content: bytes, path: str = RACK) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def found(content: bytes, path: str = RACK) -> list[tuple[str, str]]:
    return [(p.name, p.version) for p in read(content, path) if isinstance(p, Package)]


@pytest.mark.parametrize(
    "path",
    [
        RACK,
        "usr/lib/ruby/gems/3.1.0/specifications/default/rack-2.2.4.gemspec",
        "usr/share/rubygems-integration/all/specifications/rack-2.2.4.gemspec",
        "specifications/rack.gemspec",
    ],
)
def test_installed_and_default_gems_are_found(path: str) -> None:
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    assert read(SPEC, path) == [Package("rack", "2.2.4", licenses=("MIT", "Ruby"), purl="pkg:gem/rack@2.2.4")]


def test_a_specification_whose_stub_names_another_gem_is_what_ruby_takes_it_for() -> None:
    renamed = SPEC.replace(b'name = "rack"', b'name = "rack-old"').replace(b'version = "2.2.4"', b'version = "2.2.5"')
    assert found(renamed) == [("rack-old", "2.2.5")]
    assert found(SPEC.replace(b'version = "2.2.4"', b'version = "2.#{minor}"')) == [("rack", "2.2.4")]


@pytest.mark.parametrize("path", ["app/rack.gemspec", "usr/local/bundle/gems/rack-2.2.4/rack.gemspec"])
def test_specifications_of_sources_are_not_installed(path: str) -> None:
    assert read(SPEC, path) == []


@pytest.mark.parametrize(
    "lines",
    [
        b's.name = "rack"\ns.version = "2.2.4"',
        b"  spec.name = %q<rack>\n  spec.version=%q<2.2.4>",
        b"s.name = 'rack'.freeze\ns.version = Gem::Version.new('2.2.4')",
        b's.name = "rack"\ns.version = Rack::VERSION',
        b"# stub: rack 2.2.4 ruby lib\ns.name = x",
        b"# stub: rack 2.2.4 x86_64-linux lib\ns.name = x",
    ],
)
def test_the_ways_to_write_name_and_version(lines: bytes) -> None:
    assert found(b"Gem::Specification.new do |s|\n" + lines + b"\nend\n") == [("rack", "2.2.4")]


def test_the_platform_is_no_part_of_the_version() -> None:
    path = "gems/specifications/nokogiri-1.14.0-x86_64-linux.gemspec"
    stub = b"# stub: nokogiri 1.14.0 x86_64-linux lib\n"
    assert found(stub, path) == [("nokogiri", "1.14.0")]
    assert found(b"s.name = A\ns.version = B\n", path) == [("nokogiri", "1.14.0")]


def test_what_is_no_specification_is_noted_and_an_empty_one_is_nothing() -> None:
    assert read(b"") == []
    (note,) = read(b"puts 1\n", "x/specifications/odd.gemspec")
    assert isinstance(note, Note)
    assert note.code == "Unparsable"


@settings(max_examples=100)
@given(st.binary(max_size=300), st.integers(0, len(SPEC)))
def test_no_content_raises(rubbish: bytes, at: int) -> None:
    for fact in read(SPEC[:at] + rubbish + SPEC[at:]):
        assert isinstance(fact, Note) or (fact.name and fact.version)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {RACK: SPEC, "x/specifications/default/json-2.6.1.gemspec": b"# stub: json 2.6.1 ruby lib\n"},
        orders=["1.0.a < 1.0", "1.9 < 1.10", "1.0 = 1"],
        namespaces={Distro("debian", "12"): "RubyGems"},
    )

"""estate.yaml: what it means, and how its mistakes are told."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import EstateInvalid
from grid.estate import add_registry, load_estate, parse_estate, selected
from grid.model import GIB


def test_defaults_are_all_images_of_linux_amd64_without_a_limit() -> None:
    estate = parse_estate("registries:\n  - url: registry.example.com\n")
    (registry,) = estate.registries
    assert registry.images_per_hour is None
    assert registry.wants_repository("any/thing") and registry.wants_tag("v1")
    assert estate.platform_policy == "linux/amd64"
    assert "packages" in estate.detector_names and "secrets" in estate.detector_names


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("registries:\n  - url: a\n  - url: b\n    credential: hunter2\n", 4, "never the password"),
        ("registries:\n  - url: a\n    colour: red\n", 3, "colour"),
        ("registries:\n  - url: a\n    images_per_hour: many\n", 3, "images_per_hour"),
        ("registries:\n  - url: a\n\n  - url: a\n", 4, "two registries"),
        ("images:\n  - fine\n  - ftp://x/y\n", 3, "transport"),
        ("platforms: [amd64]\nimages: [a]\n", 1, "os/arch"),
        ("registries: [\n", 2, ""),
        ("- just\n- a list\n", 1, "mapping"),
        ("lake: here\n", 1, "empty"),
        ("", 1, "mapping"),
    ],
)
def test_a_mistake_names_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(EstateInvalid) as caught:
        parse_estate(text, "estate.yaml")
    assert caught.value.message.startswith(f"estate.yaml:{line}:")
    assert says in caught.value.message


def test_an_estate_that_would_take_long_to_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "estate.yaml"
    file.write_text("images: [a]\n".ljust((1 << 20) + 1, "#"))
    for read in (load_estate, lambda path: parse_estate(path.read_text(), str(path))):
        with pytest.raises(EstateInvalid, match=r"estate\.yaml: larger than 1 MiB") as caught:
            read(file)
        assert caught.value.remedy
    with pytest.raises(EstateInvalid, match="larger than 1 MiB"):
        add_registry(file, {"url": "b"})


def test_aliases_cannot_stand_for_very_many_values() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 8))]
    with pytest.raises(EstateInvalid, match="more than 500,000 values"):
        parse_estate("\n".join([*lines, "images: [a]"]))


def test_a_password_in_the_wrong_place_is_not_repeated() -> None:
    with pytest.raises(EstateInvalid) as caught:
        parse_estate("registries:\n  - url: a\n    credential: admin:hunter2\n")
    assert "hunter2" not in str(caught.value)


def test_sizes_and_unlimited_and_all_are_understood() -> None:
    estate = parse_estate(
        "platforms: all\nregistries:\n  - url: http://localhost:5000\n    images_per_hour: unlimited\n"
        "    repositories: all\nlimits:\n  max_layer_bytes: 20GiB\n"
    )
    assert estate.limits.limits().max_layer_bytes == 20 * GIB
    assert estate.wanted_platforms == () and estate.platform_policy == "all"
    assert estate.registries[0].http and estate.registries[0].address == "localhost:5000"


def test_the_last_pattern_that_matches_decides_and_matches_the_whole_name() -> None:
    assert selected("shop/web", ["shop/*"])
    assert not selected("workshop/web", ["shop/*"])
    assert not selected("v1-dev", ["*", "!*-dev"])
    assert selected("v1-dev", ["*", "!*-dev", "v1-dev"])


def test_local_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "estate.yaml").write_text("lake: out\nregistries:\n  - kind: oci\n    url: images\n")
    estate = load_estate(tmp_path / "estate.yaml")
    assert estate.registries[0].address == str(tmp_path / "images")
    assert estate.lake == str(tmp_path / "out")


def test_a_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(EstateInvalid, match="No such file"):
        load_estate(tmp_path / "none.yaml")


def test_the_same_rules_have_the_same_name_wherever_the_lake_is() -> None:
    one = parse_estate("lake: a\nimages: [x]\n")
    assert one.rules_hash() == parse_estate("lake: b\nimages: [x]\n").rules_hash()
    assert one.rules_hash() != parse_estate("images: [y]\n").rules_hash()


@given(st.text(max_size=200))
def test_any_text_is_an_estate_or_a_mistake(text: str) -> None:
    with contextlib.suppress(EstateInvalid):
        parse_estate(text)

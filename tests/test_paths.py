import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import PathEscapesRoot
from grid.paths import normalise, path_hash, path_hashes


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("usr/bin/env", "usr/bin/env"),
        ("./usr/bin", "usr/bin"),
        ("././usr//bin/", "usr/bin"),
        ("/etc/passwd", "etc/passwd"),
        ("///etc", "etc"),
        ("a/./b", "a/b"),
        ("a/.", "a"),
        ("a//", "a"),
        (".", ""),
        ("./", ""),
        ("/", ""),
        ("", ""),
        (".wh.x", ".wh.x"),
        ("a./b", "a./b"),
        ("...", "..."),
        ("..a/b..", "..a/b.."),
        ("a/...", "a/..."),
    ],
)
def test_normal_form(name, path):
    assert normalise(name) == path


@pytest.mark.parametrize("name", ["..", "../x", "a/../b", "a/..", "/../x", "./..", "a/b/../..//c", "../"])
def test_a_name_that_climbs_is_refused(name):
    with pytest.raises(PathEscapesRoot):
        normalise(name)


@given(st.text("./ab", max_size=12))
def test_normalise_agrees_with_the_definition(name):
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        with pytest.raises(PathEscapesRoot):
            normalise(name)
    else:
        assert normalise(name) == "/".join(parts)
        assert normalise(normalise(name)) == normalise(name)


def test_hashes_are_blake2b_little_endian():
    expected = int.from_bytes(hashlib.blake2b("usr/bin/é".encode(), digest_size=8).digest(), "little")
    assert path_hash("usr/bin/é") == expected
    hashes = path_hashes(["a", "usr/bin/é"])
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == [path_hash("a"), expected]
    assert path_hashes([]).tolist() == []

"""The secrets detector on files: where it finds what, and that a batch is no more than its files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import random
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.detectors.secrets import DETECTOR, SecretsDetector
from grid.detectors.secrets.rules import expand
from grid.model import MIB, Limits
from grid.testing import accept_detector, files_batch


def made(example: str, seed: int = 0) -> bytes:
    return expand(example, random.Random(seed)).encode()


GITHUB = made("ghp_{alnum:36}")
AWS = made("AKIA{b32:16}")
PEM = made("-----BEGIN RSA PRIVATE KEY-----\n{pem}\n-----END RSA PRIVATE KEY-----\n")


@pytest.fixture(autouse=True)
def site_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANGRID_FINGERPRINT_KEY", "a key for tests")


def detect(*files: tuple[str, bytes], detector: SecretsDetector = DETECTOR) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = detector.detect(files_batch(files)).to_pylist()
    return rows


def ids(*files: tuple[str, bytes]) -> list[tuple[str, str, int]]:
    return [(row["path"], row["rule_id"], row["line"]) for row in detect(*files)]


def test_a_row_says_where_and_what_but_not_the_value() -> None:
    (row,) = detect(("srv/app/x.py", b"a = 1\n\ntoken = '" + GITHUB + b"'\n"))
    assert (row["path"], row["line"], row["end_line"]) == ("srv/app/x.py", 3, 3)
    assert (row["rule_id"], row["severity"]) == ("github-pat", "critical")
    assert row["redacted"] == "ghp_… (40)"
    assert len(row["fingerprint"]) == 64
    assert GITHUB.decode()[4:] not in repr(row)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_key_over_many_lines_has_a_first_and_a_last_line(ending: bytes) -> None:
    (row,) = detect(("srv/key.pem", b"# key\n".replace(b"\n", ending) + PEM.replace(b"\n", ending)))
    assert (row["rule_id"], row["line"], row["end_line"]) == ("private-key", 2, 28)


@pytest.mark.parametrize("before", [b"", b"x = 1\n", b"y" * 20_000 + b"\n"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\n" + b"z" * 20_000])
def test_found_at_the_start_in_the_middle_and_at_the_end(before: bytes, after: bytes) -> None:
    lines = before.count(b"\n") + 1
    assert ids(("srv/a", before + GITHUB + after)) == [("srv/a", "github-pat", lines)]


def test_every_place_of_a_repeated_secret_counts_and_has_one_fingerprint() -> None:
    rows = detect(("srv/a", b"\n".join([GITHUB] * 5)), ("srv/b", b"t=" + GITHUB))
    assert [(row["path"], row["line"]) for row in rows] == [*(("srv/a", n) for n in range(1, 6)), ("srv/b", 1)]
    assert len({row["fingerprint"] for row in rows}) == 1


@pytest.mark.parametrize("cut", range(1, len(GITHUB), 5))
def test_a_secret_split_over_two_files_is_none(cut: int) -> None:
    assert ids(("srv/a", b"t = " + GITHUB[:cut]), ("srv/b", GITHUB[cut:] + b"\n")) == []


def test_what_ends_a_file_does_not_hide_the_secret_that_starts_the_next() -> None:
    assert ids(("srv/a", b"word"), ("srv/b", GITHUB), ("srv/c", b"word")) == [("srv/b", "github-pat", 1)]
    half = made("-----BEGIN RSA PRIVATE KEY-----\n{pem}\n")
    assert ids(("srv/a", half), ("srv/b", PEM)) == [("srv/b", "private-key", 1)]


def test_the_more_certain_rule_reports_where_two_see_the_same_text() -> None:
    assert [rule for _, rule, _ in ids(("srv/.env", b"GITHUB_TOKEN=" + GITHUB))] == ["github-pat"]
    assert [rule for _, rule, _ in ids(("srv/.env", b"//r.example.org/:_authToken=" + made("npm_{alnum:36}")))] == [
        "npm-token"
    ]


def test_an_encrypted_key_is_low_and_a_plain_one_critical() -> None:
    sealed = made("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{pem}\n-----END ENCRYPTED PRIVATE KEY-----\n")
    assert [row["severity"] for row in detect(("srv/a.pem", sealed), ("srv/b.pem", PEM))] == ["low", "critical"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: pem.replace(b"-----END RSA PRIVATE KEY-----", b""),
        lambda pem: b"-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----\n",
        lambda pem: b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * 800 + b"\n-----END RSA PRIVATE KEY-----\n",
        lambda pem: pem.replace(b"\n-----END", b"\n" + b"B" * 40_000 + b"\n-----END"),
    ],
    ids=["no end", "no body", "no random body", "end too far"],
)
def test_a_private_key_needs_its_end_and_a_real_body(damage: Any) -> None:
    assert ids(("srv/key.pem", damage(PEM))) == []


def test_short_passwords_show_nothing_but_their_length() -> None:
    rows = detect(("srv/app.py", b"password = 'Zq9!vK2p#'\nother_password = 'Zq9!vK2p#Lm4Xw8Rt5'\n"))
    assert [row["redacted"] for row in rows] == ["… (9)", "Zq… (18)"]


def test_text_in_utf_16_is_read() -> None:
    text = ("# config\r\npassword = 'x'\r\nkey = " + GITHUB.decode() + "\r\n").encode
    for content in (b"\xff\xfe" + text("utf-16-le"), b"\xfe\xff" + text("utf-16-be")):
        assert ids(("srv/a.ps1", content), ("srv/b", AWS)) == [
            ("srv/a.ps1", "github-pat", 3),
            ("srv/b", "aws-access-key-id", 1),
        ]


def test_files_that_are_not_text_are_left_to_rules_for_them() -> None:
    binary = b"\x7fELF\0\0" + b"\n" + GITHUB + b"\n" + made("DATADOG_API_KEY={hex:32}") + b"\n"
    assert [rule for _, rule, _ in ids(("srv/app", binary))] == ["github-pat"]
    assert [rule for _, rule, _ in ids(("srv/app", binary.replace(b"\0", b" ")))] == ["github-pat", "datadog-api-key"]


def test_more_than_a_file_may_have_is_cut_and_noted() -> None:
    some = SecretsDetector(limits=Limits(max_facts_per_file=3))
    lines = b"\n".join(made("ghp_{alnum:36}", n) for n in range(5))
    rows = detect(("srv/a", lines), ("srv/b", AWS), detector=some)
    assert [row["rule_id"] for row in rows if not row["note_code"]] == ["github-pat"] * 3 + ["aws-access-key-id"]
    assert [(row["path"], row["note_code"], row["note_message"]) for row in rows if row["note_code"]] == [
        ("srv/a", "TooManyFacts", "5 secrets found, the first 3 are kept")
    ]


def test_a_file_of_nothing_but_candidates_is_bounded_and_noted() -> None:
    # every few bytes a nomination, none of which is a secret
    content = b"sk_live_xxxxxxxxxxxxxxxxxxxxxxxx " * 30_000
    began = time.process_time()
    rows = detect(("srv/a", content))
    assert time.process_time() - began < 10
    assert [(row["note_code"], row["rule_id"]) for row in rows] == [("TooManyFacts", None)]


def test_one_line_of_ten_megabytes_is_looked_through() -> None:
    line = b"var a={b:1,token:function(){return c}};" * (10 * MIB // 39 - 4)
    middle = len(line) // 2
    began = time.process_time()
    assert [rule for _, rule, _ in ids(("srv/app.js", line[:middle] + b'"' + GITHUB + b'"' + line[middle:]))] == [
        "github-pat"
    ]
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "path",
    [
        "usr/share/doc/python3/examples/key.pem",
        "usr/lib/python3.11/test/certdata/keycert.pem",
        "usr/lib/python3/dist-packages/twisted/test/server.pem",
        "opt/venv/lib/python3.11/site-packages/jwt/tests/keys/key.pem",
        "app/node_modules/https-proxy/test/server.key",
        "app/static/main.js.map",
        "go/pkg/mod/golang.org/x/crypto@v0.1.0/ssh/testdata/keys.go",
    ],
)
def test_documentation_and_tests_of_packages_are_no_news(path: str) -> None:
    assert ids((path, PEM), ("srv/app/tests/server.key", PEM)) == [("srv/app/tests/server.key", "private-key", 1)]


def test_documentation_and_package_databases_are_not_even_read() -> None:
    wanted = DETECTOR.wants.matcher()
    unread = ["usr/share/doc/x/key.pem", "usr/local/share/man/x", "var/lib/dpkg/info/x.md5sums", "lib/apk/db/installed"]
    read = ["var/lib/dpkg/info/x.postinst", "srv/usr/share/doc/key.pem", "usr/share/doc.pem", "usr/share/x/key.pem"]
    assert [path for path in unread + read if wanted(path, 0o644)] == read
    for path in unread:
        assert ids((path, PEM)) == [], "nor would they be reported"


def zipped(content: bytes) -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(), "w") as archive:
        archive.writestr("a", content)
    return out.getvalue()


@pytest.mark.parametrize(
    "start",
    [
        *(compress(bytes(9)) for compress in (zipped, gzip.compress, bz2.compress, lzma.compress, zstandard.compress)),
        b"JM\1\0",
        b"7z\xbc\xaf\x27\x1c",
    ],
    ids=["zip", "gzip", "bzip2", "xz", "zstd", "jmod", "7z"],
)
def test_compressed_files_are_not_looked_into(start: bytes) -> None:
    after = b"\0\n" + GITHUB + b"\n"
    assert ids(("srv/a", start + after), ("srv/b", after)) == [("srv/b", "github-pat", 2)]


def test_generic_rules_keep_out_of_installed_packages() -> None:
    text = b'client_secret = "' + made("{hex:64}") + b'"\n'
    assert ids(("usr/lib/python3/dist-packages/oauth/client.py", text)) == []
    assert ids(("srv/app/client.py", text)) == [("srv/app/client.py", "generic-secret", 1)]


@pytest.mark.parametrize(
    "path", ["var/lib/jenkins/.ssh/id_rsa", "etc/ssl/certs/server.pem", "usr/local/share/app/id_rsa", "home/a.ipynb"]
)
def test_private_keys_are_found_where_packages_and_people_leave_things(path: str) -> None:
    generic = b'client_secret = "' + made("{hex:64}") + b'"\n'
    assert ids((path, generic + PEM), ("usr/lib/app/server.pem", PEM)) == [(path, "private-key", 2)]


def test_files_known_by_their_name_need_no_nomination() -> None:
    key = made("{hex:32}")
    assert ids(("srv/config/master.key", key), ("srv/checksum", key)) == [
        ("srv/config/master.key", "rails-master-key", 1)
    ]
    assert ids(("root/.pgpass", b"db.corp:5432:app:bot:qPx7Rt9sLm\n")) == [("root/.pgpass", "pgpass-password", 1)]


def test_a_name_with_a_line_break_and_names_that_touch_mislead_nobody() -> None:
    key = made("{hex:32}")
    files = [
        ("srv/config", key),
        ("master.key", key),
        ("srv/a\nb/config/master.key", key),
        ("srv/config/master.key", key),
    ]
    rows = DETECTOR.detect(files_batch(files).slice(1)).to_pylist()
    assert [row["path"] for row in rows] == ["srv/a\nb/config/master.key", "srv/config/master.key"]
    assert {row["rule_id"] for row in rows} == {"rails-master-key"}


def test_a_slice_of_a_batch_is_read_as_what_it_is() -> None:
    whole = files_batch([("srv/a", GITHUB), ("srv/b", b""), ("srv/c", b"\n" + AWS), ("srv/d", GITHUB)])
    rows = DETECTOR.detect(whole.slice(1, 2)).to_pylist()
    assert [(row["path"], row["rule_id"], row["line"]) for row in rows] == [("srv/c", "aws-access-key-id", 2)]
    assert DETECTOR.detect(whole.slice(0, 0)).num_rows == 0
    assert DETECTOR.detect(whole.slice(1, 1)).num_rows == 0


def test_pickled_it_is_small_and_holds_neither_database_nor_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANGRID_FINGERPRINT_KEY", "the-key-of-this-site")
    detect(("srv/a", GITHUB))
    frozen = pickle.dumps(DETECTOR)
    assert len(frozen) < 1000
    assert b"the-key-of-this-site" not in frozen
    assert pickle.loads(frozen) == DETECTOR


def test_many_threads_share_one_detector() -> None:
    content = [(f"srv/{n}", b"x" * n + b"\n" + GITHUB) for n in range(40)]
    expected = ids(*content)
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(ids(*content))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8


def test_it_passes_the_exam() -> None:
    accept_detector(
        DETECTOR,
        {
            "srv/a.env": b"# settings\nAWS_ACCESS_KEY_ID=" + AWS + b"\nDB_PASSWORD=Zq9!vK2p#Lm\n",
            "srv/key.pem": PEM,
            "srv/plain.txt": b"nothing to see\n" * 50,
            "srv/app.py": b'url = "postgres://app:Zr9xKw' + b'7Lp@db.internal/app"\ntoken = "' + GITHUB + b'"\n',
            "srv/utf16.ps1": b"\xff\xfe" + GITHUB.decode().encode("utf-16-le"),
        },
    )


SNIPPETS = st.sampled_from(
    [
        GITHUB,
        AWS,
        PEM,
        PEM[:900],
        PEM[900:],
        b"password = 'Zq9!vK2p#Lm'\n",
        b"password = '",
        b"https://bot:Zr9xKw7Lp@git.example.org\n",
        b"\n",
        b" ",
        b"\0",
        b"\xff\xfe",
        b"A" * 40,
        b"-----END RSA PRIVATE KEY-----\n",
        made("DATADOG_API_KEY={hex:32}\n"),
    ]
)
CONTENT = st.one_of(st.binary(max_size=300), st.lists(SNIPPETS, max_size=6).map(b"".join))


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CONTENT, min_size=1, max_size=6))
def test_a_batch_gives_what_its_files_give_alone(contents: list[bytes]) -> None:
    files = [(f"srv/{n}.env", content) for n, content in enumerate(contents)]
    together = detect(*files)
    assert together == [row for file in files for row in detect(file)]
    for row in together:
        if row["note_code"] is None:
            content = contents[int(row["path"][4:-4])]
            assert 1 <= row["line"] <= row["end_line"] <= content.count(b"\n") + 1 or content[:2] in (
                b"\xff\xfe",
                b"\xfe\xff",
            )


def test_a_large_binary_column_is_read_too() -> None:
    batch = files_batch([("srv/a", GITHUB), ("srv/b", AWS)])
    wide = pa.record_batch(
        {
            **{n: batch.column(n) for n in ("path", "size", "mode")},
            "content": batch.column("content").cast("large_binary"),
        }
    )
    assert [row["rule_id"] for row in DETECTOR.detect(wide).to_pylist()] == ["github-pat", "aws-access-key-id"]


def test_the_name_of_no_site_folder_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCANGRID_FINGERPRINT_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))  # nothing is written where nothing is found
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert detect(("srv/a", b"nothing")) == []
    assert not (tmp_path / "config").exists()

"""Bringing files: conditional, resumed, retried, bounded, atomic."""

from __future__ import annotations

import base64
import hashlib
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from grid.errors import FeedInvalid, FeedUnavailable, UsageError
from vulndb.feed import Absent, FileState, Source, Unchanged
from vulndb.fetch import LONGEST_WAIT, HttpTransport, public, retry_after

NAME = "example.test/data/file.json"
URL = f"https://{NAME}"
CONTENT = bytes(range(256)) * 4000


class Waits(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def get(server: Any, target: Path, known: FileState | None = None, check: Any = lambda path: None, *,
        waits: Waits | None = None, **source: Any) -> FileState:  # fmt: skip
    with HttpTransport(server.url, sleep=waits if waits is not None else Waits(), attempts=3) as transport:
        return transport.get(Source(URL, **source), target, known, lambda done, total: None, check)


def test_a_file_comes_whole_with_its_checksum(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    state = get(feed_server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert (state.bytes, state.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_an_unchanged_file_costs_one_request(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    state = get(feed_server, tmp_path / "f")
    feed_server.counted()
    with pytest.raises(Unchanged):
        get(feed_server, tmp_path / "f", state)
    assert feed_server.counted() == {NAME: 1}
    feed_server.files[NAME] = b"new"
    get(feed_server, tmp_path / "f", state)
    assert (tmp_path / "f").read_bytes() == b"new"


def test_validators_of_one_place_are_not_shown_to_another(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    state = get(feed_server, tmp_path / "f")
    foreign = FileState(state.url, state.bytes, state.sha256, state.etag, "", "https://elsewhere.test/f")
    get(feed_server, tmp_path / "f", foreign)
    assert "if-none-match" not in feed_server.requests[-1][1]


def test_a_broken_download_goes_on_where_it_stopped(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    etag = f'"{hashlib.sha256(CONTENT).hexdigest()[:16]}"'
    feed_server.faults[NAME] = [lambda h, body: h.answer(200, body, cut=300_000, ETag=etag) or True]
    get(feed_server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    start = int(feed_server.requests[-1][1]["range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 300_000 and len(feed_server.requests) == 2


def test_a_download_that_a_kill_cut_short_goes_on_in_the_next_process(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    (tmp_path / "f.part").write_bytes(CONTENT[:1000])
    (tmp_path / "f.part.etag").write_text(f'"{hashlib.sha256(CONTENT).hexdigest()[:16]}"')
    get(feed_server, tmp_path / "f")
    assert feed_server.requests[0][1]["range"] == "bytes=1000-"
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_starts_again(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    for etag in ('"old"', ""):
        (tmp_path / "f.part").write_bytes(b"old" * 10)
        (tmp_path / "f.part.etag").write_text(etag)
        get(feed_server, tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again_when_it_says(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    waits = Waits()
    feed_server.faults[NAME] = [
        lambda h, body: h.answer(429, b"", Retry_After="7") or True,
        lambda h, body: h.answer(503, b"", Retry_After="1e9") or True,
    ]
    get(feed_server, tmp_path / "f", waits=waits)
    assert waits == [7.0, LONGEST_WAIT]


def test_a_server_that_stays_down_is_unavailable_and_the_old_file_stays(feed_server: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    feed_server.faults[NAME] = [lambda h, body: h.answer(500, b"") or True] * 9
    with pytest.raises(FeedUnavailable, match="HTTP 500"):
        get(feed_server, tmp_path / "f")
    assert len(feed_server.requests) == 3
    assert (tmp_path / "f").read_bytes() == b"old"


def test_nobody_listening_is_unavailable(tmp_path: Path) -> None:
    with HttpTransport("http://127.0.0.1:9", sleep=Waits(), attempts=2) as transport, pytest.raises(FeedUnavailable):
        transport.get(Source(URL), tmp_path / "f", None, lambda done, total: None, lambda path: None)


def test_a_host_that_cannot_be_reached_is_not_waited_for_again(tmp_path: Path) -> None:
    waits = Waits()
    with HttpTransport(sleep=waits, attempts=3) as transport:
        for name in ("a", "b", "c"):
            with pytest.raises(FeedUnavailable, match=f"/{name}: "):
                transport.get(
                    Source(f"http://127.0.0.1:9/{name}"), tmp_path / name, None, lambda *_: None, lambda _: None
                )
    assert len(waits) == 2  # those of the first


def test_without_a_network_not_every_host_is_waited_for(feed_server: Any, tmp_path: Path) -> None:
    def ask(transport: HttpTransport, *hosts: str) -> None:
        for host in hosts:
            with pytest.raises(FeedUnavailable):
                transport.get(Source(f"http://{host}/f"), tmp_path / "f", None, lambda *_: None, lambda _: None)

    waits = Waits()
    with HttpTransport(sleep=waits, attempts=2) as transport:
        ask(transport, *(f"127.0.0.{n}:9" for n in range(1, 9)))
    assert len(waits) == 3
    feed_server.files["f"] = b"{}"
    waits.clear()
    with HttpTransport(sleep=waits, attempts=2) as transport:  # one that answers shows that there is a network
        transport.get(Source(f"{feed_server.url}/f"), tmp_path / "f", None, lambda *_: None, lambda _: None)
        ask(transport, *(f"127.0.0.{n}:9" for n in range(1, 9)))
    assert len(waits) == 8


def test_what_is_not_there_is_absent(feed_server: Any, tmp_path: Path) -> None:
    with pytest.raises(Absent):
        get(feed_server, tmp_path / "f")


@pytest.mark.parametrize("declared", [True, False])
def test_too_many_bytes_are_refused(feed_server: Any, tmp_path: Path, declared: bool) -> None:
    feed_server.files[NAME] = CONTENT

    def endless(handler: Any, body: bytes) -> bool:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True
        return True

    feed_server.faults[NAME] = [] if declared else [endless]
    with pytest.raises(FeedInvalid, match="bytes"):
        get(feed_server, tmp_path / "f", max_bytes=1000)
    assert not (tmp_path / "f").exists() and not (tmp_path / "f.part").exists()


def test_what_fails_its_check_never_replaces_the_good_file(feed_server: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"good")
    feed_server.files[NAME] = b"<html>maintenance</html>"

    def check(path: Path) -> None:
        raise FeedInvalid("not JSON")

    with pytest.raises(FeedInvalid, match="not JSON"):
        get(feed_server, tmp_path / "f", check=check)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir() if p.suffix != ".etag"] == [("f", b"good")]


def test_a_checksum_that_the_server_gives_is_held(feed_server: Any, tmp_path: Path) -> None:
    feed_server.files[NAME] = CONTENT
    right = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    wrong = base64.b64encode(hashlib.md5(b"").digest()).decode()
    feed_server.faults[NAME] = [
        lambda h, body: h.answer(200, body, x_goog_hash=f"crc32c=AAAAAA==,md5={wrong}") or True,
        lambda h, body: h.answer(200, body, x_goog_hash=f"crc32c=AAAAAA==, md5={right}") or True,
    ]
    get(feed_server, tmp_path / "f")
    assert len(feed_server.requests) == 2


def test_a_folder_is_a_mirror(tmp_path: Path) -> None:
    place = tmp_path / "mirror" / NAME
    place.parent.mkdir(parents=True)
    place.write_bytes(b"1")
    with HttpTransport(str(tmp_path / "mirror")) as transport:

        def fetch(known: FileState | None, url: str = URL) -> FileState:
            return transport.get(Source(url), tmp_path / "f", known, lambda done, total: None, lambda path: None)

        state = fetch(None)
        with pytest.raises(Unchanged):
            fetch(state)
        place.write_bytes(b"22")
        assert fetch(state).bytes == 2
        with pytest.raises(Absent):
            fetch(None, "https://example.test/other")
        with pytest.raises(FeedInvalid):
            fetch(None, "https://example.test/../../etc/passwd")
    with pytest.raises(UsageError, match="neither"):
        HttpTransport(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, None), ("", None), ("5", 5.0), ("0.000035852", 0.000035852), ("-3", 0.0), ("99999", LONGEST_WAIT),
     ("nan", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after_is_clamped(header: str | None, expected: float | None) -> None:
    assert retry_after(header) == expected


def test_retry_after_may_be_a_date() -> None:
    assert 20 < (retry_after(formatdate(time.time() + 30, usegmt=True)) or 0) <= 30


def test_a_url_is_shown_without_credentials() -> None:
    assert public("https://user:secret@host:8443/a?token=x#y") == "https://host:8443/a"

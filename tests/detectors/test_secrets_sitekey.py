"""The site's key: one per site, made once, never shown."""

from __future__ import annotations

import hashlib
import hmac
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from grid.detectors.secrets import sitekey as module
from grid.detectors.secrets.sitekey import VARIABLE, fingerprint
from grid.errors import UsageError


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of our own and no key yet: where the key file will be."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(module, "user_config_path", lambda name: tmp_path / name)
    module._site_key.cache_clear()
    return tmp_path / "scangrid" / "fingerprint.key"


def test_it_is_a_keyed_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "k1")
    one = fingerprint(b"value")
    assert one == hmac.new(b"k1", b"value", hashlib.sha256).hexdigest()
    monkeypatch.setenv(VARIABLE, "k2")
    assert fingerprint(b"value") != one


def test_the_key_is_made_once_and_is_the_owners_alone(site: Path) -> None:
    first = fingerprint(b"value")
    assert stat.S_IMODE(site.stat().st_mode) == 0o600
    assert len(site.read_text().strip()) == 64
    module._site_key.cache_clear()
    assert fingerprint(b"value") == first
    assert [entry.name for entry in site.parent.iterdir()] == [site.name]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from grid.detectors.secrets.sitekey import _key_file; "
        "print(_key_file(Path(sys.argv[1])).decode())"
    )
    path = tmp_path / "new" / "fingerprint.key"
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    keys = {process.communicate(timeout=60)[0].strip() for process in started}
    assert keys == {path.read_text().strip()}


def test_a_place_that_cannot_be_written_says_what_to_do(site: Path) -> None:
    site.parent.parent.mkdir(exist_ok=True)
    site.parent.write_text("a file where the folder should be")
    with pytest.raises(UsageError) as refused:
        fingerprint(b"value")
    assert VARIABLE in refused.value.remedy


def test_an_empty_key_file_is_refused(site: Path) -> None:
    site.parent.mkdir()
    site.write_text("\n")
    with pytest.raises(UsageError, match="empty"):
        fingerprint(b"value")

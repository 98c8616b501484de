"""The rule files: each rule finds its examples only, a broken one is named, the compiled database is kept."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st

from grid.detectors.secrets import DETECTOR, SecretsDetector
from grid.detectors.secrets.nominate import Nominator, Nominators
from grid.detectors.secrets.rules import Rule, builtin_sources, expand, load_rules
from grid.errors import RuleInvalid
from grid.testing import files_batch

RULES = DETECTOR.rules.rules
PLACES = (
    "srv/settings.env",
    "srv/code.py",
    "etc/shadow",
    "root/.pypirc",
    "root/.pgpass",
    "root/.my.cnf",
    "root/.git-credentials",
    "root/.npmrc",
    "srv/config/master.key",
    "root/.m2/settings.xml",
    "opt/tomcat/tomcat-users.xml",
)

GOOD = """
rules:
  - id: acme-token
    title: Acme token
    value: 'acme_[a-z0-9]{20}'
    examples: ['acme_{lowernum:20}']
"""


@pytest.fixture(autouse=True)
def site_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANGRID_FINGERPRINT_KEY", "a key for tests")


def place(rule: Rule) -> str:
    return next(path for path in PLACES if rule.paths is None or rule.paths.search(path))


def found(path: str, text: str) -> set[str]:
    return {row["rule_id"] for row in DETECTOR.detect(files_batch([(path, text.encode())])).to_pylist()}


def test_there_are_enough_rules_and_every_one_has_a_place() -> None:
    assert len(RULES) >= 300
    assert all(place(rule) for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule(rule: Rule) -> None:
    path = place(rule)
    filler = "nothing to see here, move on\n" * 200
    for seed, example in enumerate(rule.spec.examples):
        text = expand(example, random.Random(seed))
        assert rule.id in found(path, text), f"not found: {example}"
        assert rule.id in found(path, f"{text}\n{filler}"), f"not found before other text: {example}"
        if not rule.spec.by_path:
            assert rule.id in found(path, f"{filler}{text}"), f"not found after other text: {example}"
    for seed, example in enumerate(rule.spec.counter):
        assert rule.id not in found(path, expand(example, random.Random(seed))), f"found: {example}"


def test_examples_of_all_rules_together_are_all_found() -> None:
    for path in PLACES[:2]:
        rules = [
            rule for rule in RULES if rule.paths is None and not rule.spec.by_path and rule.spec.kind == "provider"
        ]
        text = "\n".join(expand(rule.spec.examples[0], random.Random(rule.id)) for rule in rules)
        missing = {rule.id for rule in rules} - found(path, text)
        assert missing <= {rule.id for rule in rules if "token" in rule.id or "key" in rule.id}
        assert len(missing) <= 3, missing  # two rules may be after the same text


def test_no_rule_file_holds_what_looks_like_a_live_token() -> None:
    tokens = {rule.id for rule in RULES if rule.spec.value and not rule.spec.names}
    for name, text in builtin_sources():
        holed = re.sub(rb"\{\w+(?::\d+)?\}", b"", text)
        rows = SecretsDetector().detect(files_batch([(f"srv/{name}.txt", holed)])).to_pylist()
        certain = {(row["rule_id"], row["line"]) for row in rows if row["rule_id"] in tokens}
        assert not certain, name


def test_hostile_input_takes_no_longer_than_much_input() -> None:
    """Beginnings of every rule's example over and over: what back-tracking would choke on."""
    slowest = (0.0, "")
    for rule in RULES:
        example = expand(rule.spec.examples[0], random.Random(1))
        part = example[: max(1, len(example) * 2 // 3)]
        text = (part * (20_000 // len(part) + 1)).encode()
        batch = files_batch([(place(rule), text), ("srv/x.env", text.replace(b"\n", b" "))])
        began = time.process_time()
        DETECTOR.detect(batch)
        slowest = max(slowest, (time.process_time() - began, rule.id))
    assert slowest[0] < 1.5, slowest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("id: acme-token", "id: Acme Token"),
        ("title: Acme token", "tittle: Acme token"),
        ("value: 'acme_[a-z0-9]{20}'", "value: 'acme_[a-z0-9{20}'"),
        ("value: 'acme_[a-z0-9]{20}'", "names: [acme]"),
        ("value: 'acme_[a-z0-9]{20}'", "pattern: 'acme_[a-z0-9]{20}'"),
        ("value: 'acme_[a-z0-9]{20}'", "value: 'acme_[a-z0-9]{20}'\n    nominate: '^acme_'"),
        ("value: 'acme_[a-z0-9]{20}'", r"value: '\bacme_[a-z0-9]{20}'"),
        ("value: 'acme_[a-z0-9]{20}'", "value: 'acme_[a-z0-9]{20}'\n    check: vibes"),
        ("value: 'acme_[a-z0-9]{20}'", "value: 'acme_[a-z0-9]{20}'\n    by_path: true"),
        ("value: 'acme_[a-z0-9]{20}'", "value: 'acme_[a-z0-9]{20}'\n    severity: terrible"),
        ("    examples: ['acme_{lowernum:20}']", ""),
        (GOOD, "rules: [1"),
        (GOOD, "rules: 7"),
    ],
)
def test_a_broken_rule_is_refused_by_name(change: str, says: str) -> None:
    text = GOOD.replace(change, says)
    assert text != GOOD
    with pytest.raises(RuleInvalid, match=r"acme\.yaml: ") as refused:
        load_rules((("acme.yaml", text.encode()),))
    if "id: acme-token" in text and "rules" in text:
        assert "rule acme-token" in str(refused.value)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(RuleInvalid, match=r"b\.yaml: rule acme-token: already defined in a\.yaml"):
        load_rules((("a.yaml", GOOD.encode()), ("b.yaml", GOOD.encode())))


def test_what_hyperscan_cannot_compile_is_named(tmp_path: Path) -> None:
    text = GOOD.replace("examples:", "nominate: 'a{70000}'\n    examples:")
    other = GOOD.replace("acme", "fine")
    rules = load_rules((("a.yaml", other.encode()), ("b.yaml", text.encode()))).rules
    with pytest.raises(RuleInvalid, match=r"b\.yaml: rule acme-token: nominate: "):
        Nominator(rules, tmp_path)


def test_a_path_that_hyperscan_cannot_compile_is_named() -> None:
    by_path = GOOD.replace("examples:", "by_path: true\n    paths: ['{}$']\n    examples:")
    batch = files_batch([("srv/acme.txt", expand("acme_{lowernum:20}", random.Random(3)).encode())])

    def found(path: str) -> list[str]:
        rules = (("acme.yaml", by_path.replace("{}", path).encode()),)
        return [row["path"] for row in SecretsDetector(extra=rules, builtin=False).detect(batch).to_pylist()]

    assert found(r"(?:^|/)acme\.txt") == ["srv/acme.txt"]
    with pytest.raises(RuleInvalid, match=r"acme\.yaml: rule acme-token: paths: "):
        found("(?<!a)cme.txt")


@pytest.mark.parametrize("path", [r"(?:^|/)a[^/]{0,4}b$", ".*", "^a", "a$", "é/", "^"])
def test_every_file_that_a_rule_names_by_its_path_is_looked_at(path: str) -> None:
    text = GOOD.replace("examples:", f"by_path: true\n    paths: ['{path}']\n    examples:")
    nominators = Nominators(load_rules((("acme.yaml", text.encode()),)))

    @given(st.lists(st.text(st.sampled_from("/ab.é\nx"), min_size=1, max_size=9), min_size=1, max_size=6))
    @also(["z/a" + "é" * 4 + "b", "a", "b", "\n/b"])
    def check(paths: list[str]) -> None:
        named = {row for row, name in enumerate(paths) if re.search(path, name)}
        assert named <= set(nominators.scan_paths(pa.array(paths, pa.string()))) <= set(range(len(paths)))

    check()


def test_without_hyperscan_the_import_says_so() -> None:
    script = (
        "import sys; sys.modules['hyperscan'] = None\n"
        "from grid.errors import GridError\n"
        "try:\n    import grid.detectors.secrets\nexcept GridError as error:\n    print(error.code, error.remedy)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("DetectorUnavailable install it")


def test_rules_of_the_user_work_beside_and_without_ours() -> None:
    mine = SecretsDetector(extra=(("acme.yaml", GOOD.encode()),))
    alone = SecretsDetector(extra=(("acme.yaml", GOOD.encode()),), builtin=False)
    text = expand("acme_{lowernum:20} and ghp_{alnum:36}", random.Random(3)).encode()
    batch = files_batch([("srv/a", text)])
    assert [row["rule_id"] for row in mine.detect(batch).to_pylist()] == ["acme-token", "github-pat"]
    assert [row["rule_id"] for row in alone.detect(batch).to_pylist()] == ["acme-token"]
    assert [row["rule_id"] for row in DETECTOR.detect(batch).to_pylist()] == ["github-pat"]
    assert len({DETECTOR.version, mine.version, alone.version}) == 3


def test_the_version_follows_every_byte_of_the_rules() -> None:
    one = SecretsDetector(extra=(("acme.yaml", GOOD.encode()),))
    other = SecretsDetector(extra=(("acme.yaml", GOOD.encode() + b"# a remark\n"),))
    assert one.version != other.version
    assert one.version == SecretsDetector(extra=(("acme.yaml", GOOD.encode()),)).version


class TestCache:
    def rules(self) -> tuple[Rule, ...]:
        return load_rules((("acme.yaml", GOOD.encode()),)).rules

    def hits(self, nominator: Nominator) -> list[int]:
        _, ends = nominator.scan(memoryview(b"x acme_" + b"a1" * 10 + b" y"))
        return [int(end) for end in ends]

    def test_the_second_process_reads_what_the_first_compiled(self, tmp_path: Path) -> None:
        first, second = (Nominator(self.rules(), tmp_path) for _ in range(2))
        assert (first.from_cache, second.from_cache) == (False, True)
        assert self.hits(first) == self.hits(second) == [27]

    @pytest.mark.parametrize(
        "damage", [lambda b: b[:-7], lambda b: b[:60], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])]
    )
    def test_a_damaged_file_is_compiled_anew(self, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
        Nominator(self.rules(), tmp_path)
        (file,) = tmp_path.iterdir()
        file.write_bytes(damage(file.read_bytes()))
        again = Nominator(self.rules(), tmp_path)
        assert not again.from_cache
        assert self.hits(again) == [27]
        assert Nominator(self.rules(), tmp_path).from_cache

    def test_a_folder_that_cannot_be_written_is_no_error(self, tmp_path: Path) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        assert self.hits(Nominator(self.rules(), blocked / "cache")) == [27]

    def test_other_rules_have_another_file(self, tmp_path: Path) -> None:
        Nominator(self.rules(), tmp_path)
        other = load_rules((("acme.yaml", GOOD.replace("{20}", "{21}").encode()),)).rules
        assert not Nominator(other, tmp_path).from_cache
        assert len(list(tmp_path.iterdir())) == 2

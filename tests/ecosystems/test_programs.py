"""Unmanaged programs: the rules, and what is made of the files they name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from grid.ecosystems import _programs, generic
from grid.ecosystems._programs import programs
from grid.ecosystems.generic import ECOSYSTEM
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem
from grid.testing.binaries import elf, go_info

ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 57
RULES = {program.id: program for program in programs().programs}


def packages(path: str, body: bytes) -> list[tuple[str, str]]:
    found = list(ECOSYSTEM.read(path, body, Limits()))
    assert not [fact for fact in found if isinstance(fact, Note)]
    return [(p.name, p.version) for p in found if isinstance(p, Package)]


@pytest.fixture(params=["hyperscan", "re"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Hyperscan, and on a platform without it."""
    if request.param == "re":
        monkeypatch.setattr(_programs, "_database", lambda numbers: None)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_its_examples_and_nothing_else(rule: str) -> None:
    program = RULES[rule]
    assert program.samples(), "a rule has examples"
    for content, version in program.samples():
        assert (program.name, version) in packages(f"usr/local/bin/{program.file_name(version)}", content), content
    for text in program.counter:
        found = packages(f"usr/local/bin/{program.file_name('3.11.2')}", program.sample(text))
        assert program.name not in [name for name, _ in found], text


def test_the_rules_are_many_and_well_formed() -> None:
    assert len(RULES) == len(programs().programs), "an id stands twice"
    assert len({program.name for program in RULES.values()}) >= 120
    for program in RULES.values():
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", program.id)
        assert program.names and (program.patterns or program.go)
        for pattern in program.patterns:
            plain = re.sub(r"\\.|\[[^\]]*\]", "x", pattern)
            assert not re.search(r"[*+]|\{\d*,\}|\(\?[=!<][=!]?|\$", plain.replace("(?P<", "(")), pattern
        for cpe in program.cpe:
            assert re.fullmatch(r"(?:o:)?(?:[a-z0-9._-]|\\[/+!])+:(?:[a-z0-9._-]|\\[/+!])+", cpe)


def test_the_name_of_a_file_decides_which_rules_look() -> None:
    body = RULES["python"].sample(r"\x003.11.2\0")
    assert packages("usr/local/bin/python3.11", body) == [("python", "3.11.2")]
    assert packages("usr/local/lib/libpython3.11.so.1.0", body) == [("python", "3.11.2")]
    assert packages("usr/local/bin/python3.12", body) == [], "the file says that it is another version"
    assert packages("usr/local/bin/pythonic", body) == []
    assert packages("usr/local/bin/python3.11-config", b"#!/bin/sh\n\x003.11.2\0") == []


def test_libraries_that_distributions_install_without_an_execute_bit_are_read() -> None:
    wanted = ECOSYSTEM.wants.matcher()
    assert wanted("usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", 0o644)
    assert wanted("usr/lib/x86_64-linux-gnu/libpypy3.9-c.so", 0o644)
    assert wanted("usr/lib/apache2/modules/libphp8.4.so", 0o644)
    assert not wanted("usr/lib/x86_64-linux-gnu/libc.so.6", 0o644)


def test_a_kernel_is_read_without_an_execute_bit_and_is_no_application() -> None:
    for name in ("boot/vmlinuz-6.1.0-50-cloud-amd64", "usr/lib/modules/6.1.0/vmlinuz"):
        assert ECOSYSTEM.wants.matcher()(name, 0o644)
        (kernel,) = ECOSYSTEM.read(name, RULES["linux-kernel"].samples()[0][0], Limits())
        assert isinstance(kernel, Package)
        assert (kernel.version, kernel.cpes) == ("6.1.176", ("cpe:2.3:o:linux:linux_kernel:6.1.176:*:*:*:*:*:*:*",))


def test_a_package_has_a_purl_and_cpe_names() -> None:
    found = list(ECOSYSTEM.read("opt/bin/beam.smp", RULES["erlang"].samples()[0][0], Limits()))
    assert found == [
        Package(
            "erlang",
            "25.2.3",
            purl="pkg:generic/erlang@25.2.3",
            cpes=(r"cpe:2.3:a:erlang:erlang\/otp:25.2.3:*:*:*:*:*:*:*",),
        )
    ]


def test_what_only_starts_a_library_is_not_the_program() -> None:
    starter = ELF + b"\0libpython3.11.so.1.0\0/src/Python-3.11.7\0./Programs\0"
    assert packages("usr/local/bin/python3.11", starter) == []
    assert packages("usr/local/lib/libpython3.11.so.1.0", starter) == [("python", "3.11.7")]


def test_a_relative_is_not_taken_for_the_program() -> None:
    valkey = rb"\0valkey9.0.0buildkitsandbox-1764887574000000000" + b"\0"
    assert packages("usr/bin/redis-server", ELF + valkey) == [("valkey", "9.0.0")]
    mariadb = b"\x0010.11.19-MariaDB\0/mysql-8.0.36-linux/x\0"
    assert packages("usr/sbin/mysqld", ELF + mariadb) == [("mariadb", "10.11.19")]
    built = b"\0/build/mysql-8.0.35/sql/mysqld.cc\0\x008.0.35-27\0"
    percona = built + b"Percona Server (GPL), Release 27, Revision 2f8eeab\0"
    assert packages("usr/sbin/mysqld", ELF + percona) == [("percona-server", "8.0.35-27")]
    cluster = built + b"Percona XtraDB Cluster (GPL), Release rel27, Revision d2d9b6e\0"
    assert packages("usr/sbin/mysqld", ELF + cluster) == [], "neither is Percona's cluster"
    assert packages("usr/sbin/mysqld", ELF + built) == [("mysql", "8.0.35")]


def test_of_a_go_program_the_reader_of_go_modules_speaks() -> None:
    with_info = elf({".go.buildinfo": go_info(), ".rodata": b"\0v1.2.3\0"})
    assert packages("usr/bin/helm", with_info) == []
    assert packages("usr/bin/helm", ELF + b"\0v1.2.3\0") == [("helm", "1.2.3")]


def test_canonical_names_are_those_of_bitnami() -> None:
    assert ECOSYSTEM.canonical("httpd") == "apache"
    assert ECOSYSTEM.canonical("go") == "golang"
    assert ECOSYSTEM.canonical("openjdk") == "java"
    assert ECOSYSTEM.canonical("busybox") == "busybox"


def test_it_passes_the_exam() -> None:
    records = {
        f"usr/local/bin/{RULES[rule].file_name(version)}": content
        for rule in ("python", "node", "httpd", "openjdk-8", "elixir", "composer")
        for content, version in RULES[rule].samples()[:1]
    }
    accept_ecosystem(ECOSYSTEM, records, orders=["8.0.352 < 8.0.401", "15.2 < 15.20", "3.13.0rc1 < 3.13.0"])


def test_a_file_made_of_versions_costs_little_and_is_noted() -> None:
    found = list(ECOSYSTEM.read("bin/helm", ELF + b"\x001.2.3" * 100_000, Limits()))
    assert [type(fact) for fact in found] == [Package, Note]


@settings(max_examples=60)
@given(st.sampled_from(sorted(RULES)), st.binary(max_size=400), st.integers(0, 40), st.booleans())
def test_no_content_makes_it_fail(rule: str, noise: bytes, cut: int, magic: bool) -> None:
    program = RULES[rule]
    whole, version = program.samples()[0]
    body = (ELF if magic else b"") + noise + whole[len(ELF) :][: -cut or None] + noise
    name = program.file_name(version)
    for fact in generic.read(f"x/{name}", body, Limits()):
        assert isinstance(fact, Package)
        assert PackageURL.from_string(fact.purl).version == fact.version


def test_without_hyperscan_programs_are_found_all_the_same() -> None:
    script = (
        "import sys; sys.modules['hyperscan'] = None\n"
        "from grid.ecosystems.generic import ECOSYSTEM; from grid.model import Limits\n"
        "print([p.version for p in ECOSYSTEM.read('bin/bash', sys.stdin.buffer.read(), Limits())])\n"
    )
    body, version = RULES["bash"].samples()[0]
    done = subprocess.run([sys.executable, "-c", script], input=body, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().strip() == f"['{version}']"


@pytest.mark.data
def test_the_official_images_of_busybox_tell_their_version(shared_images: Path) -> None:
    for libc in ("glibc", "musl", "uclibc"):
        with tarfile.open(shared_images / f"busybox-latest-{libc}-amd64.oci.tar") as image:
            largest = max(image.getmembers(), key=lambda member: member.size)
            layer = image.extractfile(largest)
            assert layer is not None
            with tarfile.open(fileobj=layer) as files:
                found = [
                    (member.name, package.name)
                    for member in files
                    if member.isfile() and (content := files.extractfile(member)) is not None
                    for package in ECOSYSTEM.read(member.name, content.read(), Limits())
                    if isinstance(package, Package)
                ]
        assert found == [("bin/[", "busybox")], libc


INSTALLED = {
    "bash": ["bash", "--version"],
    "perl": ["perl", "-e", "printf 'version %vd', $^V"],
    "git": ["git", "--version"],
    "openssl": ["openssl", "version"],
    "tar": ["tar", "--version"],
    "gzip": ["gzip", "--version"],
    "xz": ["xz", "--version"],
    "zstd": ["zstd", "--version"],
    "curl": ["curl", "--version"],
    "node": ["node", "--version"],
    "ssh": ["ssh", "-V"],
    "wget": ["wget", "--version"],
    "nginx": ["nginx", "-v"],
    "jq": ["jq", "--version"],
    "ffmpeg": ["ffmpeg", "-version"],
    "ruby": ["ruby", "--version"],
    "java": ["java", "-version"],
    "rsync": ["rsync", "--version"],
    "cmake": ["cmake", "--version"],
}


@pytest.mark.parametrize("program", INSTALLED)
def test_what_is_installed_here_has_the_version_that_it_says_itself(program: str) -> None:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    body = Path(path).resolve().read_bytes()
    found = packages(f"usr/bin/{program}", body)
    if not body.startswith(b"\x7fELF") or (not found and len(body) < 100_000):
        pytest.skip(f"{program} is a script, or starts what stands in a library")
    said = subprocess.run(INSTALLED[program], capture_output=True, text=True, timeout=20)
    assert [version for _, version in found if version in said.stdout + said.stderr], (found, said.stdout[:200])


def test_the_python_that_runs_this_is_found() -> None:
    program = Path(sys.executable).resolve()
    libraries = list((program.parent.parent / "lib").glob("libpython3.*.so.1.0"))
    version = ".".join(map(str, sys.version_info[:3]))
    found = [packages(f"usr/lib/{file.name}", file.read_bytes()) for file in (program, *libraries)]
    assert [("python", version)] in found or sys.version_info.releaselevel != "final"

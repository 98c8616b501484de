"""Advisories as their publishers serve them: a mirror from which ``db update`` reads what a table of facts says."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

import zstandard

from vulndb.feeds import amazon, azure, debian, echo, nvd, oracle, osv, photon, redhat, suse


@dataclass(frozen=True)
class Fact:
    """A row of ``advisories.csv``."""

    namespace: str
    package: str
    id: str
    range: str
    """``""`` is every version, ``X`` below X, ``A..X`` from A on, ``..=X`` up to X; several with blanks between."""
    severity: str
    """The publisher's word, or Photon's score."""
    state: str
    """The publisher's word for why there is no fix."""
    erratum: str

    @property
    def base(self) -> str:
        return self.namespace.partition(":")[0]

    @property
    def release(self) -> str:
        return self.namespace.partition(":")[2]

    def events(self) -> list[dict[str, str]]:
        """OSV's."""
        events = []
        for part in self.range.split() or [""]:
            introduced, _, end = part.partition("..") if ".." in part else ("", "", part)
            events.append({"introduced": introduced or "0"})
            if end:
                events.append({"last_affected": end[1:]} if end.startswith("=") else {"fixed": end})
        return events


Files = dict[str, bytes]
"""URL → content."""


def mirror(folder: Path, facts: Sequence[Fact], vectors: Mapping[str, str]) -> Path:
    """``https://host/path`` stands at ``host/path``; ``vectors`` are the NVD's."""
    by_base: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_base[fact.base].append(fact)
    files: Files = _nvd(vectors)
    for base, told in by_base.items():
        files |= _WRITERS.get(base, _osv)(told)
    for url, content in files.items():
        path = folder / unquote(url.removeprefix("https://"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _by_release(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.release].append(fact)
    return found


def _nvd(vectors: Mapping[str, str]) -> Files:
    by_year: dict[int, list[object]] = defaultdict(list)
    for name, vector in vectors.items():
        kind = f"cvssMetricV{vector[5]}{vector[7]}"
        metric = {"source": "nvd@nist.gov", "type": "Primary", "cvssData": {"vectorString": vector}}
        by_year[int(name.split("-")[1])].append({"cve": {"id": name, "metrics": {kind: [metric]}}})
    return {nvd.url(year): gzip.compress(_json({"vulnerabilities": told})) for year, told in by_year.items()}


# --- OSV -----------------------------------------------------------------------------------------


def _osv(facts: Sequence[Fact]) -> Files:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        for fact in facts:
            record = _record(fact)
            zipped.writestr(f"{record['id']}.json", _json(record))
    return {osv.url(facts[0].base): content.getvalue()}


def _record(fact: Fact) -> dict[str, Any]:
    affected: dict[str, Any] = {"package": {"ecosystem": fact.namespace, "name": fact.package},
                "ranges": [{"type": "ECOSYSTEM", "events": fact.events()}]}  # fmt: skip
    record: dict[str, Any] = {"id": fact.erratum or fact.id, "affected": [affected], "summary": "made"}
    if fact.base == "Ubuntu":
        rated = [{"type": "Ubuntu", "score": fact.severity}]
        return record | {"id": f"UBUNTU-{fact.id}", "upstream": [fact.id], "severity": rated}
    if fact.base in ("AlmaLinux", "Rocky Linux"):
        prefix = "ALSA" if fact.base == "AlmaLinux" else "RLSA"
        return record | {"id": f"{prefix}-{fact.id}", "related": [fact.id],
                         "summary": f"{fact.severity}: {fact.package} security update"}  # fmt: skip
    if fact.erratum.startswith("CGA-"):
        affected["ecosystem_specific"] = {"components": [{"latest_event_status": fact.state}]}
    if fact.erratum.startswith(("CGA-", "DSA-")):
        return record | {"upstream": [fact.id]}
    if fact.severity:
        record["database_specific"] = {"severity": fact.severity}
    return record | ({"aliases": [fact.id]} if fact.erratum not in ("", fact.id) else {})


# --- distributions -------------------------------------------------------------------------------


def _alpine(facts: Sequence[Fact]) -> Files:
    files = {}
    for release, told in _by_release(facts).items():
        packages: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for fact in told:
            packages[fact.package][fact.range].append(fact.id)
        listed = [{"pkg": {"name": name, "secfixes": fixes}} for name, fixes in packages.items()]
        files[f"https://secdb.alpinelinux.org/{release}/main.json"] = _json(
            {"distroversion": release, "reponame": "main", "packages": listed}
        )
    return files


def _secdb(url: str) -> Callable[[Sequence[Fact]], Files]:
    """One of a distribution without releases."""

    def files(facts: Sequence[Fact]) -> Files:
        (content,) = _alpine([fact for fact in facts if not fact.erratum]).values()
        told = [fact for fact in facts if fact.erratum]
        return {url: content} | (_osv(told) if told else {})

    return files


def _echo(facts: Sequence[Fact]) -> Files:
    packages: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for fact in facts:
        told = {"fixed_version": fact.range, "severity": fact.severity}
        packages[fact.package][fact.id] = {key: value for key, value in told.items() if value}
    return {echo.URL: _json(packages)}


_CODENAMES = {"8": "jessie", "9": "stretch", "10": "buster"}


def _debian(facts: Sequence[Fact]) -> Files:
    sources: dict[str, dict[str, Any]] = defaultdict(dict)
    announced = [fact for fact in facts if fact.erratum]
    for fact in facts:
        if ".." in fact.range:  # the tracker has no such thing
            continue
        status: dict[str, str] = {"urgency": fact.severity or "not yet assigned"}
        status |= {"status": "resolved", "fixed_version": fact.range} if fact.range else {"status": "open"}
        if fact.state:
            status |= {"nodsa": "Minor issue", "nodsa_reason": fact.state}
        entry = sources[fact.package].setdefault(fact.id, {"releases": {}})
        entry["releases"][_CODENAMES[fact.release]] = status
    return {debian.URL: _json(sources)} | (_osv(announced) if announced else {})


def _photon(facts: Sequence[Fact]) -> Files:
    return {
        photon.url(release): _json([
            {"cve_id": f.id, "pkg": f.package, "cve_score": float(f.severity), "aff_ver": "all before",
             "res_ver": f.range, "status": "Fixed"} for f in told
        ])
        for release, told in _by_release(facts).items()
    }  # fmt: skip


def updateinfo(facts: Sequence[Fact]) -> bytes:
    """Amazon's list of updates, one a CVE."""
    updates = ""
    for fact in facts:
        epoch, _, build = fact.range.rpartition(":")
        version, _, release = build.partition("-")
        updates += (
            f'<update type="security"><id>ALAS2-{fact.id}</id><severity>{fact.severity}</severity><references>'
            f'<reference id="{fact.id}" type="cve"/></references><pkglist><collection><package arch="x86_64" '
            f'epoch="{epoch or 0}" name="{fact.package}" release="{release}" version="{version}"/></collection>'
            "</pkglist></update>"
        )
    return gzip.compress(f"<updates>{updates}</updates>".encode())


def _amazon(facts: Sequence[Fact]) -> Files:
    files: Files = {}
    for release, told in _by_release(facts).items():
        place = amazon.RELEASES[f"Amazon Linux:{release}"]
        base, content = f"{amazon.HOST}/{place.partition('/')[0]}/core/made/x86_64", updateinfo(told)
        checksum = hashlib.sha256(content).hexdigest()
        files[amazon.mirror_list(place, "x86_64")] = base.encode()
        files[f"{base}/repodata/updateinfo.xml.gz"] = content
        files[f"{base}/repodata/repomd.xml"] = (
            f'<repomd><data type="updateinfo"><checksum type="sha256">{checksum}</checksum>'
            '<location href="repodata/updateinfo.xml.gz"/></data></repomd>'
        ).encode()
    return files


def _oval(facts: Sequence[Fact], product: str, metadata: Callable[[Fact], str]) -> bytes:
    definitions = tests = objects = states = ""
    for number, fact in enumerate(facts):
        ((kind, version),) = fact.events()[-1].items()
        operation = "less than" if kind == "fixed" else "less than or equal"
        definitions += (
            f'<definition id="d:{number}"><metadata>{metadata(fact)}</metadata><criteria operator="AND">'
            f'<criterion test_ref="t:product" comment="{product} is installed"/>'
            f'<criterion test_ref="t:{number}" comment="{escape(fact.package)} is affected"/></criteria></definition>'
        )
        tests += (f'<rpminfo_test id="t:{number}"><object object_ref="o:{number}"/><state state_ref="s:{number}"/>'
                  "</rpminfo_test>")  # fmt: skip
        objects += f'<rpminfo_object id="o:{number}"><name>{escape(fact.package)}</name></rpminfo_object>'
        evr = version if ":" in version else f"0:{version}"
        states += f'<rpminfo_state id="s:{number}"><evr operation="{operation}">{evr}</evr></rpminfo_state>'
    return (f"<oval_definitions><definitions>{definitions}</definitions><tests>{tests}</tests>"
            f"<objects>{objects}</objects><states>{states}</states></oval_definitions>").encode()  # fmt: skip


def _oracle(facts: Sequence[Fact]) -> Files:
    def metadata(fact: Fact) -> str:
        return (f"<title>{fact.erratum}: {fact.package} security update ({fact.severity})</title><advisory>"
                f"<severity>{fact.severity}</severity><cve>{fact.id}</cve></advisory>")  # fmt: skip

    return {oracle.URL: bz2.compress(_oval(facts, f"Oracle Linux {facts[0].release}", metadata))}


def _suse(facts: Sequence[Fact]) -> Files:
    def metadata(fact: Fact) -> str:
        return f"<title>{fact.id}</title><advisory><severity>{fact.severity}</severity></advisory>"

    files = {}
    for release, told in _by_release(facts).items():
        name = re.sub(r" SP\d$", "", f"{told[0].base} {release}").lower().replace(" ", ".")
        files[suse.url(name)] = bz2.compress(_oval(told, f"{told[0].base} {release}", metadata))
    return files


def _azure(facts: Sequence[Fact]) -> Files:
    def metadata(fact: Fact) -> str:
        return (f'<title>{fact.id}</title><reference ref_id="{fact.id}" source="CVE"/><patchable>'
                f"{str('..' not in fact.range).lower()}</patchable><severity>{fact.severity}</severity>")  # fmt: skip

    return {azure.url(release): _oval(told, "made", metadata) for release, told in _by_release(facts).items()}


_PRODUCTS = {
    "6": ("rhel-6-server-rpms", "cpe:/o:redhat:enterprise_linux:6::server"),
    "7": ("rhel-7-server-rpms", "cpe:/o:redhat:enterprise_linux:7::server"),
    "8": ("rhel-8-for-x86_64-baseos-rpms", "cpe:/o:redhat:enterprise_linux:8::baseos"),
}
"""Repository and CPE, as Trivy's mini database maps them."""


def _red_hat(facts: Sequence[Fact]) -> Files:
    by_id: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_id[fact.id].append(fact)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for number, (name, told) in enumerate(by_id.items()):
            raw = _json(_vex(name, told))
            path = f"{name.split('-')[1]}/{name.lower()}.json" if re.search(r"\d{4,}$", name) else None
            info = tarfile.TarInfo(path or f"2031/cve-2031-{number:04}.json")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    archive = "csaf_vex_2026-01-01.tar.zst"
    known = {repository: {"cpes": [cpe]} for repository, cpe in _PRODUCTS.values()}
    return {redhat.LATEST: archive.encode(), f"{redhat.BASE}/{archive}": zstandard.compress(content.getvalue()),
            redhat.REPOSITORIES: _json({"data": known}), redhat.CHANGES: b"", redhat.DELETIONS: b""}  # fmt: skip


def _vex(name: str, facts: Sequence[Fact]) -> dict[str, Any]:
    branches, relationships, threats, remediations = [], [], [], []
    status: dict[str, list[str]] = defaultdict(list)
    for cpe in {_PRODUCTS[fact.release][1] for fact in facts}:
        helper = {"product_id": cpe, "product_identification_helper": {"cpe": cpe}}
        branches.append({"category": "product_name", "name": cpe, "product": helper})
    for fact in facts:
        cpe = _PRODUCTS[fact.release][1]
        epoch, _, build = fact.range.rpartition(":")
        purl = f"pkg:rpm/redhat/{fact.package}" + (f"@{build}?arch=x86_64&epoch={epoch}" if build else "?arch=src")
        helper = {"product_id": purl, "product_identification_helper": {"purl": purl}}
        branches.append({"category": "product_version", "name": purl, "product": helper})
        both = f"{cpe}|{purl}"
        relationships.append({
            "category": "default_component_of", "full_product_name": {"product_id": both},
            "product_reference": purl, "relates_to_product_reference": cpe,
        })  # fmt: skip
        status["fixed" if build else "known_affected"].append(both)
        if fact.severity:
            threats.append({"category": "impact", "details": fact.severity, "product_ids": [both]})
        if fact.state:
            category = "none_available" if fact.state == "Affected" else "no_fix_planned"
            remediations.append({"category": category, "details": fact.state, "product_ids": [both]})
    tracking = {"id": name, "status": "final", "current_release_date": "2025-06-01T00:00:00+00:00"}
    return {
        "document": {"category": "csaf_vex", "title": name, "tracking": tracking},
        "product_tree": {"branches": branches, "relationships": relationships},
        "vulnerabilities": [{"cve": name, "product_status": status, "threats": threats, "remediations": remediations}],
    }


_WRITERS: dict[str, Callable[[Sequence[Fact]], Files]] = {
    "Alpine": _alpine, "Debian": _debian, "Photon OS": _photon, "Amazon Linux": _amazon, "Oracle Linux": _oracle,
    "openSUSE": _suse, "SUSE": _suse, "Azure Linux": _azure, "Red Hat": _red_hat, "Echo": _echo,
    "Wolfi": _secdb("https://packages.wolfi.dev/os/security.json"),
    "Chainguard": _secdb("https://packages.cgr.dev/chainguard/security.json"),
}  # fmt: skip
"""Those that are not OSV's."""

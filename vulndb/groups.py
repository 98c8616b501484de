"""Which ids name the same problem. The rule in words is in ``vulndb/README.md``.

A CVE is one problem, so no group ever holds two CVEs. A record is about the problems it names: usually one,
several for an erratum (DSA, USN, ALSA …), which is then about each of them and fuses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vulndb.records import Advisory

_CVE = re.compile(r"CVE-(\d{4})-(\d{4,})", re.IGNORECASE)
_WRAPPED = re.compile(r"[A-Za-z]+-(CVE-\d{4}-\d{4,})", re.IGNORECASE)
_DISTRIBUTIONS = frozenset(
    {
        "AlmaLinux", "Alpaquita", "Alpine", "Amazon Linux", "Arch Linux", "Azure Linux",
        "BellSoft Hardened Containers", "Chainguard", "Debian", "Echo", "Fedora", "Mageia", "MinimOS", "Oracle Linux",
        "Photon OS", "Red Hat", "Rocky Linux", "SUSE", "SecureOS", "Ubuntu", "Wolfi", "openEuler",
        "openSUSE",
    }
)  # fmt: skip


def is_distribution(namespace: str) -> bool:
    """Whether an OSV ecosystem is a Linux distribution's."""
    return namespace.partition(":")[0] in _DISTRIBUTIONS


def problem_id(text: str) -> str:
    """The id itself, or the CVE in it: ``UBUNTU-CVE-2021-3782`` is about ``CVE-2021-3782`` and nothing else."""
    if wrapped := _WRAPPED.fullmatch(text):
        return wrapped[1].upper()
    return text.upper() if _CVE.fullmatch(text) else text


def is_cve(text: str) -> bool:
    """Whether an id is a CVE."""
    return _CVE.fullmatch(text) is not None


def rank(text: str) -> tuple[int, int, int, str]:
    """Order of ids for display: CVE by year and number, then GHSA, then the rest."""
    if found := _CVE.fullmatch(text):
        return (0, int(found[1]), int(found[2]), "")
    return (1 if text.startswith("GHSA-") else 2, 0, 0, text)


def named(advisory: Advisory) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(problems, equals): the problems a record is about, and ids that are equal to its only problem."""
    own = problem_id(advisory.id)
    aliases = tuple(dict.fromkeys(problem_id(a) for a in advisory.aliases))
    upstream = tuple(dict.fromkeys(problem_id(u) for u in advisory.upstream))
    if is_cve(own):
        return (own,), tuple(a for a in aliases if not is_cve(a))
    cves = tuple(dict.fromkeys(i for i in (*aliases, *upstream) if is_cve(i)))
    if len(cves) > 1:
        return cves, ()
    if any(is_distribution(a.namespace) for a in advisory.affected):
        return (cves or upstream or aliases[:1] or (own,)), ()
    if upstream and not aliases:  # a repackaging: about what it repackages
        return (cves or upstream), ()
    return (own,), tuple(a for a in aliases if a != own)


class Groups:
    """Union-find over ids; a union that would bring two CVEs together is refused."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._edges: list[tuple[str, str]] = []

    def equal(self, record: str, others: Iterable[str]) -> None:
        """Say that these ids name what ``record`` is about."""
        self._edges.extend((record, other) for other in others)

    def equal_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """The same, of many."""
        self._edges.extend(pairs)

    def _root(self, name: str) -> str:
        parent = self._parent
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    def resolve(self) -> dict[str, list[str]]:
        """Display id → every id of the group, sorted; ids that stand alone are left out.

        What a record says of itself goes first and the rest in the order of ids, so the result does not
        depend on the order in which feeds were read.
        """
        cve: dict[str, str] = {}
        self._edges = sorted(set(self._edges), key=lambda e: (not is_cve(e[1]), e))
        for left, right in self._edges:
            a, b = self._root(left), self._root(right)
            mine = cve.get(a, a if is_cve(a) else "")
            theirs = cve.get(b, b if is_cve(b) else "")
            if a == b or (mine and theirs and mine != theirs):
                continue
            self._parent[b] = a
            if mine or theirs:
                cve[a] = mine or theirs
        members: dict[str, list[str]] = {}
        for name in self._parent:
            members.setdefault(self._root(name), []).append(name)
        return {min(group, key=rank): sorted(group) for group in members.values() if len(group) > 1}

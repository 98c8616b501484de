"""Who built an OS package: what tells a distribution's own packages from those of others.

An advisory of a distribution is about what the distribution built. A package of the same name from another repository
has versions of its own (``1.2-1.el8.remi`` is above or below every fix of Red Hat's by accident), so judging it gives
false alarms and false comfort. Sources: the ``Vendor`` and ``Maintainer`` that the publishers' own packages carry.
"""

from __future__ import annotations

import re

_RPM_VENDORS: dict[str, str] = {
    "AlmaLinux": r"almalinux|cloudlinux",
    "Amazon Linux": r"amazon",
    "Azure Linux": r"microsoft|azure linux|mariner",
    "Fedora": r"fedora project|fedora linux|red hat",
    "Mageia": r"mageia",
    "Oracle Linux": r"oracle",
    "Photon OS": r"vmware|broadcom|photon",
    "Red Hat": r"red hat|centos(?! sig|.*special interest)|scientific linux",
    "Rocky Linux": r"rocky|ctrl iq|ciq",
    "SUSE": r"suse|novell",
    "openEuler": r"openeuler|http://openeuler\.org|huawei",
    "openSUSE": r"opensuse|suse|novell",
}
"""Distribution → how the ``Vendor`` of its own packages begins. An empty one says nothing, so the package is judged."""
_RPM_COMPILED = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _RPM_VENDORS.items()}
_NOT_SUSE = re.compile(r"obs://(?!build\.(?:opensuse|suse)\.(?:org|de)/(?:openSUSE|SUSE):)", re.IGNORECASE)
"""Projects of private people in openSUSE's build service name themselves so."""
_RPM_RELEASES = re.compile(r"\.remi\b|nodesource|\.elrepo\b|PGDG\b|\.ius\b|\.rpmfusion\b|\.psychotic\b", re.IGNORECASE)
"""In the release of packages from well-known other repositories, some of which state no vendor."""

_DEB_MAINTAINERS = re.compile(
    r"^(?:github|docker(?! compose)|gitlab|microsoft|hashicorp|elastic|nodesource|grafana|datadog)\b"
    r"|@(?:[\w-]+\.)*(?:github|docker|gitlab|chromium|microsoft|hashicorp|elastic|elasticsearch|nodesource|grafana"
    r"|datadoghq|mongodb|10gen|percona|nginx|f5|confluent|redis|influxdata|newrelic|anydesk|teamviewer|slack-corp"
    r"|cloudera|neo4j|couchbase|mariadb|mysql|puppet|puppetlabs|treasure-data|timescale|clickhouse|yandex-team"
    r"|kubernetes|adoptium|adoptopenjdk|azul|bell-sw)\.(?:com|org|net|io|cz|ru|so)\b"
    r"|cudatools@nvidia\.com|mysql-build@oss\.oracle\.com|google cloud (?:sdk|cli)|linux-packages-keymaster@google"
    r"|^kubernetes authors|^mariadb developers",
    re.IGNORECASE,
)
"""``Maintainer`` of packages that their makers publish themselves. Those of Debian and Ubuntu are anybody with any
address, so it is the others that are listed here, and a maintainer who is not is taken for the distribution's."""
_DEB_VERSIONS = re.compile(
    r"nodesource|\.pgdg|sury\.org|\+0~\d{8}\.\d+\+(?:debian|ubuntu)|\+maria~|~ppa\d", re.IGNORECASE
)
"""In the version of packages from well-known other repositories, which keep the maintainer of the distribution."""


def rpm(namespace: str, origin: str, version: str) -> bool:
    """Whether an rpm is another publisher's, in a distribution's namespace (``Red Hat:8``)."""
    if _RPM_RELEASES.search(version):
        return True
    own = _RPM_COMPILED.get(namespace.partition(":")[0])
    vendor = origin.strip()
    if own is None or vendor in ("", "(none)"):
        return False
    if vendor.startswith("obs://"):
        return _NOT_SUSE.match(vendor) is not None or own.search(vendor) is None
    return own.match(vendor) is None


def deb(namespace: str, origin: str, version: str) -> bool:
    """Whether a deb is another publisher's."""
    return _DEB_VERSIONS.search(version) is not None or _DEB_MAINTAINERS.search(origin) is not None

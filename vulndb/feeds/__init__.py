"""The feeds. A new one is a file in this folder, with one module-level ``FEED``, and one line here."""

from __future__ import annotations

from importlib import import_module

from vulndb.feed import Feed

FEEDS: tuple[Feed, ...] = tuple(
    import_module(f"vulndb.feeds.{name}").FEED
    for name in (
        "osv",
        "alpine",
        "debian",
        "kev",
        "epss",
        "nvd",
        "eol",
        "wolfi",
        "chainguard",
        "ubuntu",
        "amazon",
        "oracle",
        "suse",
        "azure",
        "photon",
        "arch",
        "redhat",
        "fedora",
        "minimos",
        "secureos",
        "echo",
    )
)

BY_NAME: dict[str, Feed] = {feed.name: feed for feed in FEEDS}

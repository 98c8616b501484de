"""Squash: what is visible of each layer's facts when layers lie on each other.

The rule is what container tools do when they unpack layers in order:

* A layer's whiteouts and opaque markers act on the layers below it, and before its own additions, wherever they
  stand in the tar. An opaque marker keeps the directory itself.
* An entry replaces what lies at its own place, except that a directory over a directory merges. What is no directory
  hides all that lay beneath its place. A hard link counts as a file: it hides what was there, and the facts stay with
  the name under which the tar carries the content.
* An entry's parent directories are followed through symbolic links, in the view as it is when the entry is applied:
  ``lib/x`` over ``lib -> usr/lib`` lands at ``usr/lib/x``. Absolute targets start at the image's root, ``..`` stops
  there, and 40 links are the limit, beyond which a path is taken as written. A directory entry of the layer's own
  replaces the link. (An overlay mount would let ``lib`` become a directory instead; unpackers that follow are more
  common, and layers that leave out their directories are rare.)
* Within a layer, entries are taken in the order of their path components, parents first, as builders write them: the
  listing's own order is not stored beside the facts. Two entries of one layer that meet at one place both count.

Stored are the exceptions: a row of ``hidden`` for each fact path where it first ceases to be visible, or is first
found to be an OS package's own file. A chain inherits its parent's rows, so images that share a chain share the work.
Which layer introduced a package is stored in the same way (``grid.images.origins``).
"""

from __future__ import annotations

from grid.images.chains import chain_id, chain_ids, split
from grid.images.columns import LayerColumns, Work
from grid.images.distro import choose_distro
from grid.images.history import Step, history
from grid.images.origins import Origins
from grid.images.squash import SQUASH_VERSION, Squashed, squash

__all__ = [
    "SQUASH_VERSION",
    "LayerColumns",
    "Origins",
    "Squashed",
    "Step",
    "Work",
    "chain_id",
    "chain_ids",
    "choose_distro",
    "history",
    "split",
    "squash",
]

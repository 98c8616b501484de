"""What tests of scangrid and of its plug-ins are made with: layer and image builders, a registry, exams."""

from grid.testing.accept import accept_detector, accept_ecosystem, damaged, files_batch
from grid.testing.layers import (
    BuiltLayer,
    ImageBuilder,
    IndexBuilder,
    LayerBuilder,
    RawManifest,
    built_layer,
    write_docker_archive,
    write_layout,
)
from grid.testing.registry import FakeRegistry
from grid.testing.server import Fault

__all__ = [
    "BuiltLayer",
    "FakeRegistry",
    "Fault",
    "ImageBuilder",
    "IndexBuilder",
    "LayerBuilder",
    "RawManifest",
    "accept_detector",
    "accept_ecosystem",
    "built_layer",
    "damaged",
    "files_batch",
    "write_docker_archive",
    "write_layout",
]

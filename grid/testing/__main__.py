"""``python -m grid.testing DIR…`` serves OCI layouts as a registry."""

from grid.testing.registry import main

main()

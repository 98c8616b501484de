"""Mutated inputs for every reader: what damaged, hostile and merely odd files make of them."""

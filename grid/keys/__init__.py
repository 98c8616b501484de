"""Order-preserving byte keys of versions: the primitives, and one module per version scheme."""

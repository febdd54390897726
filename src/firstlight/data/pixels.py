"""`Pixels` and `load()`: a table's images decoded once to uint8 (N, H, W, C), memory-mapped after that."""

"""The one door: every public name, fetched on first use, so that importing Firstlight costs nothing."""

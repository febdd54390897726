"""What keeps the remarks of the decoders' libraries from the terminal."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from functools import cache
from importlib import import_module


class _Quiet:
    """Keeps Pillow's remarks on odd metadata from the terminal while any thread decodes.

    The filters belong to the whole process. If each thread set and restored them alone, one that ends would take
    away what another still needs; so the first to come sets a filter and the last to go removes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        # Else Python writes Pillow's logged errors to the terminal; whoever wants them sets up logging.
        logging.getLogger("PIL").addHandler(logging.NullHandler())

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


QUIET = _Quiet()


@cache
def quiet_libtiff() -> None:
    """Keeps libtiff's own messages on damaged files from the terminal; the reason comes from Pillow.

    It writes them to the file descriptor 2, around Python. Pillow has no switch for that, and a redirected descriptor
    would swallow what other threads write meanwhile. So libtiff's handler of errors is removed, once and for the
    process; its symbol is found among the libraries that Pillow has loaded. Where Pillow contains libtiff without
    its symbols (Windows), the messages remain.
    """
    import ctypes

    with contextlib.suppress(OSError, ImportError, AttributeError):
        set_handler = ctypes.CDLL(import_module("PIL._imaging").__file__).TIFFSetErrorHandler
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)

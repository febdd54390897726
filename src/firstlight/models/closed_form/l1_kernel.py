"""The compiled L1 kernel: sums in integers, so that every machine gives the same bits. docs/log.md has its timings."""

from __future__ import annotations

import numba
import numpy as np

BLOCK = 256  # 256 pixels * 255 * 2**16 < 2**32: a block's sum fits into 32 bits, with which vector units are fastest


# Not cached on disk: Numba would write an index that is a pickle, and compiling takes half a second.
@numba.njit(nogil=True)
def l1(images: np.ndarray, centres: np.ndarray, out: np.ndarray) -> None:
    """Writes the sum over pixels of ``|65536 * image - centre|``.

    Args:
        images: (N, P) uint8, C-contiguous.
        centres: (K, P) int32, pixels in 0..255 times 65536.
        out: (N, K) int64.
    """
    for n in range(images.shape[0]):
        for k in range(centres.shape[0]):
            total = np.int64(0)
            for start in range(0, images.shape[1], BLOCK):
                pixels = images[n, start : start + BLOCK]
                centre = centres[k, start : start + BLOCK]
                block = np.int32(0)  # wraps above 2**31 and is read as unsigned below
                for p in range(len(pixels)):
                    block = np.int32(block + abs(np.int32(np.int32(pixels[p]) * np.int32(65536) - centre[p])))
                total += np.int64(np.uint32(block))
            out[n, k] = total

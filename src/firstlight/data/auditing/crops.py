"""`fitting()`: how well one thumb fits into a window of another; `turned()`: or onto another that is turned."""

from __future__ import annotations

from functools import cache

import numpy as np

SIDE = 32  # px of a thumb
COARSE, FINE = 8, 24  # px of a window along each side: for a first look, and to judge
SCALES = (1.0, 0.9, 0.8, 0.7)  # shares of the height and of the width that the first look tries
STEP = 2.5  # px between its windows
SMALLEST = 0.6 * SIDE  # px of a window's side; smaller ones leave too few px to recognise anything
PROMISING = 0.8  # correlation of the first look from which the edges of a window are moved
MOVES = (2.0, 1.0, 0.5, 0.25)  # px by which an edge of a window is moved to fit better
LOOKED_AT_ONCE, MOVED_AT_ONCE = 64, 512  # pairs at a time: 40 MB
WAYS = ((0, False), (1, False), (0, True), (1, True))  # which of a pair is the part, and whether it is mirrored


def fitting(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The best correlation of one image of a pair with a window of the other.

    Either of the two may be the part of the other, and one of them mirrored. Windows have from 0.6 of the height and of
    the width; the best of a coarse grid has its edges moved as long as that raises the correlation. Brightness and
    contrast do not change it.

    Args:
        thumbs: uint8 (N, 32, 32), gray.
        pairs: (M, 2) row numbers.

    Returns:
        (M,) float32, in [-1, 1]; that of the first look where it is not promising.

    Example:
        >>> picture = np.random.default_rng(0).integers(0, 256, (4, 4)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        >>> part = picture[:24, 4:28].repeat(4, 0).repeat(4, 1)[1::3, 1::3]  # three quarters of it
        >>> bool(fitting(np.stack([picture, part]), np.array([[0, 1]]))[0] > 0.95)
        True
    """
    best = np.full(len(pairs), -1, np.float32)
    way = np.zeros(len(pairs), np.int64)
    start = np.zeros((len(pairs), 4), np.float32)
    for rows in np.split(np.arange(len(pairs)), range(LOOKED_AT_ONCE, len(pairs), LOOKED_AT_ONCE)):
        for one in range(len(WAYS)):
            found, windows = _looked(*_sides(thumbs, pairs[rows], one))
            better = found > best[rows]
            best[rows[better]], way[rows[better]], start[rows[better]] = found[better], one, windows[better]
    for one in range(len(WAYS)):
        promising = np.flatnonzero((way == one) & (best >= PROMISING))
        for rows in np.split(promising, range(MOVED_AT_ONCE, len(promising), MOVED_AT_ONCE)):
            best[rows] = _moved(*_sides(thumbs, pairs[rows], one), start[rows])
    return best


def _sides(thumbs: np.ndarray, pairs: np.ndarray, way: int) -> tuple[np.ndarray, np.ndarray]:
    """The part and the whole of each pair, float32 (n, 32, 32) each."""
    part, mirrored = WAYS[way]
    small, large = (thumbs[pairs[:, side]].astype(np.float32) for side in (part, 1 - part))
    return small[:, :, ::-1] if mirrored else small, large


def turned(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The best correlation of one image of a pair with the other turned by 90, 180 or 270 degrees, mirrored or not.

    Args:
        thumbs: uint8 (N, 32, 32), gray.
        pairs: (M, 2) row numbers.

    Returns:
        (M,) float32, in [-1, 1].
    """
    found = np.full(len(pairs), -1, np.float32)
    for start in range(0, len(pairs), MOVED_AT_ONCE):
        part = slice(start, start + MOVED_AT_ONCE)
        first, other = (_normed(thumbs[pairs[part, side]].astype(np.float32)) for side in (0, 1))
        for image in (first, first[:, :, ::-1]):
            for quarter in (1, 2, 3):
                same = np.einsum("nmo,nmo->n", np.rot90(image, quarter, axes=(1, 2)), other)
                np.maximum(found[part], same, out=found[part])
    return found


def _looked(small: np.ndarray, large: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation of images (n, 32, 32) with windows of others, (n,), and these windows, (n, 4)."""
    windows, grid = _grid()
    whole = _sampled(small, np.tile(np.array([0, 0, SIDE, SIDE], np.float32), (len(small), 1)), COARSE)
    looked = np.einsum("vmk,nkl,wol->nvwmo", grid, large, grid, optimize=True)  # (n, V, V, 8, 8)
    similarity = np.einsum("nvwmo,nmo->nvw", _normed(looked), _normed(whole))
    flat = similarity.reshape(len(small), -1)
    best = flat.argmax(axis=1)
    down, across = np.divmod(best, len(windows))
    chosen = np.concatenate([windows[down], windows[across]], axis=1)[:, [0, 2, 1, 3]]  # top, left, height, width
    return flat[np.arange(len(flat)), best], chosen


def _moved(small: np.ndarray, large: np.ndarray, start: np.ndarray) -> np.ndarray:
    """(n,) the correlation after each edge of each window was moved to where it is highest."""
    whole = np.tile(np.array([0, 0, SIDE, SIDE], np.float32), (len(small), 1))
    target = _normed(_sampled(small, whole, FINE))

    def value(windows: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.einsum("nmo,nmo->n", _normed(_sampled(large, windows, FINE)), target)
        return found

    edges = np.concatenate([start[:, :2], start[:, :2] + start[:, 2:]], axis=1)  # top, left, bottom, right
    best = value(start)
    for move in MOVES:
        for _ in range(2):
            for edge in range(4):
                for by in (move, -move):
                    tried = edges.copy()
                    tried[:, edge] = np.clip(tried[:, edge] + by, 0, SIDE)
                    sides = tried[:, 2:] - tried[:, :2]
                    found = np.where((sides >= SMALLEST).all(axis=1), value(np.hstack([tried[:, :2], sides])), -1)
                    better = found > best
                    edges[better], best = tried[better], np.maximum(best, found)
    return best


def _sampled(images: np.ndarray, windows: np.ndarray, side: int) -> np.ndarray:
    """Windows (n, 4) as top, left, height and width of images (n, 32, 32) -> (n, side, side)."""
    down, across = _weights(windows[:, 0], windows[:, 2], side), _weights(windows[:, 1], windows[:, 3], side)
    sampled: np.ndarray = down @ images @ across.transpose(0, 2, 1)
    return sampled


def _weights(start: np.ndarray, length: np.ndarray, side: int) -> np.ndarray:
    """(n, side, 32) float32, each row of sum 1: triangles as wide as a new pixel, at least one px."""
    each = length / side
    centres = start[:, None] + (np.arange(side) + 0.5) * each[:, None]  # (n, side)
    reach = np.maximum(each, 1.0)[:, None, None]
    weights = np.maximum(0, 1 - np.abs(np.arange(SIDE) + 0.5 - centres[..., None]) / reach)
    return (weights / weights.sum(axis=2, keepdims=True)).astype(np.float32)


@cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    """(V, 2) starts and lengths of windows along a side, and (V, 8, 32) what samples them."""
    windows = []
    for share in SCALES:
        room = SIDE * (1 - share)
        windows += [(start, SIDE * share) for start in np.linspace(0, room, 1 + round(room / STEP))]
    found = np.array(windows, np.float32)
    return found, _weights(found[:, 0], found[:, 1], COARSE)


def _normed(values: np.ndarray) -> np.ndarray:
    """Of mean 0 and norm 1 over the last two axes, so that a sum of products is a correlation."""
    values = values - values.mean(axis=(-1, -2), keepdims=True)
    norms = np.sqrt(np.einsum("...ij,...ij->...", values, values))
    normed: np.ndarray = values / np.maximum(norms, 1e-3)[..., None, None]
    return normed

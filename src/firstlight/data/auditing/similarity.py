"""`similar_pairs()`: near-duplicates among many images, mirrored ones too, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firstlight.data.decoding.threads import cores
from firstlight.errors import require

LOW = 8  # frequencies of a hash along each side
BANDS = 5  # of a hash's 64 bits: two hashes that differ in up to 4 bits share a band unchanged
MOST_BITS = 8  # that two hashes may differ in; a JPEG of quality 30 changes up to 8
# Images of one band that each is held against, the nearest by hash first: of copies among MNIST's digits 99.6 in 100
# are candidates so, of those with 100 98.8, with 3000 99.8; a million hashes at random share a band with 244 others.
ASIDE = 300
PAIRS_EACH, MOST_PAIRS = 60, 30_000_000  # the most candidates, times the images and in all: 240 MB
SHARE = 0.125  # of the distance between different images, up to which two images are near-duplicates
LOOSEST, STRICTEST = 0.93, 0.999  # bounds of the required correlation
STRANGERS, AMONG = 300, 6000  # images by which the similarity of different images is measured, and among how many
MEANT = 20  # images of a class, from which on the class has a bound of its own
FLAT = 4.0  # standard deviation of a thumb in gray levels, below which nothing can be recognised
FINE, COARSE = 2, 4  # px of a thumb along each side that are taken together: to judge, and for a first look
SLACK = 2  # times the distance allowed, up to which the first look keeps a pair
AT_ONCE = 2_000  # pairs whose thumbs are compared at a time: 16 MB


@dataclass(frozen=True, eq=False)
class SimilarPairs:
    """Pairs of near-duplicate images.

    Attributes:
        pairs: (M, 2) row numbers, the smaller first.
        mirrored: (M,) bool, one of the two is mirrored left to right.
        least: the required correlation of thumbs, of the class where it is lowest.
    """

    pairs: np.ndarray
    mirrored: np.ndarray
    least: float


def similar_pairs(thumbs: np.ndarray, usable: np.ndarray, labels: np.ndarray) -> tuple[SimilarPairs, list[str]]:
    """Finds near-duplicates: candidates by perceptual hashes, then the correlation of the thumbs themselves.

    How similar two images must be depends on how similar different images of the class are. For each image, the nearest
    image of its class whose hash differs in more than `MOST_BITS` bits, which no copy has, is a different image. Its
    distance (1 - correlation of 16 x 16 px, where less of a JPEG's noise is left) has a median of 0.02 for handwritten
    ones, 0.1 for other digits and 0.3 for photos. Two images are near-duplicates up to `SHARE` of that median: of the
    70,000 digits of MNIST the two nearest are at 0.129, and 98 in 100 of their copies at JPEG quality 30 are below
    (docs/log.md).

    Args:
        thumbs: uint8 (N, 32, 32), gray.
        usable: (N,) bool; the others, and thumbs that are nearly flat, are left out.
        labels: (N,) integers, -1 where there is none.

    Returns:
        The pairs, and remarks on how similar two images must be, a sentence each.

    Raises:
        MissingExtraError: where SciPy is not installed.
    """
    rows = np.flatnonzero(usable)
    rows = rows[
        np.concatenate([thumbs[part].std(axis=(1, 2), dtype=np.float32) for part in _parts(rows)] or [np.zeros(0)])
        >= FLAT
    ]
    if len(rows) < 2:
        return SimilarPairs(np.zeros((0, 2), np.int64), np.zeros(0, bool), 1.0), []
    plain, mirrored = hashes(thumbs, rows)
    order = np.argsort(plain, kind="stable")  # so that what is found does not depend on the order of the rows
    rows, plain, mirrored = rows[order], plain[order], mirrored[order]
    least = _least(thumbs, rows, labels[rows], plain)
    pairs, flipped, full = candidates(plain, mirrored)
    coarse = np.concatenate([_normed(_pooled(thumbs[part], COARSE)) for part in _parts(rows)])
    for look, slack in ((coarse.__getitem__, SLACK), (lambda at: _normed(_pooled(thumbs[rows[at]], FINE)), 1)):
        like = 1 - _alike(look, pairs, flipped) <= slack * (1 - least[pairs].max(axis=1))
        pairs, flipped = pairs[like], flipped[like]
    pairs = np.sort(rows[pairs], axis=1)
    order = np.lexsort((flipped, pairs[:, 1], pairs[:, 0]))
    remarks = []
    if len(pairs):
        remarks.append(
            f"Two images count as near-duplicates where their pixels at {thumbs.shape[1] // FINE} x "
            f"{thumbs.shape[2] // FINE} correlate by {_range(least)} or more, mirrored or not; that is {SHARE} of the "
            "usual distance to the nearest other image."
        )
    if full:
        remarks.append(
            f"{full:,} images share a part of their hash with more than {ASIDE} others and were compared with the "
            "nearest of these only, so a few of their copies may be missing."
        )
    return SimilarPairs(pairs[order], flipped[order], float(least.min())), remarks


def _range(least: np.ndarray) -> str:
    low, high = f"{least.min():.3f}", f"{least.max():.3f}"
    return low if low == high else f"{low} to {high} (by class)"


def _alike(look: Callable[[np.ndarray], np.ndarray], pairs: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """The correlation of the two images of each pair, the first one mirrored where it says so; ``look`` norms."""
    found = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        first, other = (look(pairs[part, side]) for side in (0, 1))
        turned = flipped[part]
        first[turned] = first[turned][:, :, ::-1]
        found[part] = np.einsum("nij,nij->n", first, other)
    return found


def _pooled(thumbs: np.ndarray, pool: int) -> np.ndarray:
    """float32 (n, 32 / pool, 32 / pool), means of ``pool`` x ``pool`` px."""
    side = thumbs.shape[1] // pool
    high = thumbs.reshape(-1, side, pool, thumbs.shape[2])
    flat = sum(high[:, :, row].astype(np.float32) for row in range(pool))  # four times as fast as mean(axis=(2, 4))
    wide = np.asarray(flat).reshape(-1, side, side, pool)
    return np.asarray(sum(wide[..., column] for column in range(pool))) / pool**2


def hashes(thumbs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The perceptual hash of the chosen thumbs and of their mirror images.

    A bit says whether a low frequency of the cosine transform is above the median of these (Zauner 2010,
    "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1). Mirroring turns the sign of
    every second horizontal frequency.

    Args:
        thumbs: uint8 (N, 32, 32).
        rows: (n,) row numbers of the thumbs.

    Returns:
        Both, (n,) uint64.

    Raises:
        MissingExtraError: where SciPy is not installed.
    """
    with require("audit", purpose="Searches for nearly equal images"):
        from scipy.fft import dctn
    plain, mirrored = np.empty(len(rows), np.uint64), np.empty(len(rows), np.uint64)
    signs = np.tile(np.array([1, -1], np.float32), LOW // 2)
    for part in _parts(np.arange(len(rows))):
        values = thumbs[rows[part]].astype(np.float32)
        low = dctn(values, axes=(1, 2), workers=cores(), overwrite_x=True)[:, :LOW, :LOW]
        for out, each in ((plain, low), (mirrored, low * signs)):
            flat = each.reshape(len(part), -1)
            bits = np.packbits(flat > np.median(flat, axis=1, keepdims=True), axis=1)
            out[part] = bits.view(">u8")[:, 0]
    return plain, mirrored


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]


def _normed(thumbs: np.ndarray) -> np.ndarray:
    """float32 (n, 32, 32) of mean 0 and norm 1, so that a product of two is their correlation."""
    values = thumbs.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt(np.einsum("nij,nij->n", values, values))
    values /= np.maximum(norms, 1e-6)[:, None, None]
    return values


def _least(thumbs: np.ndarray, rows: np.ndarray, labels: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """(n,) the correlation from which on another image is a near-duplicate, by the similarity of its class.

    Handwritten ones are more similar to each other than other digits are, so each class has its own; classes with
    few images, and images without a class, take that of all.
    """
    least = np.full(len(rows), _of_strangers(thumbs, rows, plain))
    for label in np.unique(labels[labels >= 0]):
        mine = np.flatnonzero(labels == label)
        if len(mine) >= MEANT:
            least[mine] = _of_strangers(thumbs, rows[mine], plain[mine])
    return least


def _of_strangers(thumbs: np.ndarray, rows: np.ndarray, plain: np.ndarray) -> float:
    """The bound by the usual similarity of the nearest image whose hash differs."""
    some = np.linspace(0, len(rows) - 1, min(AMONG, len(rows))).astype(int)
    chosen = np.linspace(0, len(some) - 1, min(STRANGERS, len(some))).astype(int)
    every = _normed(_pooled(thumbs[rows[some]], FINE)).reshape(len(some), -1)
    similarity = every[chosen] @ every.T
    among = plain[some]
    similarity[np.bitwise_count(among[chosen, None] ^ among) <= MOST_BITS] = -1  # itself and its copies
    strangers = 1 - float(np.median(similarity.max(axis=1)))
    return float(np.clip(1 - SHARE * strangers, LOOSEST, STRICTEST))


def candidates(plain: np.ndarray, mirrored: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Finds the pairs whose hashes share a band and differ in few bits.

    Within a band's value the entries stand in the order of their whole hash, and each is held against the next
    `ASIDE`, so that a million equal images cost no more than others.

    Args:
        plain: (N,) uint64, the hashes.
        mirrored: (N,) uint64, those of the mirror images.

    Returns:
        The pairs (M, 2), smaller row first; (M,) bool, by the mirror image of one; and of how many images a bound
        kept some pairs away.
    """
    count = len(plain)
    entries = np.concatenate([plain, mirrored])
    kept = np.zeros(0, np.int64)
    bounded = np.zeros(count, bool)
    width = -(-64 // BANDS)
    for band in range(BANDS):
        turned = np.bitwise_or(  # the band in front, so that sorting the whole brings its equals together
            entries << np.uint64(band * width), entries >> np.uint64((64 - band * width) % 64) if band else np.uint64(0)
        )
        order = np.argsort(turned, kind="stable")
        head = turned[order] >> np.uint64(64 - (width if band < BANDS - 1 else 64 - width * (BANDS - 1)))
        at, found, room = np.arange(len(order)), [kept], min(PAIRS_EACH * count, MOST_PAIRS) - len(kept)
        for step in range(1, ASIDE + 2):
            at = at[at + step < len(order)]
            at = at[head[at] == head[at + step]]
            if not len(at) or step > ASIDE or room <= 0:
                break
            one, two = order[at], order[at + step]
            near = np.bitwise_count(entries[one] ^ entries[two]) <= MOST_BITS
            near &= (one < count) | (two < count)  # two mirrored ones are as similar as the two themselves
            one, two = one[near], two[near]
            first, other = one % count, two % count
            flipped = (one >= count) ^ (two >= count)
            pairs = np.minimum(first, other) * count + np.maximum(first, other)
            found.append((pairs * 2 + flipped)[first != other])
            room -= len(found[-1])
        bounded[order[at] % count] = True
        kept = np.sort(np.concatenate(found))  # np.unique's hash table takes a hundred times as long on such numbers
        kept = kept[np.diff(kept, prepend=-1) > 0]
    pairs = kept // 2
    return np.stack([pairs // count, pairs % count], 1), kept % 2 == 1, int(bounded.sum())

"""Which near-duplicates and which outliers `catdog inspect DATA` finds among the photos of a folder.

    python tests/benchmarks/near_duplicates.py DATA [--photos 150] [--among 100000]

Changes random photos in a temporary folder, adds the changed photos of one kind at a time to the data set,
and counts how many are in one group with their original; first, prints the groups of the data set itself.
With `--among`, they are all looked for again among so many photos, most of them mixtures of three real ones.
Then plants pictures that do not belong there, one of each kind at a time, and counts how many are reported as
outliers: by `outliers`, and by shrunk Mahalanobis distances to the class means. Takes two minutes on two
cores.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps
from pooled_photos import Photos, photos_of, pool_files

from catdog.checks import near_duplicates as near
from catdog.checks.near_duplicates import LEAST_PHOTOS, find_near_duplicates
from catdog.checks.outliers import LEAST_SCORE, outlier_scores
from catdog.workspace import FeatureCache

_PLANTED = 10  # of each kind
_SHRINKAGE = 0.1  # of the covariance towards a multiple of the identity


def _crop(photo: Image.Image, fraction: float) -> Image.Image:
    """The middle, without that fraction of the width and of the height."""
    width, height = photo.size
    left, top = round(width * fraction / 2), round(height * fraction / 2)
    return photo.crop((left, top, max(width - left, left + 1), max(height - top, top + 1)))


def _half(photo: Image.Image) -> Image.Image:
    size = max(1, photo.width // 2), max(1, photo.height // 2)
    return photo.resize(size, Image.Resampling.LANCZOS)


# name → (change, JPEG quality)
_CHANGES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "cropped by 5 %": (lambda photo: _crop(photo, 0.05), 90),
    "cropped by 10 %": (lambda photo: _crop(photo, 0.10), 90),
    "cropped by 20 %": (lambda photo: _crop(photo, 0.20), 90),
    "mirrored": (ImageOps.mirror, 90),
    "mirrored, cropped by 10 %, quality 60": (lambda photo: _crop(ImageOps.mirror(photo), 0.10), 60),
    "JPEG at quality 60": (lambda photo: photo, 60),
    "JPEG at quality 30": (lambda photo: photo, 30),
    "at half the size, quality 85": (_half, 85),
    "brighter by 30 %": (lambda photo: ImageEnhance.Brightness(photo).enhance(1.3), 90),
    "darker by 30 %": (lambda photo: ImageEnhance.Brightness(photo).enhance(0.7), 90),
    "contrast less by 30 %": (lambda photo: ImageEnhance.Contrast(photo).enhance(0.7), 90),
    "made grey": (lambda photo: photo.convert("L").convert("RGB"), 90),
}


def main() -> None:
    """Change, plant, compare, print."""
    parser = argparse.ArgumentParser(description="Recall of near-duplicates and of outliers.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=150, help="how many are changed")
    parser.add_argument("--among", type=int, default=0, help="how many photos they are looked for among")
    arguments = parser.parse_args()
    photos = photos_of(arguments.data)
    _untouched(photos, arguments.data)
    random = np.random.default_rng(0)
    chosen = random.choice(len(photos.paths), min(arguments.photos, len(photos.paths)), replace=False)
    with tempfile.TemporaryDirectory() as name:
        _changed(photos, chosen, Path(name), arguments.among)
        _outliers(photos, Path(name))


def _untouched(photos: Photos, data: Path) -> None:
    count = len(photos.paths)
    compared = find_near_duplicates(photos.pooled.means, photos.labels)
    pairs = count * (count - 1) // 2
    print(f"{count:,} photos, {pairs:,} pairs, groups of near-duplicates: {len(compared.groups):,}\n")
    print("| lowest cosine | photos |\n| --- | --- |")
    for group, similarity in zip(compared.groups, compared.similarities, strict=True):
        names = ", ".join(str(photos.paths[row].relative_to(data)) for row in group)
        print(f"| {similarity:.3f} | {names} |")


def _changed(photos: Photos, chosen: np.ndarray, folder: Path, among: int) -> None:
    print(f"\n| {len(chosen)} photos | recall |\n| --- | --- |")
    labels = np.append(photos.labels, photos.labels[chosen])
    everything = [photos.pooled.means]
    for name, (change, quality) in _CHANGES.items():
        changed = [folder / f"{name} {row}.jpg" for row in chosen]
        for row, path in zip(chosen, changed, strict=True):
            with Image.open(photos.paths[row]) as photo:
                change(ImageOps.exif_transpose(photo).convert("RGB")).save(path, "JPEG", quality=quality)
        means = pool_files(changed, features=FeatureCache(folder / "cache")).means
        groups = find_near_duplicates(np.concatenate([photos.pooled.means, means]), labels).groups
        group_of = {row: number for number, group in enumerate(groups) for row in group}
        originals = [group_of.get(int(row), -1) for row in chosen]
        found = [group_of.get(len(photos.paths) + row, -2) for row in range(len(changed))]
        print(f"| {name} | {np.mean(np.equal(originals, found)):.2f} |", flush=True)
        everything.append(means)
    if among:
        _among(everything, photos.labels, chosen, among)


def _among(everything: list[np.ndarray], labels: np.ndarray, chosen: np.ndarray, count: int) -> None:
    """The same among many photos: in the space of roots, mixtures of three photos with noise."""
    real = np.concatenate(everything)
    random, means = np.random.default_rng(0), np.empty((count, real.shape[1]), np.float16)
    means[: len(real)] = real
    for start in range(len(real), count, 8192):
        rows = min(8192, count - start)
        weights = random.dirichlet((0.5, 0.5, 0.5), rows).astype(np.float32)
        mixed = (np.sqrt(real)[random.integers(len(real), size=(rows, 3))] * weights[:, :, None]).sum(axis=1)
        means[start : start + rows] = (mixed * random.gamma(4, 1 / 4, mixed.shape)) ** 2
    classes = random.integers(labels.max() + 1, labels.max() + 1000, count)
    classes[: len(real)] = np.append(labels, [labels[chosen]] * (len(everything) - 1))
    began = time.process_time()
    groups = find_near_duplicates(means, classes).groups
    used, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"\nAmong {count:,} photos: {used:.1f} s of a core, peak resident memory {peak:.2f} GB\n")
    print("| changed | pairs above both bounds | of these found |\n| --- | --- | --- |")
    centres, _ = near._centres(means, classes)
    group_of = {row: number for number, group in enumerate(groups) for row in group}
    for number, name in enumerate(_CHANGES):
        changed = len(labels) + number * len(chosen) + np.arange(len(chosen))
        first, second = (np.sqrt(means[rows].astype(np.float32)) for rows in (chosen, changed))
        centre = centres[labels[chosen]]
        alike = _cosines(first, second) >= near.LEAST_COSINE
        alike &= _cosines(first - centre, second - centre) >= near.LEAST_CENTRED
        together = [
            group_of.get(int(a), -1) == group_of.get(int(b), -2) for a, b in zip(chosen, changed, strict=True)
        ]
        print(f"| {name} | {alike.sum()} | {(alike & np.array(together)).sum()} |")


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / norms


def _outliers(photos: Photos, folder: Path) -> None:
    """One of each kind at a time: too few to be one another's fifth most similar picture."""
    random = np.random.default_rng(0)
    kinds = {
        "text": [_text(folder / f"text {n}.png", random) for n in range(_PLANTED)],
        "coloured shapes": [_shapes(folder / f"shapes {n}.png", random) for n in range(_PLANTED)],
        "drawings of cats": [_head(folder / f"cat {n}.png", random, "cat") for n in range(_PLANTED)],
        "drawings of dogs": [_head(folder / f"dog {n}.png", random, "dog") for n in range(_PLANTED)],
    }
    own = photos.pooled.means
    pooled = [pool_files(paths, features=FeatureCache(folder / "cache")).means for paths in kinds.values()]
    found, by_mahalanobis = (np.zeros(len(kinds), int) for _ in range(2))
    for means in zip(*pooled, strict=True):
        everything = np.concatenate([own, np.stack(means)])
        compared = find_near_duplicates(everything, np.append(photos.labels, [0] * len(kinds)))
        scores = np.zeros(len(everything))
        scores[compared.firsts] = outlier_scores(compared.neighbours)
        found += scores[len(own) :] > LEAST_SCORE
        by_mahalanobis += _mahalanobis_scores(photos, np.stack(means))[len(own) :] > LEAST_SCORE
    print("\n| planted | pictures | found | by Mahalanobis distances |\n| --- | --- | --- | --- |")
    for name, ours, theirs in zip(kinds, found, by_mahalanobis, strict=True):
        print(f"| {name} | {_PLANTED} | {ours} | {theirs} |")
    ours = (outlier_scores(find_near_duplicates(own, photos.labels).neighbours) > LEAST_SCORE).sum()
    theirs = (_mahalanobis_scores(photos, own[:0]) > LEAST_SCORE).sum()
    print(f"| none: the folder's own | {len(own)} | {ours} | {theirs} |")


def _mahalanobis_scores(photos: Photos, planted: np.ndarray) -> np.ndarray:
    """Deviations above the median, of the distance to the nearest class mean; own photos, then `planted`."""
    roots, others = np.sqrt(photos.pooled.means), np.sqrt(planted)
    classes = range(len(photos.classes))
    large = [label for label in classes if (photos.labels == label).sum() >= LEAST_PHOTOS]
    means = np.stack([roots[photos.labels == label].mean(axis=0) for label in large or [0]])
    own = [roots[photos.labels == label] - mean for label, mean in zip(large or [0], means, strict=True)]
    covariance = np.cov(np.concatenate(own).T)
    spherical = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    shrunk = np.linalg.inv(np.linalg.cholesky((1 - _SHRINKAGE) * covariance + _SHRINKAGE * spherical))
    differences = np.concatenate([roots, others])[:, None] - means
    distances = np.linalg.norm(differences @ shrunk.T, axis=2).min(axis=1)
    return outlier_scores(1 - distances)


def _text(path: Path, random: np.random.Generator) -> Path:
    picture = Image.new("RGB", (400, 300), _colour(random, 150, 256))
    for line in range(random.integers(2, 8)):
        words = "".join(random.choice(list("abcdefghij klmnop qrst"), 20))
        font = ImageFont.load_default(28)
        ImageDraw.Draw(picture).text((20, 20 + 35 * line), words, fill=_colour(random, 0, 120), font=font)
    picture.save(path)
    return path


def _shapes(path: Path, random: np.random.Generator) -> Path:
    picture = Image.new("RGB", (300, 300), "white")
    pen = ImageDraw.Draw(picture)
    for draw in (pen.rectangle, pen.ellipse, pen.rectangle, pen.ellipse):
        left, top = (int(place) for place in random.integers(0, 200, 2))
        draw((left, top, left + 90, top + 90), fill=_colour(random, 0, 256))
    picture.save(path)
    return path


def _head(path: Path, random: np.random.Generator, animal: str) -> Path:
    """A head in flat colours; the ears of a cat stand, those of a dog hang."""
    picture = Image.new("RGB", (300, 300), _colour(random, 100, 256))
    pen = ImageDraw.Draw(picture)
    coat, (left, top) = _colour(random, 0, 200), random.integers(20, 80, 2).tolist()
    pen.ellipse((left, top, left + 180, top + 180), coat, "black", 3)
    for ear in (left + 30, left + 150):
        if animal == "cat":
            pen.polygon([(ear - 30, top + 50), (ear, top - 40), (ear + 30, top + 50)], coat, "black", 3)
        else:
            pen.ellipse((ear - 25, top + 10, ear + 25, top + 140), coat, "black", 3)
    for eye in (left + 65, left + 115):
        pen.ellipse((eye - 12, top + 60, eye + 12, top + 84), "white", "black", 2)
        pen.ellipse((eye - 5, top + 66, eye + 5, top + 78), "black")
    pen.ellipse((left + 78, top + 105, left + 102, top + 120), "black")
    pen.arc((left + 60, top + 100, left + 120, top + 150), 20, 160, "black", 3)
    picture.save(path)
    return path


def _colour(random: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.integers(low, high, 3))
    return red, green, blue


if __name__ == "__main__":
    main()

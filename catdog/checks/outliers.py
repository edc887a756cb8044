"""Outliers: photos that are far from all others, whatever their class.

The distance of a photo is 1 - cosine of its pooled features and those of the fifth most similar photo; see
`near_duplicates`. The photo is an outlier if that is more than `LEAST_SCORE` standard deviations above the
median. The deviation is 1.4826 times the median absolute deviation (F. R. Hampel, Journal of the American
Statistical Association 69, 1974), which outliers hardly change.

Measured by `tests/benchmarks/near_duplicates.py` against 2,000 real photos of dogs and cats: of 40 planted
pictures (text, coloured shapes, drawings of cats and dogs) all are found. Of the 2,000 themselves six are
reported, odd ones: a toy, several pictures in one, a dog behind a fence. Shrunk Mahalanobis distances found 9
of the 40.
"""

import numpy as np

LEAST_SCORE = 5.0
LEAST_PHOTOS = 20  # for a median

_LEAST_DEVIATION = 0.01  # among very similar photos, a slightly different photo is not an outlier


def outlier_scores(neighbours_n: np.ndarray) -> np.ndarray:
    """How many standard deviations each photo's distance is above the median, (n,).

    Args:
        neighbours_n: cosine of each photo and its fifth most similar photo.
    """
    distances = 1 - neighbours_n
    middle = np.median(distances)
    deviation = 1.4826 * np.median(np.abs(distances - middle))
    return (distances - middle) / max(deviation, _LEAST_DEVIATION)

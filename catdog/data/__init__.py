"""Photos: found in a folder, labelled, split by content, decoded safely and in threads.

The only room that uses Pillow. Nothing here prints or writes: a user's photo is only ever opened for
reading.
"""

from catdog.data.batches import Decoded, decoded, probe_all
from catdog.data.decode import DECODING_VERSION, PhotoHeader, decode, decode_for_people, probe
from catdog.data.enough import (
    ClassPhotos,
    class_imbalance,
    few_labels,
    few_to_validate,
    require_every_class,
    require_targets,
    require_trainable,
)
from catdog.data.fingerprint import Skipped, fingerprint
from catdog.data.labels import Photo
from catdog.data.layout import SPLITS, DataSet, scan
from catdog.data.opening import MAX_PIXELS, decoder_version
from catdog.data.split import folds_by_content, is_validation, split_by_content
from catdog.data.survey import SplitFacts, sizes_and_formats, survey
from catdog.data.targets import find_labelled, labels_of, named, strata, targets

__all__ = ["DECODING_VERSION", "MAX_PIXELS", "PhotoHeader", "decode", "decode_for_people", "decoder_version"]
__all__ += ["Decoded", "decoded", "fingerprint", "probe", "probe_all", "Skipped", "SplitFacts", "survey"]
__all__ += ["SPLITS", "DataSet", "Photo", "is_validation", "scan", "split_by_content", "folds_by_content"]
__all__ += ["few_labels", "find_labelled", "labels_of", "named", "strata", "targets"]
__all__ += ["ClassPhotos", "class_imbalance", "few_to_validate", "require_every_class", "require_trainable"]
__all__ += ["require_targets", "sizes_and_formats"]

"""The 1000 classes of ILSVRC-2012, in the order of the original network's outputs."""

from importlib import resources


def class_names() -> tuple[str, ...]:
    """Their names: the first word of each synset in WordNet 3.0, with a note where two are the same.

    The order is that of the synsets' WordNet numbers, the first column of the data file.
    """
    text = (resources.files("catdog") / "pretrained" / "imagenet_classes.tsv").read_text("utf-8")
    return tuple(line.split("\t")[1] for line in text.splitlines())

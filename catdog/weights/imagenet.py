"""The 1000 classes of ILSVRC-2012, in the order of the original network's outputs."""

from importlib import resources


def class_names() -> tuple[str, ...]:
    """Their names: the first word that WordNet 3.0 has for each synset, told apart where two are the same.

    The order is that of the synsets' WordNet numbers, which the first column of the data file holds.
    """
    text = (resources.files("catdog") / "pretrained" / "imagenet_classes.tsv").read_text("utf-8")
    return tuple(line.split("\t")[1] for line in text.splitlines())

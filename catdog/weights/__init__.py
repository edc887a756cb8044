"""Pretrained weights: sources, downloads, file formats, names of tensors, integrity."""

"""Pretrained weights: sources, downloads, file formats, tensor names, integrity."""

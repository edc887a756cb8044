"""catdog fine-tunes ImageNet's VGG16 on a folder of photos and classifies with it.

Importing the package costs nothing: JAX is imported by the modules that compute.
"""

__version__ = "0.1.0"

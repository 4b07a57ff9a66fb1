"""A stand-in where torchvision is not installed: the names that robomimic 0.3.0 imports. What PRISM and its heads need of robomimic uses none of it."""
__version__ = "0+standin"

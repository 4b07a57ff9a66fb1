def __getattr__(name):
    raise AttributeError(f"torchvision.transforms.functional.{name} needs torchvision itself, which is not installed: only a stand-in for robomimic's imports is here.")

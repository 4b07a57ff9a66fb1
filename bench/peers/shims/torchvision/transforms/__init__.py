class Compose:
    "Apply transforms one after the other."

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x


class Lambda:
    "A function as a transform."

    def __init__(self, function):
        self.function = function

    def __call__(self, x):
        return self.function(x)

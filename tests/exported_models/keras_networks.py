"""Keras networks with seeded weights, for every backend."""

import numpy as np

SIDE = 96
CLASSES = 10


def network(name):
    """A network of keras.applications, or a small one with the layers that people use."""
    import keras

    keras.utils.set_random_seed(7)
    shape = (SIDE, SIDE, 3)
    if name == "small":
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input(shape),
                layers.Rescaling(0.5, 0.1),
                layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
                layers.BatchNormalization(),
                layers.MaxPooling2D(),
                layers.SeparableConv2D(16, 3, padding="same", activation="relu"),
                layers.Conv2D(16, 3, dilation_rate=2),
                layers.LeakyReLU(),
                layers.AveragePooling2D(2, padding="same"),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(16, activation="relu"),
                layers.Dense(CLASSES, activation="softmax"),
            ]
        )
    else:
        make = getattr(keras.applications, name)
        model = make(weights=None, input_shape=shape, classes=CLASSES)
    enliven(model)
    return model


def enliven(model):
    """Numbers for what a fresh network has as zeros and ones."""
    numbers = np.random.default_rng(7)
    for weight in model.weights:
        values = np.asarray(weight.numpy())
        if values.size < 2 or values.min() != values.max() or values.dtype != np.float32:
            continue
        if values.max() == 0:
            weight.assign(numbers.normal(0, 0.1, values.shape).astype(np.float32))
        else:
            weight.assign(numbers.uniform(0.6, 1.2, values.shape).astype(np.float32))

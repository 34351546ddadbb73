"""Pictures in all accepted forms: a file, a Pillow image, pixels, or a prepared input."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["as_image", "is_batch", "native", "values_of"]


def is_tensor(value: Any) -> bool:
    """Whether it is a PyTorch tensor; does not import PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _array(value: Any) -> np.ndarray:
    if is_tensor(value):
        return value.detach().cpu().numpy()
    return np.asarray(value)


def is_batch(picture: Any) -> bool:
    """Whether it is several pictures: a list or tuple, or an array with four axes."""
    if isinstance(picture, (list, tuple)):
        return True
    return (isinstance(picture, np.ndarray) or is_tensor(picture)) and picture.ndim == 4


def native(picture: Any) -> Any:
    """The picture in a form that the engine accepts: a path, bytes, ``uint8 [H, W, 3]``, or ``float32 [C, H, W]``.

    Raises
    ------
    TypeError
        For an object that is not a picture.
    ValueError
        For an array that is neither pixels nor a prepared input.
    """
    if isinstance(picture, (str, os.PathLike)):
        return Path(picture)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, np.ndarray) or is_tensor(picture):
        return _pixels_or_values(_array(picture), is_tensor(picture))
    image = getattr(sys.modules.get("PIL.Image"), "Image", ())
    if isinstance(picture, image):
        return _of_image(picture)
    raise TypeError(
        "a picture must be a path, bytes of a picture file, a Pillow image, an array or a tensor, not "
        f"{type(picture).__name__}"
    )


def _of_image(image: Any) -> np.ndarray:
    if image.mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"):
        if image.mode in ("RGBA", "LA") or "transparency" in image.info:
            # As for files, transparent pixels become white.
            from PIL import Image

            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
        return np.ascontiguousarray(np.asarray(image.convert("RGB")))
    raise ValueError(
        f"a Pillow image of mode {image.mode} does not define which values are black and white; "
        "convert it to RGB, or give the file's path"
    )


def _pixels_or_values(array: np.ndarray, is_from_torch: bool) -> np.ndarray:
    shape = array.shape
    if array.dtype == np.uint8:
        if array.ndim == 2:
            array = np.repeat(array[:, :, None], 3, axis=2)
        elif array.ndim == 3 and is_from_torch and shape[0] in (1, 3):
            # Channels first, as torchvision reads files.
            array = np.broadcast_to(array, (3, *shape[1:])).transpose(1, 2, 0)
        elif array.ndim == 3 and shape[2] == 1:
            array = np.repeat(array, 3, axis=2)
        elif array.ndim != 3 or shape[2] != 3:
            raise ValueError(f"pixels must have the shape (rows, columns, 3), not {shape}")
        return np.ascontiguousarray(array)
    if np.issubdtype(array.dtype, np.floating):
        if array.ndim == 3 and shape[0] in (1, 3):
            return np.ascontiguousarray(array, dtype=np.float32)
        raise ValueError(
            "an array of floats must be a prepared, normalised input of shape (channels, rows, columns), "
            f"not {shape}; give pixels as uint8"
        )
    raise ValueError(
        f"an array of {array.dtype} does not define which values are black and white; give pixels as uint8, or a "
        "prepared input as float32"
    )


def values_of(inputs: Any) -> np.ndarray:
    """Prepared pictures as ``float32 [N, C, H, W]``.

    Raises
    ------
    ValueError
        For an array of another shape.
    """
    array = np.ascontiguousarray(_array(inputs), dtype=np.float32)
    if array.ndim != 4:
        raise ValueError(f"inputs must have the shape (N, C, H, W), not {array.shape}")
    return array


def as_image(pixels: np.ndarray) -> Any:
    """Pixels ``[H, W, 3]`` as a Pillow image.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "images need Pillow: pip install pillow; `figure_array()` and similar functions return arrays without it"
        ) from error
    return Image.fromarray(pixels)

"""Pictures that no renderer of ours draws and nobody took, for tests of what tells the two apart."""

import numpy as np
from PIL import Image


def photograph(seed: int = 0) -> Image.Image:
    """Structure at every scale, as a photograph has it: noise whose spectrum falls with the frequency."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(300)[:, None], np.fft.rfftfreq(400)[None])
    spectrum = np.exp(2j * np.pi * rng.random(frequency.shape)) / np.maximum(frequency, 1 / 400) ** 1.2
    grey = np.fft.irfft2(spectrum, s=(300, 400))
    return Image.fromarray(np.clip(128 + 55 * grey / grey.std(), 0, 255).astype(np.uint8)).convert("RGB")

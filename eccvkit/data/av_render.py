"""Look at and listen to the videos of :class:`~eccvkit.data.av_scenes.AVScenes`.

The first eight classes have a name, a sound made from a formula and a symbol. Experiments never use
them: they work on features. Pictures and clips show what the labels of a video mean.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.io import wavfile

from eccvkit.errors import EccvkitError

#: Samples per second: enough for these sounds, and a clip of ten seconds stays small.
RATE = 8000
#: Names of the classes that can be rendered, in the order of their labels.
NAMES = ("telephone", "aeroplane", "rain", "thunder", "hammer", "music", "ship", "scissors")
_SYMBOLS = "☎✈☂⚡⚒♫⚓✂"


def class_names(classes: int) -> tuple[str, ...]:
    """Names of the first ``classes`` classes; those without a rendering are numbered.

    Examples
    --------
    >>> class_names(10)[-3:]
    ('scissors', 'class 8', 'class 9')
    """
    return tuple(NAMES[k] if k < len(NAMES) else f"class {k}" for k in range(classes))


# --------------------------------------------------------------------------------------
# Sound
# --------------------------------------------------------------------------------------


def _tone(t: np.ndarray, *frequencies: float) -> np.ndarray:
    return sum(np.sin(2 * np.pi * f * t) for f in frequencies) / len(frequencies)


def _bursts(t: np.ndarray, period: float, decay: float, offset: float = 0.0) -> np.ndarray:
    """Envelope that jumps to 1 every ``period`` seconds and decays at ``decay`` per second."""
    return np.exp(-decay * ((t - offset) % period))


def _coloured_noise(t: np.ndarray, low: float, high: float, seed: int) -> np.ndarray:
    """Noise between two frequencies (Hz), of peak 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=len(t)))
    frequency = np.fft.rfftfreq(len(t), 1 / RATE)
    noise = np.fft.irfft(spectrum * ((frequency >= low) & (frequency < high)), len(t))
    return noise / np.abs(noise).max()


def _music(t: np.ndarray) -> np.ndarray:
    notes = np.array([262, 330, 392, 523])[(t // 0.25).astype(int) % 4]
    return _bursts(t, 0.25, 6) * np.sin(2 * np.pi * notes * t)


_SOUNDS = {
    "telephone": lambda t: _tone(t, 1000, 1250) * (np.sin(2 * np.pi * 12 * t) > 0) * (t % 1 < 0.6),
    "aeroplane": lambda t: (2 * ((90 * t) % 1) - 1) * (0.8 + 0.2 * _tone(t, 3)),
    "rain": lambda t: 0.8 * _coloured_noise(t, 1800, 4000, 0),
    "thunder": lambda t: _coloured_noise(t, 20, 250, 1) * _bursts(t, 1.7, 1.5),
    "hammer": lambda t: _bursts(t, 0.5, 25) * (_tone(t, 180, 410) + _coloured_noise(t, 9, 4e3, 2)),
    "music": _music,
    "ship": lambda t: _tone(t, 110, 165, 220, 330),
    "scissors": lambda t: (
        _coloured_noise(t, 2500, 4000, 3) * (_bursts(t, 0.8, 30) + _bursts(t, 0.8, 30, 0.15))
    ),
}


@cache
def _sound(name: str, seconds: int) -> np.ndarray:
    """The sound of a class going on for a while, at a comfortable level."""
    wave = _SOUNDS[name](np.arange(seconds * RATE) / RATE)
    return 0.25 * wave / np.sqrt((wave**2).mean())


def waveform(heard: np.ndarray) -> np.ndarray:
    """The sound track of a video; :func:`wav` makes a file of it.

    Parameters
    ----------
    heard : (T, C) bool
        Audio labels of one video; a snippet lasts one second.

    Returns
    -------
    numpy.ndarray
        (T * RATE,) float32 in [-1, 1]. Sounds fade in and out within 20 ms.

    Raises
    ------
    EccvkitError
        A class that is heard has no sound.
    """
    heard = np.asarray(heard, dtype=bool)
    _check(heard, "sound")
    fade = np.hanning(RATE // 25)
    fade /= fade.sum()
    total = np.zeros(len(heard) * RATE)
    for k in np.flatnonzero(heard.any(axis=0)):
        gate = np.repeat(heard[:, k].astype(float), RATE)
        # Smoothed, the gate is one half at its borders: stretched to 0, nothing leaks out.
        envelope = np.clip(2 * np.convolve(gate, fade, mode="same") - 1, 0, None)
        total += _sound(NAMES[k], len(heard)) * envelope
    return np.tanh(total).astype(np.float32)


def wav(wave: np.ndarray) -> bytes:
    """A sound track as a WAV file of 8 bits per sample, half the size of the usual 16.

    ``IPython.display.Audio(wav(waveform(heard)))`` shows a player.

    Parameters
    ----------
    wave : (samples,) array in [-1, 1]
    """
    target = io.BytesIO()
    # WAV files with 8 bits are unsigned.
    samples = np.round(127.5 * (np.clip(wave, -1, 1) + 1)).astype(np.uint8)
    wavfile.write(target, RATE, samples)
    return target.getvalue()


def log_mel(wave: np.ndarray, bands: int = 32, frames: int = 16) -> np.ndarray:
    """A mel-like picture of a sound track: log power in bands of equal width on the mel scale.

    Parameters
    ----------
    wave : (T * RATE,) array
    bands, frames : int
        Rows, and columns per second.

    Returns
    -------
    numpy.ndarray
        (bands, T * frames) in [0, 1], low tones first; 0 is 60 dB below 1.
    """
    hop = RATE // frames
    window = np.hanning(2 * hop)
    padded = np.pad(np.asarray(wave, dtype=float), (hop // 2, 2 * hop))
    starts = np.arange(len(wave) // hop) * hop
    pieces = np.stack([padded[s : s + 2 * hop] * window for s in starts])
    power = np.abs(np.fft.rfft(pieces, axis=1)) ** 2 / window.sum() ** 2
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(2 * hop, 1 / RATE) / 700)
    band = np.minimum((mel / mel[-1] * bands).astype(int), bands - 1)
    # The lowest bands are narrower than a bin of the spectrum: they take the bin below them.
    filled = np.maximum.accumulate(np.where(np.isin(np.arange(bands), band), np.arange(bands), 0))
    picture = np.stack([power[:, band == b].max(axis=1) for b in filled])
    return np.clip(1 + np.log10(np.maximum(picture, 1e-12)) / 6, 0, 1)


# --------------------------------------------------------------------------------------
# Pictures
# --------------------------------------------------------------------------------------


@cache
def icon(k: int, side: int = 32) -> np.ndarray:
    """The symbol of class k, (side, side) in [0, 1], 1 where it is drawn.

    Raises
    ------
    EccvkitError
        The class has no symbol.
    """
    import matplotlib

    if not 0 <= k < len(NAMES):
        raise EccvkitError(f"class {k} has no symbol: only the first {len(NAMES)} can be rendered")
    font_file = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    canvas = Image.new("L", (side, side))
    font = ImageFont.truetype(str(font_file), round(0.95 * side))
    ImageDraw.Draw(canvas).text((side / 2, side / 2), _SYMBOLS[k], 255, font, anchor="mm")
    return np.asarray(canvas, dtype=np.float32) / 255


def frames(seen: np.ndarray, side: int = 64) -> np.ndarray:
    """One picture per snippet, with the symbols of the classes that are seen.

    Parameters
    ----------
    seen : (T, C) bool
        Visual labels of one video.

    Returns
    -------
    numpy.ndarray
        (T, side, side) in [0, 1], dark symbols on a pale ground. Up to four fit in.

    Raises
    ------
    EccvkitError
        A class that is seen has no symbol, or more than four are seen at once.
    """
    seen = np.asarray(seen, dtype=bool)
    _check(seen, "symbol")
    half = side // 2
    corners = ((0, 0), (half, half), (0, half), (half, 0))
    pictures = np.full((len(seen), side, side), 0.93, dtype=np.float32)
    # A class keeps its corner for the whole video.
    corner_of = {k: n for n, k in enumerate(np.flatnonzero(seen.any(axis=0)))}
    if len(corner_of) > len(corners):
        raise EccvkitError(
            f"{len(corner_of)} classes are seen in one video: at most {len(corners)} fit into a "
            "frame"
        )
    for k, n in corner_of.items():
        row, column = corners[n]
        patch = pictures[seen[:, k], row : row + half, column : column + half]
        pictures[seen[:, k], row : row + half, column : column + half] = patch * (1 - icon(k, half))
    return pictures


def _check(active: np.ndarray, what: str) -> None:
    if active.ndim != 2:
        raise EccvkitError(
            f"labels of one video have shape (snippets, classes), got {active.shape}: pass one "
            "video of SnippetLabels.audio or .visual"
        )
    silent = [k for k in np.flatnonzero(active.any(axis=0)) if k >= len(NAMES)]
    if silent:
        raise EccvkitError(
            f"class {silent[0]} has no {what}: only the first {len(NAMES)} can be rendered"
        )

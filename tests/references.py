"""Slow, obvious float64 twins of the package's arithmetic, one image and one value at a time."""

import io
from functools import cache

import numpy as np
import pywt
from PIL import Image
from scipy.fft import dctn, idctn
from sklearn.linear_model import LogisticRegression


def dwt_rows(image, wavelet, mode):
    pairs = [pywt.dwt(row, wavelet, mode) for row in image]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def idwt_rows(low, high, wavelet, mode):
    return np.array([pywt.idwt(a, d, wavelet, mode) for a, d in zip(low, high, strict=True)])


def box_mean(values, window):
    """Mean over a square window, with zeros beyond the border."""
    reach = window // 2
    padded = np.pad(values, reach)
    means = np.empty_like(values)
    for i, j in np.ndindex(*values.shape):
        means[i, j] = padded[i : i + window, j : j + window].sum() / window**2
    return means


def noise_part(band, sigma):
    variance = np.min(
        [np.maximum(box_mean(band**2, window) - sigma**2, 0) for window in (3, 5, 7, 9)], axis=0
    )
    return band * sigma**2 / (variance + sigma**2)


def wavelet_residual(image, wavelet="db4", level=4, sigma=5.0, mode="symmetric"):
    """Mihcak's filter: rows, then columns, one one-dimensional transform at a time."""
    if level == 0:
        return np.zeros_like(image)
    low, high = dwt_rows(image, wavelet, mode)
    (ll, lh), (hl, hh) = (dwt_rows(part.T, wavelet, mode) for part in (low, high))
    inner = wavelet_residual(ll.T, wavelet, level - 1, sigma, mode)
    lh, hl, hh = (noise_part(band.T, sigma) for band in (lh, hl, hh))
    low = idwt_rows(inner.T, lh.T, wavelet, mode).T[: image.shape[0]]
    high = idwt_rows(hl.T, hh.T, wavelet, mode).T[: image.shape[0]]
    return idwt_rows(low, high, wavelet, mode)[:, : image.shape[1]]


def windows(image, size):
    """The window around each pixel; borders are mirrored, and the edge pixel repeated."""
    before = size // 2
    padded = np.pad(image, (before, size - 1 - before), mode="symmetric")
    for i, j in np.ndindex(*image.shape):
        yield (i, j), padded[i : i + size, j : j + size]


def gaussian_residual(image, sigma=1.0, truncate=4.0):
    reach = int(truncate * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    smooth = np.empty_like(image)
    for pixel, window in windows(image, 2 * reach + 1):
        smooth[pixel] = (window * kernel).sum()
    return image - smooth


def median_residual(image, size=3):
    median = np.empty_like(image)
    for pixel, window in windows(image, size):
        median[pixel] = np.median(window)
    return image - median


def wiener_residual(image, size=3, sigma=None):
    mean, variance = np.empty_like(image), np.empty_like(image)
    for pixel, window in windows(image, size):
        mean[pixel], variance[pixel] = window.mean(), window.var()
    noise = variance.mean() if sigma is None else sigma**2
    gain = np.maximum(variance - noise, 0) / np.maximum(np.maximum(variance, noise), 1e-300)
    return image - (mean + gain * (image - mean))


def cubic(distance):
    """Keys' kernel with a = -0.5."""
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def resized_rows(image, n_rows):
    """Bicubic along the first axis; where it shrinks, the kernel is as much wider."""
    scale = len(image) / n_rows
    resized = np.empty((n_rows, image.shape[1]))
    for row in range(n_rows):
        distances = np.arange(len(image)) + 0.5 - (row + 0.5) * scale
        weights = np.array([cubic(distance / max(scale, 1)) for distance in distances])
        resized[row] = weights @ image / weights.sum()
    return resized


def resized(image, height, width):
    return resized_rows(resized_rows(image, height).T, width).T


def jpeg_grey(image, table):
    """What the quantisation of the frequencies leaves of a grey image of whole 8 x 8 blocks."""
    result = np.empty(image.shape)
    for i, j in np.ndindex(image.shape[0] // 8, image.shape[1] // 8):
        block = slice(8 * i, 8 * i + 8), slice(8 * j, 8 * j + 8)
        coefficients = dctn(image[block] - 128.0, norm="ortho")
        result[block] = idctn(np.round(coefficients / table) * table, norm="ortho") + 128
    return result.round().clip(0, 255)


def circular_autocorrelation(fingerprint):
    """Of (H, W, C) values, lag by lag, with lag 0 at [H // 2, W // 2]."""
    height, width, _ = fingerprint.shape
    centred = fingerprint - fingerprint.mean(axis=(0, 1))
    values = np.empty((height, width))
    for i, j in np.ndindex(height, width):
        moved = np.roll(centred, (i - height // 2, j - width // 2), axis=(0, 1))
        values[i, j] = (centred * moved).sum()
    return values / (centred**2).sum()


def lag_correlation(first, second, down, right):
    """Of two (H, W) channels at one lag, pixel by pixel, wrapping around."""
    height, width = first.shape
    total = 0.0
    for i, j in np.ndindex(height, width):
        total += first[i, j] * second[(i + down) % height, (j + right) % width]
    return total / np.sqrt((first**2).sum() * (second**2).sum())


def window_power(channel, side, down, right):
    """Power of a (H, W) channel at one frequency, the mean over Hann windows that overlap by half.

    Frequencies are in cycles per window.
    """
    hann = np.array([(1 - np.cos(2 * np.pi * n / side)) / 2 for n in range(side)])
    taper = np.outer(hann, hann)
    rows, columns = np.indices((side, side))
    wave = np.exp(-2j * np.pi * (down * rows + right * columns) / side)
    powers = []
    for i in range(0, channel.shape[0] - side + 1, side // 2):
        for j in range(0, channel.shape[1] - side + 1, side // 2):
            window = channel[i : i + side, j : j + side]
            powers.append(abs((window * taper * wave).sum()) ** 2)
    return np.mean(powers) / (taper**2).sum()


def relative_rms(actual, expected):
    """Root mean square of the difference over that of the expected values."""
    return np.sqrt(np.mean((np.asarray(actual, float) - expected) ** 2) / np.mean(expected**2))


def convolve_planes(planes, kernel, bias):
    """Correlate (C, H, W) with (C', C, k, k), with zeros beyond the border."""
    n_out, n_in, size, _ = kernel.shape
    _, height, width = planes.shape
    result = np.empty((n_out, height, width))
    for o, i, j in np.ndindex(*result.shape):
        total = bias[o]
        for c, a, b in np.ndindex(n_in, size, size):
            row, column = i + a - size // 2, j + b - size // 2
            if 0 <= row < height and 0 <= column < width:
                total += kernel[o, c, a, b] * planes[c, row, column]
        result[o, i, j] = total
    return result


def transposed_convolve_planes(planes, kernel, bias):
    """Each pixel of (C, H, W) adds its kernel to the output, of which a frame of 1 is cut off."""
    n_out, n_in, size, _ = kernel.shape
    _, height, width = planes.shape
    result = np.zeros((n_out, 2 * height + 2, 2 * width + 2)) + np.reshape(bias, (-1, 1, 1))
    for o, c, i, j in np.ndindex(n_out, n_in, height, width):
        result[o, 2 * i : 2 * i + size, 2 * j : 2 * j + size] += planes[c, i, j] * kernel[o, c]
    return result[:, 1:-1, 1:-1]


def local_division(image, window):
    """Divide by the root of the mean square around each pixel, and a quarter of a grey level."""
    divided = np.empty_like(image)
    for pixel, around in windows(image, window):
        divided[pixel] = image[pixel] / np.sqrt((around**2).mean() + 0.25)
    return divided


def line_strength(image, period, line):
    """Mean of power at a line, mirrored and transposed, by that of frequencies around it."""
    height, width = (side - side % period for side in image.shape)
    image = image[:height, :width] - image[:height, :width].mean()
    rows, columns = np.indices(image.shape)

    def power(down, right):
        wave = np.exp(-2j * np.pi * (down * rows / height + right * columns / width))
        return abs((image * wave).sum()) ** 2

    reach = [min(5, side // (2 * period)) for side in (height, width)]
    ratios = []
    for down, right in {
        (a * s, b * t) for a, b in (line, line[::-1]) for s in (1, -1) for t in (1, -1)
    }:
        down, right = down * height // period, right * width // period
        around = [
            power(down + i, right + j)
            for i in range(-reach[0], reach[0] + 1)
            for j in range(-reach[1], reach[1] + 1)
            if (i, j) != (0, 0)
        ]
        ratios.append(power(down, right) / np.mean(around))
    return np.mean(ratios)


class NeedsWeights(LogisticRegression):
    """Refuses to be fitted without weights. Here, since workers can import it."""

    def fit(self, X, y, sample_weight=None):
        assert len(sample_weight) == len(X)
        return super().fit(X, y, sample_weight)


def pixel_prediction(planes, channel, size, ridge, step=1):
    """Weights and error of the least squares prediction of a channel of (C, H, W) images.

    Every pixel is a row of the equations, and its surroundings, which wrap around, are columns by
    channel, from the top left on, at multiples of `step` pixels. The ridge adds white noise of that
    share of the mean power.
    """
    reach, noise = size // 2, ridge * (planes**2).mean()
    offsets = [(other, i - reach, j - reach) for other, i, j in np.ndindex(len(planes), size, size)]
    others = [offset for offset in offsets if offset != (channel, 0, 0)]
    shifted = np.empty((len(others), planes[0].size))
    for row, (c, i, j) in zip(shifted, others, strict=True):
        row[:] = np.roll(planes[c], (-step * i, -step * j), axis=(0, 1)).ravel()
    penalty = np.sqrt(noise * planes[0].size) * np.eye(len(others))
    equations = np.vstack([shifted.T, penalty])
    values = np.concatenate([planes[channel].ravel(), np.zeros(len(others))])
    weights = np.linalg.lstsq(equations, values)[0]
    error = np.square(values - equations @ weights).sum() / planes[0].size + noise
    return dict(zip(others, weights, strict=True)), error


def jpeg_evidence(image, qualities, row, column):
    """Log-likelihood ratio of JPEG of each quality on a grid, one coefficient at a time."""
    levels = np.rint(image @ np.array([0.299, 0.587, 0.114]))
    evidence = np.zeros(len(qualities))
    for top in range(row, len(levels) - 7, 8):
        for left in range(column, levels.shape[1] - 7, 8):
            if {0, 255} & set(image[top : top + 8, left : left + 8].ravel().tolist()):
                continue  # clipped
            coefficients = np.abs(dctn(levels[top : top + 8, left : left + 8], norm="ortho"))
            for position, quality in enumerate(qualities):
                steps = jpeg_steps(quality)
                multiples = np.rint(coefficients / steps)
                errors = coefficients - multiples * steps
                ratios = 0.9 * steps * np.exp(-6 * errors**2) / np.sqrt(2 * np.pi / 12) + 0.1
                counted = (multiples > 0) & (coefficients < 64)
                counted[0, 0] = False
                evidence[position] += np.log(ratios[counted]).sum()
    return evidence


@cache
def jpeg_steps(quality):
    """Quantization steps of luminance, as libjpeg writes them."""
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as opened:
        return np.reshape(opened.quantization[0], (8, 8))

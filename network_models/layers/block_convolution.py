"""A strided convolution computed on blocks of pixels, for CPUs."""

import math

import keras


@keras.saving.register_keras_serializable(package="solar")
class BlockConv2D(keras.layers.Conv2D):
    """A strided convolution computed on blocks of pixels: the same numbers, several times faster backwards on a CPU.

    Each stride x stride block of pixels becomes one position with stride^2 times the channels, and the kernel, which
    keeps the shape and the weights of `keras.layers.Conv2D`, is rearranged likewise. The stride is then 1. Worth it for
    the first strided convolution of a network, whose few channels make the gradient of its input slow.

    Parameters
    ----------
    filters, kernel_size, strides, **keywords
        As of `keras.layers.Conv2D`; padding is ``"valid"``, one stride greater than 1 for both directions.
    """

    def __init__(self, filters, kernel_size, strides=2, **keywords):
        super().__init__(filters, kernel_size, strides, **keywords)
        same = len(set(self.strides)) == 1 and self.strides[0] > 1
        if not same or self.padding != "valid" or self.groups != 1 or set(self.dilation_rate) != {1}:
            raise ValueError("Expected one stride above 1, padding 'valid', no groups and no dilation")

    def convolution_op(self, inputs, kernel):
        stride = self.strides[0]
        return self.convolve_blocks(blocks_of_images(inputs, kernel.shape[:2], stride), blocks_of_kernel(kernel, stride))

    def convolve_blocks(self, blocks, kernel):
        """Convolve with stride 1: blocks (n, height, width, channel) and kernel (height, width, channel, filter)."""
        import tensorflow

        return tensorflow.nn.conv2d(blocks, kernel, 1, "VALID")


def blocks_of_images(images, widths, stride):
    """Rearrange images so that a convolution of some stride, without padding, becomes one of stride 1.

    Parameters
    ----------
    images : tensorflow.Tensor
        Shape (n, height, width, channel), all but n known.
    widths : tuple of int
        Height and width of the kernel.
    stride : int

    Returns
    -------
    tensorflow.Tensor
        Of a `stride`-th of the height and width, with stride^2 times the channels.
    """
    import tensorflow

    if stride == 1:
        return images
    # The image grows, by zeros at its ends, to what the grown kernel needs; the output keeps its size.
    lengths = images.shape[1:3]
    size = [
        stride * ((length - width) // stride + math.ceil(width / stride)) for length, width in zip(lengths, widths, strict=True)
    ]
    added = [[0, max(0, needed - length)] for needed, length in zip(size, lengths, strict=True)]
    if any(end for _, end in added):
        images = tensorflow.pad(images, [[0, 0], *added, [0, 0]])
    return tensorflow.nn.space_to_depth(images[:, : size[0], : size[1]], stride)


def blocks_of_kernel(kernel, stride):
    """Rearrange a kernel (height, width, channel, filter) likewise; it grows, by zeros at its ends, to whole blocks."""
    import tensorflow

    if stride == 1:
        return kernel
    counts = [math.ceil(width / stride) for width in kernel.shape[:2]]
    grown = [[0, stride * count - width] for count, width in zip(counts, kernel.shape[:2], strict=True)]
    kernel = tensorflow.pad(kernel, [*grown, [0, 0], [0, 0]])
    channels, filters = kernel.shape[2:]
    kernel = tensorflow.reshape(kernel, (counts[0], stride, counts[1], stride, channels, filters))
    kernel = tensorflow.transpose(kernel, (0, 2, 1, 3, 4, 5))
    return tensorflow.reshape(kernel, (*counts, stride**2 * channels, filters))

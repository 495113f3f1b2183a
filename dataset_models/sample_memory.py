"""Samples kept in memory after their first read, and the error that a read met."""

import contextlib
import threading

import numpy


class SampleMemory:
    """Inputs of a data set's samples, read once and kept up to its `memory_budget`."""

    def __init__(self):
        self._lock = threading.Lock()
        self._kept = {}
        self._size = 0
        self._failure = None

    def arrays(self, data, seconds, *, keep=True):
        """Return the inputs of a sample: list of float32 arrays, in the order of `input_shapes`.

        Parameters
        ----------
        data : dataset_models.solar_data.SolarData
            Always the same one; not kept here, so that its memory is free as soon as nothing else refers to it.
        seconds : int
            Time of the sample since 1970.
        keep : bool
            Keep them for the next time.
        """
        arrays = self._kept.get(seconds)
        if arrays is not None:
            return arrays
        try:
            inputs = data.inputs(numpy.datetime64(seconds, "s"))
            arrays = [numpy.ascontiguousarray(inputs[name], "float32") for name in data.input_shapes]
        except Exception as error:
            self._failure = error
            raise
        size = sum(array.nbytes for array in arrays)
        with self._lock:
            if keep and seconds not in self._kept and self._size + size <= data.memory_budget:
                self._kept[seconds] = arrays
                self._size += size
        return arrays

    @contextlib.contextmanager
    def reporting(self):
        """Inside this block an error that a read met is raised as itself, not as what others made of it."""
        self._failure = None
        try:
            yield
        except Exception as error:
            if self._failure is not None:
                raise self._failure from error
            raise

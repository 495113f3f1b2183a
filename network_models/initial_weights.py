"""Initial weights and dropout of a network, all determined by one seed."""


class InitialWeights:
    """Initialisers and seeds of dropout, a different one at every call.

    Parameters
    ----------
    seed : int
        The same one gives the same initialisers in the same order.
    """

    def __init__(self, seed):
        self._seeds = iter(range(seed * 1000, seed * 1000 + 1000))

    def next_seed(self):
        """Return a seed that has not been used: int."""
        return next(self._seeds)

    def he_normal(self):
        """Make an initialiser of a kernel before a ReLU (He et al. 2015)."""
        import keras

        return keras.initializers.HeNormal(self.next_seed())

    def glorot_uniform(self):
        """Make an initialiser of a kernel without a ReLU behind it (Glorot & Bengio 2010)."""
        import keras

        return keras.initializers.GlorotUniform(self.next_seed())

    def near_zero(self):
        """Make an initialiser of a last kernel, N(0, 0.01): the untrained network returns little but its biases."""
        import keras

        return keras.initializers.RandomNormal(stddev=0.01, seed=self.next_seed())

"""t-SNE of tens of thousands of activations: scikit-learn against openTSNE, two dimensions, all processors.

    python benchmarks/tsne.py [--counts 1000 10000 50000]

Both reduce the same 50 principal components of clustered vectors from the same start with perplexity 30; trust is the
trustworthiness of the map (15 neighbours, 1,000 points), so that a faster map is seen not to be a worse one.
"""

import time

import numpy

from science.embedding import tsne
from tools import command_line
from tools.options import add_number

COUNTS = (1000, 10_000, 50_000)
REQUIRED = 1.0  # openTSNE is used from tsne.MANY samples on, and has to be the faster one there


def vectors(count, *, seed=0):
    """(count, 50): clusters on curved sheets, as activations of a network lie."""
    random = numpy.random.default_rng(seed)
    group = random.integers(0, 12, count)
    sheet = random.normal(size=(count, 4))
    spread = numpy.tanh(sheet @ random.normal(size=(4, 50))) + 0.1 * random.normal(size=(count, 50))
    return (spread + 3 * random.normal(size=(12, 50))[group]).astype("float32")


def timed(embed, points):
    """Seconds, and the trustworthiness of the map."""
    from sklearn.manifold import trustworthiness

    begun = time.perf_counter()
    positions = embed(points)
    seconds = time.perf_counter() - begun
    some = numpy.random.default_rng(1).permutation(len(points))[:1000]
    return seconds, trustworthiness(points[some], positions[some], n_neighbors=15)


def measure(counts=COUNTS):
    """Rows of benchmarks/benchmark_table.py."""
    rows = []
    for count in counts:
        points = vectors(count)
        theirs, trust = timed(lambda data: tsne.with_scikit_learn(data, 2, 30.0, 0), points)
        ours, own_trust = timed(lambda data: tsne.with_opentsne(data, 2, 30.0, 0), points)
        chosen = "openTSNE" if count >= tsne.MANY else "scikit-learn"
        print(f"{count} points: scikit-learn {theirs:.1f} s, trust {trust:.3f}; openTSNE {ours:.1f} s, trust {own_trust:.3f}; "
              f"the embedding takes {chosen}", flush=True)  # fmt: skip
        faster = ours < theirs
        rows.append(
            {
                "what": f"t-SNE of {count:,} vectors, s (openTSNE over scikit-learn)",
                "baseline": theirs,
                "ours": ours,
                "ratio": theirs / ours,
                "required": REQUIRED,
                "passed": faster == (chosen == "openTSNE"),
            }
        )
    return rows


def main(arguments=None):
    """Measure and print."""
    parser = command_line.parser(__doc__)
    add_number(
        parser, "--counts", int, nargs="+", least=1, most=1_000_000, default=COUNTS, metavar="N", help="how many vectors"
    )
    from benchmark_table import show

    show(measure(parser.parse_args(arguments).counts))


if __name__ == "__main__":
    command_line.run(main)

"""Packages of the four rooms, ranges of what they need, and extras."""

from setuptools import find_packages, setup

ROOMS = ["tools", "dataset_models", "network_models", "science"]

setup(
    name="solar-forecasting",
    version="0.1.0",
    description="Forecast X-ray flux and solar flares from images of the Sun with deep learning, and look inside the networks",
    license="BSD-3-Clause",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=[pattern for room in ROOMS for pattern in (room, room + ".*")]),
    # A range ends where something was seen to break, or where nothing has been tried yet and private members are used.
    install_requires=[
        "tensorflow>=2.21,<2.22",
        # Nodes and layers of graphs (_inbound_nodes, _outbound_nodes, _nodes_by_depth, _flatten_layers, _keras_history), an
        # optimizer's _get_variable_index, the sum of a model's losses (_aggregate_additional_loss), which workers replace, and
        # a layer's convolution_op, which convolutions on blocks replace.
        "keras>=3.15,<3.16",
        "numpy>=2,<3",
        "scipy>=1.14,<2",
        "astropy>=7,<9",
        "h5py>=3.12,<4",
        "pandas>=2.2,<4",
        "scikit-learn>=1.6,<2",
        "tf-keras-vis>=0.8.7,<0.9",
        "tensorboard>=2.20,<3",
        # Oracles are made durable in _save_trial, _retry_queue, _seed_state, _random_values, _duplicate, _tried_so_far and
        # others: in 1.4.7 and 1.4.8 they are the same.
        "keras-tuner>=1.4.7,<1.5",
        "openTSNE>=1.0.2,<2",
        "sunpy[map,timeseries]>=7,<8",
        # Its client's _json is replaced, and that one's _json_request, by requests of our own.
        "drms>=0.9,<0.10",
        # 0.11 renamed aiapy.calibrate.util, 0.12 selects by calibration version: all three are served. 0.11 needs Python 3.12.
        "aiapy>=0.10,<0.13",
        "matplotlib>=3.9,<4",
        "pillow>=11,<14",
        "requests>=2.32,<3",
        "tqdm>=4.66,<5",
        "PyYAML>=6,<7",
    ],
    extras_require={
        "dev": [
            "pytest>=8,<10",
            "pytest-timeout>=2.3,<3",
            "pytest-xdist>=3.6,<4",
            "hypothesis>=6.100,<7",
            "codespell>=2.4,<3",
            "ruff>=0.12,<1",
            "import-linter>=2.3,<3",
            "zarr>=3.1,<4",
            "distributed>=2026.1,<2027",
            "dask-jobqueue>=0.9,<0.10",
        ],
        # SDO-ML v2: zarr, and the object stores that hold it. s3fs is not among them: what it needs (botocore) refuses the
        # python-dateutil of constraints.txt; public buckets of S3 are read as https.
        "cloud": ["zarr>=3.1,<4", "fsspec>=2025.2,<2027", "aiohttp>=3.10,<4", "gcsfs>=2025.2,<2027"],
        "cluster": ["distributed>=2026.1,<2027", "dask-jobqueue>=0.9,<0.10"],
        "notebooks": ["jupytext>=1.16,<2"],
        "docs": [
            "sphinx>=9,<10",
            "myst-parser>=5.2,<6",
            "numpydoc>=1.11,<2",
            "sphinx-gallery>=0.22,<0.23",
            "pydata-sphinx-theme>=0.24,<0.25",
            "sphinx-design>=0.8,<0.9",
            "sphinx-copybutton>=0.5.2,<0.6",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "pytorch": ["torch>=2.6,<3", "captum>=0.9,<1"],
    },
)

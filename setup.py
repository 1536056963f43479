"""What the project needs, and in which versions; constraints.txt pins them."""
import setuptools

setuptools.setup(
    name='ssd-tensorflow',
    version='0.1.0',
    description='SSD (Single Shot MultiBox Detector) in TensorFlow, TF-Slim '
                'style.',
    license='Apache-2.0',
    python_requires='>=3.10,<3.14',
    packages=setuptools.find_packages(
        include=['common*', 'datasets*', 'detection*', 'engine*', 'nets*',
                 'preprocessing*']),
    package_data={'engine.evaluation': ['report.html.jinja']},
    py_modules=[
        'caffe_to_tensorflow', 'detect_ssd_network', 'eval_ssd_network',
        'inspect_data', 'tf_convert_data', 'train_ssd_network'],
    install_requires=[
        'absl-py>=2.0',
        'filelock>=3.12',
        'jinja2>=3.1',
        'matplotlib>=3.8',
        'numpy>=1.26,<3',
        'opencv-python-headless>=4.9,<5',  # 5 has no Caffe engine.
        'pillow>=11.3',
        'protobuf>=4.25,<8',
        'psutil>=5.9',
        'pyyaml>=6',
        'tensorflow>=2.16',
        'tf-slim==1.1.0',
        'tqdm>=4.60',
    ],
    extras_require={
        'heif': ['pillow-heif>=0.16'],
        'notebooks': ['jupyter>=1.0'],
        'dev': [
            'globox>=2.9', 'nbclient>=0.9', 'pytest>=8', 'pytest-xdist>=3',
            'ruff>=0.6'],
    },
)

"""MultiMNIST in four published variants, on real MNIST, Fashion-MNIST or one of each."""

from suites.multimnist.suite import MultiMNIST

__all__ = ["MultiMNIST"]

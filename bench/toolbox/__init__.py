"""Mathematics that several methods use: layers, proximal operators, spectra, bargaining, Gaussian processes.

Functions of tensors that know no method and no training. Plug-ins import them from `bench.api`.
"""

"""Mathematics that several methods use: layers, proximal operators, spectra, bargaining, Gaussian processes."""

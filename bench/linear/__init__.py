"""Linear models of many tasks, fitted to their minimum: another way to fit `single_task`, `hard` and `soft+constraint`.

    f(W) + R(W),  W (d, T), R a constraint of the registry with a prox, f squared or logistic loss

in float64, with rows of their own for every task, and a certificate of how close to the minimum the answer is.
"""

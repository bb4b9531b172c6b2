"""Linear models of many tasks, fitted to their minimum: another way to fit `single_task`, `hard` and `soft+constraint`.

    f(W) + R(W),  W (d, T), R a constraint of the registry with a prox, f squared or logistic loss

in float64, with rows of their own for every task, and a certificate of how close to the minimum the answer is.

`minimise` solves one problem, `choose` adds paths of strengths and cross-validation, `estimators` is the same
for scikit-learn. Runs of suites come in through `bench.training.full_batch`. `docs/linear.md` has the models.
"""

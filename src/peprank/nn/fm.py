"""The second-order term of a factorization machine."""

from __future__ import annotations

from torch import Tensor


def pair_products(vectors: Tensor) -> Tensor:
    """Sum of the products of all pairs of vectors: Σ_(i<j) v_i ⊗ v_j = ((Σ_i v_i)² - Σ_i v_i²) / 2.

    The sum over its columns is the factorization machine's Σ_(i<j) v_i · v_j.

    Source: Rendle, "Factorization Machines", ICDM 2010, lemma 3.1.

    Shapes: [B, M, D] -> [B, D].
    """
    return (vectors.sum(1).square() - vectors.square().sum(1)) / 2

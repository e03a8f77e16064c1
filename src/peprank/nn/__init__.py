"""Bricks that know no config: each one is its equation, usable in any PyTorch code."""

from peprank.nn.arena import Table
from peprank.nn.cin import CIN
from peprank.nn.cross import Cross, MatrixCross
from peprank.nn.dense_embedding import AutoDis
from peprank.nn.domain_extraction import DomainExtraction, Paths, Shares
from peprank.nn.domain_norm import PartitionedNorm
from peprank.nn.domains import ByDomain, PerDomain, per_domain
from peprank.nn.embedding import EmbeddingGroups, Field
from peprank.nn.epnet import EPNet
from peprank.nn.experts import Experts, Extraction, SoftmaxGate
from peprank.nn.fm import pair_products
from peprank.nn.gate import GateBank, GateNU
from peprank.nn.mlp import MLP
from peprank.nn.ppnet import PPNet
from peprank.nn.star import StarMLP
from peprank.nn.towers import Tower, Towers

__all__ = [
    "CIN",
    "MLP",
    "AutoDis",
    "ByDomain",
    "Cross",
    "DomainExtraction",
    "EPNet",
    "EmbeddingGroups",
    "Experts",
    "Extraction",
    "Field",
    "GateBank",
    "GateNU",
    "MatrixCross",
    "PPNet",
    "PartitionedNorm",
    "Paths",
    "PerDomain",
    "Shares",
    "SoftmaxGate",
    "StarMLP",
    "Table",
    "Tower",
    "Towers",
    "pair_products",
    "per_domain",
]

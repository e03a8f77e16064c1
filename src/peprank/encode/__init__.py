"""Rows to tensors: ids, numbers, domain, labels. Training files and live requests pass the same `Encoder`."""

from peprank.encode.encoder import Encoder, keys_of

__all__ = ["Encoder", "keys_of"]

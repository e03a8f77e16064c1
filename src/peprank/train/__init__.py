"""From a plan to trained weights: losses, optimisers, checkpoints and the loop that joins them."""

from peprank.train.checkpoint import Checkpoint, CheckpointStore
from peprank.train.listener import TrainListener, TrainResult
from peprank.train.loop import train

__all__ = ["Checkpoint", "CheckpointStore", "TrainListener", "TrainResult", "train"]

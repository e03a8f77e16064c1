"""From a plan to trained weights: losses, optimisers, checkpoints and the loop that joins them."""

from peprank.training.checkpoint import Checkpoint, CheckpointStore
from peprank.training.listener import Silent, TrainListener, TrainResult
from peprank.training.loop import train

__all__ = ["Checkpoint", "CheckpointStore", "Silent", "TrainListener", "TrainResult", "train"]

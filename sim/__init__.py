"""The predicted world: a discrete-event model of the cluster in SimPy."""

from sim.world import Prediction, predict, simulate

__all__ = ["Prediction", "predict", "simulate"]

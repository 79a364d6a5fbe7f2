"""The predicted world: a discrete-event model of the cluster in SimPy."""

from sim.prediction import Prediction, predict, predict_given
from sim.run import simulate
from sim.sweeping import simulate_variants, sweep
from sim.validation import validate

__all__ = ["Prediction", "predict", "predict_given", "simulate", "simulate_variants", "sweep", "validate"]

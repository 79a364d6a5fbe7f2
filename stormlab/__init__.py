"""Stormlab: predict what a WebSocket cluster does, measure what a real one does, and lay the two side by side.

    from stormlab import Scenario, compare, measure, predict

    scenario = Scenario.load("scenarios/failover.toml")
    compare(predict(scenario, replications=200), measure(scenario, runs=5)).plot()

These are the names of the front door. Each is loaded when it is first used, so that who only predicts loads nothing of
the live world. What is behind them: `twin` (what both worlds share), `sim` (the model), `live` (real processes).
"""

from typing import TYPE_CHECKING

from twin.lazy import loader

if TYPE_CHECKING:
    from live import calibrate, each, measure, ping_costs, run, trace, with_memory, with_polls, with_sessions
    from sim import Prediction, predict, predict_given, simulate, simulate_variants, sweep, validate
    from twin import (
        ClusterError,
        Comparison,
        HostError,
        HostProfile,
        LabError,
        Record,
        Scenario,
        ScenarioError,
        Validation,
        compare,
        findings,
    )
    from twin.glossary.lookup import glossary

_HOME = {
    "ClusterError": "twin",
    "Comparison": "twin",
    "HostError": "twin",
    "HostProfile": "twin",
    "LabError": "twin",
    "Prediction": "sim",
    "Record": "twin",
    "Scenario": "twin",
    "ScenarioError": "twin",
    "Validation": "twin",
    "calibrate": "live",
    "compare": "twin",
    "each": "live",
    "findings": "twin",
    "glossary": "twin.glossary.lookup",
    "measure": "live",
    "ping_costs": "live",
    "predict": "sim",
    "predict_given": "sim",
    "run": "live",
    "simulate": "sim",
    "simulate_variants": "sim",
    "sweep": "sim",
    "trace": "live",
    "validate": "sim",
    "with_memory": "live",
    "with_polls": "live",
    "with_sessions": "live",
}

__all__ = [
    "ClusterError",
    "Comparison",
    "HostError",
    "HostProfile",
    "LabError",
    "Prediction",
    "Record",
    "Scenario",
    "ScenarioError",
    "Validation",
    "calibrate",
    "compare",
    "each",
    "findings",
    "glossary",
    "measure",
    "ping_costs",
    "predict",
    "predict_given",
    "run",
    "simulate",
    "simulate_variants",
    "sweep",
    "trace",
    "validate",
    "with_memory",
    "with_polls",
    "with_sessions",
]


__getattr__ = loader(globals(), _HOME)

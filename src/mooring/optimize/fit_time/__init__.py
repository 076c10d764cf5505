"""How long one fit of a model takes: a prior for each family, and what was measured so far."""

from mooring.optimize.fit_time.families import Family, family_of
from mooring.optimize.fit_time.model import FitRecord, FitTime, FitTimes
from mooring.optimize.fit_time.trials import fit_record, fold_seconds

__all__ = ["Family", "FitRecord", "FitTime", "FitTimes", "family_of", "fit_record", "fold_seconds"]

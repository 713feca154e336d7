"""A trained model at work: a film in, marks on it out."""

from radmark.infer.predictor import Predictor as Predictor

"""A trained model at work: radiograph in, prediction in the radiograph's own frame out."""

from radmark.infer.predictor import Predictor as Predictor

"""The sandbox territory: scenes with exact truth, made from a seed."""

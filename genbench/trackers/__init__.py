"""Trackers, each of which sends results through the client library of an experiment tracker."""

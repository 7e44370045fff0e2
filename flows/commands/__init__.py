"""The commands of `swath`, a module for each thing a person wants."""

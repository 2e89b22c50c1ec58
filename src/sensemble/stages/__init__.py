"""Trainings in several stages: what they are (`plan`), and how they are run (`run`)."""

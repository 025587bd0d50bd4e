"""The loop and its parts: optimizers, schedules, averages, checkpoints, precision, distribution.

Knows the `Task` protocol and no task by name. Everything random in a run is a function of the seed
and the step, so that a run can stop and go on anywhere and end with the same bits.
"""

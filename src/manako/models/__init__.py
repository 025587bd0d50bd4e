"""Networks: pictures in, raw output out. `zoo` has every name in one table."""

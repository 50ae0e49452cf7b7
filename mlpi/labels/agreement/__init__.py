"""How far people who labeled the same agree: of a task, of a control, of pairs of people."""

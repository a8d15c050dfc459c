echo f > f; mkdir d e; echo a > d/a

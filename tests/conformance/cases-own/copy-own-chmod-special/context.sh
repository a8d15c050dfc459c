echo f > f; chmod 6751 f; mkdir -p d/e; chmod 7700 d/e; echo g > d/g; chmod 4640 d/g

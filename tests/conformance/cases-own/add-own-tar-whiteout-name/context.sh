mkdir q; echo 1 > q/.wh.a; echo 2 > q/b; tar -cf t.tar -C q .

tar -cf t1.tar -C dir x.txt; tar -cf t2.tar a.txt

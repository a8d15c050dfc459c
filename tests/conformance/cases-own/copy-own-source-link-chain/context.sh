ln -s l2 l1; ln -s l3 l2; ln -s a.txt l3

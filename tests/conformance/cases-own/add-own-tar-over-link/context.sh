tar -cf t.tar -C dir .

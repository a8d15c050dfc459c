mkdir -p a/b there; echo 1 > a/b/c; echo 2 > there/d; tar --owner=7 --group=8 --numeric-owner -cf t.tar a/b/c there/d; rm -r a there

mkdir -p dir/sub
for f in a.txt b.txt dir/x.txt dir/.hidden dir/sub/y.txt; do echo "$f" > "$f"; done
mkdir -p t/d; echo 1 > t/d/f; chmod 700 t/d; ln -s f t/d/l; ln t/d/f t/hard; chmod 4755 t/hard
tar --sort=name --owner=7 --group=8 --numeric-owner -cf x.tar -C t .; rm -r t
